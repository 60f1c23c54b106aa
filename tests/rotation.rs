//! Recordings in parts: files that are rotated, what is written of the last minute, and what
//! is left when the disk is full.

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::needs::need_root;
use support::scene::Scene;
use support::tool::{command, pause};
use support::traffic::{Amount, Dial, Ending, Sender};
use tempfile::TempDir;

/// `record` under way.
struct Recording {
    tool: Child,
    remarks: BufReader<ChildStderr>,
}

impl Recording {
    /// Begins, and waits until it has: it says so, or the file is there.
    fn begin(file: &Path, options: &[&str]) -> Result<Self> {
        let mut tool = command()
            .args(["record", "-o"])
            .arg(file)
            .args(options)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut remarks = BufReader::new(tool.stderr.take().context("no stderr")?);
        if options.contains(&"--hindsight") {
            // Other tests' namespaces come and go: that may be said before.
            while !line(&mut remarks)?.contains("are kept in memory") {
                ensure!(tool.try_wait()?.is_none(), "it has ended");
            }
        } else {
            while fs::metadata(file).map_or(0, |file| file.len()) == 0 {
                if let Some(status) = tool.try_wait()? {
                    anyhow::bail!("{status}: {}", line(&mut remarks)?);
                }
                pause(Duration::from_millis(10));
            }
        }
        Ok(Self { tool, remarks })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.tool.id())?), signal)?)
    }

    /// Interrupts it. Returns what else it said.
    fn finish(mut self) -> Result<String> {
        self.signal(Signal::SIGINT)?;
        ensure!(self.tool.wait()?.success(), "it failed");
        std::io::read_to_string(&mut self.remarks).context("reading stderr")
    }
}

fn line(from: &mut BufReader<ChildStderr>) -> Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The files of a rotation, the oldest first.
fn files(of: &Path) -> Result<Vec<PathBuf>> {
    let name = of.file_name().context("no name")?.to_string_lossy();
    let stem = name.strip_suffix(".jsonl.zst").context("another name")?;
    let numbered = |number: u32| of.with_file_name(format!("{stem}.{number}.jsonl.zst"));
    let mut files: Vec<_> = (1..1000).map(numbered).take_while(|file| file.exists()).collect();
    files.reverse();
    files.extend(of.exists().then(|| of.to_owned()));
    Ok(files)
}

/// The one report on a file.
fn report(file: &Path, port: &str) -> Result<(Output, Value)> {
    let output =
        command().args(["--format", "json", "--all", "-R", port, "--from"]).arg(file).output()?;
    ensure!(output.status.success(), "{}: {output:?}", file.display());
    let shown = text(&output.stdout);
    let last = shown.lines().last().context("nothing was shown")?;
    let report: Value = serde_json::from_str(last)?;
    ensure!(report["type"] == "report", "{report}");
    Ok((output, report))
}

fn number(line: &Value, key: &str) -> Result<u64> {
    line[key].as_u64().with_context(|| format!("{key} of {line}"))
}

/// What the lines of a file say of connections to the port, by no code of the tool's: their
/// lives within it, and their transitions.
fn reckoned(file: &Path, port: u64) -> Result<(u64, u64)> {
    let lines = Command::new("zstd").arg("-dc").arg(file).output().context("running zstd")?;
    let (mut born, mut life_ns, mut changes) = (HashMap::new(), 0, 0);
    for line in text(&lines.stdout).lines() {
        let line: Value = serde_json::from_str(line)?;
        let at_ns = line["at_ns"].as_u64().unwrap_or(0);
        if line["type"] == "stop" {
            life_ns += born.drain().map(|(_, born_ns)| at_ns - born_ns).sum::<u64>();
        }
        if line["rport"] != port {
            continue;
        }
        let socket = line["socket"].to_string();
        match line["type"].as_str() {
            Some("birth" | "flow") => drop(born.insert(socket, at_ns)),
            Some("transition") => changes += u64::from(line["from"] != line["to"]),
            Some("end") => {
                life_ns += at_ns - born.remove(&socket).context("an end without a beginning")?;
            }
            _ => {}
        }
    }
    Ok((life_ns, changes))
}

/// Whether nothing was missed, but for what the machine hid from the run itself: where it
/// keeps events from programs, as some virtual machines do at times, that is said.
fn is_exact(report: &Value) -> bool {
    report["inexact_flows"] == 0 || report["transitions_missed"] != 0
}

