//! What the service shows besides metrics, to whom, and what SIGHUP does.

#![cfg(feature = "serve")]

mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::needs::need_root;
use support::scene::Scene;
use support::service::Service;
use support::tool::command;
use tempfile::TempDir;

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/a.jsonl.zst");

fn lines(text: &str, kind: &str) -> Result<Vec<Value>> {
    let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    Ok(lines.context(text.to_owned())?.into_iter().filter(|line| line["type"] == kind).collect())
}

#[test]
fn an_alert_leads_to_the_connection() -> Result<()> {
    if !need_root("an_alert_leads_to_the_connection") {
        return Ok(());
    }
    let scene = Scene::set("pages")?;
    // All of the traffic is in one interval.
    let service = Service::start(&["-R", &scene.port(), "--interval", "8"])?;
    scene.send(4.0)?;
    let metrics = service.updated_metrics()?;
    let flows = loop {
        let flows = service.get("/flows?sort=loss&top=3&format=json")?;
        if flows.status == 200 {
            break flows;
        }
        ensure!(flows.status == 503 && flows.text().contains("no interval"), "{}", flows.text());
        support::tool::pause(std::time::Duration::from_millis(200));
    };
    ensure!(flows.head.contains("content-type: application/x-ndjson"), "{}", flows.head);
    let (flows, report) = (lines(&flows.text(), "flow")?, lines(&flows.text(), "report")?);
    let losses: Vec<_> = flows.iter().filter_map(|flow| flow["loss_ns"].as_u64()).collect();
    ensure!(losses.len() == 3 && losses.is_sorted_by(|one, next| one >= next), "{losses:?}");
    ensure!(report[0]["flows"] == 8 && report[0]["flows_shown"] == 3, "{report:?}");
    let table = service.get("/flows?state=recovery,loss&o=raddr,comm,loss")?.text();
    ensure!(table.starts_with("RAddr"), "{table}");
    let groups = service.get("/flows?by=cc&format=csv")?.text();
    ensure!(groups.lines().count() == 3, "{groups}");

    let verdicts = service.get("/why?format=json")?.text();
    ensure!(lines(&verdicts, "verdict")?.len() == 8, "{verdicts}");
    let page = service.get(&format!("/why?subject=:{}&top=1", scene.port()))?.text();
    ensure!(page.contains("Next:"), "{page}");

    let hindsight = service.get("/hindsight")?;
    ensure!(hindsight.head.contains("content-type: application/zstd"), "{}", hindsight.head);
    let mut replay = command()
        .args(["--from", "-", "--all", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    replay.stdin.take().context("stdin")?.write_all(&hindsight.body)?;
    let replayed = String::from_utf8(replay.wait_with_output()?.stdout)?;
    let loss = lines(&replayed, "report")?[0]["loss_ns"].as_f64().context("a time")? / 1e9;
    let counted = metrics.sum("tcpcong_state_seconds_total", &[("state", "loss")]);
    ensure!((loss - counted).abs() < 1e-6, "{loss} and {counted} s in Loss");
    service.stop()
}

#[test]
fn single_connections_are_shown_to_nobody_from_elsewhere() -> Result<()> {
    if !need_root("single_connections_are_shown_to_nobody_from_elsewhere") {
        return Ok(());
    }
    let service = Service::start(&["--hindsight", "0", "--interval", "0.2"])?;
    for path in ["/flows", "/why", "/hindsight"] {
        // As a page of somebody else's would have a browser ask.
        let answer = service.get_with(path, "X-Forwarded-For: 192.0.2.1\r\n")?;
        ensure!(answer.status == 403, "{path}: {}", answer.text());
    }
    let nothing = service.get("/hindsight")?;
    ensure!(nothing.status == 503, "{}", nothing.text());
    ensure!(
        nothing.text() == "nothing is kept in memory: --hindsight is 0\n",
        "{}",
        nothing.text()
    );
    service.updated_metrics()?;
    for (query, said) in [
        ("sort=speed", "no column is called speed"),
        ("from=/etc/passwd", "no parameter is called from"),
        ("all", "has no connections that stayed in Open"),
        ("top=-1", "not a whole number"),
        ("laddr=%zz", "hexadecimal"),
    ] {
        let bad = service.get(&format!("/flows?{query}"))?;
        ensure!(bad.status == 400 && bad.text().contains(said), "{query}: {}", bad.text());
    }
    let unknown = service.get("/flow")?;
    ensure!(unknown.status == 404 && unknown.text().contains("/flows"), "{}", unknown.text());
    for (path, said) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = service.get(path)?;
        ensure!(answer.status == 200 && answer.text() == said, "{}", answer.text());
    }
    service.stop()
}

#[test]
fn a_hangup_has_files_read_again_and_what_is_wrong_changes_nothing() -> Result<()> {
    if !need_root("a_hangup_has_files_read_again_and_what_is_wrong_changes_nothing") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let (file, web, lines) = (
        folder.path().join("tcpcong.toml"),
        folder.path().join("web.yml"),
        folder.path().join("l"),
    );
    fs::write(&web, "")?;
    let text = format!(
        "web.config.file = {web:?}\nlines.to = {lines:?}\nlines.of = \"transitions\"\ninterval = 1\n"
    );
    fs::write(&file, &text)?;
    let option = format!("--config.file={}", file.display());
    let service = Service::start(&[&option])?;
    ensure!(service.get("/metrics")?.status == 200);
    // A rotated file is opened anew.
    fs::rename(&lines, folder.path().join("l.1"))?;
    // The password is x.
    let hash = "$2b$04$Bk24gBAtNWbnWMnPXPDdHuWGIzd2Xm8nkSEQEVcjc0wA9hJs3Uxv6";
    fs::write(&web, format!("basic_auth_users:\n  who: {hash}\n"))?;
    kill(service.pid(), Signal::SIGHUP)?;
    service.said("SIGHUP: read again")?;
    ensure!(service.get("/metrics")?.status == 401);
    for _ in 0..100 {
        if lines.exists() {
            break;
        }
        support::tool::pause(Duration::from_millis(100));
    }
    ensure!(lines.exists(), "the file of lines was not opened anew");
    fs::write(&file, format!("{text}by = \"user\"\n"))?;
    kill(service.pid(), Signal::SIGHUP)?;
    let said = service.said("all stays as it was")?;
    ensure!(said.contains("tcpcong.toml:5: by: --by user: not one of"), "{said}");
    fs::write(&file, format!("{text}by = \"unit\"\n"))?;
    kill(service.pid(), Signal::SIGHUP)?;
    service.said("when tcpcong is started anew")?;
    ensure!(service.get("/metrics")?.status == 401);
    service.stop()
}

#[test]
fn a_hangup_does_the_same_once_a_recording_is_over() -> Result<()> {
    let folder = TempDir::new()?;
    let lines = folder.path().join("l").display().to_string();
    let service = Service::start(&["--from", RECORDING, "--lines.to", &lines])?;
    while !fs::read_to_string(&lines)?.contains("{\"type\":\"end\"") {
        support::tool::pause(Duration::from_millis(10));
    }
    kill(service.pid(), Signal::SIGHUP)?;
    service.said("SIGHUP: read again")?;
    service.stop()
}

#[test]
fn a_stderr_that_cannot_be_written_to_ends_no_service() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("l.sock");
    let listener = UnixListener::bind(&path)?;
    let to = format!("unix:{}", path.display());
    let mut serve = command();
    serve.args(["serve", "--web.listen-address", "127.0.0.1:0", "--from", RECORDING]);
    serve.args(["--speed", "1"]);
    let full = fs::File::options().write(true).open("/dev/full")?;
    let mut child = serve.args(["--lines.to", &to]).stderr(full).spawn()?;
    listener.accept()?;
    // At the end it would say what was not taken.
    drop(listener);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM)?;
    let status = child.wait()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

