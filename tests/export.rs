//! Exports of recordings of real traffic: whatever the format, the spells of a connection
//! sum to the times that the tool shows of it. Not here: what these ought to be.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use support::needs::{need, need_root};
use support::scene::recorded;
use support::tool::command;
use tcpcong_core::model::sample::{Script, account, figures, start};
use tcpcong_core::model::{Entry, Figures, Losses, Start, State};
use tcpcong_core::recording::Recorder;
use tcpcong_core::session::{Plan, Session};
use tcpcong_core::sink::{Output as Outputs, Sink};
use tcpcong_core::source::{End, NoEnrichment, Reached, Source, TakeEntry, Wait};
use tempfile::TempDir;

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

/// A connection of 1,000 transitions a second, each of them made when it is asked for.
struct Busy {
    start: Start,
    now_ns: u64,
    ends_ns: u64,
    made: u64,
}

impl Busy {
    const EACH_NS: u64 = 1_000_000;

    fn new(transitions: u64) -> Self {
        let start = start(5_000_000_000);
        let now_ns = start.at_ns;
        Self { start, now_ns, ends_ns: now_ns + (transitions + 1) * Self::EACH_NS, made: 0 }
    }

    fn entry(&self) -> Option<Entry> {
        let (socket, round) = (u16::try_from(1 + self.made % 20).ok()?, self.made / 20);
        let at_ns = self.start.at_ns + self.made * Self::EACH_NS;
        let script = match (round, round % 2) {
            (0, _) => Script::default().birth(socket, at_ns),
            (_, 1) => Script::default().transition(socket, at_ns, State::Open, State::Recovery),
            _ => Script::default().transition(socket, at_ns, State::Recovery, State::Open),
        };
        let delivered = u32::try_from(self.made).ok()?;
        let cwnd = 10 + delivered % 7;
        let figures =
            Figures { account: account([0; 3], delivered, 0).account, ..figures(cwnd, 0, false) };
        script.with(figures).entries.pop()
    }
}

impl Source for Busy {
    fn start(&self) -> &Start {
        &self.start
    }

    fn next(&mut self, wait: Wait, take: TakeEntry<'_>) -> Result<Reached> {
        let longest_ns = self.now_ns + 1_000_000_000;
        self.now_ns = wait.until_ns.unwrap_or(u64::MAX).min(longest_ns).min(self.ends_ns);
        while let Some(entry) = self.entry().filter(|entry| entry.at_ns < self.now_ns) {
            take(entry);
            self.made += 1;
        }
        let end = (self.now_ns == self.ends_ns).then_some(End::Exhausted);
        Ok(Reached { until_ns: self.now_ns, not_before_ns: 0, end })
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        self.start.at + SignedDuration::from_nanos((at_ns - self.start.at_ns).cast_signed())
    }

    fn losses(&mut self) -> Result<(Losses, usize)> {
        Ok((Losses::default(), 0))
    }
}

/// A recording of so many transitions, the first 20 of which are births.
fn long_recording(to: &Path, transitions: u64) -> Result<()> {
    struct Nothing;
    impl Sink for Nothing {}
    let recorder = Recorder::new(Box::new(fs::File::create(to)?), 4_000_000)?;
    let mut busy = Busy::new(transitions);
    let session = Session {
        source: &mut recorder.source(&mut busy),
        enrichment: &mut NoEnrichment,
        sink: &mut Nothing,
        out: Outputs { data: &mut std::io::sink(), remarks: &mut std::io::sink() },
        backlog: &(),
    };
    session.run(&Plan { interval: Some(Duration::from_secs(1)), ..Plan::default() })?;
    recorder.finish()?;
    Ok(())
}

