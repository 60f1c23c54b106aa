//! A reader that is slow, or does not read at all, and storms of transitions: nothing is
//! lost that there is room for, and the rest is counted. Not how fast any of it is.

mod support;

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::instance::Instance;
use support::needs::need_root;
use support::storm::{PORT, Storm};
use support::tool::command;

const SECOND: Duration = Duration::from_secs(1);
const EVENT: &str = "tcp/tcp_cong_state_set";

/// One storm at a time.
static SKY: Mutex<()> = Mutex::new(());

/// A storm, and how many transitions the kernel itself counts.
struct Weather {
    storm: Storm,
    counter: Instance,
    /// How many there were when the tool traced, and before it was started.
    before: (u64, u64),
    _alone: MutexGuard<'static, ()>,
}

/// How many transitions there were, as far as it is known when the tool began.
#[derive(Clone, Copy, Debug)]
struct Happened {
    least: u64,
    most: u64,
}

impl Weather {
    fn new(name: &str) -> Result<Self> {
        let alone = SKY.lock().unwrap_or_else(PoisonError::into_inner);
        let mut storm = Storm::brew(name)?;
        storm.rest(SECOND / 5)?;
        let counter = Instance::new()?;
        counter.filter(EVENT, &format!("dport == {PORT}"))?;
        counter.start(&[EVENT])?;
        Ok(Self { storm, counter, before: (0, 0), _alone: alone })
    }

    /// Starts the tool, and notes how many there were before and after that: some may come
    /// while it starts.
    fn watch(&mut self, arguments: &[&str], bytes_per_second: Option<usize>) -> Result<Watched> {
        self.before.1 = self.counter.recorded()?;
        let tool = Watched::start(arguments, bytes_per_second)?;
        self.before.0 = self.counter.recorded()?;
        Ok(tool)
    }

    /// Has it rage; returns how many transitions there were since the tool was started.
    fn rage(&mut self, per_second: u64, time: Duration) -> Result<Happened> {
        let before = self.counter.recorded()?;
        let begin = Instant::now();
        self.storm.rage(per_second, time)?;
        // Whatever it was in, it goes on in Open.
        self.storm.rest(SECOND / 2)?;
        let after = self.counter.recorded()?;
        let happened = after - before;
        let raged = begin.elapsed().saturating_sub(SECOND / 2);
        let rate = happened as f64 / raged.as_secs_f64();
        println!("{happened} transitions, {rate:.0} a second");
        Ok(Happened { least: after - self.before.0, most: after - self.before.1 })
    }
}

/// The tool, with whatever reads it.
struct Watched {
    child: Child,
    reading: JoinHandle<Result<Vec<String>>>,
    remarks: JoinHandle<Result<String>>,
}

impl Watched {
    /// Reads at most so many bytes a second.
    fn start(arguments: &[&str], bytes_per_second: Option<usize>) -> Result<Self> {
        let port = PORT.to_string();
        let mut child = command()
            .args(arguments)
            .args(["-R", &port])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::with_capacity(1024, child.stdout.take().context("no stdout")?);
        let mut stderr = child.stderr.take().context("no stderr")?;
        // It traces from its first line on.
        let mut first = String::new();
        stdout.read_line(&mut first)?;
        let reading = thread::spawn(move || read_slowly(stdout, first, bytes_per_second));
        let remarks = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text)?;
            Ok(text)
        });
        Ok(Self { child, reading, remarks })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }

    /// Waits for its end: what it printed, and what it said.
    fn ended(mut self) -> Result<(Vec<String>, String)> {
        let panicked = |_| anyhow!("a reader panicked");
        let lines = self.reading.join().map_err(panicked)??;
        let remarks = self.remarks.join().map_err(panicked)??;
        let status = self.child.wait()?;
        ensure!(status.success(), "{status}: {remarks}");
        Ok((lines, remarks))
    }
}

fn read_slowly(
    mut stdout: BufReader<ChildStdout>,
    first: String,
    bytes_per_second: Option<usize>,
) -> Result<Vec<String>> {
    let mut text = first.into_bytes();
    match bytes_per_second {
        None => drop(stdout.read_to_end(&mut text)?),
        Some(most) => {
            let mut piece = vec![0; most / 10];
            loop {
                let read = stdout.read(&mut piece)?;
                if read == 0 {
                    break;
                }
                text.extend(&piece[..read]);
                thread::sleep(SECOND / 10);
            }
        }
    }
    Ok(String::from_utf8(text)?.lines().map(str::to_owned).collect())
}

