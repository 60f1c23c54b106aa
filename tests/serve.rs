//! The service on real loss: what is scraped is what the recording of the same run adds up to,
//! and so is what a real Prometheus then answers.

#![cfg(feature = "serve")]
#![allow(clippy::float_cmp)] // Counts are whole, and exact below 2^53.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::lab::Lab;
use support::mixin::{Mixin, need_prometheus, prometheus};
use support::needs::need_root;
use support::scene::Scene;
use support::service::{Metrics, Prometheus, Service};
use support::tool::{command, pause};
use tempfile::TempDir;

const STATES: [&str; 5] = ["open", "disorder", "cwr", "recovery", "loss"];
/// What is asked of each flow.
const FIELDS: [&str; 24] = [
    "cc",
    "ended",
    "open",
    "disorder",
    "cwr",
    "recovery",
    "loss",
    "changes",
    "rtos",
    "repeated_rtos",
    "uncertain",
    "busy",
    "waited",
    "acked_bytes",
    "delivered_disorder",
    "delivered_cwr",
    "delivered_recovery",
    "delivered_loss",
    "retrans_open",
    "retrans_disorder",
    "retrans_cwr",
    "retrans_recovery",
    "retrans_loss",
    "delivered",
];
/// Seconds of traffic.
const TRAFFIC: f64 = 4.0;
/// Scrapes while it lasts, one each ...
const SCRAPES: usize = 4_000;
const PACE: Duration = Duration::from_millis(1);
/// What is there only where something was asked for, or with a label where it has happened.
const SWITCHED: [&str; 4] = ["tcpcong_bpf_", "tcpcong_otlp_", "tcpcong_lines_", "tcpcong_undone"];
/// What has nothing to show here: nothing fires, no SYN is lost, no buffer is too small, nobody
/// counts what programs take; and where histograms are native there are no buckets.
const SILENT: [&str; 9] = [
    "ALERTS",
    "syn-timeout",
    "local-drop",
    "tcpcong_undone",
    "tcpcong_bpf_run",
    "tcpcong_otlp",
    "_bucket",
    "offset",
    "limit=\"",
];
/// Sums of seconds may differ by so much for being added in another order.
const ROUNDING: f64 = 1e-6;

/// What came of a run.
struct Run<T> {
    /// What was seen while it went on.
    seen: T,
    /// The flows of its recording, all of which have ended.
    flows: Vec<Value>,
    /// Its transitions.
    transitions: Vec<Value>,
}

/// A service of one scene's senders, which records itself. `look` has them send, and looks.
fn run<T>(
    name: &str,
    options: &[&str],
    look: impl FnOnce(&Service, &dyn Fn() -> Result<()>) -> Result<T>,
) -> Result<Run<T>> {
    let scene = Scene::set(name)?;
    let folder = TempDir::new()?;
    let recording = folder.path().join("run.jsonl.zst");
    let (port, file) = (scene.port(), recording.display().to_string());
    let service =
        Service::start(&[&["-R", &port, "--interval", "1", "--record", &file], options].concat())?;
    let seen = look(&service, &|| scene.send(TRAFFIC))?;
    service.stop()?;
    let columns = format!("{},delivered_open", FIELDS.join(","));
    let lines = recorded(&recording, &["--all", "--format", "json", "-o", &columns])?;
    let flows: Vec<_> = lines.into_iter().filter(|line| line["type"] == "flow").collect();
    let have_ended = flows.iter().all(|row| row["ended"] == true);
    ensure!(!flows.is_empty() && flows.len() % 8 == 0 && have_ended, "{flows:#?}");
    let transitions = recorded(&recording, &["trace", "--format", "json"])?;
    Ok(Run { seen, flows, transitions })
}

/// The lines of JSON that these arguments print of a recording.
fn recorded(recording: &Path, arguments: &[&str]) -> Result<Vec<Value>> {
    let (first, rest) = arguments.split_at(usize::from(arguments.first() == Some(&"trace")));
    let output = command().args(first).arg("--from").arg(recording).args(rest).output()?;
    ensure!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| serde_json::from_str(line).context("JSON")).collect()
}

fn sum(rows: &[Value], field: &str) -> f64 {
    rows.iter().map(|row| row[field].as_f64().unwrap_or(0.0)).sum()
}

