//! Recordings of real traffic: what is replayed is what was shown, to the byte, and a
//! recording that was broken off can be read.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::needs::need_root;
use support::scene::Scene;
use support::tool::{command, pause};
use support::traffic::{Amount, Dial, Ending, Sender};
use tempfile::TempDir;

fn from(recording: &Path, arguments: &[&str]) -> Result<Output> {
    let (command_, options) = split(arguments);
    Ok(command().args(command_).arg("--from").arg(recording).args(options).output()?)
}

/// A subcommand, if there is one, comes first.
fn split<'a>(arguments: &'a [&'a str]) -> (&'a [&'a str], &'a [&'a str]) {
    let first = arguments.first().filter(|word| matches!(**word, "trace" | "why"));
    arguments.split_at(usize::from(first.is_some()))
}

/// Runs the tool with these options and a recording beside it. What does not come to its
/// end by itself is interrupted after `seconds`. Returns what it printed.
fn live(scene: &Scene, recording: &Path, arguments: &[&str], seconds: f64) -> Result<Vec<u8>> {
    let (command_, options) = split(arguments);
    let mut child = command()
        .args(command_)
        .arg("--record")
        .arg(recording)
        .args(options)
        .stdout(Stdio::piped())
        .spawn()?;
    until_begun(recording)?;
    scene.send(seconds)?;
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
    let mut shown = Vec::new();
    child.stdout.take().context("no stdout")?.read_to_end(&mut shown)?;
    ensure!(child.wait()?.success(), "{arguments:?} failed");
    Ok(shown)
}

#[test]
fn a_replay_prints_what_the_run_printed_to_the_byte() -> Result<()> {
    if !need_root("a_replay_prints_what_the_run_printed_to_the_byte") {
        return Ok(());
    }
    let scene = Scene::set("replay")?;
    let port = scene.port();
    let end = format!(":{port}");
    let folder = TempDir::new()?;
    let each: &[&[&str]] = &[
        &["-T", "-R", &port, "0.5"],
        &["--format", "json", "0.5"],
        &["--format", "csv", "-o", "lport,loss,recovery,comm,pid,cc,netns,cgroup", "0.5"],
        &["-d", "1"],
        &["-o", "busy,delivered,retrans", "--by", "process", "0.5"],
        &["trace", "--format", "json"],
        &["trace", "-o", "wide", "-R", &port],
        &["trace", "-o", "laddr,comm,pid,cgroup,cause"],
        &["why", "--seconds", "2"],
        &["why", "--seconds", "2", "--format", "json", "--by", "process"],
        &["why", "2", "--format", "csv", "--sort", "lport"],
        &["why", &end, "2", "--top", "2"],
        &["why", "1", "--follow", "--format", "json"],
    ];
    for (at, arguments) in each.iter().enumerate() {
        let recording = folder.path().join(format!("{at}.jsonl.zst"));
        let shown = live(&scene, &recording, arguments, 2.4)?;
        ensure!(shown.len() > 200, "{arguments:?} printed little: {}", text(&shown));
        let again = from(&recording, arguments)?;
        ensure!(again.status.success(), "{arguments:?}: {again:?}");
        if again.stdout != shown {
            let (shown, again) = (text(&shown), text(&again.stdout));
            let differ = shown.lines().zip(again.lines()).find(|(one, other)| one != other);
            let lines = (shown.lines().count(), again.lines().count());
            anyhow::bail!("{arguments:?}: {lines:?} lines; they first differ in {differ:#?}");
        }
    }
    Ok(())
}

/// Waits until the recording has begun: the tool is attached then.
fn until_begun(recording: &Path) -> Result<()> {
    for _ in 0..1500 {
        if fs::metadata(recording).is_ok_and(|file| file.len() > 0) {
            return Ok(());
        }
        pause(Duration::from_millis(20));
    }
    anyhow::bail!("it does not begin")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_recording_answers_what_nobody_asked_for_then() -> Result<()> {
    if !need_root("a_recording_answers_what_nobody_asked_for_then") {
        return Ok(());
    }
    let scene = Scene::set("record")?;
    let folder = TempDir::new()?;
    let recording = folder.path().join("all.jsonl.zst");
    let mut tool = command().arg("record").arg("-o").arg(&recording).spawn()?;
    until_begun(&recording)?;
    scene.send(2.4)?;
    kill(Pid::from_raw(i32::try_from(tool.id())?), Signal::SIGINT)?;
    ensure!(tool.wait()?.success(), "it failed");
    let port = scene.port();
    let all = from(&recording, &["--format", "json", "-R", &port, "--all"])?;
    ensure!(text(&all.stdout).lines().filter(|line| line.contains("\"flow\"")).count() == 8);
    // Nobody of this process's name was asked for when it was recorded.
    let own = fs::read_to_string("/proc/self/comm")?;
    let arguments = ["trace", "-R", &port, "--comm", own.trim()];
    let transitions = text(&from(&recording, &arguments)?.stdout);
    ensure!(transitions.lines().count() > 20, "{transitions}");
    let by = ["--by", "cc", "-R", &port];
    let groups = text(&from(&recording, &by)?.stdout);
    ensure!(groups.contains("cubic") && groups.contains("reno"), "{groups}");
    // As plain text it is JSON lines for whoever reads them.
    let plain = Command::new("zstd").arg("-dc").arg(&recording).output().context("running zstd")?;
    ensure!(plain.status.success());
    for line in text(&plain.stdout).lines() {
        serde_json::from_str::<serde_json::Value>(line).with_context(|| line.to_owned())?;
    }
    Ok(())
}

#[test]
fn what_is_killed_while_it_records_leaves_what_it_had_a_second_before() -> Result<()> {
    let test = "what_is_killed_while_it_records_leaves_what_it_had_a_second_before";
    if !need_root(test) {
        return Ok(());
    }
    let scene = Scene::set("killed")?;
    let folder = TempDir::new()?;
    let mut had_begun = 0;
    for at in 0..20 {
        let recording = folder.path().join(format!("{at}.jsonl.zst"));
        let mut tool =
            command().args(["record", "-o"]).arg(&recording).stderr(Stdio::null()).spawn()?;
        pause(Duration::from_millis(200));
        let dial = Dial::to(scene.server.address()).congestion_control("cubic");
        let sender = Sender::start(&scene.lab.client, &dial, Amount::UntilStopped)?;
        pause(Duration::from_millis(100 + 73 * at));
        tool.kill()?;
        tool.wait()?;
        sender.stop(Ending::Reset)?;
        if fs::metadata(&recording).map_or(0, |file| file.len()) == 0 {
            continue; // it had not begun
        }
        had_begun += 1;
        let shown = from(&recording, &["--format", "json", "--all"])?;
        ensure!(shown.status.success(), "after {at}: {shown:?}");
        let remarks = text(&shown.stderr);
        ensure!(!remarks.contains("damaged"), "after {at}: {remarks}");
        ensure!(remarks.contains("it has no end"), "after {at}: {remarks}");
    }
    ensure!(had_begun >= 10, "only {had_begun} of 20 had begun");
    Ok(())
}

#[test]
fn what_is_no_recording_or_cannot_be_written_is_said_in_one_line() -> Result<()> {
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    let missing = from(&file, &["1"])?;
    fs::write(&file, "no recording")?;
    let none = from(&file, &["1"])?;
    let there = command().args(["record", "-o"]).arg(&file).output()?;
    let asks = from(&file, &["--attach", "kprobe", "1"])?;
    let speed = from(&file, &["--speed", "0", "1"])?;
    let both = command().args(["--record", "-", "1"]).output()?;
    let since = from(&file, &["--since", "yesterday", "1"])?;
    let until = from(&file, &["--until", "90", "1"])?;
    let live = command().args(["--since", "1s", "1"]).output()?;
    let expected = [
        (missing, "No such file"),
        (none, "not a recording"),
        (there, "there is such a file"),
        (asks, "--attach: not with --from"),
        (both, "--record -: stdout has what is shown"),
        (speed, "--speed 0: not a number such as 1, 10 or 0.5"),
        (since, "--since yesterday: not a time of day such as 14:03:05"),
        (until, "--until 90: not a time of day such as 14:03:05"),
        (live, "--from"),
    ];
    for (output, words) in expected {
        let said = text(&output.stderr);
        ensure!(output.status.code() == Some(2), "{words}: {output:?}");
        ensure!(said.lines().count() == 1 && said.contains(words), "{words}: {said}");
        ensure!(output.stdout.is_empty(), "{words}: {output:?}");
    }
    ensure!(fs::read(&file)? == b"no recording", "it was written over");
    Ok(())
}

/// A recording of a scene, by `record` with these options.
fn record(scene: &Scene, recording: &Path, options: &[&str], seconds: f64) -> Result<Output> {
    let tool = command()
        .args(["record", "-o"])
        .arg(recording)
        .args(options)
        .stderr(Stdio::piped())
        .spawn()?;
    until_begun(recording)?;
    scene.send(seconds)?;
    kill(Pid::from_raw(i32::try_from(tool.id())?), Signal::SIGINT)?;
    let output = tool.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(output)
}

/// The only line of this type that a replay prints.
fn line(output: &Output, of: &str) -> Result<serde_json::Value> {
    ensure!(output.status.success(), "{output:?}");
    let lines = text(&output.stdout);
    let mut lines = lines
        .lines()
        .map(serde_json::from_str::<serde_json::Value>)
        .collect::<Result<Vec<_>, _>>()?;
    lines.retain(|line| line["type"] == of);
    ensure!(lines.len() == 1, "{} lines of the type {of}", lines.len());
    lines.pop().context("none")
}

const TIMES: [&str; 5] = ["open_ns", "disorder_ns", "cwr_ns", "recovery_ns", "loss_ns"];

/// Times in the states and transitions, of all connections together.
fn sums(report: &serde_json::Value) -> Vec<u64> {
    let keys = TIMES.into_iter().chain(["changes", "rtos"]);
    keys.map(|key| report[key].as_u64().unwrap_or(u64::MAX)).collect()
}

fn added(reports: &[serde_json::Value]) -> Vec<u64> {
    let mut all = vec![0; TIMES.len() + 2];
    for report in reports {
        all.iter_mut().zip(sums(report)).for_each(|(all, one)| *all += one);
    }
    all
}

#[test]
fn parts_of_a_recording_that_meet_sum_to_all_of_it() -> Result<()> {
    if !need_root("parts_of_a_recording_that_meet_sum_to_all_of_it") {
        return Ok(());
    }
    let scene = Scene::set("parts")?;
    let folder = TempDir::new()?;
    let file = folder.path().join("all.jsonl.zst");
    record(&scene, &file, &[], 2.4)?;
    let port = scene.port();
    let json = ["--format", "json", "--all", "-R", &port];
    let piece = |range: &[&str]| from(&file, &[&json[..], range].concat());
    let whole = line(&piece(&[])?, "report")?;
    let third_ns = whole["interval_ns"].as_u64().context("no interval")? / 3;
    let (one, two) = (format!("{third_ns}ns"), format!("{}ns", 2 * third_ns));
    let parts = [
        line(&piece(&["--until", &one])?, "report")?,
        line(&piece(&["--since", &one, "--until", &two])?, "report")?,
        line(&piece(&["--since", &two])?, "report")?,
    ];
    ensure!(parts[1]["interval_ns"] == third_ns, "{}", parts[1]);
    ensure!(added(&parts) == sums(&whole), "{whole} is not {parts:?}");
    ensure!(parts.iter().all(|part| part["changes"].as_u64() > Some(0)), "{parts:?}");
    // What there is of a transition is shown in the part that it is in, once.
    let lines = |range: &[&str]| -> Result<String> {
        let trace = from(&file, &[&["trace", "--format", "csv"][..], range].concat())?;
        let shown = text(&trace.stdout);
        let (head, lines) = shown.split_once('\n').context("no head")?;
        ensure!(head.contains("cause"), "{head}");
        Ok(lines.to_owned())
    };
    let parts = lines(&["--until", &one])? + &lines(&["--since", &one])?;
    let whole = lines(&[])?;
    let differ = whole.lines().zip(parts.lines()).find(|(one, other)| one != other);
    ensure!(parts == whole, "they first differ in {differ:#?}");
    for (range, words) in [
        (&["--since", "2s", "--until", "1s"][..], "--until is not after --since"),
        (&["--since", "1h"], "it ends at"),
        (&["--until", "2001-01-01T00:00:00Z"], "--until is not after that"),
    ] {
        let output = piece(range)?;
        let said = text(&output.stderr);
        ensure!(output.status.code() == Some(2) && said.lines().count() == 1, "{output:?}");
        ensure!(said.contains(words) && output.stdout.is_empty(), "{output:?}");
    }
    Ok(())
}

#[test]
fn a_pipe_that_is_silent_holds_up_no_ctrl_c() -> Result<()> {
    if !need_root("a_pipe_that_is_silent_holds_up_no_ctrl_c") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    let made = command().args(["record", "--seconds", "2", "-o"]).arg(&file).output()?;
    ensure!(made.status.success(), "{made:?}");
    let whole = fs::read(&file)?;
    // Nothing, and all but the last frame's end.
    for written in [&[][..], &whole[..whole.len() - 3]] {
        let mut tool = command()
            .args(["--from", "-", "--format", "csv", "1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut pipe = tool.stdin.take().context("no stdin")?;
        pipe.write_all(written)?;
        // It has its signals in hand once they are caught (proc(5), SigCgt), and has read
        // all once it sleeps.
        let status = || fs::read_to_string(format!("/proc/{}/status", tool.id()));
        let caught = |status: &str| {
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            mask.is_some_and(|mask| mask.trim().ends_with(['2', '3', '6', '7', 'a', 'b', 'e', 'f']))
        };
        while !status().is_ok_and(|status| caught(&status) && status.contains("State:\tS")) {
            pause(Duration::from_millis(10));
        }
        kill(Pid::from_raw(i32::try_from(tool.id())?), Signal::SIGINT)?;
        let ended = tool.wait()?;
        let mut said = String::new();
        tool.stderr.take().context("no stderr")?.read_to_string(&mut said)?;
        ensure!(ended.success(), "{ended}: {said}");
        ensure!(!said.contains("cut off") && !said.contains("no end"), "{said}");
        drop(pipe);
    }
    Ok(())
}

#[test]
fn what_is_damaged_is_told_as_damage() -> Result<()> {
    if !need_root("what_is_damaged_is_told_as_damage") {
        return Ok(());
    }
    let scene = Scene::set("damage")?;
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    record(&scene, &file, &[], 3.0)?;
    let mut bytes = fs::read(&file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&file, bytes)?;
    let output = from(&file, &[])?;
    let said = text(&output.stderr);
    ensure!(said.contains("of the recording damaged or missing, in 1 gap"), "{said}");
    ensure!(said.contains("bytes are damaged, and were skipped"), "{said}");
    ensure!(!said.contains("--buffer"), "{said}");
    Ok(())
}

#[test]
fn a_recording_that_was_filtered_says_so_when_it_is_replayed() -> Result<()> {
    if !need_root("a_recording_that_was_filtered_says_so_when_it_is_replayed") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    let filters = ["-R", "443-445", "--laddr", "10.0.0.0/8"];
    let made =
        command().args(["record", "--seconds", "1", "-o"]).arg(&file).args(filters).output()?;
    ensure!(made.status.success(), "{made:?}");
    let words = "the recording was made with -R 443-445 --laddr 10.0.0.0/8: it has no other";
    for arguments in [&["1"][..], &["trace"], &["why"]] {
        let said = text(&from(&file, arguments)?.stderr);
        ensure!(said.contains(words), "{arguments:?}: {said}");
    }
    let start = |options: &[&str]| -> Result<serde_json::Value> {
        line(&from(&file, &[&["--format", "json"][..], options].concat())?, "start")
    };
    let all = start(&[])?;
    ensure!(
        all["recorded_only"] == serde_json::json!(["-R 443-445", "--laddr 10.0.0.0/8"]),
        "{all}"
    );
    // What nobody asks for is not missing.
    let same = start(&filters)?;
    ensure!(same.get("recorded_only").is_none(), "{same}");
    Ok(())
}
