//! Whether pushes say what is scraped, and go on from one to the next.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use crate::points::{Attributes, Point, documented, points, sum};
use crate::receiver::Push;
use crate::support::service::Metrics;

pub(crate) const STATES: [&str; 5] = ["open", "disorder", "cwr", "recovery", "loss"];
/// Metrics of what goes on all the time, whoever looks.
const RESTLESS: [&str; 6] = [
    "process_",
    "tcpcong_bpf_",
    "tcpcong_http_",
    "tcpcong_otlp_",
    "tcpcong_log_",
    "tcpcong_updated",
];

/// That a push says what is scraped, of all that is quiet while nobody sends.
pub(crate) fn ensure_same(push: &Push, metrics: &Metrics) -> Result<()> {
    let points = points(push)?;
    let mut compared = 0;
    for (prometheus, (name, unit)) in documented() {
        if RESTLESS.iter().any(|begins| prometheus.starts_with(begins)) {
            continue;
        }
        let histogram =
            if unit == "s" && prometheus == "tcpcong_spell_seconds" { "_count" } else { "" };
        let ensure_sums = |labels: &[(&str, &str)], attributes: &[(&str, &str)]| {
            let scraped = metrics.sum(&format!("{prometheus}{histogram}"), labels);
            let pushed = sum(&points, name, attributes);
            let difference = (scraped - pushed).abs();
            ensure!(difference < 1e-9, "{prometheus} {labels:?}: {scraped}, pushed {pushed}");
            Ok(())
        };
        ensure_sums(&[], &[])?;
        for state in STATES {
            ensure_sums(&[("state", state)], &[("tcpcong.state", state)])?;
        }
        compared +=
            usize::from(points.iter().any(|point| point.name == name && point.unit == unit));
    }
    ensure!(compared > 30, "only {compared} metrics were pushed");
    for point in points.iter().filter(|point| point.name == "tcpcong.state.transitions") {
        let of = |key: &str| point.attributes.get(key).map(String::as_str).unwrap_or_default();
        let (from, into, cause) =
            (of("tcpcong.state.from"), of("tcpcong.state.to"), of("tcpcong.cause"));
        let labels = [("from", from), ("to", into), ("cause", cause)];
        let attributes =
            [("tcpcong.state.from", from), ("tcpcong.state.to", into), ("tcpcong.cause", cause)];
        let pushed = sum(&points, "tcpcong.state.transitions", &attributes);
        let scraped = metrics.sum("tcpcong_transitions_total", &labels);
        ensure!(scraped == pushed, "{labels:?}: {scraped}, pushed {pushed}");
    }
    points.iter().filter(|point| point.histogram.is_some()).try_for_each(|point| {
        let state = point.attributes.get("tcpcong.state").context("a state")?;
        ensure_same_lengths(point, state, metrics)
    })
}

fn ensure_same_lengths(point: &Point, state: &str, metrics: &Metrics) -> Result<()> {
    let histogram = point.histogram.as_ref().context("a histogram")?;
    let scraped = metrics.sum("tcpcong_spell_seconds_sum", &[("state", state)]);
    let pushed = histogram.sum.context("a sum")?;
    ensure!((scraped - pushed).abs() < 1e-9, "spells in {state}: {scraped} s, pushed {pushed} s");
    let buckets: u64 = histogram.bucket_counts.iter().sum();
    ensure!(buckets == histogram.count, "{histogram:?}");
    let mut cumulative = 0;
    for (bound, count) in histogram.explicit_bounds.iter().zip(&histogram.bucket_counts) {
        cumulative += count;
        let below: f64 = metrics
            .series()
            .iter()
            .filter(|(series, _)| {
                series.starts_with("tcpcong_spell_seconds_bucket")
                    && series.contains(&format!("state=\"{state}\""))
                    && le(series) == Some(*bound)
            })
            .map(|(_, count)| count)
            .sum();
        ensure!(below == cumulative as f64, "{state} <= {bound}: {below}, pushed {cumulative}");
    }
    Ok(())
}

fn le(series: &str) -> Option<f64> {
    series.split("le=\"").nth(1)?.split('"').next()?.parse().ok()
}

/// That time goes on from push to push, and that nothing goes back; returns the pushes' times.
pub(crate) fn ensure_forward(pushes: &[Push]) -> Result<Vec<u64>> {
    let mut times = Vec::new();
    let mut last: BTreeMap<(String, Attributes), Point> = BTreeMap::new();
    for push in pushes {
        let points = points(push)?;
        let (_, at) = points.first().context("points")?.times_ns;
        // What has the label of --by counts since its value came.
        let is_right = |(since, of): (u64, u64)| since <= at && of == at;
        ensure!(points.iter().all(|point| is_right(point.times_ns)), "{points:?}");
        ensure!(times.last().is_none_or(|last| *last < at), "{times:?}, then {at}");
        times.push(at);
        for point in points {
            let key = (point.name.clone(), point.attributes.clone());
            if let Some(before) = last.insert(key, point.clone()) {
                let is_same = before.times_ns.0 == point.times_ns.0;
                ensure!(is_same, "{} began anew", point.name);
                let went_back = point.is_monotonic && point.value < before.value;
                ensure!(!went_back, "{} {:?} went back", point.name, point.attributes);
            }
        }
    }
    Ok(times)
}
