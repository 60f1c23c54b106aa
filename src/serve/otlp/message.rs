//! A snapshot as OTLP's message: cumulative points with their own times. Not here: names, nor how
//! it is sent.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use super::names::{self, Instrument, Name};
use super::resource::attribute;
use crate::serve::metrics::{BOUNDS, Family, Label, Point, Snapshot, Value};

/// A message that waits or is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// Compressed, where that is wanted.
    pub(super) bytes: Bytes,
    /// Whether it is.
    pub(super) is_gzip: bool,
}

/// What all messages of a run have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) resource: Resource,
    /// When the counters were 0.
    pub(super) began: SystemTime,
    pub(super) gzip: bool,
}

/// When the counters were 0, and when points are of.
#[derive(Clone, Copy)]
struct Times {
    began: SystemTime,
    at: SystemTime,
}

impl Times {
    /// From when on a point counts and when it is of, nanoseconds since 1970.
    fn of(self, point: &Point) -> (u64, u64) {
        let since = point.since.map_or(self.began, |since| since.max(self.began));
        // A clock that was set back must not have a point end before it begins.
        (ns(since), ns(self.at.max(since)))
    }
}

impl Common {
    /// The snapshot of an instant.
    pub(super) fn message(&self, snapshot: &Snapshot, at: SystemTime) -> Message {
        let bytes = self.request(snapshot, at).encode_to_vec();
        match self.gzip.then(|| compressed(&bytes)).flatten() {
            Some(bytes) => Message { bytes: bytes.into(), is_gzip: true },
            None => Message { bytes: bytes.into(), is_gzip: false },
        }
    }

    fn request(&self, snapshot: &Snapshot, at: SystemTime) -> ExportMetricsServiceRequest {
        let times = Times { began: self.began, at };
        let scope = InstrumentationScope {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let metrics = snapshot.families.iter().filter_map(|family| metric(family, times)).collect();
        let scope_metrics =
            vec![ScopeMetrics { scope: Some(scope), metrics, ..Default::default() }];
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics,
                ..ResourceMetrics::default()
            }],
        }
    }
}

fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

fn ns(time: SystemTime) -> u64 {
    let since: Duration = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn metric(family: &Family, times: Times) -> Option<Metric> {
    let Name::Metric { name, unit, instrument, attributes } = names::of(family.metric)? else {
        return None;
    };
    let labels = |point: &Point| labels(attributes, &point.labels);
    let numbers = || {
        let numbers = family.points.iter().filter_map(|point| {
            let value = match point.value {
                Value::Count(count) => Number::AsInt(i64::try_from(count).unwrap_or(i64::MAX)),
                Value::Real(real) => Number::AsDouble(real),
                Value::Lengths(_) => return None,
            };
            let (start_time_unix_nano, time_unix_nano) = times.of(point);
            Some(NumberDataPoint {
                attributes: labels(point),
                start_time_unix_nano,
                time_unix_nano,
                value: Some(value),
                ..NumberDataPoint::default()
            })
        });
        numbers.collect()
    };
    let cumulative = AggregationTemporality::Cumulative.into();
    let sum = |is_monotonic| {
        Data::Sum(Sum { data_points: numbers(), aggregation_temporality: cumulative, is_monotonic })
    };
    let data = match instrument {
        Instrument::Counter => sum(true),
        Instrument::UpDownCounter => sum(false),
        Instrument::Gauge => Data::Gauge(Gauge { data_points: numbers() }),
        Instrument::Histogram => Data::Histogram(Histogram {
            data_points: family
                .points
                .iter()
                .filter_map(|point| histogram(point, labels(point), times))
                .collect(),
            aggregation_temporality: cumulative,
        }),
    };
    Some(Metric {
        name: (*name).to_owned(),
        description: family.metric.help.to_owned(),
        unit: (*unit).to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

fn histogram(point: &Point, attributes: Vec<KeyValue>, times: Times) -> Option<HistogramDataPoint> {
    let Value::Lengths(lengths) = &point.value else { return None };
    let (start_time_unix_nano, time_unix_nano) = times.of(point);
    Some(HistogramDataPoint {
        attributes,
        start_time_unix_nano,
        time_unix_nano,
        count: lengths.count,
        sum: Some(lengths.sum),
        bucket_counts: lengths.buckets.clone(),
        explicit_bounds: BOUNDS.to_vec(),
        ..HistogramDataPoint::default()
    })
}

fn labels(known: &'static [(&'static str, &'static str)], labels: &[Label]) -> Vec<KeyValue> {
    let mut attributes: Vec<_> = labels
        .iter()
        .map(|(label, value)| {
            attribute(names::attribute(known, label).to_owned(), value.to_string())
        })
        .collect();
    let cause = labels.iter().find(|(label, _)| *label == "cause");
    let kind = cause
        .and_then(|(_, cause)| names::RETRANSMIT_TYPES.iter().find(|(known, _)| cause == known));
    if let Some((_, kind)) = kind {
        attributes.push(attribute(names::RETRANSMIT_TYPE.to_owned(), (*kind).to_owned()));
    }
    attributes
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
