//! The README's commands, run as they stand there. Not here: whether the figures are right.

mod support;

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::needs::{need, need_root};
use support::tool::{command, pause};
use tempfile::TempDir;

const README: &str = include_str!("../README.md");
/// Ctrl-C comes after so long, where a command does not end by itself.
const PATIENCE: Duration = Duration::from_secs(1);
/// What makes traffic of its own lasts as long as it says.
const PATIENCE_WITH_DEMO: Duration = Duration::from_secs(20);

/// Each command in a block, without what stands behind it.
fn commands() -> Vec<&'static str> {
    let blocks = README.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines);
    let commands = lines.filter_map(|line| {
        let line = line.strip_prefix("$ ").unwrap_or(line);
        let line = line.strip_prefix("sudo ").unwrap_or(line);
        line.strip_prefix("tcpcong ")?.split("  ").next()
    });
    commands.collect()
}

#[test]
fn every_command_runs() -> Result<()> {
    if !need_root("every_command_runs") {
        return Ok(());
    }
    let all = commands();
    ensure!(all.len() > 20, "{all:?}");
    // Some write files, which others read.
    let folder = TempDir::new()?;
    // tests/top.rs runs it in a terminal.
    for arguments in all.into_iter().filter(|arguments| !arguments.starts_with("top")) {
        let is_demo = arguments.starts_with("demo");
        let mut child = command()
            .args(arguments.split_whitespace())
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| arguments.to_owned())?;
        let deadline = Instant::now() + if is_demo { PATIENCE_WITH_DEMO } else { PATIENCE };
        // What it prints fits into pipes meanwhile: nearly nothing but the source.
        let mut stdout = child.stdout.take().context("no stdout")?;
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text)
        });
        while child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
                break;
            }
            pause(Duration::from_millis(20));
        }
        let output = child.wait_with_output()?;
        let text = reader.join().ok().context("a panic")??;
        let remarks = String::from_utf8_lossy(&output.stderr).into_owned();
        let lacks_kprobes = arguments.contains("kprobe") && output.status.code() == Some(3);
        if !need(&format!("every_command_runs: {arguments}"), !lacks_kprobes, "kprobes") {
            continue;
        }
        ensure!(output.status.code() == Some(0), "tcpcong {arguments}: {output:?}");
        let is_json = text.starts_with("{\"type\":\"start\"");
        let is_source = text.contains("SPDX-License-Identifier");
        let is_list = text.starts_with("Case ");
        // The service says where it is, and nothing at its end.
        let said = if arguments.starts_with("serve") { "serving http://" } else { "exact" };
        let is_said = remarks.lines().any(|line| line.contains(said));
        ensure!(is_json || is_source || is_list || is_said, "tcpcong {arguments}: {remarks:?}");
    }
    Ok(())
}
