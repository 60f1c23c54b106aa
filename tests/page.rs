//! The page of `tcpcong report` in a real browser, of real traffic and of recordings that are
//! made up to be large or hostile. What a reader does there is in `tests/page/check.mjs`.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::needs::{need, need_root};
use support::tool::command;
use tempfile::TempDir;

const MS: u64 = 1_000_000;
const START_NS: u64 = 5_000 * MS;

/// Whether a browser and Node.js are here.
fn need_browser(test: &str) -> bool {
    let runs = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let named = std::env::var("CHROMIUM").ok();
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let has = named.as_deref().map_or_else(|| browsers.into_iter().any(runs), runs);
    need(test, has && runs("node"), "chromium and nodejs")
}

/// Makes a page with these arguments after `report`.
fn page(folder: &Path, name: &str, arguments: &[&str]) -> Result<PathBuf> {
    let to = folder.join(name);
    let made = command().arg("report").args(arguments).arg("-o").arg(&to).output()?;
    ensure!(made.status.success() && made.stdout.is_empty(), "{made:?}");
    Ok(to)
}

/// Does in a browser what the scene says.
fn check(scene: &str, page: &Path) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/check.mjs");
    let ran = Command::new("node").arg(script).arg(scene).arg(page).output()?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    if !said.is_empty() {
        use std::io::Write as _;
        // Measures are for whoever runs it, also where it passes.
        _ = write!(std::io::stderr(), "{said}");
    }
    ensure!(ran.status.success(), "{scene}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}

/// Records what `tcpcong demo` does, run from a file of this name.
fn record_demo(folder: &Path, name: &str, seconds: &str) -> Result<PathBuf> {
    let recording = folder.join("demo.jsonl.zst");
    let own = folder.join(name);
    // By another process: a descriptor of this one that may write is inherited by what
    // other tests start meanwhile, and the kernel runs no file that is open so.
    let program = command().get_program().to_owned();
    ensure!(Command::new("cp").arg(program).arg(&own).status()?.success(), "no copy");
    let mut recorder =
        command().arg("record").arg("-o").arg(&recording).stderr(Stdio::null()).spawn()?;
    while !recording.exists() {
        ensure!(recorder.try_wait()?.is_none(), "it records nothing");
        support::tool::pause(std::time::Duration::from_millis(20));
    }
    let demo = Command::new(&own).args(["demo", "--seconds", seconds]).output()?;
    kill(Pid::from_raw(i32::try_from(recorder.id())?), Signal::SIGINT)?;
    ensure!(recorder.wait()?.success(), "it failed");
    ensure!(demo.status.success(), "{demo:?}");
    Ok(recording)
}

#[test]
fn a_page_of_real_traffic_does_what_a_reader_asks_of_it() -> Result<()> {
    let test = "a_page_of_real_traffic_does_what_a_reader_asks_of_it";
    if !need_root(test) || !need_browser(test) {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let recording = record_demo(folder.path(), "<img src=x>", "6")?;
    let recording = recording.to_str().context("a path")?;
    check("traffic", &page(folder.path(), "page.html", &[recording, "--comm", "<img src=x>"])?)
}

/// The lines of a kind that the tool prints of a recording.
fn lines(recording: &str, kind: &str, arguments: &[&str]) -> Result<Vec<Value>> {
    let (subcommand, options) = arguments.split_at(usize::from(arguments.first() == Some(&"why")));
    let ran = command()
        .args(subcommand)
        .args(["--from", recording, "--format", "json"])
        .args(options)
        .output()?;
    ensure!(ran.status.success(), "{ran:?}");
    let lines = String::from_utf8(ran.stdout)?;
    let lines = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    Ok(lines.into_iter().filter(|line| line["type"] == kind).collect())
}

#[test]
fn the_page_has_the_figures_that_the_tool_prints() -> Result<()> {
    if !need_root("the_page_has_the_figures_that_the_tool_prints") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let recording = record_demo(folder.path(), "demo", "4")?;
    let recording = recording.to_str().context("a path")?;
    let data = data(&page(folder.path(), "page.html", &[recording])?)?;
    let run = &data["runs"][0];
    let flows = run["flows"].as_array().context("no flows")?;
    ensure!(flows.len() > 5, "{} flows", flows.len());

    let states = ["open", "disorder", "cwr", "recovery", "loss"];
    let report = lines(recording, "report", &["--all"])?.pop().context("no report")?;
    for (at, state) in states.iter().enumerate() {
        ensure!(run["times_ns"][at] == report[format!("{state}_ns")], "{state}: {report}");
    }
    // Other networks of this machine have the same ports.
    let end = |line: &Value, addr: &str, port: &str| {
        let port = u16::try_from(line[port].as_u64()?).ok()?;
        Some(SocketAddr::new(line[addr].as_str()?.parse().ok()?, port).to_string())
    };
    let find = |line: &Value| {
        let (local, remote) = (end(line, "laddr", "lport"), end(line, "raddr", "rport"));
        let is_it = |flow: &&Value| {
            flow["local"].as_str() == local.as_deref()
                && flow["remote"].as_str() == remote.as_deref()
                && flow["netns"] == line["netns_name"]
        };
        let mut found = flows.iter().filter(is_it);
        let flow = found.next().with_context(|| format!("not on the page: {line}"))?;
        ensure!(found.next().is_none(), "twice on the page: {line}");
        Ok(flow)
    };
    for line in lines(recording, "flow", &["--all"])? {
        let flow = find(&line)?;
        for (at, state) in states.iter().enumerate() {
            ensure!(flow["times"][at] == line[format!("{state}_ns")], "{state}: {line}");
        }
        ensure!(flow["changes"] == line["changes"] && flow["rtos"] == line["rtos"], "{line}");
    }
    for line in lines(recording, "verdict", &["why"])? {
        ensure!(find(&line)?["verdict"]["name"] == line["verdict"], "{line}");
    }
    for (at, line) in lines(recording, "histogram", &["-d", "-u", "--all"])?.iter().enumerate() {
        let counts = |of: &Value| -> Vec<u64> {
            of.as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_u64)
                .filter(|count| *count > 0)
                .collect()
        };
        let printed: Vec<_> = line["spells"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|slot| slot["count"].as_u64())
            .collect();
        ensure!(counts(&run["lengths"][at]) == printed, "{line}: {}", run["lengths"][at]);
        ensure!(run["ongoing"][at] == line["ongoing_spells"], "{line}");
    }
    Ok(())
}

#[test]
fn what_is_damaged_is_said_at_the_top() -> Result<()> {
    let folder = TempDir::new()?;
    let recording = folder.path().join("cut.jsonl.zst");
    make_up(&recording, 3, 300, "server")?;
    let whole = fs::read(&recording)?;
    fs::write(&recording, &whole[..whole.len() - 20])?;
    let html = fs::read_to_string(page(
        folder.path(),
        "page.html",
        &[recording.to_str().context("a path")?],
    )?)?;
    let (_, trust) = html.split_once("class=\"trust inexact\">").context("it looks exact")?;
    let (trust, _) = trust.split_once("</p>").context("no end")?;
    ensure!(trust.contains("cut off") && trust.contains("no end"), "{trust}");
    Ok(())
}

#[test]
fn a_spike_and_a_short_spell_stay_where_pixels_are_few() -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/raster.mjs");
    let runs = Command::new("node").arg("--version").output().is_ok();
    if !need("a_spike_and_a_short_spell_stay_where_pixels_are_few", runs, "nodejs") {
        return Ok(());
    }
    let ran = Command::new("node").arg(script).output()?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}