/// That the counters are what the recording's flows add up to, all of which have ended.
fn ensure_same(metrics: &Metrics, flows: &[Value], transitions: &[Value]) -> Result<()> {
    let total = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels);
    for state in STATES {
        let shown = total("tcpcong_state_seconds_total", &[("state", state)]);
        let recorded = sum(flows, &format!("{state}_ns")) / 1e9;
        ensure!((shown - recorded).abs() < ROUNDING, "{state}: {shown} and {recorded} s");
        let by_state = [("delivered", "delivered"), ("retransmitted", "retrans")];
        for (name, field) in by_state {
            let shown = total(&format!("tcpcong_{name}_segments_total"), &[("state", state)]);
            let recorded = sum(flows, &format!("{field}_{state}"));
            ensure!(shown == recorded, "{name} in {state}: {shown} and {recorded}");
        }
    }
    for (name, field, unit) in [
        ("tcpcong_rtos_total", "rtos", 1.0),
        ("tcpcong_repeated_rtos_total", "repeated_rtos", 1.0),
        ("tcpcong_acked_bytes_total", "acked_bytes", 1.0),
        ("tcpcong_waited_seconds_total", "waited_ns", 1e9),
        ("tcpcong_busy_seconds_total", "busy_ns", 1e9),
        ("tcpcong_uncertain_seconds_total", "uncertain_ns", 1e9),
    ] {
        let (shown, recorded) = (total(name, &[]), sum(flows, field) / unit);
        ensure!((shown - recorded).abs() < ROUNDING, "{name}: {shown} and {recorded}");
    }
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let mut counts: BTreeMap<_, f64> = BTreeMap::new();
    for line in transitions.iter().filter(|line| line["type"] == "transition") {
        let key = (text(line, "from"), text(line, "to"), text(line, "cause"));
        *counts.entry(key).or_default() += 1.0;
    }
    ensure!(counts.len() > 4, "there was little loss: {counts:?}");
    for ((from, to, cause), count) in &counts {
        let labels = [("from", from.as_str()), ("to", to), ("cause", cause)];
        let shown = total("tcpcong_transitions_total", &labels);
        ensure!(shown == *count, "{from} to {to} by {cause}: {shown} and {count}");
    }
    let all: f64 = counts.values().sum();
    ensure!(total("tcpcong_transitions_total", &[]) == all, "more transitions than recorded");
    Ok(())
}

#[test]
fn what_is_scraped_is_what_the_recording_of_the_run_adds_up_to() -> Result<()> {
    if !need_root("what_is_scraped_is_what_the_recording_of_the_run_adds_up_to") {
        return Ok(());
    }
    let Run { seen: (at_first, metrics), flows, transitions } =
        run("serve", &["--by", "cc"], |service, send| {
            let at_first = service.metrics()?;
            send()?;
            Ok((at_first, service.updated_metrics()?))
        })?;
    ensure_same(&metrics, &flows, &transitions)?;
    for cc in ["cubic", "reno"] {
        let of: Vec<_> = flows.iter().filter(|row| row["cc"] == cc).cloned().collect();
        let (begun, ended) = (
            metrics.sum("tcpcong_flows_started_total", &[("cc", cc)]),
            metrics.sum("tcpcong_flows_ended_total", &[("cc", cc)]),
        );
        ensure!((begun, ended) == (4.0, 4.0), "{cc}: {begun} began and {ended} ended");
        for state in STATES {
            let labels = [("cc", cc), ("state", state)];
            let shown = metrics.sum("tcpcong_state_seconds_total", &labels);
            let recorded = sum(&of, &format!("{state}_ns")) / 1e9;
            // In a handshake it is not known yet.
            ensure!((shown - recorded).abs() < 0.1, "{cc} in {state}: {shown} and {recorded}");
        }
    }
    for (name, before) in at_first.series() {
        let is_counter = name.split('{').next().is_some_and(|name| name.ends_with("_total"));
        let after = metrics.series().get(name).copied();
        ensure!(!is_counter || after.is_some_and(|after| after >= *before), "{name} went back");
    }
    Ok(())
}