#[test]
fn after_a_recordings_end_the_service_goes_on_counting_what_it_does() -> Result<()> {
    let service = Service::start(&["--from", RECORDING])?;
    for _ in 0..100 {
        if service.metrics()?.sum("tcpcong_http_requests_total", &[("code", "2xx")]) > 3.0 {
            return service.stop();
        }
        support::tool::pause(std::time::Duration::from_millis(100));
    }
    anyhow::bail!("what was asked for is not counted")
}

#[test]
fn what_is_wrong_is_said_before_anything_begins() -> Result<()> {
    if !need_root("what_is_wrong_is_said_before_anything_begins") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let web = folder.path().join("web.yml");
    fs::write(&web, "basic_auth_user:\n  who: x\n")?;
    let web = format!("--web.config.file={}", web.display());
    let run = |options: &[&str]| -> Result<(i32, String)> {
        let output = command().arg("serve").args(options).output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.code().context("a code")?, String::from_utf8(text)?))
    };
    let (code, said) = run(&["--check", &web])?;
    ensure!(
        code == 2 && said.contains("web.yml:1: ") && said.lines().count() == 1,
        "{code} {said}"
    );
    let (code, said) = run(&["--check"])?;
    ensure!(
        (code, said.as_str())
            == (0, "tcpcong: the options, and the files that they name, are right\n")
    );
    let lines = folder.path().join("lines.jsonl");
    let (code, said) = run(&["--check", "--lines.to", &lines.display().to_string()])?;
    ensure!(code == 0 && !lines.exists(), "{code} {said}");
    let lines = folder.path().join("none/lines.jsonl").display().to_string();
    let (code, said) = run(&["--check", "--lines.to", &lines])?;
    ensure!(code == 2 && said.contains(&lines) && said.lines().count() == 1, "{code} {said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let listener = std::net::TcpListener::bind(taken)?;
    let (code, said) = run(&["--web.listen-address", &listener.local_addr()?.to_string()])?;
    ensure!(code == 1 && said.contains("another process listens there"), "{code} {said}");
    Ok(())
}
