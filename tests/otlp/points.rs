//! What a push says, as numbers by name and attributes; and the names by which docs/otlp.md says
//! that a metric goes. Not whether they are right.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, HistogramDataPoint};

use super::receiver::Push;

/// Attributes, by name.
pub(crate) type Attributes = BTreeMap<String, String>;

/// A point.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) attributes: Attributes,
    pub(crate) value: f64,
    pub(crate) is_monotonic: bool,
    /// Nanoseconds since 1970, from when on and of when.
    pub(crate) times_ns: (u64, u64),
    /// Of lengths, whose count the value is.
    pub(crate) histogram: Option<HistogramDataPoint>,
}

fn attributes(of: &[KeyValue]) -> Attributes {
    of.iter()
        .filter_map(|attribute| match attribute.value.as_ref()?.value.as_ref()? {
            any_value::Value::StringValue(text) => Some((attribute.key.clone(), text.clone())),
            _ => None,
        })
        .collect()
}

/// What the resource is.
pub(crate) fn resource(push: &Push) -> Attributes {
    let resource = push.request.resource_metrics.first().and_then(|one| one.resource.as_ref());
    resource.map(|resource| attributes(&resource.attributes)).unwrap_or_default()
}

/// All points, all of which must be cumulative.
pub(crate) fn points(push: &Push) -> Result<Vec<Point>> {
    let [resource] = &push.request.resource_metrics[..] else { anyhow::bail!("one resource") };
    let [scope] = &resource.scope_metrics[..] else { anyhow::bail!("one scope") };
    ensure!(scope.scope.as_ref().is_some_and(|scope| scope.name == "tcpcong"), "{scope:?}");
    let mut points = Vec::new();
    for metric in &scope.metrics {
        ensure!(!metric.description.is_empty(), "{} is not described", metric.name);
        let (numbers, temporality, is_monotonic) = match metric.data.as_ref().context("data")? {
            Data::Sum(sum) => (&sum.data_points[..], sum.aggregation_temporality, sum.is_monotonic),
            Data::Gauge(gauge) => {
                (&gauge.data_points[..], AggregationTemporality::Cumulative.into(), false)
            }
            Data::Histogram(histogram) => {
                let temporality = histogram.aggregation_temporality();
                ensure!(temporality == AggregationTemporality::Cumulative, "{}", metric.name);
                points.extend(histogram.data_points.iter().map(|point| Point {
                    name: metric.name.clone(),
                    unit: metric.unit.clone(),
                    attributes: attributes(&point.attributes),
                    value: point.count as f64,
                    is_monotonic: true,
                    times_ns: (point.start_time_unix_nano, point.time_unix_nano),
                    histogram: Some(point.clone()),
                }));
                continue;
            }
            other => anyhow::bail!("{}: {other:?}", metric.name),
        };
        ensure!(temporality == i32::from(AggregationTemporality::Cumulative), "{}", metric.name);
        for point in numbers {
            let value = match point.value.as_ref().context("a value")? {
                Value::AsDouble(real) => *real,
                Value::AsInt(count) => *count as f64,
            };
            points.push(Point {
                name: metric.name.clone(),
                unit: metric.unit.clone(),
                attributes: attributes(&point.attributes),
                value,
                is_monotonic,
                times_ns: (point.start_time_unix_nano, point.time_unix_nano),
                histogram: None,
            });
        }
    }
    Ok(points)
}

/// The sum of the points of this name that have these attributes.
pub(crate) fn sum(points: &[Point], name: &str, attributes: &[(&str, &str)]) -> f64 {
    let has = |point: &&Point| {
        let has =
            |(key, value): &(&str, &str)| point.attributes.get(*key).is_some_and(|is| is == value);
        point.name == name && attributes.iter().all(has)
    };
    points.iter().filter(has).map(|point| point.value).sum()
}

/// By what name, and in which unit, each metric goes.
pub(crate) fn documented() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let text = include_str!("../../docs/otlp.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    rows.filter_map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [prometheus, name, instrument, unit, ..] = cells[..] else { return None };
        (!instrument.is_empty()).then_some((prometheus, (name, unit)))
    })
    .collect()
}
