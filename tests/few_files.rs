//! Too few files may be open: it says so, and goes on where it can.

mod support;

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::resource::{Resource, getrlimit};
use support::lab::Lab;
use support::needs::need_root;
use support::server::Server;
use support::tool::{Report, Tool, command};
use support::traffic::{Amount, Dial, Ending, Sender};

#[test]
fn however_few_files_it_may_open_it_runs_or_says_so() -> Result<()> {
    if !need_root("however_few_files_it_may_open_it_runs_or_says_so") {
        return Ok(());
    }
    let tool = command().get_program().to_string_lossy().into_owned();
    let (mut refused, mut ran) = (0, 0);
    // How many are open before it begins is not known: it inherits some.
    for limit in 20..=44 {
        let shell = format!("ulimit -n {limit}; exec {tool} 0.1 1");
        let output = Command::new("sh").args(["-c", &shell]).output()?;
        match output.status.code() {
            Some(0) => ran += 1,
            Some(3) if String::from_utf8_lossy(&output.stderr).contains("LimitNOFILE=256") => {
                refused += 1;
            }
            _ => bail!("{limit}: {output:?}"),
        }
    }
    ensure!(refused > 0 && ran > 0, "{refused} refused, {ran} ran");
    // What it may raise by itself it does.
    for way in ["auto", "sample"] {
        let shell = format!("ulimit -S -n 20; exec {tool} --attach {way} 0.1 1");
        let output = Command::new("sh").args(["-c", &shell]).output()?;
        ensure!(output.status.success(), "{output:?}");
    }
    Ok(())
}

/// What came of a connection is measured at each interval's end, by looking at all sockets.
const COLUMNS: &str = "family,laddr,lport,raddr,rport,netns,state,open,disorder,cwr,recovery,loss,\
                       changes,repeated_rtos,spell,exact,uncertain,ended,delivered";
/// So many intervals of 0.2 s until a look at all namespaces is due, and more.
const PATIENCE: usize = 100;

/// Lets the tool open so few more files that it can open none, or as many as it may.
fn limit(tool: &Tool, files: &str) -> Result<()> {
    let (pid, files) = (tool.pid().to_string(), format!("--nofile={files}:"));
    let status = Command::new("prlimit").args(["--pid", &pid, &files]).status()?;
    ensure!(status.success(), "prlimit {files}: {status}");
    Ok(())
}

/// Reads reports until one says that namespaces were not reached, or that all were.
fn until_unreached(tool: &mut Tool, unreached: bool, reports: &mut Vec<Report>) -> Result<()> {
    for _ in 0..PATIENCE {
        let report = tool.report()?.context("it ended")?;
        let is_it = (report.sum("namespaces_unreached")? > 0) == unreached;
        reports.push(report);
        if is_it {
            return Ok(());
        }
    }
    bail!("{PATIENCE} intervals, and never was it {unreached} that namespaces were not reached")
}

#[test]
fn a_run_whose_files_run_out_goes_on_and_says_what_it_did_not_see() -> Result<()> {
    if !need_root("a_run_whose_files_run_out_goes_on_and_says_what_it_did_not_see") {
        return Ok(());
    }
    let lab = Lab::new("few-files")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    for way in ["auto", "sample"] {
        let sender = Sender::start(&lab.client, &Dial::to(server.address()), Amount::UntilStopped)?;
        let mut tool = Tool::start(&["--attach", way, "--all", "-o", COLUMNS, "0.2"])?;
        let mut reports = vec![tool.report()?.context("no report")?];
        limit(&tool, "3")?;
        until_unreached(&mut tool, true, &mut reports)?;
        limit(&tool, &most.to_string())?;
        until_unreached(&mut tool, false, &mut reports)?;
        reports.extend(tool.finish()?);
        for report in &reports {
            let [row] = report.of(sender.local, sender.remote)[..] else {
                bail!("{way}: no row, or two: {report:?}")
            };
            let lived_ns: u64 = row.times_ns.iter().sum();
            ensure!(!row.ended && lived_ns == report.to_ns - report.from_ns, "{way}: {row:?}");
        }
        sender.stop(Ending::Reset)?;
    }
    Ok(())
}
