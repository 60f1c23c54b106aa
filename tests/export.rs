//! Exports of recordings of real traffic: whatever the format, the spells of a connection
//! sum to the times that the tool shows of it. Not here: what these ought to be.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::needs::{need, need_root};
use support::scene::recorded;
use support::tool::command;

const STATES: [&str; 5] = ["open", "disorder", "cwr", "recovery", "loss"];

/// How a zstd frame begins.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A connection: its ends, as `10.1.0.1:40000 → 10.2.0.1:443`, its network namespace and
/// its socket's cookie.
type Key = (String, u64, u64);
/// Time in each state, nanoseconds, Open first.
type Times = [u64; 5];

/// The router passes, is silent for long enough for timeouts to be repeated, and passes,
/// milliseconds.
const PHASES: [u64; 3] = [700, 1200, 2400];

fn export(folder: &Path, arguments: &[&str]) -> Result<Output> {
    Ok(command().arg("export").args(arguments).current_dir(folder).output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn key(ends: String, netns: &Value, cookie: &Value) -> Result<Key> {
    let number = |value: &Value| value.as_u64().context("no number");
    Ok((ends, number(netns)?, number(cookie)?))
}

/// What the tool itself shows of a recording: of each connection its times, how often it
/// changed, and how often a timeout was repeated.
fn shown(folder: &Path, file: &str) -> Result<BTreeMap<Key, (Times, u64, u64)>> {
    let arguments = ["--from", file, "--all", "--format", "json"];
    let output = command().args(arguments).current_dir(folder).output()?;
    ensure!(output.status.success(), "{output:?}");
    let mut flows = BTreeMap::new();
    for line in str::from_utf8(&output.stdout)?.lines() {
        let flow: Value = serde_json::from_str(line)?;
        if flow["type"] != "flow" {
            continue;
        }
        let text = |key: &str| flow[key].as_str().map(str::to_owned).context("no text");
        let ends =
            format!("{}:{} → {}:{}", text("laddr")?, flow["lport"], text("raddr")?, flow["rport"]);
        let count = |key: &str| flow[key].as_u64().with_context(|| format!("no {key}"));
        let mut times = [0; 5];
        for (time, state) in times.iter_mut().zip(STATES) {
            *time = count(&format!("{state}_ns"))?;
        }
        let of_flow = (times, count("changes")?, count("repeated_rtos")?);
        let former = flows.insert(key(ends, &flow["netns"], &flow["cookie"])?, of_flow);
        ensure!(former.is_none(), "two flows of one key: {flow}");
    }
    Ok(flows)
}

/// A trace, as the classes of Perfetto's own package read it.
fn perfetto(trace: &Path) -> Result<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("target/python/bin/python"))
        .arg(root.join("tests/export/pftrace.py"))
        .arg(trace)
        .output()?;
    ensure!(output.status.success(), "{}", said(&output));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn has_python(test: &str) -> bool {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let has = Command::new(python).args(["-c", "import perfetto"]).output();
    let has = has.is_ok_and(|output| output.status.success());
    need(test, has, "the Python packages that `scripts/setup.sh test` installs")
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The same of a trace: of each flow's track its slices' times, how often one follows
/// another, and its instants.
fn of_trace(trace: &Value) -> Result<BTreeMap<Key, (Times, u64, u64)>> {
    let mut flows = BTreeMap::new();
    for track in list(trace, "tracks") {
        let Some(key) = flow_of(track)? else { continue };
        let (mut times, mut last) = ([0; 5], None);
        for slice in list(track, "slices") {
            let at = |key: &str| slice[key].as_u64().context("no instant");
            ensure!(last.is_none_or(|last| at("from").is_ok_and(|from| from == last)), "{track}");
            last = Some(at("to")?);
            let state = STATES.iter().position(|state| slice["name"] == *state);
            times[state.with_context(|| slice.to_string())?] += at("to")? - at("from")?;
        }
        let ended_by = |slice: &&Value| slice["notes"]["ended_by"] == "transition";
        let changes = list(track, "slices").iter().filter(ended_by).count() as u64;
        let instants = list(track, "instants");
        ensure!(instants.iter().all(|instant| instant["name"] == "repeated RTO"), "{track}");
        let former = flows.insert(key, (times, changes, instants.len() as u64));
        ensure!(former.is_none(), "two tracks of one flow: {track}");
    }
    Ok(flows)
}

/// Which flow's track it is, if it is one's.
fn flow_of(track: &Value) -> Result<Option<Key>> {
    let name = track["name"].as_str().context("no name")?;
    if !name.contains('→') {
        return Ok(None);
    }
    let ends = name.rsplit_once(' ').context("no congestion control")?.0;
    let description = track["description"].as_str().context("no description")?;
    let number = |before: &str| -> Result<Value> {
        let (_, text) = description.split_once(before).context("no number")?;
        let digits = text.split(|letter: char| !letter.is_ascii_digit()).next();
        Ok(serde_json::from_str(digits.unwrap_or_default())?)
    };
    let (netns, cookie) = (number("network namespace ")?, number("socket cookie ")?);
    Ok(Some(key(ends.to_owned(), &netns, &cookie)?))
}

/// The same of comma-separated values, by the names of their columns. Whose a flow is may be
/// known later: its last line tells.
fn of_csv(text: &[u8]) -> Result<BTreeMap<Key, (Times, u64)>> {
    let mut flows: BTreeMap<u64, (Option<Key>, Times, u64)> = BTreeMap::new();
    for line in csv::Reader::from_reader(text).deserialize() {
        let line: BTreeMap<String, String> = line?;
        let number = |key: &str| -> Result<u64> { Ok(line[key].parse()?) };
        let (key, times, changes) = flows.entry(number("flow")?).or_default();
        let ends =
            format!("{}:{} → {}:{}", line["laddr"], line["lport"], line["raddr"], line["rport"]);
        if let Ok(cookie) = number("cookie") {
            *key = Some((ends, number("netns")?, cookie));
        }
        let state = STATES.iter().position(|state| line["state"] == *state);
        ensure!(number("to_ns")? - number("from_ns")? == number("spell_ns")?, "{line:?}");
        times[state.context("no state")?] += number("spell_ns")?;
        *changes += u64::from(line["ended_by"] == "transition");
    }
    let keyed = |(key, times, changes): (Option<Key>, Times, u64)| {
        Ok((key.context("no cookie")?, (times, changes)))
    };
    flows.into_values().map(keyed).collect()
}

#[test]
fn spells_sum_to_the_times_that_the_tool_shows_to_the_nanosecond() -> Result<()> {
    let test = "spells_sum_to_the_times_that_the_tool_shows_to_the_nanosecond";
    if !need_root(test) || !has_python(test) {
        return Ok(());
    }
    let folder = recorded("export", PHASES)?;
    let files = ["--perfetto", "a.pftrace", "--csv", "a.csv", "--csv-samples", "samples.csv"];
    let exported = export(folder.path(), &[&["a.jsonl.zst"], &files[..]].concat())?;
    ensure!(exported.status.success() && exported.stdout.is_empty(), "{exported:?}");
    ensure!(said(&exported).contains("exported"), "{exported:?}");
    let expected = shown(folder.path(), "a.jsonl.zst")?;
    ensure!(expected.values().any(|(times, ..)| times[3] > 0 && times[4] > 0), "{expected:?}");
    ensure!(expected.values().any(|(.., repeated)| *repeated > 0), "{expected:?}");

    let trace = perfetto(&folder.path().join("a.pftrace"))?;
    same(&of_trace(&trace)?, &expected)?;
    let lines = of_csv(&fs::read(folder.path().join("a.csv"))?)?;
    let without_repeated = expected.iter().map(|(key, flow)| (key.clone(), (flow.0, flow.1)));
    same(&lines, &without_repeated.collect())?;

    causes_and_counters_are_there(&trace, &folder.path().join("samples.csv"))?;
    let one = export(folder.path(), &["a.jsonl.zst", "--perfetto", "-"])?;
    ensure!(one.stdout == fs::read(folder.path().join("a.pftrace"))?, "another on stdout");
    // Another time, and only some of it.
    let some = export(folder.path(), &["a.jsonl.zst", "--csv", "-", "--cc", "reno"])?;
    ensure!(of_csv(&some.stdout)?.len() == 2, "{some:?}");
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(
    exported: &BTreeMap<Key, T>,
    expected: &BTreeMap<Key, T>,
) -> Result<()> {
    for (key, flow) in expected {
        let exported = exported.get(key);
        ensure!(exported == Some(flow), "{key:?}: {exported:?}, and not {flow:?}");
    }
    ensure!(exported.len() == expected.len(), "more than there are: {exported:#?}");
    Ok(())
}

/// What a trace shows beside the spells of the connections that this test has made.
fn causes_and_counters_are_there(trace: &Value, samples: &Path) -> Result<()> {
    let comm = fs::read_to_string("/proc/self/comm")?;
    let own = format!("{} {}", comm.trim(), std::process::id());
    let tracks = list(trace, "tracks").iter().filter(|track| track["parent"] == *own);
    // A server's end sends nothing, so it has no transition, and its window stays what it was.
    let is_sender = |track: &&Value| {
        list(track, "slices").iter().any(|slice| slice["notes"]["beginning"] == "transition")
    };
    let senders: Vec<_> = tracks.filter(is_sender).collect();
    ensure!(senders.len() == 5, "{} of them", senders.len());
    for track in &senders {
        for slice in list(track, "slices") {
            let notes = &slice["notes"];
            let has_cause = notes["cause"].is_string() && notes["cwnd_after"].is_u64();
            ensure!(has_cause == (notes["beginning"] == "transition"), "{slice}");
        }
        for counter in ["cwnd", "ssthresh", "delivery rate"] {
            ensure!(list(&track["counters"], counter).len() > 2, "{counter}: {track}");
        }
    }
    let ongoing = |track: &&&Value| {
        list(track, "slices").last().is_some_and(|last| last["notes"]["ended_by"] == "ongoing")
    };
    ensure!(senders.iter().filter(ongoing).count() == 1, "one goes on at the end");
    // All that the socket's window was, and no more, is what the counter shows.
    let mut windows: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for line in csv::Reader::from_path(samples)?.deserialize() {
        let line: BTreeMap<String, String> = line?;
        let windows = windows.entry(format!("{}:{} ", line["laddr"], line["lport"])).or_default();
        let (at, cwnd) = (line["at_ns"].parse()?, line["cwnd"].parse()?);
        if windows.last().is_none_or(|(_, last)| *last != cwnd) {
            windows.push((at, cwnd));
        }
    }
    for track in senders {
        let name = track["name"].as_str().context("no name")?;
        let (_, expected) =
            windows.iter().find(|(ends, _)| name.starts_with(*ends)).context("no samples")?;
        let shown: Vec<(u64, u64)> = serde_json::from_value(track["counters"]["cwnd"].clone())?;
        ensure!(shown.starts_with(expected), "{name}: {shown:?}, and not {expected:?}");
        // After the connection's end it is 0.
        let rest = &shown[expected.len()..];
        ensure!(rest.iter().all(|(_, cwnd)| *cwnd == 0), "{name}: {rest:?}");
    }
    Ok(())
}

#[test]
fn of_a_recording_that_is_damaged_or_cut_off_what_is_there_is_exported_and_that_is_said()
-> Result<()> {
    let test =
        "of_a_recording_that_is_damaged_or_cut_off_what_is_there_is_exported_and_that_is_said";
    if !need_root(test) || !has_python(test) {
        return Ok(());
    }
    let folder = recorded("damaged", PHASES)?;
    let whole = fs::read(folder.path().join("a.jsonl.zst"))?;
    // A frame that is neither among the first two, which have the first survey, nor the last.
    let frames = whole.windows(4).enumerate().filter(|(_, four)| *four == MAGIC);
    let frames: Vec<_> = frames.map(|(at, _)| at).collect();
    ensure!(frames.len() >= 4, "only {} frames", frames.len());
    let mut damaged = whole.clone();
    let frame = frames[frames.len() / 2] + 24;
    damaged[frame..frame + 16].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(folder.path().join("damaged.jsonl.zst"), damaged)?;
    fs::write(folder.path().join("cut.jsonl.zst"), &whole[..whole.len() - 9])?;
    for (name, words, has_gap) in
        [("damaged", "bytes are damaged", true), ("cut", "cut off", false)]
    {
        let (file, trace) = (format!("{name}.jsonl.zst"), format!("{name}.pftrace"));
        let exported = export(folder.path(), &[&file, "--perfetto", &trace, "--csv", "-"])?;
        ensure!(exported.status.success() && said(&exported).contains(words), "{exported:?}");
        let expected = shown(folder.path(), &file)?;
        let trace = perfetto(&folder.path().join(trace))?;
        same(&of_trace(&trace)?, &expected)?;
        let times = expected.iter().map(|(key, flow)| (key.clone(), (flow.0, flow.1)));
        same(&of_csv(&exported.stdout)?, &times.collect())?;
        let trust = list(&trace, "tracks").iter().find(|track| {
            track["name"].as_str().is_some_and(|name| name.contains("how far to trust it"))
        });
        let trust = trust.context("no such track")?;
        ensure!(list(trust, "slices").is_empty() != has_gap, "{name}: {trust}");
        let last = list(trust, "instants").last().context("nothing at the end")?;
        let line = last["notes"]["trust"].as_str().context("no text")?;
        ensure!(said(&exported).contains(line), "{line}: {exported:?}");
    }
    Ok(())
}
