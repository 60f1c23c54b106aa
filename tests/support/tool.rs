//! Runs the tool under test as a person or a script would, and reads its JSON lines.
//! Not what they ought to say: `compare` and the tests know that.

use std::fs::{Permissions, set_permissions};
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Where cargo has put the binary, as it tells its package's tests; benchmarks are another
/// package, and lie two folders beside it.
fn binary() -> PathBuf {
    let told = option_env!("CARGO_BIN_EXE_tcpcong").map(PathBuf::from);
    told.unwrap_or_else(|| {
        let own = std::env::current_exe().unwrap_or_default();
        own.ancestors().nth(2).unwrap_or(Path::new("")).join("tcpcong")
    })
}

/// The binary under test, to be given arguments: cargo's, or the one that the
/// variable `TCPCONG` names, for machines that have no cargo.
pub(crate) fn command() -> Command {
    Command::new(std::env::var_os("TCPCONG").unwrap_or_else(|| binary().into()))
}

/// A folder that every user can reach, with a copy of the binary, `tcpcong`, in it.
pub(crate) fn copy_for_all() -> Result<TempDir> {
    let folder = tempfile::tempdir_in("/tmp")?;
    set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    // By another process: a descriptor of this one that may write is inherited by what
    // other tests start meanwhile, and the kernel runs no file that is open so.
    let install = Command::new("install").arg(binary()).arg(folder.path()).output()?;
    ensure!(install.status.success(), "{install:?}");
    Ok(folder)
}

/// A row of a report.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) netns: u64,
    pub(crate) state: String,
    /// By state, Open first.
    pub(crate) times_ns: [u64; 5],
    pub(crate) changes: usize,
    pub(crate) repeated: usize,
    pub(crate) spell_ns: u64,
    pub(crate) exact: bool,
    /// If not: how much time may be in the wrong state.
    pub(crate) uncertain_ns: u64,
    pub(crate) ended: bool,
}

/// One interval, as the tool told it.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) flows: Vec<Flow>,
    /// With `-d`, in place of flows.
    pub(crate) histograms: Vec<Value>,
    /// When entries were lost.
    pub(crate) gaps: Vec<Value>,
    /// The line that sums up.
    pub(crate) sums: Value,
}

/// A run in progress.
#[derive(Debug)]
pub(crate) struct Tool {
    child: Child,
    lines: BufReader<ChildStdout>,
    pub(crate) start: Value,
}

impl Tool {
    /// Starts it with JSON output and waits until it traces.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        match Self::attempt(arguments, Stdio::inherit())? {
            Ok(tool) => Ok(tool),
            Err(status) => bail!("tcpcong ended before it began: {status}"),
        }
    }

    /// The same, saying how it ended where it does not come to trace.
    pub(crate) fn attempt(arguments: &[&str], stderr: Stdio) -> Result<Result<Self, ExitStatus>> {
        let mut child = command()
            .args(["--format", "json"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .context("starting tcpcong")?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?);
        let Some(start) = next_line(&mut lines)? else {
            return Ok(Err(child.wait()?));
        };
        ensure!(start["type"] == "start", "{start}");
        Ok(Ok(Self { child, lines, start }))
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// The next report; nothing when the tool has ended.
    pub(crate) fn report(&mut self) -> Result<Option<Report>> {
        let (mut flows, mut histograms, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(line) = next_line(&mut self.lines)? {
            match line["type"].as_str() {
                Some("flow") => flows.push(flow(&line)?),
                Some("histogram") => histograms.push(line),
                Some("gap") => gaps.push(line),
                Some("report") => {
                    let to_ns = number(&line, "end_ns")?;
                    let from_ns = to_ns - number(&line, "interval_ns")?;
                    return Ok(Some(Report {
                        from_ns,
                        to_ns,
                        flows,
                        histograms,
                        gaps,
                        sums: line,
                    }));
                }
                other => bail!("a line of the unknown type {other:?}"),
            }
        }
        Ok(None)
    }

    /// Interrupts it as Ctrl-C does; it has a last report.
    pub(crate) fn interrupt(&self) -> Result<()> {
        Ok(kill(self.pid(), Signal::SIGINT)?)
    }

    /// The same, and returns the reports not read so far.
    pub(crate) fn finish(mut self) -> Result<Vec<Report>> {
        self.interrupt()?;
        let mut reports = Vec::new();
        while let Some(report) = self.report()? {
            reports.push(report);
        }
        let status = self.child.wait()?;
        ensure!(status.success(), "tcpcong ended with {status}");
        Ok(reports)
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It has ended already, or a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Report {
    /// The rows of the flow between these ends.
    pub(crate) fn of(&self, local: SocketAddr, remote: SocketAddr) -> Vec<&Flow> {
        let same = |flow: &&Flow| flow.local == local && flow.remote == remote;
        self.flows.iter().filter(same).collect()
    }

    /// A figure of the line that sums up.
    pub(crate) fn sum(&self, name: &str) -> Result<u64> {
        number(&self.sums, name)
    }
}

/// Waits for `time` where nothing tells that it is over.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn next_line(lines: &mut BufReader<ChildStdout>) -> Result<Option<Value>> {
    let mut line = String::new();
    if lines.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    serde_json::from_str(&line).with_context(|| format!("no JSON: {line}")).map(Some)
}

fn flow(line: &Value) -> Result<Flow> {
    let end = |addr: &str, port: &str| -> Result<SocketAddr> {
        let ip: IpAddr = line[addr].as_str().context("no address")?.parse()?;
        let family = if ip.is_ipv4() { "ipv4" } else { "ipv6" };
        ensure!(line["family"] == family, "{line}");
        Ok(SocketAddr::new(ip, u16::try_from(number(line, port)?)?))
    };
    let mut times_ns = [0; 5];
    let names = ["open_ns", "disorder_ns", "cwr_ns", "recovery_ns", "loss_ns"];
    for (time_ns, name) in times_ns.iter_mut().zip(names) {
        *time_ns = number(line, name)?;
    }
    Ok(Flow {
        local: end("laddr", "lport")?,
        remote: end("raddr", "rport")?,
        netns: number(line, "netns")?,
        state: line["state"].as_str().context("no state")?.to_owned(),
        times_ns,
        changes: usize::try_from(number(line, "changes")?)?,
        repeated: usize::try_from(number(line, "repeated_rtos")?)?,
        spell_ns: number(line, "spell_ns")?,
        exact: line["exact"].as_bool().context("no exact")?,
        uncertain_ns: number(line, "uncertain_ns")?,
        ended: line["ended"].as_bool().context("no ended")?,
    })
}

fn number(line: &Value, name: &str) -> Result<u64> {
    line[name].as_u64().with_context(|| format!("no {name} in {line}"))
}
