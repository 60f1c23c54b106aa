//! Spells one by one on real traffic: the matrix, the longest, and histograms
//! of groups, against the figures that the same reports have of them.

mod support;

use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::lab::Lab;
use support::needs::need_root;
use support::server::Server;
use support::tool::{command, pause};
use support::traffic::{Amount, Dial, Ending, Sender};

/// Runs the tool while eight flows go through a tight router and end; returns
/// its lines of flows that go there (`-R`) or are there (`-L`), and of reports.
fn lines(name: &str, end: &str, arguments: &[&str]) -> Result<Vec<Value>> {
    let lab = Lab::new(name)?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let port = server.address().port().to_string();
    let mut tool = command()
        .args(["--format", "json", end, &port])
        .args(arguments)
        .arg("1")
        .stdout(Stdio::piped())
        .spawn()?;
    // Until it traces: flows whose beginnings it has not seen are right too.
    pause(Duration::from_millis(300));
    let dial = |at: usize| {
        let cc = if at.is_multiple_of(2) { "cubic" } else { "reno" };
        Dial::to(server.address()).congestion_control(cc)
    };
    let start = |at| Sender::start(&lab.client, &dial(at), Amount::UntilStopped);
    let senders = (0..8).map(start).collect::<Result<Vec<_>>>()?;
    pause(Duration::from_millis(2500));
    for sender in senders {
        sender.stop(Ending::Reset)?;
    }
    // The resets wait behind data in the router.
    pause(Duration::from_millis(100));
    interrupt(&tool)?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut tool.stdout.take().context("no stdout")?, &mut text)?;
    ensure!(tool.wait()?.success(), "it failed: {text}");
    text.lines().map(|line| serde_json::from_str(line).context("no JSON")).collect()
}

fn interrupt(tool: &Child) -> Result<()> {
    Ok(kill(Pid::from_raw(i32::try_from(tool.id())?), Signal::SIGINT)?)
}

fn number(line: &Value, name: &str) -> Result<u64> {
    line[name].as_u64().with_context(|| format!("no {name} in {line}"))
}

fn of_type<'l>(lines: &'l [Value], kind: &'l str) -> impl Iterator<Item = &'l Value> {
    lines.iter().filter(move |line| line["type"] == kind)
}

/// The sum over all reports of a figure of theirs.
fn in_all(lines: &[Value], name: &str) -> Result<u64> {
    of_type(lines, "report").map(|report| number(report, name)).sum()
}

const STATES: [&str; 5] = ["open", "disorder", "cwr", "recovery", "loss"];

#[test]
fn the_matrix_sums_to_the_changes_of_each_report() -> Result<()> {
    if !need_root("the_matrix_sums_to_the_changes_of_each_report") {
        return Ok(());
    }
    let lines = lines("matrix", "-R", &["--matrix", "--spells", "3"])?;
    let (mut sum, mut ended, mut all, mut spells) = (0, 0, 0, Vec::new());
    for line in &lines {
        match line["type"].as_str() {
            Some("matrix") => {
                for state in STATES {
                    sum += number(line, state)?;
                }
                ended += number(line, "ended")?;
            }
            Some("spell") => spells.push(number(line, "spell_ns")?),
            Some("report") => {
                ensure!(number(line, "entries_dropped")? == 0, "{line}");
                // A transition that no program saw is in neither.
                ensure!(sum == number(line, "changes")?, "{sum} in the matrix of {line}");
                ensure!(spells.len() <= 3 && spells.is_sorted_by(|a, b| a >= b), "{spells:?}");
                all += sum;
                (sum, spells) = (0, Vec::new());
            }
            _ => {}
        }
    }
    ensure!(all > 20 && ended == 8, "{all} changes, {ended} ends");
    Ok(())
}

#[test]
fn histograms_of_groups_have_every_spell_of_their_rows() -> Result<()> {
    if !need_root("histograms_of_groups_have_every_spell_of_their_rows") {
        return Ok(());
    }
    let lines = lines("groups", "-R", &["-d", "--by", "cc"])?;
    let mut by_cc = std::collections::BTreeMap::<String, u64>::new();
    for line in of_type(&lines, "histogram") {
        let cc = line["cc"].as_str().with_context(|| format!("no cc in {line}"))?;
        let buckets = line["spells"].as_array().context("no spells")?;
        for bucket in buckets {
            *by_cc.entry(cc.to_owned()).or_default() += number(bucket, "count")?;
        }
    }
    // Each transition ends a spell, one that was learned of only afterwards too, and
    // each of the eight ends does.
    let spells: u64 = by_cc.values().sum();
    let (changes, missed) = (in_all(&lines, "changes")?, in_all(&lines, "transitions_missed")?);
    ensure!(spells == changes + missed + 8, "{spells} spells, {changes} changes, {missed} missed");
    ensure!(by_cc.keys().eq(["cubic", "reno"]), "{by_cc:?}");
    Ok(())
}

#[test]
fn a_matrix_below_a_histogram_takes_nothing_from_it() -> Result<()> {
    if !need_root("a_matrix_below_a_histogram_takes_nothing_from_it") {
        return Ok(());
    }
    // The receiving ends, which send nothing and so never leave Open.
    let lines = lines("quiet", "-L", &["-d", "--matrix"])?;
    let mut spells = 0;
    for line in of_type(&lines, "histogram").filter(|line| line["state"] == "open") {
        for bucket in line["spells"].as_array().context("no spells")? {
            spells += number(bucket, "count")?;
        }
    }
    ensure!(spells == 8, "{spells} ended spells of eight connections");
    Ok(())
}

#[test]
fn a_filtered_histogram_has_the_spells_of_what_passes() -> Result<()> {
    if !need_root("a_filtered_histogram_has_the_spells_of_what_passes") {
        return Ok(());
    }
    let lines = lines("some", "-R", &["-d", "--cc", "reno"])?;
    let mut spells = 0;
    for line in of_type(&lines, "histogram") {
        for bucket in line["spells"].as_array().context("no spells")? {
            spells += number(bucket, "count")?;
        }
    }
    // What was missed may be of those that do not pass.
    let (changes, missed) = (in_all(&lines, "changes")?, in_all(&lines, "transitions_missed")?);
    let expected = changes + 4..=changes + 4 + missed;
    ensure!(expected.contains(&spells) && changes > 0, "{spells} spells, not {expected:?}");
    Ok(())
}
