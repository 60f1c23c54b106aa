use std::borrow::Cow;
use std::io::Read as _;
use std::sync::Arc;

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::common::v1::any_value;

use super::super::run::Counters;
use super::*;
use crate::serve::metrics::{Account, LabelBy, Lengths, Scraped, Values, table};
use crate::serve::{ServeSink, Shared};
use tcpcong_core::model::sample::{row, start};
use tcpcong_core::model::{Cause, IntervalSums, KeySums, State, SumKey, Sums, UndoBy};
use tcpcong_core::sink::{Output, Sink as _};
use tcpcong_core::source::SourceCost;

fn common(gzip: bool) -> Common {
    let began = UNIX_EPOCH + Duration::from_secs(1000);
    Common { resource: Resource::default(), began, gzip }
}

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let loss = || vec![("unit", Cow::from("a.service")), ("state", Cow::from("loss"))];
    snapshot.add(&table::STATE, loss(), Value::seconds(1_500_000_000));
    snapshot.add(&table::FLOWS, loss(), Value::Count(3));
    let cause =
        vec![("from", Cow::from("open")), ("to", Cow::from("loss")), ("cause", Cow::from("rto"))];
    snapshot.add(&table::TRANSITIONS, cause, Value::Count(2));
    let buckets = vec![1; BOUNDS.len() + 1];
    let lengths = Lengths { count: buckets.len() as u64, sum: 9.5, buckets };
    snapshot.add(
        &table::SPELL,
        vec![("state", Cow::from("loss"))],
        Value::Lengths(Arc::new(lengths)),
    );
    snapshot.add(&table::BUILD, vec![("version", Cow::from("1"))], Value::Count(1));
    snapshot
}

fn texts(attributes: &[KeyValue]) -> Vec<String> {
    let text = |attribute: &KeyValue| match &attribute.value.as_ref()?.value {
        Some(any_value::Value::StringValue(text)) => Some(format!("{}={text}", attribute.key)),
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}

#[test]
fn a_snapshot_becomes_cumulative_points_with_its_own_time() {
    let at = UNIX_EPOCH + Duration::from_secs(1010);
    let request = common(false).request(&snapshot(), at);
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    let expected = [
        "tcpcong.state.time",
        "tcpcong.flow.count",
        "tcpcong.state.transitions",
        "tcpcong.spell.duration",
    ];
    assert_eq!(names, expected);

    let Some(Data::Sum(time)) = &metrics[0].data else { panic!("{:?}", metrics[0]) };
    assert!(time.is_monotonic);
    assert_eq!(time.aggregation_temporality(), AggregationTemporality::Cumulative);
    let point = &time.data_points[0];
    assert_eq!(point.value, Some(Number::AsDouble(1.5)));
    assert_eq!(point.start_time_unix_nano, 1_000_000_000_000);
    assert_eq!(point.time_unix_nano, 1_010_000_000_000);
    assert_eq!(texts(&point.attributes), ["tcpcong.unit=a.service", "tcpcong.state=loss"]);

    let Some(Data::Sum(flows)) = &metrics[1].data else { panic!("{:?}", metrics[1]) };
    assert!(!flows.is_monotonic);
    assert_eq!(flows.data_points[0].value, Some(Number::AsInt(3)));

    let Some(Data::Sum(transitions)) = &metrics[2].data else { panic!("{:?}", metrics[2]) };
    let expected = [
        "tcpcong.state.from=open",
        "tcpcong.state.to=loss",
        "tcpcong.cause=rto",
        "network.tcp.retransmit.type=timeout",
    ];
    assert_eq!(texts(&transitions.data_points[0].attributes), expected);

    let Some(Data::Histogram(spells)) = &metrics[3].data else { panic!("{:?}", metrics[3]) };
    let point = &spells.data_points[0];
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!((point.count, point.sum), (BOUNDS.len() as u64 + 1, Some(9.5)));
}

#[test]
fn a_value_that_comes_later_has_a_start_of_its_own() {
    let seconds = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let mut snapshot = Snapshot::default();
    // The service began at 1000.
    for since in [None, Some(seconds(1005)), Some(seconds(999)), Some(seconds(1011))] {
        snapshot.add_since(since, &table::RTOS, Vec::new(), Value::Count(1));
    }
    let request = common(false).request(&snapshot, seconds(1010));
    let Some(Data::Sum(rtos)) = &request.resource_metrics[0].scope_metrics[0].metrics[0].data
    else {
        panic!("{request:?}")
    };
    let times = |point: &NumberDataPoint| (point.start_time_unix_nano, point.time_unix_nano);
    let times: Vec<_> = rtos.data_points.iter().map(times).collect();
    let expected = [(1000, 1010), (1005, 1010), (1000, 1010), (1011, 1011)];
    assert_eq!(times, expected.map(|(from, to)| (from * 1_000_000_000, to * 1_000_000_000)));
}

#[test]
fn no_point_ends_before_it_begins() {
    let request = common(false).request(&snapshot(), UNIX_EPOCH);
    let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
    let Some(Data::Sum(time)) = &metric.data else { panic!("{metric:?}") };
    assert_eq!(time.data_points[0].time_unix_nano, 1_000_000_000_000);
}

#[test]
fn a_compressed_message_is_the_same() {
    let at = UNIX_EPOCH + Duration::from_secs(1010);
    let plain = common(false).message(&snapshot(), at);
    let gzip = common(true).message(&snapshot(), at);
    assert!(gzip.is_gzip && !plain.is_gzip && gzip.bytes.len() < plain.bytes.len());
    let mut unpacked = Vec::new();
    GzDecoder::new(&*gzip.bytes).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.bytes);
}