fn json(lines: &[String]) -> Result<Vec<Value>> {
    lines.iter().map(|line| serde_json::from_str(line).with_context(|| line.clone())).collect()
}

fn number(line: &Value, name: &str) -> Result<u64> {
    line[name].as_u64().with_context(|| format!("no {name} in {line}"))
}

/// What the reports have of it: nothing was lost, and the times of each row are whole.
#[derive(Debug, Default)]
struct Seen {
    changes: u64,
    /// The machine hides events from every BPF program while a thread of PID 1 runs: the tool
    /// finds that out, and says so.
    missed: u64,
}

impl Seen {
    fn of(lines: &[Value]) -> Result<Self> {
        let mut seen = Self::default();
        for line in lines {
            if line["type"] == "flow" {
                let times = ["open_ns", "disorder_ns", "cwr_ns", "recovery_ns", "loss_ns"];
                let times = times.map(|name| number(line, name));
                let sum = times.into_iter().sum::<Result<u64>>()?;
                ensure!(sum == number(line, "interval_ns")?, "{line}");
            } else if line["type"] == "report" {
                ensure!(number(line, "entries_dropped")? == 0, "{line}");
                seen.changes += number(line, "changes")? + number(line, "repeated_rtos")?;
                seen.missed += number(line, "transitions_missed")?;
            }
        }
        Ok(seen)
    }

    /// Each that the tool has missed may stand for two: there and back.
    fn is_all(&self, happened: Happened) -> Result<()> {
        let Self { changes, missed } = *self;
        if missed > 0 {
            println!("{missed} transitions were hidden from the tool");
        }
        let Happened { least, most } = happened;
        ensure!(changes <= most && least <= changes + 2 * missed, "{self:?}, {happened:?}");
        Ok(())
    }
}

#[test]
fn a_storm_of_transitions_is_counted_to_the_last_one() -> Result<()> {
    if !need_root("a_storm_of_transitions_is_counted_to_the_last_one") {
        return Ok(());
    }
    let mut weather = Weather::new("rate")?;
    let tool = weather.watch(&["--format", "json", "1"], None)?;
    // As fast as this machine can, up to 100,000 and more a second.
    let happened = weather.rage(160_000, 10 * SECOND)?;
    tool.signal(Signal::SIGINT)?;
    let (lines, _) = tool.ended()?;
    Seen::of(&json(&lines)?)?.is_all(happened)
}

#[test]
fn what_happens_while_the_tool_is_stopped_is_all_counted_afterwards() -> Result<()> {
    if !need_root("what_happens_while_the_tool_is_stopped_is_all_counted_afterwards") {
        return Ok(());
    }
    let mut weather = Weather::new("stop")?;
    let tool = weather.watch(&["--format", "json", "1"], None)?;
    tool.signal(Signal::SIGSTOP)?;
    let happened = weather.rage(12_000, 5 * SECOND)?;
    tool.signal(Signal::SIGCONT)?;
    tool.signal(Signal::SIGINT)?;
    let (lines, _) = tool.ended()?;
    Seen::of(&json(&lines)?)?.is_all(happened)
}

#[test]
fn a_reader_of_ten_kilobytes_a_second_gets_every_transition_of_the_table() -> Result<()> {
    if !need_root("a_reader_of_ten_kilobytes_a_second_gets_every_transition_of_the_table") {
        return Ok(());
    }
    let mut weather = Weather::new("slow")?;
    let tool = weather.watch(&["--format", "json", "0.1"], Some(10_000))?;
    let happened = weather.rage(6_000, 5 * SECOND)?;
    tool.signal(Signal::SIGINT)?;
    let (lines, remarks) = tool.ended()?;
    // Who reads so slowly may not get the last lines; what it gets is whole.
    let lines = json(&lines)?;
    let seen = Seen::of(&lines)?;
    let all_written = !remarks.contains("were not written");
    println!("{seen:?} of {happened:?} in {} lines; all written: {all_written}", lines.len());
    if all_written { seen.is_all(happened) } else { Ok(()) }
}

