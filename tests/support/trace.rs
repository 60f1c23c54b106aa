//! `tcpcong trace` and `tcpcong why` at work, their lines read as they come.
//! Not what they ought to tell: the tests know that.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Stdio};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::tool::command;

/// A run in progress that prints JSON lines until it is interrupted.
pub(crate) struct Running {
    child: Child,
    reader: JoinHandle<Result<Vec<Value>>>,
}

impl Running {
    /// Returns once it traces.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = command()
            .args(arguments)
            .args(["--format", "json"])
            .stdout(Stdio::piped())
            .spawn()
            .context("starting tcpcong")?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?);
        let mut first = String::new();
        lines.read_line(&mut first)?;
        let start: Value =
            serde_json::from_str(&first).with_context(|| format!("no first line: {first:?}"))?;
        ensure!(start["type"] == "start", "{start}");
        // Read at once: a full pipe would hold the tool up.
        let reader = thread::spawn(move || {
            lines.lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
        });
        Ok(Self { child, reader })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }

    /// Interrupts it as Ctrl-C does; it goes on for a moment.
    pub(crate) fn interrupt(&self) -> Result<()> {
        self.signal(Signal::SIGINT)
    }

    /// Waits for its end, and returns what it has printed and its last line.
    pub(crate) fn ended(mut self) -> Result<(Vec<Value>, Value)> {
        let mut lines = self.reader.join().map_err(|_| anyhow!("the reader panicked"))??;
        let status = self.child.wait()?;
        ensure!(status.success(), "tcpcong ended with {status}");
        let end = lines.pop().context("no last line")?;
        ensure!(end["type"] == "end", "{end}");
        Ok((lines, end))
    }
}

/// `tcpcong trace` at work.
pub(crate) struct Trace(Running);

/// What it told.
pub(crate) struct Told {
    pub(crate) transitions: Vec<Value>,
    /// How many it could not tell.
    pub(crate) dropped: u64,
}

impl Trace {
    /// Returns once it traces.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        Running::start(&[&["trace"], arguments].concat()).map(Self)
    }

    /// Has it stand still, or go on.
    pub(crate) fn stand_still(&self, on: bool) -> Result<()> {
        self.0.signal(if on { Signal::SIGSTOP } else { Signal::SIGCONT })
    }

    /// Interrupts it as Ctrl-C does; it goes on for a moment.
    pub(crate) fn interrupt(&self) -> Result<()> {
        self.0.interrupt()
    }

    /// The same, and returns what it has told.
    pub(crate) fn finish(self) -> Result<Told> {
        self.interrupt()?;
        self.ended()
    }

    /// Waits for the end of one that was interrupted, and returns what it has told.
    pub(crate) fn ended(self) -> Result<Told> {
        let (mut transitions, end) = self.0.ended()?;
        transitions.retain(|line| line["type"] == "transition");
        Ok(Told {
            transitions,
            dropped: end["entries_dropped"].as_u64().context("no entries_dropped")?,
        })
    }
}

/// Both ends, the local one first.
pub(crate) fn ends(transition: &Value) -> Result<[SocketAddr; 2]> {
    let end = |address: &str, port: &str| -> Result<SocketAddr> {
        let ip: IpAddr = transition[address].as_str().context("no address")?.parse()?;
        Ok(SocketAddr::new(ip, u16::try_from(transition[port].as_u64().context("no port")?)?))
    };
    Ok([end("laddr", "lport")?, end("raddr", "rport")?])
}
