//! Runs `tcpcong why` and reads its verdicts.
//! Not what they ought to be: the tests know that.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::tool::command;
use super::traffic::Sender;

/// `tcpcong why` at work.
pub(crate) struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    /// Returns once it watches.
    pub(crate) fn start(seconds: u64, arguments: &[&str]) -> Result<Self> {
        let mut child = command()
            .args(["why", "--format", "json", "--seconds", &seconds.to_string()])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no stdout")?);
        let mut watch = Self { child, lines };
        let start = watch.line()?.context("it ended before it began")?;
        ensure!(start["type"] == "start", "{start}");
        Ok(watch)
    }

    fn line(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        serde_json::from_str(&line).with_context(|| format!("no JSON: {line}")).map(Some)
    }

    /// What it has found, once the time is over.
    pub(crate) fn found(mut self) -> Result<Found> {
        let mut verdicts = Vec::new();
        while let Some(line) = self.line()? {
            verdicts.push(line);
        }
        let end = verdicts.pop().context("no last line")?;
        // All of them, also those that --top did not list.
        let in_all = end["verdicts"].as_u64().context("no number")?;
        ensure!(end["type"] == "end" && in_all >= verdicts.len() as u64, "{end}");
        ensure!(verdicts.iter().all(|line| line["type"] == "verdict"), "{verdicts:?}");
        let status = self.child.wait()?;
        ensure!(status.success(), "{status}");
        Ok(Found(verdicts))
    }

    /// The same, but Ctrl-C ends it now.
    pub(crate) fn interrupt(self) -> Result<Found> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        self.found()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It has ended already, or a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Verdicts, in the order in which they came.
pub(crate) struct Found(pub(crate) Vec<Value>);

impl Found {
    /// The one on the flow between these ends.
    pub(crate) fn on(&self, local: SocketAddr, remote: SocketAddr) -> Result<&Value> {
        let is = |line: &Value, addr: &str, port: &str, end: SocketAddr| {
            line[addr] == end.ip().to_string() && line[port] == end.port()
        };
        let mut lines = self
            .0
            .iter()
            .filter(|line| is(line, "laddr", "lport", local) && is(line, "raddr", "rport", remote));
        let line = lines.next().with_context(|| format!("none on {local} > {remote}"))?;
        ensure!(lines.next().is_none(), "two on {local} > {remote}");
        println!("{line}");
        Ok(line)
    }

    /// The verdict on `sender`'s flow is `verdict`, and it can be relied on.
    pub(crate) fn is(&self, sender: &Sender, verdict: &str) -> Result<&Value> {
        let line = self.on(sender.local, sender.remote)?;
        relied_on(line, verdict)?;
        Ok(line)
    }
}

/// It is `verdict`, and of low confidence only where the machine has hidden events, or was too
/// busy for all of the time to be measured.
pub(crate) fn relied_on(line: &Value, verdict: &str) -> Result<()> {
    ensure!(line["verdict"] == verdict, "not {verdict}: {line}");
    let has_part = line["exact"] == false || line["measured"] == false;
    ensure!(line["confidence"] != "low" || has_part, "low confidence: {line}");
    Ok(())
}