/// A recording that is made up, frame by frame.
struct Written {
    frames: Vec<u8>,
    lines: usize,
    frame: String,
}

impl Written {
    fn new() -> Result<Self> {
        let mut written = Self { frames: Vec::new(), lines: 0, frame: String::new() };
        written.line(&json!({
            "type": "start", "version": 1, "at": "2026-11-27T00:00:00Z", "at_ns": START_NS,
            "tick_ns": 4 * MS, "kernel": "6.18.0", "attach": "tracepoint:btf",
            "attach_rejected": [], "limitations": [], "max_flows": 100_000,
            "buffer_bytes": 8 << 20, "namespaces": 1, "namespaces_unreached": 0,
        }))?;
        written.frame()?;
        Ok(written)
    }

    fn line(&mut self, line: &Value) -> Result<()> {
        if self.frame.is_empty() && self.lines > 0 {
            let (lines, at_ns) = (self.lines, &line["at_ns"]);
            writeln!(self.frame, r#"{{"type":"frame","at_ns":{at_ns},"lines":{lines}}}"#)?;
            self.lines += 1;
        }
        writeln!(self.frame, "{line}")?;
        self.lines += 1;
        if self.frame.len() > 60_000 { self.frame() } else { Ok(()) }
    }

    fn frame(&mut self) -> Result<()> {
        let mut compressor = zstd::bulk::Compressor::new(1)?;
        compressor.include_checksum(true)?;
        self.frames.extend(compressor.compress(self.frame.as_bytes())?);
        self.frame.clear();
        Ok(())
    }

    fn finish(mut self, to: &Path, end_ns: u64) -> Result<()> {
        self.line(&json!({ "type": "stop", "at_ns": end_ns }))?;
        self.frame()?;
        fs::write(to, self.frames)?;
        Ok(())
    }
}

/// So many connections, which make so many transitions each within a minute, owned by a process
/// of this name.
fn make_up(to: &Path, flows: u64, transitions: u64, comm: &str) -> Result<()> {
    const STATES: [&str; 6] = ["open", "disorder", "recovery", "open", "cwr", "open"];
    let socket = |flow: u64| format!("{:016x}", 0xffff_8880_0000_0000 + flow * 0x1000);
    let mut events = Vec::new();
    for flow in 0..flows {
        let born_ns = START_NS + MS + flow * MS;
        let ports = json!({ "lport": 10_000 + flow, "rport": 443 });
        let ends = json!({ "laddr": "10.0.0.1", "raddr": format!("10.1.{}.{}", flow / 250, flow % 250 + 1), "netns": 1, "cookie": flow + 1, "cc": "cubic" });
        let mut add = |at_ns: u64, kind: &str, more: &[&Value]| {
            let mut line = json!({ "type": kind, "at_ns": at_ns, "socket": socket(flow) });
            for more in more {
                if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
                    line.extend(more.clone());
                }
            }
            events.push((at_ns, line));
        };
        add(born_ns, "birth", &[&ports, &ends, &json!({ "state": "open" })]);
        let owner = json!({ "born_ns": born_ns, "pid": 100 + flow, "comm": comm });
        add(born_ns, "owner", &[&owner]);
        let step_ns = 59_000 * MS / transitions;
        let (mut state, mut at) = ("open", 0);
        for transition in 0..transitions {
            // Some are long, and most short; now and then one is Loss.
            let at_ns =
                born_ns + transition * step_ns + (flow * 7919 + transition * 104_729) % step_ns;
            at += 1;
            let is_loss = state == "open" && (flow + transition) % 11 == 0;
            let next = if is_loss { "loss" } else { STATES[at % STATES.len()] };
            let next = if state == "loss" { "open" } else { next };
            if next == state {
                continue;
            }
            let cwnd = 10 + (transition * 13 + flow) % 60;
            let figures = json!({
                "from": state, "to": next, "snd_cwnd": cwnd, "snd_ssthresh": cwnd / 2 + 1, "prior_cwnd": cwnd,
                "srtt_us": 20_000 + 100 * (transition % 37), "packets_out": cwnd, "sacked_out": 1, "lost_out": 1,
                "retrans_out": 0, "busy": transition, "rwnd_limited": 0, "sndbuf_limited": 0,
                "delivered": 100 * transition, "total_retrans": transition,
            });
            add(at_ns, "transition", &[&ports, &json!({ "cc": "cubic" }), &figures]);
            state = next;
        }
    }
    events.sort_by_key(|(at_ns, _)| *at_ns);
    let mut written = Written::new()?;
    events.iter().try_for_each(|(_, line)| written.line(line))?;
    written.finish(to, START_NS + 61_000 * MS)
}

