use jiff::Timestamp;

use super::*;
use tcpcong_core::model::sample::{row, start};
use tcpcong_core::model::{KeySums, SumKey};

const HOUR_NS: u64 = 3_600_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

fn account(by: LabelBy) -> Account {
    Account::new(Values::new(by, 9), 0.0)
}

/// The second that ends then, in which a connection from this port began and ended, if one did.
fn second(to_ns: u64, port: Option<u16>) -> IntervalSums {
    let sums = Sums { started: 1, ended: 1, ..Sums::default() };
    let of = |port| KeySums { key: SumKey::All, example: row(port), sums };
    IntervalSums {
        at: Timestamp::UNIX_EPOCH,
        from_ns: to_ns - SECOND_NS,
        to_ns,
        by_key: port.map(of).into_iter().collect(),
        spells: Vec::new(),
        cost: SourceCost::default(),
    }
}

fn add(account: &mut Account, sums: &IntervalSums) {
    account.add(sums, &|_| true);
}

/// The values of a metric.
fn values(account: &Account, metric: &Metric) -> Vec<Value> {
    let snapshot = account.snapshot();
    let family = snapshot.families.iter().find(|family| std::ptr::eq(family.metric, metric));
    family.into_iter().flat_map(|family| &family.points).map(|point| point.value.clone()).collect()
}

#[test]
fn without_a_label_counters_are_there_before_any_connection_and_stay_when_there_is_none() {
    let mut account = account(LabelBy::Nothing);
    assert_eq!(values(&account, &table::TRANSITIONS), vec![Value::Count(0); USUAL.len()]);
    assert_eq!(values(&account, &table::FLOWS_STARTED), [Value::Count(0)]);
    add(&mut account, &second(SECOND_NS, Some(1)));
    add(&mut account, &second(2 * HOUR_NS, None));
    assert_eq!(values(&account, &table::FLOWS_STARTED), [Value::Count(1)]);
    add(&mut account, &second(2 * HOUR_NS + SECOND_NS, Some(1)));
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
