//! Either tool as a process: started, its output read, its costs asked of `/proc`.
//! Not what its BPF programs cost: `programs` asks for that.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::time::TimeValLike as _;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use super::support::tool::command;

/// bcc's tool, as Debian names it.
pub(crate) const PEER: &str = "tcpcong-bpfcc";
/// How the old tool's table begins, and ours.
const TITLE: &str = "LAddrPort";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Who is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Ours, showing the old tool's table.
    Ours,
    /// Ours, telling each transition with its cause.
    Causes,
    /// Ours, with what came of each connection.
    Costs,
    /// Ours as it was, where the variable `TCPCONG_EARLIER` names a binary.
    Earlier(OsString),
    /// The same, telling each transition with its cause.
    EarlierCauses(OsString),
    /// The same, with what came of each connection.
    EarlierCosts(OsString),
    /// bcc's.
    Peer,
}

/// A contender that traces, until it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Each with the instant at which it came.
    lines: Receiver<(Instant, String)>,
    pub(crate) first_line_after: Duration,
}

impl Contender {
    /// An earlier build of ours, if there is one to compare with.
    pub(crate) fn earlier() -> Option<Self> {
        Self::earlier_as(Self::Earlier)
    }

    /// The same, run as this contender.
    pub(crate) fn earlier_as(contender: fn(OsString) -> Self) -> Option<Self> {
        std::env::var_os("TCPCONG_EARLIER").map(contender)
    }

    /// Ours, and bcc's where its command runs.
    pub(crate) fn present() -> Vec<Self> {
        let help = Command::new(PEER).arg("--help").output();
        let peer = help.is_ok_and(|output| output.status.success());
        [Self::Ours].into_iter().chain(peer.then_some(Self::Peer)).collect()
    }

    /// Starts it with a report every `interval` seconds and waits for its first line.
    pub(crate) fn start(&self, interval: &str) -> Result<Running> {
        let mut command = match self {
            Self::Ours | Self::Causes | Self::Costs => command(),
            Self::Earlier(binary) | Self::EarlierCauses(binary) | Self::EarlierCosts(binary) => {
                Command::new(binary)
            }
            Self::Peer => Command::new(PEER),
        };
        match self {
            Self::Causes | Self::EarlierCauses(_) => command.arg("trace"),
            Self::Costs | Self::EarlierCosts(_) => {
                command.args(["-o", "raddr,open,busy,delivered", interval])
            }
            Self::Ours | Self::Earlier(_) | Self::Peer => command.arg(interval),
        };
        // Python would hold back the first line of what goes into a pipe.
        command.env("PYTHONUNBUFFERED", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let begin = Instant::now();
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::<ChildStdout>::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens any more when the run is over.
                let _ = sender.send((Instant::now(), line));
            }
        });
        let mut running = Running { child, lines, first_line_after: Duration::ZERO };
        let first = running.lines.recv_timeout(START_TIMEOUT);
        running.first_line_after = begin.elapsed();
        first.with_context(|| format!("no line from {command:?}; run it by hand to see why"))?;
        Ok(running)
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Peak resident memory, in MB.
    pub(crate) fn peak_memory_mb(&self) -> Result<f64> {
        peak_memory_mb(self.pid())
    }

    /// User and system time so far, of all its threads, in ms.
    pub(crate) fn cpu_ms(&self) -> Result<f64> {
        cpu_ms(self.pid())
    }

    /// Waits for a report and counts its rows; it is over when nothing came for
    /// `quiet`.
    pub(crate) fn report_rows(&self, timeout: Duration, quiet: Duration) -> Result<usize> {
        let (_, first) = self.lines.recv_timeout(timeout).context("waiting for a report")?;
        let mut rows = usize::from(is_row(&first));
        loop {
            match self.lines.recv_timeout(quiet) {
                Ok((_, line)) => rows += usize::from(is_row(&line)),
                Err(RecvTimeoutError::Timeout) => return Ok(rows),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        ensure!(rows == 0, "the tool ended in the midst of a report");
        anyhow::bail!("the tool ended")
    }

    /// Passes over what has come so far.
    pub(crate) fn skip(&self) {
        self.lines.try_iter().for_each(drop);
    }

    /// How many rows have come, and how far apart reports with some were at most.
    pub(crate) fn rows_and_longest(&self) -> Result<(usize, Option<Duration>)> {
        let (mut rows, mut last, mut longest) = (0, None, None);
        for (at, line) in self.lines.try_iter() {
            rows += usize::from(is_row(&line));
            if line.starts_with(TITLE) {
                longest = longest.max(last.map(|last| at - last));
                last = Some(at);
            }
        }
        ensure!(last.is_some(), "no report has come");
        Ok((rows, longest))
    }
}

/// Peak resident memory of a process, in MB.
pub(crate) fn peak_memory_mb(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    Ok(kib.parse::<f64>()? * 1024.0 / 1e6)
}

/// User and system time of a process so far, of all its threads, in ms.
pub(crate) fn cpu_ms(pid: u32) -> Result<f64> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))?;
    Ok(clock_gettime(clock)?.num_nanoseconds() as f64 / 1e6)
}

fn is_row(line: &str) -> bool {
    line.starts_with(|first: char| first.is_ascii_digit())
}

impl Drop for Running {
    fn drop(&mut self) {
        // The kernel detaches a killed process's programs; nothing is pinned.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