#[test]
fn names_that_look_like_markup_stay_names_and_nothing_foreign_is_run() -> Result<()> {
    if !need_browser("names_that_look_like_markup_stay_names_and_nothing_foreign_is_run") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let recording = folder.path().join("hostile <b>.jsonl.zst");
    make_up(&recording, 3, 30, "</script><b>")?;
    check("hostile", &page(folder.path(), "page.html", &[recording.to_str().context("a path")?])?)
}

#[test]
fn a_thousand_connections_with_a_hundred_thousand_transitions_open_soon() -> Result<()> {
    if !need_browser("a_thousand_connections_with_a_hundred_thousand_transitions_open_soon") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let recording = folder.path().join("large.jsonl.zst");
    make_up(&recording, 1_000, 112, "server")?;
    check("large", &page(folder.path(), "page.html", &[recording.to_str().context("a path")?])?)
}

#[test]
fn two_recordings_share_a_page_and_an_axis() -> Result<()> {
    if !need_browser("two_recordings_share_a_page_and_an_axis") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let [one, other] = ["one.jsonl.zst", "other.jsonl.zst"].map(|name| folder.path().join(name));
    make_up(&one, 5, 60, "server")?;
    make_up(&other, 7, 200, "server")?;
    let [one, other] = [&one, &other].map(|path| path.to_str().unwrap_or_default());
    check("against", &page(folder.path(), "page.html", &[one, "--against", other])?)
}

