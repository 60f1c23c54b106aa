use std::time::UNIX_EPOCH;

use jiff::Timestamp;

use super::super::metric::Point;
use super::*;
use tcpcong_core::model::sample::{row, start};
use tcpcong_core::model::{KeySums, SumKey};

const HOUR_NS: u64 = 3_600_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

fn account(by: LabelBy) -> Account {
    Account::new(Values::new(by, 9), 0.0)
}

/// The second that ends then, in which a connection of this key began and ended, if one did.
fn second(to_ns: u64, key: Option<SumKey>) -> IntervalSums {
    let sums = Sums { started: 1, ended: 1, ..Sums::default() };
    let of = |key| KeySums { key, example: row(1), sums };
    IntervalSums {
        at: Timestamp::UNIX_EPOCH,
        from_ns: to_ns - SECOND_NS,
        to_ns,
        by_key: key.map(of).into_iter().collect(),
        spells: Vec::new(),
        cost: SourceCost::default(),
    }
}

fn add(account: &mut Account, sums: &IntervalSums) {
    account.add(sums, UNIX_EPOCH + Duration::from_nanos(sums.to_ns), &|_| true);
}

/// The points of a metric.
fn points(account: &Account, metric: &Metric) -> Vec<Point> {
    let families = account.snapshot().families.into_iter();
    families
        .filter(|family| std::ptr::eq(family.metric, metric))
        .flat_map(|family| family.points)
        .collect()
}

fn values(account: &Account, metric: &Metric) -> Vec<Value> {
    points(account, metric).into_iter().map(|point| point.value).collect()
}

#[test]
fn without_a_label_counters_are_there_before_any_connection_and_stay_when_there_is_none() {
    let mut account = account(LabelBy::Nothing);
    assert_eq!(values(&account, &table::TRANSITIONS), vec![Value::Count(0); USUAL.len()]);
    assert_eq!(values(&account, &table::FLOWS_STARTED), [Value::Count(0)]);
    add(&mut account, &second(SECOND_NS, Some(SumKey::All)));
    add(&mut account, &second(2 * HOUR_NS, None));
    assert_eq!(values(&account, &table::FLOWS_STARTED), [Value::Count(1)]);
    add(&mut account, &second(2 * HOUR_NS + SECOND_NS, Some(SumKey::All)));
    assert_eq!(values(&account, &table::FLOWS_STARTED), [Value::Count(2)]);
    assert_eq!(values(&account, &table::TRANSITIONS), vec![Value::Count(0); USUAL.len()]);
}

#[test]
fn exact_are_figures_of_all_connections_of_which_nothing_was_missed_since_the_last_report() {
    let minute = |number: u64| number * MINUTE_NS + SECOND_NS;
    let is_exact = |account: &mut Account, at_ns| {
        add(account, &second(at_ns, None));
        values(account, &table::EXACT) == [Value::Count(1)]
    };
    let report = |from, to| Report::of_nothing(Timestamp::UNIX_EPOCH, minute(from), minute(to));

    let mut exact = account(LabelBy::Nothing);
    exact.begin(&start(0));
    assert!(is_exact(&mut exact, minute(5)));
    let losses = Losses { transitions_missed: 1, ..Losses::default() };
    exact.add_report(&Report { losses, ..report(0, 5) });
    assert!(!is_exact(&mut exact, minute(9)), "the next report is not there yet");
    exact.add_report(&report(5, 10));
    assert!(is_exact(&mut exact, minute(11)));
    exact.add_report(&Report { namespaces_unreached: 1, ..report(10, 15) });
    assert!(!is_exact(&mut exact, minute(25)));

    let mut unreached = account(LabelBy::Nothing);
    unreached.begin(&Start { namespaces_unreached: 1, ..start(0) });
    let mut estimated = account(LabelBy::Nothing);
    estimated.begin(&Start { estimated: true, ..start(0) });
    for account in [&mut unreached, &mut estimated] {
        assert!(!is_exact(account, minute(3)), "no report has come yet");
    }
}

#[test]
fn a_value_counts_from_the_second_in_which_it_came() {
    let mut account = account(LabelBy::Lport);
    let port = Some(SumKey::Lport(80));
    let since = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
    let started = |account: &Account| {
        let points = points(account, &table::FLOWS_STARTED);
        points.into_iter().map(|point| (point.value, point.since)).collect::<Vec<_>>()
    };
    add(&mut account, &second(10 * SECOND_NS, port));
    add(&mut account, &second(11 * SECOND_NS, port));
    assert_eq!(started(&account), [(Value::Count(2), since(9))]);
    add(&mut account, &second(2 * HOUR_NS, None));
    assert_eq!(started(&account), []);
    add(&mut account, &second(3 * HOUR_NS, port));
    assert_eq!(started(&account), [(Value::Count(1), since(3 * 3600 - 1))]);
}