#[test]
fn a_slow_reader_of_trace_misses_nothing_while_there_is_memory() -> Result<()> {
    if !need_root("a_slow_reader_of_trace_misses_nothing_while_there_is_memory") {
        return Ok(());
    }
    let mut weather = Weather::new("trace")?;
    let arguments = ["trace", "--format", "json", "-o", "from,to"];
    let tool = weather.watch(&arguments, Some(10_000))?;
    let happened = weather.rage(6_000, 5 * SECOND)?;
    tool.signal(Signal::SIGTERM)?;
    let (lines, remarks) = tool.ended()?;
    println!("{} lines read: {remarks}", lines.len());
    let unwritten = remarks
        .split_once("too slow: ")
        .and_then(|(_, rest)| rest.split_once(" lines"))
        .map_or(Ok(0), |(count, _)| count.parse::<u64>())?;
    ensure!(unwritten > 0, "all was written: {remarks}");
    // The first line and the last are about the run.
    let told = lines.len() as u64 + unwritten - 2;
    // What the machine hid from it is in the last line, which may not have been written.
    let hidden_most = happened.least / 500;
    ensure!(
        told <= happened.most && happened.least <= told + hidden_most,
        "{} lines and {unwritten}, not {happened:?}",
        lines.len()
    );
    Ok(())
}

#[test]
fn what_there_is_no_room_for_is_a_gap_in_every_format_and_then_all_is_right_again() -> Result<()> {
    let test = "what_there_is_no_room_for_is_a_gap_in_every_format_and_then_all_is_right_again";
    if !need_root(test) {
        return Ok(());
    }
    let mut weather = Weather::new("gap")?;
    let start =
        |arguments: &[&str]| Watched::start(&[arguments, &["--buffer", "64K"]].concat(), None);
    let tools = [
        start(&["--format", "json", "--all", "1"])?,
        start(&["trace", "--format", "json"])?,
        start(&["1"])?,
        start(&["--format", "csv", "1"])?,
    ];
    for tool in &tools {
        tool.signal(Signal::SIGSTOP)?;
    }
    weather.rage(20_000, SECOND)?;
    for tool in &tools {
        tool.signal(Signal::SIGCONT)?;
    }
    weather.storm.rest(3 * SECOND)?;
    for tool in &tools {
        tool.signal(Signal::SIGINT)?;
    }
    let [reports, trace, table, csv] = tools.map(Watched::ended);
    let lines = json(&reports?.0)?;
    let of_type = |kind: &'static str| lines.iter().filter(move |line| line["type"] == kind);
    let gap = of_type("gap").next().context("no gap")?;
    let length = number(gap, "to_ns")? - number(gap, "from_ns")?;
    ensure!(number(gap, "entries_dropped")? > 1000 && length < 4_000_000_000, "{gap}");
    let reports: Vec<_> = of_type("report").collect();
    ensure!(reports.iter().any(|report| report["exact"] == false), "{reports:?}");
    let last = lines.iter().rfind(|line| line["type"] == "flow").context("no row")?;
    ensure!(last["state"] == "open" && last["exact"] == true, "{last}");
    ensure!(reports.last().is_some_and(|report| report["exact"] == true), "{reports:?}");

    let lines = json(&trace?.0)?;
    ensure!(lines.iter().any(|line| line["type"] == "gap"), "no gap in the trace");
    for (_, remarks) in [table?, csv?] {
        let said = remarks.lines().find(|line| line.contains("entries lost in "));
        let said = said.with_context(|| remarks.clone())?;
        ensure!(said.starts_with("tcpcong: not exact") && said.contains("between "), "{said}");
    }
    Ok(())
}

#[test]
fn one_signal_ends_it_while_nobody_reads() -> Result<()> {
    if !need_root("one_signal_ends_it_while_nobody_reads") {
        return Ok(());
    }
    let mut weather = Weather::new("block")?;
    let port = PORT.to_string();
    let mut child = command()
        .args(["trace", "--format", "json", "-R", &port])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // A pipe holds a part of it, which nobody takes.
    let mut stdout = BufReader::with_capacity(16, child.stdout.take().context("no stdout")?);
    stdout.read_line(&mut String::new())?;
    weather.rage(5_000, SECOND)?;
    let begin = Instant::now();
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
    let status = child.wait()?;
    let mut remarks = String::new();
    child.stderr.take().context("no stderr")?.read_to_string(&mut remarks)?;
    println!("it ended after {:?}: {remarks}", begin.elapsed());
    ensure!(status.code() == Some(0), "{status}");
    ensure!(remarks.contains("the reader of stdout was too slow: "), "{remarks}");
    // Not a time: had it waited for its reader, it would wait still.
    drop(stdout);
    Ok(())
}
