//! A snapshot in the formats that Prometheus reads, and which of them a scraper wants. Not here:
//! what is in it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet, prometheus_protobuf,
    prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit as ClientUnit};

use super::metric::{Family, Kind, Snapshot, Unit, Value};
use tcpcong_core::model::State;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    Text,
    /// `OpenMetrics`, version 1.0.0.
    OpenMetrics,
    /// `io.prometheus.client.MetricFamily`, each with its length before it.
    Protobuf,
}

impl Format {
    /// What goes into `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited"
            }
        }
    }

    /// What the scraper likes best of what there is, by its `Accept` (RFC 9110, 12.5.1); of
    /// several that it likes alike the one that it names first.
    #[must_use]
    pub fn wanted(accept: &str) -> Self {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next()?.to_ascii_lowercase();
            let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
            let parameter = |name: &str| {
                let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.trim_matches('"'))
            };
            let format = match media.as_str() {
                "application/vnd.google.protobuf" => {
                    let is_ours = parameter("proto") == Some("io.prometheus.client.MetricFamily")
                        && parameter("encoding") == Some("delimited");
                    is_ours.then_some(Self::Protobuf)?
                }
                "application/openmetrics-text" => {
                    let version = parameter("version").unwrap_or("1.0.0");
                    version.starts_with("1.").then_some(Self::OpenMetrics)?
                }
                "text/plain" | "text/*" | "*/*" => Self::Text,
                _ => return None,
            };
            let quality: f64 = parameter("q").map_or(Some(1.0), |q| q.parse().ok())?;
            (quality > 0.0).then_some((format, quality))
        });
        let best = ranges.fold(None, |best: Option<(Self, f64)>, (format, quality)| match best {
            Some((_, most)) if quality <= most => best,
            _ => Some((format, quality)),
        });
        best.map_or(Self::Text, |(format, _)| format)
    }
}

/// A snapshot, and what it is in some format.
type Encoded = (Arc<Snapshot>, Arc<[u8]>);

/// What is scraped: the last snapshot.
#[derive(Debug)]
pub struct Scraped {
    registry: Registry,
    last: Arc<Last>,
    /// What it was in each format when somebody asked for that.
    encoded: Mutex<[Option<Encoded>; 3]>,
}

#[derive(Debug)]
struct Last {
    snapshot: Mutex<Arc<Snapshot>>,
    spells: [Histogram; 5],
}

impl Scraped {
    /// With these histograms of spells, by state.
    #[must_use]
    pub fn new(spells: [Histogram; 5]) -> Self {
        let last = Arc::new(Last { snapshot: Mutex::default(), spells });
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(&last)));
        Self { registry, last, encoded: Mutex::default() }
    }

    /// The next snapshot.
    pub fn update(&self, snapshot: Arc<Snapshot>) {
        *self.last.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// The last snapshot.
    #[must_use]
    pub fn last(&self) -> Arc<Snapshot> {
        self.last.last()
    }

    /// It in this format: put together once, however many ask for it.
    pub fn encode(&self, format: Format) -> Result<Arc<[u8]>, fmt::Error> {
        let snapshot = self.last();
        let all = || self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, bytes)) = &all()[format as usize]
            && Arc::ptr_eq(of, &snapshot)
        {
            return Ok(Arc::clone(bytes));
        }
        let bytes: Arc<[u8]> = self.encode_anew(format)?.into();
        all()[format as usize] = Some((snapshot, Arc::clone(&bytes)));
        Ok(bytes)
    }

    fn encode_anew(&self, format: Format) -> Result<Vec<u8>, fmt::Error> {
        let mut out = String::new();
        match format {
            Format::Text => prometheus_text::encode(&mut out, &self.registry)?,
            Format::OpenMetrics => text::encode(&mut out, &self.registry)?,
            Format::Protobuf => {
                return prometheus_protobuf::encode_to_vec(&self.registry).map_err(|_| fmt::Error);
            }
        }
        Ok(out.into_bytes())
    }
}

impl Last {
    fn last(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn encode_family(
        &self,
        family: &Family,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> Result<(), fmt::Error> {
        let metric = family.metric;
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        let unit = match metric.unit {
            Unit::None => None,
            Unit::Seconds => Some(ClientUnit::Seconds),
            Unit::Bytes => Some(ClientUnit::Bytes),
            // As names have them; the client's own is in the plural.
            Unit::Ratio => Some(ClientUnit::Other("ratio".to_owned())),
            Unit::TimestampSeconds => Some(ClientUnit::Other("timestamp_seconds".to_owned())),
        };
        let mut encoder =
            encoder.encode_descriptor(metric.name, metric.help, unit.as_ref(), kind)?;
        for point in &family.points {
            if metric.kind == Kind::Info {
                encoder.encode_info(&point.labels)?;
                continue;
            }
            let encoder = encoder.encode_family(&point.labels)?;
            self.encode_value(metric.kind, &point.labels, &point.value, encoder)?;
        }
        Ok(())
    }

    fn encode_value(
        &self,
        kind: Kind,
        labels: &[super::metric::Label],
        value: &Value,
        mut encoder: MetricEncoder<'_>,
    ) -> Result<(), fmt::Error> {
        match (kind, value) {
            (Kind::Counter, Value::Count(count)) => {
                encoder.encode_counter::<NoLabelSet, _, f64>(count, None)
            }
            (Kind::Counter, Value::Real(real)) => {
                encoder.encode_counter::<NoLabelSet, _, f64>(real, None)
            }
            (_, Value::Count(count)) => encoder.encode_gauge(count),
            (_, Value::Real(real)) => encoder.encode_gauge(real),
            (_, Value::Lengths(_)) => {
                let state = State::ALL
                    .into_iter()
                    .find(|state| labels.iter().any(|(_, value)| value == state.name()));
                let state = state.ok_or(fmt::Error)?;
                let native = &self.spells[state as usize];
                native.encode(encoder)
            }
        }
    }
}

impl Collector for Last {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let snapshot = self.last();
        snapshot.families.iter().try_for_each(|family| self.encode_family(family, &mut encoder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_what_it_likes_best() {
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                      encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::wanted(native), Format::Protobuf);
        let usual = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,\
                     */*;q=0.1";
        assert_eq!(Format::wanted(usual), Format::OpenMetrics);
        for text in ["", "*/*", "text/html, */*;q=0.1", "image/png", "text/plain", "x;q=", "q;;="] {
            assert_eq!(Format::wanted(text), Format::Text, "{text}");
        }
        assert_eq!(Format::wanted("application/openmetrics-text;q=0, */*"), Format::Text);
        assert_eq!(Format::wanted("application/vnd.google.protobuf"), Format::Text);
    }
}
