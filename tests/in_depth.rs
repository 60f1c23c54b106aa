//! `tcpcong why` of connections and processes that are named, on real traffic. Not here:
//! whether the verdicts are right, which `why` shows.

mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::lab::Lab;
use support::needs::need_root;
use support::server::Server;
use support::tool::command;
use support::traffic::{Amount, Dial, Ending, Sender};

/// What the path carries, bits a second.
const RATE: f64 = 20e6;

/// What is asked of this process is of one test alone.
static ALONE: Mutex<()> = Mutex::new(());

/// A client that sends all it can through a router of 20 Mbit/s, and its server.
struct Scene {
    sender: Sender,
    _server: Server,
    _lab: Lab,
    _alone: MutexGuard<'static, ()>,
}

fn scene(name: &str) -> Result<Scene> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::new(name)?;
    lab.bottleneck("20mbit", "16k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let dial = Dial::to(server.address()).congestion_control("cubic");
    let sender = Sender::start(&lab.client, &dial, Amount::UntilStopped)?;
    std::thread::sleep(Duration::from_millis(300));
    Ok(Scene { sender, _server: server, _lab: lab, _alone: alone })
}

fn printed(arguments: &[&str]) -> Result<String> {
    let output = command().args(arguments).output().context("running tcpcong")?;
    ensure!(output.status.success(), "{arguments:?}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

fn verdicts(arguments: &[&str]) -> Result<Vec<Value>> {
    let text = printed(&[&["why", "--format", "json"], arguments].concat())?;
    let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    Ok(lines.into_iter().filter(|line| line["type"] == "verdict").collect())
}

/// The first and the last of what samples have, and when that was.
fn ends(line: &Value, name: &str) -> Result<((u64, u64), (u64, u64))> {
    let samples = line["samples"].as_array().context("no samples")?;
    let known: Vec<_> = samples
        .iter()
        .filter_map(|one| Some((one["at_ns"].as_u64()?, one[name].as_u64()?)))
        .collect();
    Ok((*known.first().context("none known")?, *known.last().context("none known")?))
}

#[test]
fn either_end_names_a_connection_and_its_samples_have_the_rate_of_the_path() -> Result<()> {
    let test = "either_end_names_a_connection_and_its_samples_have_the_rate_of_the_path";
    if !need_root(test) {
        return Ok(());
    }
    let scene = scene("depth")?;
    for end in [scene.sender.local, scene.sender.remote] {
        let found = verdicts(&[&end.to_string(), "3"])?;
        // Both ends are this machine's.
        ensure!(found.len() == 2, "{end}: {found:?}");
        for (name, lport) in
            [("bytes_acked", scene.sender.local), ("bytes_received", scene.sender.remote)]
        {
            let line = found.iter().find(|line| line["lport"] == lport.port());
            let line = line.context("an end is missing")?;
            let ((from_ns, before), (to_ns, after)) = ends(line, name)?;
            let rate = 8e9 * (after - before) as f64 / (to_ns - from_ns) as f64;
            ensure!((0.85 * RATE..1.02 * RATE).contains(&rate), "{name}: {rate}");
            let spells = line["spells"].as_array().context("no spells")?;
            ensure!(!spells.is_empty() && line["waits"].is_array(), "{line}");
        }
    }
    scene.sender.stop(Ending::Reset).map(drop)
}

#[test]
fn a_process_is_summed_up_and_no_line_of_its_pages_is_wider_than_asked() -> Result<()> {
    let test = "a_process_is_summed_up_and_no_line_of_its_pages_is_wider_than_asked";
    if !need_root(test) {
        return Ok(());
    }
    let scene = scene("pages")?;
    let pid = std::process::id().to_string();
    let arguments = ["why", "2", "--pid", &pid, "--format", "json"];
    ensure!(!printed(&arguments)?.contains("\"samples\""), "a filter names nobody");
    let output = command()
        .args(["why", &format!("pid:{pid}"), "2"])
        .env("COLUMNS", "60")
        .env("LC_ALL", "C")
        .output()?;
    let shown = String::from_utf8(output.stdout)?;
    ensure!(shown.starts_with(&format!("process {pid}: 2 connections: ")), "{shown}");
    ensure!(shown.is_ascii(), "{shown}");
    for title in ["    delivered ", "    received  ", "    states    ", "    kernel    cubic "] {
        ensure!(shown.contains(title), "{title} is missing: {shown}");
    }
    let is_subject = |line: &&str| line.contains(" > ");
    let wide = shown.lines().filter(|line| line.len() > 60 && !is_subject(line));
    ensure!(wide.clone().next().is_none(), "{:?}", wide.collect::<Vec<_>>());
    scene.sender.stop(Ending::Reset).map(drop)
}

#[test]
fn what_nobody_has_is_said_and_is_no_failure() -> Result<()> {
    if !need_root("what_nobody_has_is_said_and_is_no_failure") {
        return Ok(());
    }
    let output = command().args(["why", "198.51.100.7:9", "1"]).output()?;
    ensure!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr)?;
    ensure!(said.contains("tcpcong: there was no connection of 198.51.100.7:9\n"), "{said}");
    Ok(())
}
