//! Reports as JSON with columns of the test's choice, live or of a recording.
//! Not what they ought to have: the tests know that.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddrV4;
use std::process::{Child, ChildStdout, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::tool::command;

/// One report.
pub(crate) struct Report {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) rows: Vec<Value>,
}

impl Report {
    /// The row of the flow between these ends; columns must name them.
    pub(crate) fn of(&self, (local, remote): (SocketAddrV4, SocketAddrV4)) -> Option<&Value> {
        let is = |row: &Value, addr: &str, port: &str, end: SocketAddrV4| {
            row[addr] == end.ip().to_string() && row[port] == end.port()
        };
        let mut rows = self.rows.iter();
        rows.find(|row| is(row, "laddr", "lport", local) && is(row, "raddr", "rport", remote))
    }
}

/// The tool at work, its reports read as they come.
pub(crate) struct Reports {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Reports {
    /// Returns once it traces.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = command();
        command.args(arguments).args(["--format", "json"]).stdout(Stdio::piped());
        let mut child = command.spawn().context("starting tcpcong")?;
        let lines = BufReader::new(child.stdout.take().context("no stdout")?);
        let mut reports = Self { child, lines };
        let start = reports.line()?.context("it ended before it began")?;
        ensure!(start["type"] == "start", "{start}");
        Ok(reports)
    }

    /// The next one; nothing when the tool has ended.
    pub(crate) fn next(&mut self) -> Result<Option<Report>> {
        let mut lines = Vec::new();
        while let Some(line) = self.line()? {
            let is_report = line["type"] == "report";
            lines.push(line);
            if is_report {
                return Ok(reports(&lines)?.pop());
            }
        }
        Ok(None)
    }

    /// Interrupts it as Ctrl-C does, and returns the last one.
    pub(crate) fn finish(mut self) -> Result<Report> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        let mut last = None;
        while let Some(report) = self.next()? {
            last = Some(report);
        }
        let status = self.child.wait()?;
        ensure!(status.success(), "tcpcong ended with {status}");
        last.context("no last report")
    }

    fn line(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        serde_json::from_str(&line).with_context(|| format!("no JSON: {line}")).map(Some)
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        // It has ended already, or a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The reports of lines that a run has printed.
pub(crate) fn reports(lines: &[Value]) -> Result<Vec<Report>> {
    let (mut reports, mut rows) = (Vec::new(), Vec::new());
    for line in lines {
        match line["type"].as_str() {
            Some("flow") => rows.push(line.clone()),
            Some("report") => {
                let to_ns = number(line, "end_ns")?;
                let from_ns = to_ns - number(line, "interval_ns")?;
                reports.push(Report { from_ns, to_ns, rows: std::mem::take(&mut rows) });
            }
            _ => {}
        }
    }
    Ok(reports)
}

/// What the tool prints as JSON with these arguments, once it has ended by itself.
pub(crate) fn printed(arguments: &[&str]) -> Result<Vec<Value>> {
    let output = command().args(arguments).args(["--format", "json"]).output()?;
    ensure!(output.status.success(), "{arguments:?}: {output:?}");
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| serde_json::from_str(line).context("no JSON")).collect()
}

/// A figure of a line.
pub(crate) fn number(line: &Value, name: &str) -> Result<u64> {
    line[name].as_u64().with_context(|| format!("no {name} in {line}"))
}