#[test]
fn a_real_prometheus_answers_the_seconds_that_the_recording_has() -> Result<()> {
    if !need_root("a_real_prometheus_answers_the_seconds_that_the_recording_has")
        || !need_prometheus("a_real_prometheus_answers_the_seconds_that_the_recording_has")
    {
        return Ok(());
    }
    for native in [false, true] {
        let run = run("promql", &[], |service, send| {
            let prometheus = Prometheus::scraping(service.address(), &[], native)?;
            send()?;
            let metrics = service.updated_metrics()?;
            // The next scrape is a second away.
            pause(Duration::from_secs(3));
            let ask = |expression: &str| prometheus.value(expression);
            let mut seconds = Vec::new();
            for state in STATES {
                seconds
                    .push(ask(&format!("sum(tcpcong_state_seconds_total{{state=\"{state}\"}})"))?);
            }
            let spells = if native {
                ask("histogram_count(sum(tcpcong_spell_seconds))")?
            } else {
                ask("sum(tcpcong_spell_seconds_count)")?
            };
            let length = if native {
                ask("histogram_sum(sum(tcpcong_spell_seconds))")?
            } else {
                ask("sum(tcpcong_spell_seconds_sum)")?
            };
            let median = if native {
                ask("histogram_quantile(0.5, sum(tcpcong_spell_seconds))")?
            } else {
                ask("histogram_quantile(0.5, sum by (le) (tcpcong_spell_seconds_bucket))")?
            };
            let up = ask("min_over_time(up[10s])")?;
            Ok((metrics, seconds, spells, length, median, up))
        })?;
        let (metrics, seconds, spells, length, median, up) = run.seen;
        ensure_same(&metrics, &run.flows, &run.transitions)?;
        for (state, seconds) in STATES.iter().zip(&seconds) {
            let recorded = sum(&run.flows, &format!("{state}_ns")) / 1e9;
            ensure!((seconds - recorded).abs() < ROUNDING, "{state}: {seconds}, {recorded} s");
        }
        // All flows have ended, so each moment was in a spell that did.
        let lived: f64 = seconds.iter().sum();
        ensure!((length - lived).abs() < 1e-3, "spells of {length} s in lives of {lived} s");
        let missed = metrics.sum("tcpcong_transitions_missed_total", &[]);
        let ends = sum(&run.flows, "changes") + run.flows.len() as f64 + missed;
        ensure!(spells == ends, "{spells} spells, and {ends} transitions and ends of lives");
        ensure!(up == 1.0, "a scrape failed");
        ensure!(median > 0.0 && median < 1.0, "half of the spells were shorter than {median} s");
    }
    Ok(())
}

#[test]
fn crowds_of_scrapers_and_clients_that_stall_leave_tracing_exact() -> Result<()> {
    if !need_root("crowds_of_scrapers_and_clients_that_stall_leave_tracing_exact") {
        return Ok(());
    }
    let run = run("crowd", &[], |service, send| {
        let idle = (0..200).map(|_| TcpStream::connect(service.address()));
        let _idle = idle.collect::<Result<Vec<_>, _>>()?;
        let (is_over, address) = (AtomicBool::new(false), service.address());
        let scraped = thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| dribble(address, &is_over));
            }
            let scrapers: Vec<_> =
                (0..4).map(|_| scope.spawn(move || scrape(address, SCRAPES / 4))).collect();
            let sent = send();
            let scraped = scrapers.into_iter().map(|one| one.join().expect("no panic")).collect();
            is_over.store(true, Ordering::SeqCst);
            sent.and(scraped)
        });
        scraped.map(|_: Vec<()>| ())?;
        service.updated_metrics()
    })?;
    ensure_same(&run.seen, &run.flows, &run.transitions)?;
    ensure!(run.seen.sum("tcpcong_entries_dropped_total", &[]) == 0.0, "entries were lost");
    let scraped = run.seen.sum("tcpcong_http_requests_total", &[("code", "2xx")]);
    ensure!(scraped >= SCRAPES as f64, "{scraped} answers");
    Ok(())
}

#[test]
fn a_handshake_that_an_address_filter_leaves_out_leaves_nothing() -> Result<()> {
    if !need_root("a_handshake_that_an_address_filter_leaves_out_leaves_nothing") {
        return Ok(());
    }
    let lab = Lab::new("left-out")?;
    // Of documentation (RFC 5737): nobody has one.
    let service = Service::start(&["--raddr", "192.0.2.0/24", "--by", "prefix"])?;
    lab.silence(true)?;
    let nobody = SocketAddr::from((lab.server_v4(), 9));
    let connecting = thread::spawn(move || {
        lab.client.enter(|| TcpStream::connect_timeout(&nobody, Duration::from_secs(4)))
    });
    pause(Duration::from_millis(2_500));
    let metrics = service.updated_metrics()?;
    ensure!(connecting.join().expect("no panic")?.is_err(), "somebody has answered");
    let later = service.updated_metrics()?;
    service.stop()?;
    for metrics in [metrics, later] {
        for name in ["tcpcong_flows", "tcpcong_state_seconds_total", "tcpcong_groups"] {
            let sum = metrics.sum(name, &[]);
            ensure!(sum == 0.0, "{name}: {sum}");
        }
    }
    Ok(())
}

/// The names of the tables of docs/metrics.md.
fn documented() -> impl Iterator<Item = &'static str> {
    let rows =
        include_str!("../docs/metrics.md").lines().filter_map(|line| line.strip_prefix("| `"));
    rows.flat_map(|row| row.split(" |").next().unwrap_or_default().split(", "))
        .map(|name| name.trim_matches('`'))
}

/// Scrapes on one connection, at a quarter of the pace; on another where a server closes it
/// between two requests, as every client does.
fn scrape(address: SocketAddr, count: usize) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let began = Instant::now();
    for number in 0..count {
        pause((PACE * 4 * u32::try_from(number)?).saturating_sub(began.elapsed()));
        if !ask(&mut stream, address)? {
            stream = TcpStream::connect(address)?;
            ensure!(ask(&mut stream, address)?, "a new connection was closed without an answer");
        }
    }
    Ok(())
}

