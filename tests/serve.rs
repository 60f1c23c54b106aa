//! The service on real loss: what is scraped is what the recording of the same run adds up to,
//! and so is what a real Prometheus then answers.

#![cfg(feature = "serve")]
#![allow(clippy::float_cmp)] // Counts are whole, and exact below 2^53.

#[path = "serve/clients.rs"]
mod clients;
#[path = "serve/run.rs"]
mod run;
mod support;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clients::{SCRAPES, dribble, scrape};
use run::{ROUNDING, Run, STATES, ensure_same, run, sum};
use support::lab::Lab;
use support::mixin::{Mixin, need_prometheus, prometheus};
use support::needs::need_root;
use support::service::{Metrics, Prometheus, Service};
use support::tool::pause;
use tempfile::TempDir;

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
