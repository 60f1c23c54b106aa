//! Recordings of real traffic side by side: the figures are those of the reports, what
//! differs is found, and what does not is not.

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::lab::Lab;
use support::needs::{need, need_root};
use support::server::Server;
use support::tool::{command, pause};
use support::traffic::{Amount, Dial, Ending, Sender};
use tempfile::TempDir;

const TIMES: [&str; 5] = ["open_ns", "disorder_ns", "cwr_ns", "recovery_ns", "loss_ns"];
const CONTROLS: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";

/// A path with 50 Mbit/s, a queue of 64 ms, and one packet in a hundred lost.
struct Scene {
    lab: Lab,
    server: Server,
    folder: TempDir,
}

impl Scene {
    fn set(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        lab.bottleneck("50mbit", "16k", "400k")?;
        lab.forward("numgen random mod 100 0 drop")?;
        let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
        Ok(Self { lab, server, folder: TempDir::new()? })
    }

    fn port(&self) -> String {
        self.server.address().port().to_string()
    }

    /// A recording of so many connections with this congestion control.
    fn recording(&self, name: &str, connections: usize, cc: &str) -> Result<PathBuf> {
        let file = self.folder.path().join(format!("{name}.jsonl.zst"));
        let mut tool = command()
            .args(["record", "-R", &self.port(), "-o"])
            .arg(&file)
            .spawn()
            .context("starting tcpcong")?;
        while !file.exists() {
            ensure!(tool.try_wait()?.is_none(), "it ended before it recorded");
            pause(Duration::from_millis(10));
        }
        let dial = Dial::to(self.server.address()).congestion_control(cc);
        let start = || Sender::start(&self.lab.client, &dial, Amount::UntilStopped);
        let senders = (0..connections).map(|_| start()).collect::<Result<Vec<_>>>()?;
        pause(Duration::from_secs(4));
        for sender in senders {
            sender.stop(Ending::Reset)?;
        }
        kill(Pid::from_raw(i32::try_from(tool.id())?), Signal::SIGINT)?;
        ensure!(tool.wait()?.success(), "it failed");
        Ok(file)
    }
}

fn diff(a: &Path, b: &Path, options: &[&str]) -> Result<Output> {
    let output = command().arg("diff").args([a, b]).args(options).output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(output)
}

fn lines(output: &Output) -> Result<Vec<Value>> {
    let text = String::from_utf8(output.stdout.clone())?;
    text.lines().map(|line| serde_json::from_str(line).context(line.to_owned())).collect()
}

fn of_type<'l>(lines: &'l [Value], kind: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

fn verdict<'l>(lines: &'l [Value], measure: &str) -> Result<&'l str> {
    let differences = of_type(lines, "difference");
    let line = differences.iter().find(|line| line["measure"] == measure);
    line.and_then(|line| line["verdict"].as_str()).with_context(|| measure.to_owned())
}

#[test]
fn the_figures_are_those_of_the_reports_and_a_recording_does_not_differ_from_itself() -> Result<()>
{
    let test = "the_figures_are_those_of_the_reports_and_a_recording_does_not_differ_from_itself";
    if !need_root(test) {
        return Ok(());
    }
    let scene = Scene::set("diff")?;
    let file = scene.recording("a", 10, "cubic")?;
    let itself = lines(&diff(&file, &file, &["--format", "json"])?)?;
    let report = command().arg("--from").arg(&file).args(["--format", "json", "--all"]).output()?;
    let report = lines(&report)?;
    let [report] = of_type(&report, "report")[..] else { panic!("not one report") };
    ensure!(report["changes"].as_u64() > Some(20), "little happened: {report}");
    for recording in of_type(&itself, "recording") {
        for figure in TIMES.into_iter().chain(["changes", "flows", "exact", "uncertain_ns"]) {
            ensure!(recording[figure] == report[figure], "{figure}: {recording} and {report}");
        }
        ensure!(recording["connections"] == 10, "{recording}");
    }
    let in_all: f64 = TIMES.iter().filter_map(|time| report[time].as_f64()).sum();
    let share = |line: &&&Value| line["measure"] == "share" && line["state"] == "recovery";
    let differences = of_type(&itself, "difference");
    let share = differences.iter().find(share).context("no Recovery")?;
    let shown = share["a"].as_f64().context("no share")?;
    let expected = report["recovery_ns"].as_f64().context("no time")? / in_all;
    ensure!((shown - expected).abs() < 1e-9, "{shown} and {expected}");
    let rtos = differences.iter().find(|line| line["measure"] == "rtos");
    let rtos = rtos.map_or(0.0, |line| line["a"].as_f64().unwrap_or(f64::NAN));
    let expected = report["rtos"].as_f64().context("no rtos")? * 1e9 / in_all;
    ensure!((rtos - expected).abs() < 1e-9, "{rtos} and {expected}");
    // As many spells as the histogram has.
    let histogram = command().arg("--from").arg(&file).args(["--format", "json", "-d"]).output()?;
    for line in of_type(&lines(&histogram)?, "histogram") {
        let buckets = line["spells"].as_array().context("no spells")?;
        let counted: u64 = buckets.iter().filter_map(|bucket| bucket["count"].as_u64()).sum();
        let same = |one: &&&Value| one["measure"] == "spells" && one["state"] == line["state"];
        let spells = differences
            .iter()
            .find(same)
            .map_or(0, |one| one["spells_a"]["count"].as_u64().unwrap_or(u64::MAX));
        ensure!(spells == counted, "{line}: {spells}");
    }
    for line in differences {
        ensure!(line["verdict"] == "no-evidence" || line["verdict"] == "too-few", "{line}");
        ensure!(line["p"].is_null() || line["p"] == 1.0, "{line}");
    }
    Ok(())
}

