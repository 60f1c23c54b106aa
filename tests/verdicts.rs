//! `tcpcong why` on paths of which it is known what holds their connections up: every case
//! of the demonstration, at both ends, with cubic, bbr and reno. Each case is also one in
//! which all other verdicts must stay silent. Writes the table of docs/why.md.
//! What netem makes of the same cases is in `kernels`.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::needs::need_root;
use support::tool::pause;
use support::watch::{Found, Watch};
use tcpcong::demo::cases::{CASES, Case, Running, next_number};

/// A watch lasts so long, seconds.
const SECONDS: u64 = 8;
/// A watch begins when slow start is over.
const SETTLED: Duration = Duration::from_millis(800);
/// So many cases at a time: each is a router in user space.
const AT_A_TIME: usize = 7;
/// What differs is run again twice, so many at a time.
const AGAIN: [usize; 2] = [2, 1];
const CONGESTION_CONTROLS: [&str; 3] = ["cubic", "bbr", "reno"];
/// Where the table goes; `make verdicts` takes it into docs/why.md.
const TABLE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/verdicts.md");

/// What was said of one case with one congestion control, at the near end and at the far one.
type Said = [Option<Value>; 2];

/// Watches these cases at the same time.
fn watched(cases: &[&'static Case], cc: &str) -> Result<Vec<Said>> {
    let start = |case: &&'static Case| Running::start(case, cc, next_number());
    let running = cases.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    pause(SETTLED);
    let found = Watch::start(SECONDS, &["--all"])?.found()?;
    let said = |running: &Running| -> Result<Said> {
        let (near, far) = (running.path().near().inode()?, running.path().far().inode()?);
        Ok([on(&found, near, running.near_endpoints()), on(&found, far, running.far_endpoints())])
    };
    running.iter().map(said).collect()
}

/// Of several connections of the same ends, one after the other, the last that was watched
/// for long enough.
fn on(
    Found(lines): &Found,
    netns: u64,
    (local, remote): (SocketAddrV4, SocketAddrV4),
) -> Option<Value> {
    let is = |line: &&Value, address: &str, port: &str, end: SocketAddrV4| {
        line[address] == end.ip().to_string() && line[port] == end.port()
    };
    let its = lines
        .iter()
        .filter(|line| line["netns"] == netns)
        .filter(|line| is(line, "laddr", "lport", local) && is(line, "raddr", "rport", remote));
    its.max_by_key(|line| (line["confidence"] != "low", line["watched_ns"].as_u64())).cloned()
}

/// What is wrong with what was said of the case.
fn wrong(case: &Case, cc: &str, said: &Said) -> Option<String> {
    let expected = case.expected(cc);
    let faults = expected.iter().zip(said).filter_map(|(expected, line)| {
        let verdict = line.as_ref().map_or("-", |line| line["verdict"].as_str().unwrap_or("?"));
        let relied_on = line.as_ref().is_none_or(|line| line["confidence"] != "low");
        let is_right = expected.split(" or ").any(|one| one == verdict) && relied_on;
        (!is_right).then(|| format!("{} with {cc}: not {expected}, but {line:?}", case.name))
    });
    let faults: Vec<_> = faults.collect();
    (!faults.is_empty()).then(|| faults.join("\n"))
}

#[test]
fn each_case_gets_its_verdict_at_both_ends_and_no_other() -> Result<()> {
    if !need_root("each_case_gets_its_verdict_at_both_ends_and_no_other") {
        return Ok(());
    }
    let mut table = BTreeMap::new();
    let mut faults = Vec::new();
    for cc in CONGESTION_CONTROLS {
        let cases: Vec<_> = CASES.iter().collect();
        let mut suspects = Vec::new();
        for cases in cases.chunks(AT_A_TIME) {
            for (case, said) in cases.iter().zip(watched(cases, cc)?) {
                if let Some(fault) = wrong(case, cc, &said) {
                    println!("once more: {fault}");
                    suspects.push(*case);
                }
                table.insert((case.name, cc), said);
            }
        }
        // What the machine was too busy for is right when there are fewer of them.
        for at_a_time in AGAIN {
            let again = std::mem::take(&mut suspects);
            for cases in again.chunks(at_a_time) {
                for (case, said) in cases.iter().zip(watched(cases, cc)?) {
                    let fault = wrong(case, cc, &said);
                    if let Some(fault) = &fault {
                        println!("and again: {fault}");
                        suspects.push(case);
                    }
                    table.insert((case.name, cc), said);
                }
            }
        }
        faults.extend(suspects.iter().map(|case| format!("{} with {cc}", case.name)));
    }
    fs::write(TABLE, written(&table)?)?;
    ensure!(faults.is_empty(), "other verdicts than expected: {}", faults.join(", "));
    Ok(())
}

/// The table as Markdown: each case at both ends, by congestion control.
fn written(table: &BTreeMap<(&str, &str), Said>) -> Result<String> {
    let mut text =
        "| case | end | cubic | bbr | reno |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for case in &CASES {
        for (index, end) in ["sends", "receives"].into_iter().enumerate() {
            write!(text, "| {} | {end} |", if index == 0 { case.makes } else { "" })?;
            for cc in CONGESTION_CONTROLS {
                let said = table.get(&(case.name, cc)).context("not run")?;
                write!(text, " {} |", cell(said[index].as_ref()))?;
            }
            writeln!(text)?;
        }
    }
    Ok(text)
}

fn cell(line: Option<&Value>) -> String {
    let Some(line) = line else { return "-".to_owned() };
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    match &*text("second") {
        "" => text("verdict"),
        second => format!("{}, and {second}", text("verdict")),
    }
}