#[test]
fn each_file_of_a_rotation_replays_and_together_they_sum_to_the_run() -> Result<()> {
    if !need_root("each_file_of_a_rotation_replays_and_together_they_sum_to_the_run") {
        return Ok(());
    }
    let scene = Scene::set("rotate")?;
    let port = scene.port();
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    let recording = Recording::begin(&file, &["--max-size", "4K", "-R", &port])?;
    scene.send(5.0)?;
    recording.finish()?;
    let files = files(&file)?;
    ensure!(files.len() > 2, "only {files:?}");
    let (mut ends_ns, mut changes) = (None, 0);
    for file in &files {
        let (output, report) = report(file, &port)?;
        let remarks = text(&output.stderr);
        ensure!(!remarks.contains("no end") && !remarks.contains("damaged"), "{remarks}");
        ensure!(is_exact(&report), "{report}");
        let from_ns = number(&report, "end_ns")? - number(&report, "interval_ns")?;
        ensure!(ends_ns.is_none_or(|ends_ns| ends_ns == from_ns), "{}", file.display());
        ends_ns = Some(number(&report, "end_ns")?);
        let states = ["open_ns", "disorder_ns", "cwr_ns", "recovery_ns", "loss_ns"];
        let times = states.iter().map(|state| number(&report, state)).sum::<Result<u64>>()?;
        let shown = (times, number(&report, "changes")?);
        ensure!(shown == reckoned(file, port.parse()?)?, "{}: {shown:?}", file.display());
        changes += shown.1;
    }
    ensure!(changes > 20, "{changes} transitions");
    Ok(())
}

#[test]
fn as_many_files_are_kept_as_were_asked_for() -> Result<()> {
    if !need_root("as_many_files_are_kept_as_were_asked_for") {
        return Ok(());
    }
    let scene = Scene::set("keep")?;
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    let recording = Recording::begin(&file, &["--max-size", "4K", "--keep", "1"])?;
    scene.send(5.0)?;
    recording.finish()?;
    let names = fs::read_dir(folder.path())?.count();
    ensure!(names == 2, "{names} files");
    let again = command().args(["record", "--max-size", "1M", "-o"]).arg(&file).output()?;
    ensure!(again.status.code() == Some(2), "{again:?}");
    fs::remove_file(&file)?;
    let again = command().args(["record", "--max-size", "1M", "-o"]).arg(&file).output()?;
    let said = text(&again.stderr);
    ensure!(again.status.code() == Some(2) && said.contains("of a rotation before"), "{said}");
    Ok(())
}

#[test]
fn what_is_killed_while_it_rotates_leaves_files_that_can_be_read() -> Result<()> {
    if !need_root("what_is_killed_while_it_rotates_leaves_files_that_can_be_read") {
        return Ok(());
    }
    let scene = Scene::set("rotkill")?;
    let port = scene.port();
    let folder = TempDir::new()?;
    let dial = Dial::to(scene.server.address()).congestion_control("cubic");
    let senders = (0..6)
        .map(|_| Sender::start(&scene.lab.client, &dial, Amount::UntilStopped))
        .collect::<Result<Vec<_>>>()?;
    let mut rotated = 0;
    for at in 0..10 {
        let file = folder.path().join(format!("{at}.jsonl.zst"));
        let mut recording = Recording::begin(&file, &["--max-size", "4K"])?;
        pause(Duration::from_millis(900 + 137 * at));
        recording.tool.kill()?;
        recording.tool.wait()?;
        let files = files(&file)?;
        rotated += files.len() - 1;
        for file in files {
            // Nothing of it may have been written yet.
            if fs::metadata(&file)?.len() > 0 {
                let (output, _) = report(&file, &port)?;
                let remarks = text(&output.stderr);
                ensure!(!remarks.contains("damaged"), "{}: {remarks}", file.display());
            }
        }
    }
    for sender in senders {
        sender.stop(Ending::Reset)?;
    }
    ensure!(rotated >= 5, "rotated {rotated} times only");
    Ok(())
}

/// A file system with little room.
struct Small(TempDir);