#[test]
fn cubic_and_bbr_differ_on_the_same_lossy_path_and_few_connections_prove_nothing() -> Result<()> {
    let test = "cubic_and_bbr_differ_on_the_same_lossy_path_and_few_connections_prove_nothing";
    let has_bbr = std::fs::read_to_string(CONTROLS)?.split_whitespace().any(|cc| cc == "bbr");
    if !need_root(test) || !need(test, has_bbr, "the congestion control bbr") {
        return Ok(());
    }
    let scene = Scene::set("diffcc")?;
    let cubic = scene.recording("cubic", 12, "cubic")?;
    let bbr = scene.recording("bbr", 12, "bbr")?;
    let found = lines(&diff(&cubic, &bbr, &["--format", "json"])?)?;
    // Losses do not make it slower, so it loses what the queue does not take, again and again.
    ensure!(verdict(&found, "retrans")? == "higher", "{found:#?}");
    let output = diff(&cubic, &bbr, &[])?;
    let (tables, remarks) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    println!("{tables}{remarks}");
    ensure!(tables.lines().all(|line| line.chars().count() <= 80), "{tables}");
    ensure!(remarks.contains("the congestion controls: A cubic, B bbr"), "{remarks}");
    // Where the machine hid an event from the tool it is not exact.
    for side in ["A: ", "B: "] {
        let trust =
            remarks.lines().find_map(|line| line.strip_prefix("tcpcong: ")?.strip_prefix(side));
        ensure!(trust.is_some_and(|trust| trust.contains("exact")), "{remarks}");
    }
    // Each group beside itself: of neither there is anything on the other side.
    let grouped = lines(&diff(&cubic, &bbr, &["--by", "cc", "--format", "json"])?)?;
    for line in of_type(&grouped, "difference") {
        let sides = (&line["connections_a"], &line["connections_b"]);
        ensure!(*sides.0 == 0 || *sides.1 == 0, "{line}");
        ensure!(line["verdict"] == "too-few" && line["p"].is_null(), "{line}");
    }
    let few = scene.recording("few", 3, "bbr")?;
    let few = String::from_utf8(diff(&cubic, &few, &[])?.stdout)?;
    ensure!(few.contains("too few: 12 and 3") && !few.contains("p="), "{few}");
    Ok(())
}

#[test]
fn what_cannot_be_compared_is_said_in_one_line() -> Result<()> {
    let missing = command().args(["diff", "/nowhere/a", "/nowhere/b"]).output()?;
    let one = command().args(["diff", "a"]).output()?;
    let stdin = command().args(["diff", "-", "-"]).output()?;
    let by = command().args(["diff", "a", "b", "--by", "luck"]).output()?;
    let expected = [
        (missing, "/nowhere/a: No such file"),
        (one, "required arguments were not provided"),
        (stdin, "diff - -: stdin can be one"),
        (by, "--by luck: not one of"),
    ];
    for (output, words) in expected {
        let said = String::from_utf8(output.stderr.clone())?;
        ensure!(output.status.code() == Some(2), "{words}: {output:?}");
        ensure!(said.lines().count() == 1 && said.contains(words), "{words}: {said}");
    }
    Ok(())
}
