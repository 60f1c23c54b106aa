//! A run of the service on one scene's senders, what its recording has, and whether counters are
//! what that adds up to. Not here: who scrapes it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::scene::Scene;
use crate::support::service::{Metrics, Service};
use crate::support::tool::command;

pub(crate) const STATES: [&str; 5] = ["open", "disorder", "cwr", "recovery", "loss"];
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
/// Sums of seconds may differ by so much for being added in another order.
pub(crate) const ROUNDING: f64 = 1e-6;

/// What came of a run.
pub(crate) struct Run<T> {
    /// What was seen while it went on.
    pub(crate) seen: T,
    /// The flows of its recording, all of which have ended.
    pub(crate) flows: Vec<Value>,
    /// Its transitions.
    pub(crate) transitions: Vec<Value>,
}

/// A service of one scene's senders, which records itself. `look` has them send, and looks.
pub(crate) fn run<T>(
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

pub(crate) fn sum(rows: &[Value], field: &str) -> f64 {
    rows.iter().map(|row| row[field].as_f64().unwrap_or(0.0)).sum()
}

/// That the counters are what the recording's flows add up to, all of which have ended.
pub(crate) fn ensure_same(metrics: &Metrics, flows: &[Value], transitions: &[Value]) -> Result<()> {
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