impl Small {
    fn new(size: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let size = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output()?;
        ensure!(mount.status.success(), "{mount:?}");
        Ok(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_is_said_in_one_line_and_what_was_written_can_be_read() -> Result<()> {
    if !need_root("a_full_disk_is_said_in_one_line_and_what_was_written_can_be_read") {
        return Ok(());
    }
    let scene = Scene::set("full")?;
    let small = Small::new("12k")?;
    let file = small.0.path().join("a.jsonl.zst");
    let mut recording = Recording::begin(&file, &[])?;
    for _ in 0..20 {
        if recording.tool.try_wait()?.is_some() {
            break;
        }
        scene.send(1.0)?;
    }
    let status = recording.tool.try_wait()?.context("it goes on")?;
    let said = std::io::read_to_string(&mut recording.remarks)?;
    ensure!(status.code() == Some(1), "{status}: {said}");
    // Other tests' namespaces come and go: that may be said as well.
    let words = "No space left on device (os error 28); it ends with what was written before";
    ensure!(said.lines().filter(|line| line.contains(words)).count() == 1, "{said}");
    ensure!(said.lines().count() <= 2, "{said}");
    let (output, report) = report(&file, &scene.port())?;
    let remarks = text(&output.stderr);
    ensure!(remarks.contains("it has no end") && !remarks.contains("damaged"), "{remarks}");
    ensure!(!remarks.contains("cut off"), "{remarks}");
    ensure!(number(&report, "changes")? > 0, "{report}");
    Ok(())
}

#[test]
fn hindsight_is_written_at_a_signal_and_nothing_without_one() -> Result<()> {
    if !need_root("hindsight_is_written_at_a_signal_and_nothing_without_one") {
        return Ok(());
    }
    let scene = Scene::set("hind")?;
    let port = scene.port();
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    let options = ["--hindsight", "2s", "--when", "loss > 3600s"];
    let mut recording = Recording::begin(&file, &options)?;
    scene.send(5.0)?;
    ensure!(!file.exists(), "it was written without a reason");
    recording.signal(Signal::SIGUSR1)?;
    let said = line(&mut recording.remarks)?;
    ensure!(said.contains("as SIGUSR1 asked for it"), "{said}");
    let (output, first) = report(&file, &port)?;
    recording.signal(Signal::SIGUSR1)?;
    let said = line(&mut recording.remarks)?;
    let second = folder.path().join("a.2.jsonl.zst");
    ensure!(said.contains("a.2.jsonl.zst") && second.exists(), "{said}");
    recording.finish()?;
    let remarks = text(&output.stderr);
    ensure!(!remarks.contains("no end") && !remarks.contains("lost"), "{remarks}");
    let seconds = Duration::from_nanos(number(&first, "interval_ns")?).as_secs_f64();
    ensure!((2.0..4.5).contains(&seconds), "{seconds} s");
    ensure!(number(&first, "changes")? > 0 && is_exact(&first), "{first}");
    report(&second, &port)?;
    // Nobody asks this one.
    let file = folder.path().join("b.jsonl.zst");
    let said = Recording::begin(&file, &options)?.finish()?;
    let words = "nothing was written: no SIGUSR1 came, and never was loss > 3600s";
    ensure!(said.contains(words) && !file.exists(), "{said}");
    Ok(())
}

#[test]
fn hindsight_is_written_when_a_connection_is_in_loss() -> Result<()> {
    if !need_root("hindsight_is_written_when_a_connection_is_in_loss") {
        return Ok(());
    }
    let scene = Scene::set("when")?;
    let port = scene.port();
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    let when = format!("loss > 200ms and rport = {port}");
    let options = ["--hindsight", "30s", "--when", &when];
    let mut recording = Recording::begin(&file, &options)?;
    let dial = Dial::to(scene.server.address()).congestion_control("cubic");
    let sender = Sender::start(&scene.lab.client, &dial, Amount::UntilStopped)?;
    pause(Duration::from_millis(500));
    scene.lab.silence(true)?;
    let said = line(&mut recording.remarks)?;
    scene.lab.silence(false)?;
    ensure!(said.contains(&format!("as {when}: ")) && said.contains("had loss "), "{said}");
    sender.stop(Ending::Reset)?;
    // It holds again, too soon for another file.
    let said = recording.finish()?;
    ensure!(!said.contains("as loss"), "{said}");
    let (_, report) = report(&file, &port)?;
    ensure!(number(&report, "loss_ns")? > 200_000_000, "{report}");
    ensure!(fs::read_dir(folder.path())?.count() == 1, "there are other files");
    Ok(())
}

#[test]
fn options_without_sense_are_refused() -> Result<()> {
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    let refused = |options: &[&str]| -> Result<String> {
        let output = command().args(["record", "-o"]).arg(&file).args(options).output()?;
        ensure!(output.status.code() == Some(2), "{options:?}: {output:?}");
        let said = text(&output.stderr);
        ensure!(said.lines().count() == 1, "{said}");
        Ok(said)
    };
    for (options, words) in [
        (&["--when", "loss > 1s"][..], "--hindsight"),
        (&["--keep", "3"], "--max-size"),
        (&["--max-size", "1M", "--hindsight", "9s"], "cannot be used with"),
        (&["--max-size", "0"], "not a size from 4K up, such as 100M"),
        (&["--max-size", "1M", "--keep", "0"], "not a whole number of files from 1 up"),
        (&["--hindsight", "0s"], "not a time from 1s to 24h, such as 60s"),
        (&["--hindsight", "60"], "not a time from 1s to 24h, such as 60s"),
        (&["--hindsight", "9s", "--when", "los > 1s"], "no column is called los; there are"),
    ] {
        let said = refused(options)?;
        ensure!(said.contains(words), "{options:?}: {said}");
    }
    for options in [["--max-size", "1M"], ["--hindsight", "9s"]] {
        let output = command().args(["record", "-o", "-"]).args(options).output()?;
        ensure!(output.status.code() == Some(2) && output.stdout.is_empty(), "{output:?}");
    }
    Ok(())
}
