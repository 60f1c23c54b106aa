//! Exports of a long recording that is made up: what memory they take, what is refused, and
//! readers that go away. Not here: what is in them.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use support::tool::command;
use tcpcong_core::model::sample::{Script, account, figures, start};
use tcpcong_core::model::{Entry, Figures, Losses, Start, State};
use tcpcong_core::recording::Recorder;
use tcpcong_core::session::{Plan, Session};
use tcpcong_core::sink::{Output as Outputs, Sink};
use tcpcong_core::source::{End, NoEnrichment, Reached, Source, TakeEntry, Wait};
use tempfile::TempDir;

fn export(folder: &Path, arguments: &[&str]) -> Result<Output> {
    Ok(command().arg("export").args(arguments).current_dir(folder).output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
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
