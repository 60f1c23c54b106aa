//! What the tool shows of flows' time and of what they sent, read from its JSON. Not here: the
//! account that it ought to be.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Stdio};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::account::Account;
use crate::support::tool::command;

/// Times that are compared with the kernel's account, in the account's order.
pub(crate) const TIMES: [&str; 3] = ["busy", "rwnd_limited", "sndbuf_limited"];
/// Counts that are.
pub(crate) const COUNTS: [&str; 2] = ["delivered", "retrans"];
const STATES: [&str; 5] = ["open", "disorder", "cwr", "recovery", "loss"];
/// What becomes of the time in Open.
pub(crate) const OF_OPEN: [&str; 4] =
    ["open_sending", "open_rwnd_limited", "open_sndbuf_limited", "open_idle"];

/// The tool at work, with the columns of these tests.
pub(crate) struct Costs {
    child: Child,
    reading: Option<JoinHandle<Result<Vec<Value>>>>,
}

impl Costs {
    /// Starts it for what goes to `raddr`; returns once it traces.
    pub(crate) fn start(raddr: &SocketAddr, arguments: &[&str]) -> Result<Self> {
        let by_state =
            COUNTS.iter().flat_map(|count| STATES.map(|sender| format!("{count}_{sender}")));
        let columns = ["laddr", "lport", "ended"].iter().chain(&STATES).chain(&OF_OPEN);
        let columns = columns.chain(&TIMES).chain(&COUNTS).map(|name| (*name).to_owned());
        let columns: Vec<_> = columns.chain(by_state).collect();
        let raddr = raddr.ip().to_string();
        let usual = ["--format", "json", "--all", "--raddr", &raddr, "-o", &columns.join(",")];
        Self::run(&[&usual[..], arguments].concat())
    }

    pub(crate) fn run(arguments: &[&str]) -> Result<Self> {
        let mut child = command().args(arguments).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no stdout")?);
        let mut start = String::new();
        output.read_line(&mut start)?;
        ensure!(start.starts_with(r#"{"type":"start""#), "{start}");
        // As it comes: no pipe has room for all of it.
        Ok(Self { child, reading: Some(thread::spawn(move || read_flows(output))) })
    }

    /// Interrupts it, and returns all flow lines.
    pub(crate) fn finish(mut self) -> Result<Vec<Value>> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        let reading = self.reading.take().context("it has been read")?;
        let lines = reading.join().map_err(|_| anyhow!("the reader panicked"))??;
        let status = self.child.wait()?;
        ensure!(status.success(), "{status}");
        Ok(lines)
    }
}

impl Drop for Costs {
    fn drop(&mut self) {
        // It has ended already, or a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_flows(output: BufReader<ChildStdout>) -> Result<Vec<Value>> {
    let lines = output.lines().map(|line| Ok(serde_json::from_str(&line?)?));
    let mut lines = lines.collect::<Result<Vec<Value>>>()?;
    lines.retain(|line| line["type"] == "flow");
    Ok(lines)
}

/// The lines of one flow.
pub(crate) struct Rows(pub(crate) Vec<Value>);

impl Rows {
    pub(crate) fn of(lines: &[Value], local: SocketAddr) -> Result<Self> {
        let own = |line: &&Value| {
            line["laddr"] == local.ip().to_string() && line["lport"] == local.port()
        };
        let rows: Vec<_> = lines.iter().filter(own).cloned().collect();
        ensure!(!rows.is_empty(), "no row of {local}");
        Ok(Self(rows))
    }

    /// What a count came to in all intervals.
    pub(crate) fn count(&self, name: &str) -> Result<u64> {
        let of_row = |row: &Value| row[name].as_u64();
        self.0.iter().map(of_row).sum::<Option<u64>>().with_context(|| format!("no {name}"))
    }

    /// What a time came to in all intervals, nanoseconds.
    pub(crate) fn time(&self, name: &str) -> Result<u64> {
        self.count(&format!("{name}_ns"))
    }

    /// The same as [`Account`] has.
    pub(crate) fn account(&self) -> Result<Account> {
        let [busy, rwnd, sndbuf] = TIMES.map(|name| self.time(name));
        let [delivered, retrans] = COUNTS.map(|name| self.count(name));
        Ok(Account { times_ns: [busy?, rwnd?, sndbuf?], counts: [delivered?, retrans?] })
    }

    /// The parts sum to the whole, in each interval.
    pub(crate) fn consistent(&self) -> Result<()> {
        // Sums so far; what is left of Open does not shrink.
        let (mut open_ns, mut open_busy_ns, mut left_ns) = (0, 0, 0);
        for row in &self.0 {
            let row = Self(vec![row.clone()]);
            for count in COUNTS {
                let parts = STATES.map(|state| row.count(&format!("{count}_{state}")));
                let parts = parts.into_iter().sum::<Result<u64>>()?;
                ensure!(parts == row.count(count)?, "{count}: {:?}", row.0);
            }
            let [sending, rwnd, sndbuf, idle] = OF_OPEN.map(|part| row.time(part));
            let busy = sending? + rwnd? + sndbuf?;
            open_ns += row.time("open")?;
            open_busy_ns += busy;
            let so_far_ns = left_ns + idle?;
            left_ns = open_ns.saturating_sub(open_busy_ns).max(left_ns);
            ensure!(so_far_ns == left_ns, "{so_far_ns}, not {left_ns}: {:?}", row.0);
            ensure!(busy <= row.time("busy")?, "{:?}", row.0);
        }
        Ok(())
    }
}
