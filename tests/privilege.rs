//! Runs the tool with exact sets of capabilities, as another user than root.
//! What a set lacks is said; what it has is enough for what is promised.

mod support;

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::lab::Lab;
use support::needs::need_root;
use support::server::Server;
use support::tool::{copy_for_all, pause};
use support::traffic::{Amount, Dial, Ending, Sender};
use tempfile::TempDir;

/// The bits of include/uapi/linux/capability.h.
const DAC_READ_SEARCH: u64 = 1 << 2;
const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;
const BPF: u64 = 1 << 39;

/// A copy of the tool where every user can reach it.
struct Copy(TempDir);

impl Copy {
    /// The tool, to be run as nobody with these capabilities and no others.
    fn with(&self, capabilities: &[&str]) -> Command {
        let set = format!("-all,+{}", capabilities.join(",+"));
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        for kind in ["inh-caps", "ambient-caps", "bounding-set"] {
            command.arg(format!("--{kind}={set}"));
        }
        command.arg(self.0.path().join("tcpcong"));
        command
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The JSON lines of a run.
fn lines(output: &Output) -> Result<Vec<Value>> {
    ensure!(output.status.success(), "{output:?}");
    let text = std::str::from_utf8(&output.stdout)?;
    text.lines().map(|line| serde_json::from_str(line).context("no JSON")).collect()
}

#[test]
fn two_capabilities_trace_and_the_rest_is_said() -> Result<()> {
    if !need_root("two_capabilities_trace_and_the_rest_is_said") {
        return Ok(());
    }
    let lab = Lab::new("least")?;
    lab.local_bottleneck("50mbit", "32k", "30k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 7001).into())?;
    let dial = Dial::to(server.address()).congestion_control("cubic");
    let copy = Copy(copy_for_all()?);
    let tool = copy
        .with(&["bpf", "perfmon"])
        .args(["--all", "--format", "json", "1", "3"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    pause(Duration::from_millis(300));
    let sender = Sender::start(&lab.client, &dial, Amount::UntilStopped)?;
    let output = tool.wait_with_output()?;
    sender.stop(Ending::Reset)?;

    let lines = lines(&output)?;
    let start = lines.first().context("no start")?;
    ensure!(start["namespaces"] == 1, "only its own can be entered: {start}");
    ensure!(start["namespaces_unreached"].as_u64() > Some(0), "not said: {start}");
    let client = lab.client_v4().to_string();
    let rows: Vec<_> =
        lines.iter().filter(|line| line["type"] == "flow" && line["laddr"] == client).collect();
    ensure!(rows.len() >= 2, "the sender's rows are missing: {lines:?}");
    let changes: u64 = rows.iter().filter_map(|row| row["changes"].as_u64()).sum();
    ensure!(changes > 0, "no transition seen: {rows:?}");
    let last = rows.last().context("no row")?;
    let names = ["open_ns", "disorder_ns", "cwr_ns", "recovery_ns", "loss_ns"];
    let sum: u64 = names.iter().filter_map(|name| last[name].as_u64()).sum();
    ensure!(Some(sum) == last["interval_ns"].as_u64(), "the states do not sum up: {last}");
    Ok(())
}

#[test]
fn the_one_that_is_missing_is_named() -> Result<()> {
    if !need_root("the_one_that_is_missing_is_named") {
        return Ok(());
    }
    let copy = Copy(copy_for_all()?);
    for (has, lacks) in [("bpf", "CAP_PERFMON"), ("perfmon", "CAP_BPF")] {
        let output = copy.with(&[has]).args(["1", "1"]).output()?;
        let message = stderr(&output);
        ensure!(output.status.code() == Some(3), "{output:?}");
        ensure!(message.contains(&format!("lacks {lacks}.")), "{message}");
        ensure!(message.lines().count() == 1, "{message}");
    }
    Ok(())
}

#[test]
fn what_is_not_needed_any_more_is_given_up() -> Result<()> {
    if !need_root("what_is_not_needed_any_more_is_given_up") {
        return Ok(());
    }
    let mut tool = Command::new(env!("CARGO_BIN_EXE_tcpcong"))
        .args(["--format", "json", "60"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut first = String::new();
    let mut stdout = std::io::BufReader::new(tool.stdout.take().context("no stdout")?);
    std::io::BufRead::read_line(&mut stdout, &mut first)?;
    let status = fs::read_to_string(format!("/proc/{}/status", tool.id()));
    tool.kill()?;
    tool.wait()?;
    let status = status?;
    let set = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no set")?;
        Ok(u64::from_str_radix(line.trim(), 16)?)
    };
    let kept = DAC_READ_SEARCH | SYS_PTRACE | SYS_ADMIN | BPF;
    for name in ["CapPrm:", "CapEff:"] {
        ensure!(set(name)? == kept, "{name} {:x}, not {kept:x}", set(name)?);
    }
    for name in ["CapInh:", "CapAmb:"] {
        ensure!(set(name)? == 0, "{name} {:x}", set(name)?);
    }
    Ok(())
}

#[test]
fn two_more_meet_the_sockets_of_other_namespaces() -> Result<()> {
    if !need_root("two_more_meet_the_sockets_of_other_namespaces") {
        return Ok(());
    }
    let _lab = Lab::new("most")?;
    let copy = Copy(copy_for_all()?);
    let few = copy.with(&["bpf", "perfmon"]).args(["--format", "json", "0.1", "1"]).output()?;
    let more = copy
        .with(&["bpf", "perfmon", "sys_admin", "sys_ptrace"])
        .args(["--format", "json", "0.1", "1"])
        .output()?;
    let met = |output: &Output| -> Result<Option<u64>> {
        Ok(lines(output)?.first().context("no start")?["namespaces"].as_u64())
    };
    ensure!(met(&few)? == Some(1), "{few:?}");
    ensure!(met(&more)? >= Some(4), "the lab's three and its own: {more:?}");
    Ok(())
}