/// What stands in the page for its scripts.
fn data(page: &Path) -> Result<Value> {
    let html = fs::read_to_string(page)?;
    let (_, rest) = html.split_once("id=\"data\">").context("no data")?;
    let (data, _) = rest.split_once("</script>").context("no end of data")?;
    Ok(serde_json::from_str(data)?)
}

#[test]
fn every_moment_of_each_life_is_in_one_spell_and_the_sums_are_of_all() -> Result<()> {
    let folder = TempDir::new()?;
    let recording = folder.path().join("some.jsonl.zst");
    make_up(&recording, 20, 90, "server")?;
    let recording = recording.to_str().context("a path")?;
    let sum = |values: &Value| -> u64 {
        values.as_array().into_iter().flatten().filter_map(Value::as_u64).sum()
    };
    let all = data(&page(folder.path(), "all.html", &[recording])?)?;
    let run = &all["runs"][0];
    let flows = run["flows"].as_array().context("no flows")?;
    ensure!(flows.len() == 20);
    for flow in flows {
        let life_ns = flow["ended_ns"]
            .as_u64()
            .zip(flow["began_ns"].as_u64())
            .map(|(end, began)| end - began);
        ensure!(Some(sum(&flow["times"])) == life_ns, "{flow}");
        ensure!(Some(sum(&flow["spells"]["lengths_ns"])) == life_ns, "{flow}");
        ensure!(flow["spells"]["skips"] == json!([]), "{flow}");
        let spells = flow["spells"]["states"].as_str().map(str::len);
        ensure!(
            spells
                == flow["changes"].as_u64().and_then(|changes| usize::try_from(changes + 1).ok()),
            "{flow}"
        );
    }
    ensure!(sum(&run["times_ns"]) == flows.iter().map(|flow| sum(&flow["times"])).sum::<u64>());
    let few = data(&page(folder.path(), "few.html", &[recording, "--top", "3"])?)?;
    let few = &few["runs"][0];
    ensure!(few["flows"].as_array().map(Vec::len) == Some(3));
    ensure!(few["times_ns"] == run["times_ns"] && few["lengths"] == run["lengths"]);
    ensure!(few["summary"].to_string().contains("17 others are left out"), "{}", few["summary"]);
    let one = data(&page(folder.path(), "one.html", &[recording, "-L", "10004"])?)?;
    ensure!(one["runs"][0]["flows"].as_array().map(Vec::len) == Some(1));
    Ok(())
}

#[test]
fn what_is_wrong_with_the_files_is_said_in_one_line() -> Result<()> {
    let folder = TempDir::new()?;
    let recording = folder.path().join("a.jsonl.zst");
    make_up(&recording, 1, 10, "server")?;
    let there = folder.path().join("there.html");
    fs::write(&there, "kept")?;
    let recording = recording.to_str().context("a path")?;
    let there = there.to_str().context("a path")?;
    for (arguments, why) in [
        (&[recording, "-o", there][..], "there is such a file"),
        (&["-", "-o", "-"], "the recording is read twice"),
        (&["/nowhere", "-o", "-"], "No such file"),
        (&[there, "-o", "-"], "there.html"),
        (&[recording, "-o", "-", "--top", "0"], "not a whole number"),
    ] {
        let ran = command().arg("report").args(arguments).output()?;
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        ensure!(ran.status.code() == Some(2), "{arguments:?}: {ran:?}");
        ensure!(said.lines().count() == 1 && said.contains(why), "{arguments:?}: {said}");
        ensure!(ran.stdout.is_empty(), "{arguments:?}");
    }
    ensure!(fs::read_to_string(there)? == "kept");
    page(folder.path(), "there.html", &[recording, "--force"])?;
    ensure!(fs::read_to_string(there)?.starts_with("<!doctype html>"));
    Ok(())
}