/// The most memory that an export has had resident, kB, and how many lines it has written.
fn peak_kb(recording: &Path) -> Result<(u64, usize)> {
    let mut tool = command()
        .arg("export")
        .arg(recording)
        .args(["--csv", "-", "--perfetto", "/dev/null", "--force"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let status = PathBuf::from(format!("/proc/{}/status", tool.id()));
    let mut lines = BufReader::new(tool.stdout.take().context("no stdout")?);
    let (mut peak_kb, mut count, mut line) = (0, 0, String::new());
    while lines.read_line(&mut line)? > 0 {
        count += 1;
        line.clear();
        if count % 1000 == 0 {
            let text = fs::read_to_string(&status)?;
            let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            // It has none any more where it has just ended.
            let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
            peak_kb = peak.map_or(Ok(peak_kb), str::parse)?;
        }
    }
    ensure!(tool.wait()?.success(), "it failed");
    Ok((peak_kb, count))
}

#[test]
fn memory_does_not_grow_with_the_recording() -> Result<()> {
    let folder = TempDir::new()?;
    let file = folder.path().join("long.jsonl.zst");
    let mut peaks = Vec::new();
    for transitions in [10_000, 60_000] {
        long_recording(&file, transitions)?;
        let (peak_kb, lines) = peak_kb(&file)?;
        // Names, a spell for each transition, and those that go on.
        ensure!(lines as u64 == 1 + transitions + 1, "{lines} lines of {transitions}");
        peaks.push(peak_kb);
    }
    let [short, long] = peaks[..] else { anyhow::bail!("{peaks:?}") };
    // All of it in memory would be twenty times that.
    ensure!(long < short + 2048, "{short} kB, then {long} kB");
    Ok(())
}

#[test]
fn what_cannot_be_exported_is_said_in_one_line_and_nothing_is_written() -> Result<()> {
    let folder = TempDir::new()?;
    let path = |name: &str| folder.path().join(name);
    long_recording(&path("a.jsonl.zst"), 100)?;
    fs::write(path("none.jsonl.zst"), "no recording")?;
    fs::write(path("there.csv"), "something")?;
    let a = "a.jsonl.zst";
    for (arguments, words) in [
        (&[a][..], "export: to what? --perfetto FILE, --csv FILE or --csv-samples FILE"),
        (&["missing.jsonl.zst", "--csv", "b.csv"], "missing.jsonl.zst: No such file"),
        (&["none.jsonl.zst", "--csv", "b.csv"], "not a recording"),
        (&[a, "--csv", "there.csv"], "take another name, or --force"),
        (&[a, "--csv", a, "--force"], "it is the recording"),
        (&[a, "--csv", "-", "--perfetto", "-"], "one file for two outputs"),
        (&[a, "--csv", "-", "--state", "loss"], "--state: not with export"),
        (&[a, "--csv", "-", "--min-changes", "1"], "--min-changes: not with export"),
        (&[a, "--csv", "nowhere/b.csv"], "nowhere/b.csv: No such file"),
    ] {
        let output = export(folder.path(), arguments)?;
        let said = said(&output);
        ensure!(output.status.code() == Some(2), "{arguments:?}: {output:?}");
        ensure!(said.lines().count() == 1 && said.contains(words), "{arguments:?}: {said}");
        ensure!(output.stdout.is_empty() && !path("b.csv").exists(), "{arguments:?}");
    }
    ensure!(fs::read(path("there.csv"))? == b"something", "it was written over");
    let forced = export(folder.path(), &[a, "--csv", "there.csv", "--force"])?;
    ensure!(forced.status.success(), "{forced:?}");
    ensure!(fs::read(path("there.csv"))?.starts_with(b"flow,time,"), "{forced:?}");
    Ok(())
}

#[test]
fn a_reader_that_goes_away_ends_what_is_for_it_alone() -> Result<()> {
    let folder = TempDir::new()?;
    long_recording(&folder.path().join("a.jsonl.zst"), 20_000)?;
    let run = |arguments: &[&str]| -> Result<Output> {
        let mut tool = command()
            .args(["export", "a.jsonl.zst"])
            .args(arguments)
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(tool.stdout.take());
        Ok(tool.wait_with_output()?)
    };
    let ended = run(&["--csv", "-"])?;
    ensure!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    let went_on = run(&["--csv", "a.csv"])?;
    ensure!(
        went_on.status.success() && said(&went_on).contains("exported 20001 spells"),
        "{went_on:?}"
    );
    let mut lines = String::new();
    fs::File::open(folder.path().join("a.csv"))?.read_to_string(&mut lines)?;
    ensure!(lines.lines().count() == 20_002, "{} lines", lines.lines().count());
    Ok(())
}
