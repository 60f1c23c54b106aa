//! What a metric is, and what a snapshot of all of them is. Not here: which there are, nor any
//! format of theirs.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

/// One metric, whoever asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, without the unit and what says that it is a counter.
    pub name: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// What kind it is.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
}

/// Base units, as names have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of something that the name says.
    None,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A part of a whole, 1 being all of it.
    Ratio,
    /// Seconds since 1970.
    TimestampSeconds,
}

/// Kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It may go both ways.
    Gauge,
    /// How often there was which length.
    Histogram,
    /// It is 1, and its labels say something.
    Info,
}

impl Unit {
    /// As names end.
    #[must_use]
    pub fn suffix(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Seconds => Some("seconds"),
            Self::Bytes => Some("bytes"),
            Self::Ratio => Some("ratio"),
            Self::TimestampSeconds => Some("timestamp_seconds"),
        }
    }
}

impl Metric {
    /// As Prometheus shows it.
    #[must_use]
    pub fn full_name(&self) -> String {
        let unit = self.unit.suffix().map(|unit| format!("_{unit}")).unwrap_or_default();
        let kind = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{}{unit}{kind}", self.name)
    }
}

/// A label, and its value.
pub type Label = (&'static str, Cow<'static, str>);

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A time or a ratio.
    Real(f64),
    /// Lengths, counted.
    Lengths(Arc<Lengths>),
}

impl Value {
    /// So many nanoseconds, as seconds.
    #[must_use]
    pub fn seconds(ns: u64) -> Self {
        Self::Real(ns as f64 / 1e9)
    }
}

/// Lengths that were counted, in buckets that do not overlap.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lengths {
    /// How many.
    pub count: u64,
    /// All together, seconds.
    pub sum: f64,
    /// How many are above the bound before and at most as long as each bound of
    /// [`BOUNDS`](super::spells::BOUNDS); and those that are longer.
    pub buckets: Vec<u64>,
}

/// A metric's value for some labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The labels.
    pub labels: Vec<Label>,
    /// The value.
    pub value: Value,
    /// From when on it counts, where that is later than the counters' beginning.
    pub since: Option<SystemTime>,
}

/// A metric, and all its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The metric.
    pub metric: &'static Metric,
    /// The values; without any the metric is not there.
    pub points: Vec<Point>,
}

/// All metrics at an instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// In the order of the table.
    pub families: Vec<Family>,
}

impl Snapshot {
    /// Adds a metric's value.
    pub fn add(&mut self, metric: &'static Metric, labels: Vec<Label>, value: Value) {
        self.add_since(None, metric, labels, value);
    }

    /// Adds a metric's value that counts from an instant on.
    pub fn add_since(
        &mut self,
        since: Option<SystemTime>,
        metric: &'static Metric,
        labels: Vec<Label>,
        value: Value,
    ) {
        let point = Point { labels, value, since };
        match self.families.iter_mut().rev().find(|family| std::ptr::eq(family.metric, metric)) {
            Some(family) => family.points.push(point),
            None => self.families.push(Family { metric, points: vec![point] }),
        }
    }
}
