//! What recordings, the live screen and verdicts cost beside the plain table, on the same
//! connections. Alone: bcc's tool has none of them.

use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::pty::{Winsize, openpty};
use tempfile::TempDir;

use super::contender::{cpu_ms, peak_memory_mb};
use super::page::{Page, View};
use super::spread::Spread;
use super::support::crowd::Crowd;
use super::support::lab::Lab;
use super::support::tool::{command, pause};

const FLOWS: usize = 10_000;
const RUNS: usize = 3;
/// The start's survey is over by then, and so is a report.
const SETTLED: Duration = Duration::from_secs(3);
const QUIET: Duration = Duration::from_secs(5);
/// Screens of people who look at 10,000 connections.
const SIZE: Winsize = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };

/// How the tool is run.
#[derive(Debug, Clone, Copy)]
enum Run {
    Table,
    TableAndRecording,
    Recording,
    Screen,
    Verdicts,
}

/// What it is called, and how it is run.
const VIEWS: [(&str, Run); 5] = [
    ("the plain table (`tcpcong 1`)", Run::Table),
    ("the same with a recording beside it (`--record`)", Run::TableAndRecording),
    ("a recording with all that can be looked up (`record`)", Run::Recording),
    ("the live screen, 200x50 (`top`)", Run::Screen),
    ("verdicts, with a look each second (`why`)", Run::Verdicts),
];

pub(crate) fn measure(page: &mut Page) -> Result<()> {
    let lab = Lab::new("views")?;
    let mut crowd = Crowd::gather(&lab, FLOWS)?;
    for (name, run) in VIEWS {
        let view = view(name, run, &mut crowd)?;
        page.view(view);
    }
    Ok(())
}

fn view(name: &'static str, run: Run, crowd: &mut Crowd<'_>) -> Result<View> {
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    let file_name = file.to_str().context("no text")?;
    let mut running = match run {
        Run::Table => start(&["1"]),
        Run::TableAndRecording => start(&["1", "--record", file_name]),
        Run::Recording => start(&["record", "-o", file_name]),
        Run::Screen => start_on_terminal(&["top", "1"]),
        // Longer than it is measured.
        Run::Verdicts => start(&["why", "--seconds", "600"]),
    }?;
    let pid = running.0.id();
    pause(SETTLED);
    let before = cpu_ms(pid)?;
    pause(QUIET);
    let quiet_percent = (cpu_ms(pid)? - before) / QUIET.as_secs_f64() / 10.0;
    let mut changing_ms = Vec::new();
    for _ in 0..RUNS {
        let before = cpu_ms(pid)?;
        crowd.stir()?;
        // The report on the last of them.
        pause(Duration::from_secs(2));
        changing_ms.push(cpu_ms(pid)? - before);
    }
    ensure!(running.0.try_wait()?.is_none(), "{name}: it has ended");
    let memory_mb = peak_memory_mb(pid)?;
    Ok(View { name, quiet_percent, changing_ms: Spread::of(changing_ms)?, memory_mb })
}

/// It ends when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // The kernel detaches a killed process's programs; nothing is pinned.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(arguments: &[&str]) -> Result<Running> {
    let mut command: Command = command();
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Running(command.spawn()?))
}

/// What it draws is read, and shown to nobody.
fn start_on_terminal(arguments: &[&str]) -> Result<Running> {
    let pty = openpty(&SIZE, None)?;
    let slave = || pty.slave.try_clone().map(Stdio::from);
    let mut command: Command = command();
    command.args(arguments).env("TERM", "xterm-256color");
    command.stdin(slave()?).stdout(slave()?).stderr(Stdio::null());
    let child = command.spawn()?;
    let mut master = File::from(pty.master);
    thread::spawn(move || {
        let mut bytes = vec![0; 65_536];
        while master.read(&mut bytes).is_ok_and(|read| read > 0) {}
    });
    Ok(Running(child))
}