/// Whether there was an answer, which is as it should be.
fn ask(stream: &mut TcpStream, address: SocketAddr) -> Result<bool> {
    // In one piece: what follows an unacknowledged one would wait (RFC 896).
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
    if stream.write_all(request.as_bytes()).is_err() {
        return Ok(false);
    }
    let mut reader = BufReader::new(stream);
    let (mut lines, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        if !reader.read_line(&mut line).is_ok_and(|read| read > 0) && lines == 0 {
            return Ok(false);
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        ensure!(lines > 0 || line.contains(" 200 "), "{line}");
        if let Some(bytes) = line.strip_prefix("content-length: ") {
            length = bytes.parse()?;
        }
        lines += 1;
    }
    ensure!(length > 0, "an empty answer");
    let read = std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    ensure!(read == length, "{read} bytes of {length}");
    Ok(true)
}

/// Sends a request's head a byte at a time, as slowly as will do to hold up who waits for it.
fn dribble(address: SocketAddr, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        for byte in
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ".iter().chain([b'x'; 60].iter())
        {
            if is_over.load(Ordering::SeqCst) || stream.write_all(&[*byte]).is_err() {
                break;
            }
            pause(Duration::from_millis(100));
        }
    }
}

#[test]
fn a_prometheus_that_has_scraped_answers_every_query_of_the_mixin() -> Result<()> {
    if !need_root("a_prometheus_that_has_scraped_answers_every_query_of_the_mixin")
        || !need_prometheus("a_prometheus_that_has_scraped_answers_every_query_of_the_mixin")
    {
        return Ok(());
    }
    let mixin = Mixin::rendered()?;
    let files = ["rules.yaml", "alerts.yaml"].map(|name| mixin.folder().join(name));
    let rules: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    let folder = TempDir::new()?;
    let lines = folder.path().join("lines.jsonl").display().to_string();
    run("mixin", &["--by", "unit", "--lines.to", &lines], |service, send| {
        let prometheus = Prometheus::scraping(service.address(), &rules, true)?;
        // A rate is of what grows from one scrape to another.
        send()?;
        let begun = "sum(tcpcong_delivered_segments_total) > 0";
        for _ in 0..100 {
            if !prometheus.query(begun)?.is_empty() {
                break;
            }
            pause(Duration::from_millis(200));
        }
        send()?;
        pause(Duration::from_secs(3));
        let mut silent = Vec::new();
        for expression in mixin.expressions()? {
            let answer = prometheus.query(&expression.query);
            let answer = answer.with_context(|| expression.place.clone())?;
            let has_all = SILENT.iter().all(|words| !expression.query.contains(words));
            if answer.is_empty() && has_all && !expression.place.starts_with("alert") {
                silent.push(format!("{}: {}", expression.place, expression.query));
            }
        }
        ensure!(silent.is_empty(), "nothing is shown by {silent:#?}");
        Ok(())
    })
    .map(drop)
}

#[test]
fn promtool_finds_nothing_to_complain_of_in_any_format() -> Result<()> {
    if !need_root("promtool_finds_nothing_to_complain_of_in_any_format")
        || !need_prometheus("promtool_finds_nothing_to_complain_of_in_any_format")
    {
        return Ok(());
    }
    let run = run("promtool", &["--by", "prefix/24"], |service, send| {
        send()?;
        let openmetrics = "Accept: application/openmetrics-text; version=1.0.0\r\n";
        Ok([service.get("/metrics")?, service.get_with("/metrics", openmetrics)?])
    })?;
    let [text, openmetrics] = run.seen;
    ensure!(text.head.contains("text/plain; version=0.0.4"), "{}", text.head);
    ensure!(openmetrics.head.contains("application/openmetrics-text"), "{}", openmetrics.head);
    ensure!(openmetrics.text().ends_with("# EOF\n"));
    let metrics = Metrics::parse(&text.text());
    let exported = metrics.series().keys().filter_map(|series| series.split('{').next());
    let exported: BTreeSet<_> = exported.map(|name| name.trim_end_matches("_bucket")).collect();
    for name in documented().filter(|name| !SWITCHED.iter().any(|part| name.contains(part))) {
        ensure!(exported.contains(name), "{name} is documented, and not there");
    }
    let mut promtool = prometheus("promtool")?
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    std::io::Write::write_all(&mut promtool.stdin.take().context("stdin")?, &text.body)?;
    let said = promtool.wait_with_output()?;
    let complaints = String::from_utf8(said.stderr)?;
    ensure!(said.status.success() && complaints.is_empty(), "{complaints}");
    Ok(())
}