/// All that has labels, of a service by unit.
fn labelled() -> Snapshot {
    let account = Account::new(Values::new(LabelBy::Unit, 9), 0.0);
    let shared = Shared::new(Scraped::new(account.spells()), Err("nothing is kept"));
    let scraped = Arc::clone(&shared.0);
    let begin = Box::new(|_: &mut Output<'_>| Ok(Box::new(|_: &mut Output<'_>| ()) as _));
    let mut sink = ServeSink::new(account, false, shared, None, None, None, begin);
    let undo = (State::Loss, State::Open, Cause::Undo(Some(UndoBy::Dsack)));
    let sums = Sums { transitions: [(undo, 1)].into(), ..Sums::default() };
    let sums = IntervalSums {
        at: jiff::Timestamp::UNIX_EPOCH,
        from_ns: 0,
        to_ns: 1,
        by_key: vec![KeySums { key: SumKey::Cgroup(Some(1)), example: row(1), sums }],
        spells: Vec::new(),
        cost: SourceCost::default(),
    };
    let out = &mut Output { data: &mut std::io::sink(), remarks: &mut std::io::sink() };
    sink.started(&start(0), out).unwrap();
    sink.sums(&sums, out).unwrap();
    let mut snapshot = Snapshot::clone(&scraped.scraped.last());
    Counters::default().add(&mut snapshot);
    snapshot
}

#[test]
fn every_attribute_is_documented_and_of_a_label_that_there_is() {
    let snapshot = labelled();
    let request = common(false).request(&snapshot, UNIX_EPOCH);
    let documentation = include_str!("../../../docs/otlp.md");
    for metric in &request.resource_metrics[0].scope_metrics[0].metrics {
        let attributes: Vec<_> = match metric.data.as_ref().unwrap() {
            Data::Sum(Sum { data_points, .. }) | Data::Gauge(Gauge { data_points }) => {
                data_points.iter().flat_map(|point| &point.attributes).collect()
            }
            Data::Histogram(histogram) => {
                histogram.data_points.iter().flat_map(|point| &point.attributes).collect()
            }
            other => panic!("{other:?}"),
        };
        for KeyValue { key, .. } in attributes {
            let is_documented = key.contains('.') && documentation.contains(&format!("`{key}`"));
            assert!(is_documented, "{}: {key}", metric.name);
        }
    }
    for (metric, name) in names::NAMES {
        let Name::Metric { attributes, .. } = name else { continue };
        let families = snapshot.families.iter().filter(|one| std::ptr::eq(one.metric, *metric));
        let labels: Vec<_> =
            families.flat_map(|one| &one.points).flat_map(|point| &point.labels).collect();
        for (label, _) in *attributes {
            assert!(labels.iter().any(|(known, _)| known == label), "{}: {label}", metric.name);
        }
    }
}
