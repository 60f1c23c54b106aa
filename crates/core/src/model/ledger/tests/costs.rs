//! What came of flows by the kernel's own account.

use super::{MS, apply, close, ledger, ms, only};
use crate::model::sample::{Script, account};
use crate::model::{
    Account, Figures, LedgerOptions, Limits, PathFigures, Report, SendStats, State,
};

/// A jiffy of the machine that these are from.
const TICK_NS: u64 = 4 * MS;

fn options() -> LedgerOptions {
    LedgerOptions { list_quiet: true, tick_ns: Some(TICK_NS), ..LedgerOptions::default() }
}

fn stats(report: &Report) -> &SendStats {
    only(report).stats.as_deref().expect("measured")
}

#[test]
fn what_came_is_charged_to_the_state_that_was_left() {
    let mut ledger = ledger(options());
    let script = Script::default()
        .birth(1, ms(0))
        .with(account([0, 0, 0], 0, 0))
        .transition(1, ms(400), State::Open, State::Loss)
        .with(account([50, 0, 10], 30, 0))
        .transition(1, ms(800), State::Loss, State::Open)
        .with(account([150, 0, 10], 40, 5))
        .seen(1, ms(990), State::Open)
        .with(account([160, 7, 10], 45, 5))
        .surveyed(ms(991), ms(989));
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    let open = Limits { sending_ns: 60 * TICK_NS, rwnd_ns: 7 * TICK_NS, sndbuf_ns: 10 * TICK_NS };
    assert_eq!(stats(&report).open, open);
    assert_eq!(stats(&report).other.sending_ns, 100 * TICK_NS);
    assert_eq!(stats(&report).delivered, [35, 0, 0, 0, 10]);
    assert_eq!(stats(&report).retransmitted, [0, 0, 0, 0, 5]);
    // 600 ms in Open, of which it was busy for 77 ticks.
    assert_eq!(stats(&report).open_idle_ns, 600 * MS - 77 * TICK_NS);
}

#[test]
fn an_interval_in_which_nobody_looked_has_no_costs() {
    let mut ledger = ledger(options());
    let script = Script::default().birth(1, ms(0)).birth(2, ms(0)).seen(1, ms(990), State::Open);
    let script = script.with(account([10, 0, 0], 3, 0)).surveyed(ms(991), ms(989));
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    let known: Vec<_> = report.rows.iter().map(|row| row.stats.is_some()).collect();
    assert_eq!(known, [true, false]);
}

#[test]
fn what_came_before_a_flow_was_met_is_charged_to_nothing_and_the_interval_to_nobody() {
    let mut ledger = ledger(options());
    let late = Script::default().seen(1, ms(500), State::Open).with(account([70, 0, 0], 9, 0));
    let late = late.seen(1, ms(990), State::Open).with(account([80, 0, 0], 10, 0));
    apply(&mut ledger, late.surveyed(ms(991), ms(989)));
    assert!(only(&close(&mut ledger, ms(1000))).stats.is_none());
    let next = Script::default().seen(1, ms(1990), State::Open).with(account([90, 0, 0], 12, 0));
    apply(&mut ledger, next.surveyed(ms(1991), ms(1989)));
    let report = close(&mut ledger, ms(2000));
    assert_eq!(stats(&report).delivered_in_all(), 2);
    assert_eq!(stats(&report).open.sending_ns, 10 * TICK_NS);
}

#[test]
fn what_came_is_of_the_time_since_the_last_look_even_where_that_was_in_another_interval() {
    let acked = |bytes_acked| {
        let path = Some(PathFigures { bytes_acked, ..PathFigures::default() });
        Figures { account: Some(Account::default()), path, ..Figures::default() }
    };
    let mut ledger = ledger(options());
    apply(&mut ledger, Script::default().birth(1, ms(0)).with(acked(0)));
    // Nobody looks, as where the namespace was not found yet.
    apply(&mut ledger, Script::default().surveyed(ms(991), ms(989)));
    assert!(only(&close(&mut ledger, ms(1000))).stats.is_none());
    let late = Script::default().seen(1, ms(1995), State::Open).with(acked(399_000));
    apply(&mut ledger, late.surveyed(ms(1996), ms(1994)));
    let report = close(&mut ledger, ms(2000));
    let traffic = stats(&report).traffic;
    assert_eq!((traffic.acked_bytes, traffic.acked_over_ns), (399_000, 1995 * MS));
    assert_eq!(traffic.acked_bits(), Some(1_600_000));
    // From then on it is a look each interval.
    let next = Script::default().seen(1, ms(2995), State::Open).with(acked(524_000));
    apply(&mut ledger, next.surveyed(ms(2996), ms(2994)));
    let report = close(&mut ledger, ms(3000));
    let traffic = stats(&report).traffic;
    assert_eq!(traffic.acked_bits(), Some(1_000_000));
}

#[test]
fn what_an_interval_that_was_not_measured_was_charged_is_the_next_ones() {
    let mut ledger = ledger(options());
    let script = Script::default()
        .birth(1, ms(0))
        .with(account([0, 0, 0], 0, 0))
        .transition(1, ms(400), State::Open, State::Recovery)
        .with(account([100, 0, 0], 30, 0))
        .surveyed(ms(991), ms(989));
    apply(&mut ledger, script);
    assert!(only(&close(&mut ledger, ms(1000))).stats.is_none());
    let script = Script::default()
        .transition(1, ms(1400), State::Recovery, State::Open)
        .with(account([200, 0, 0], 40, 5))
        .seen(1, ms(1990), State::Open)
        .with(account([210, 0, 0], 45, 5));
    apply(&mut ledger, script.surveyed(ms(1991), ms(1989)));
    let report = close(&mut ledger, ms(2000));
    assert!(stats(&report).carried);
    assert_eq!(stats(&report).delivered, [35, 0, 0, 10, 0]);
    assert_eq!(stats(&report).limits().sending_ns, 210 * TICK_NS);
    // And no longer.
    let script = Script::default().seen(1, ms(2990), State::Open).with(account([210, 0, 0], 47, 5));
    apply(&mut ledger, script.surveyed(ms(2991), ms(2989)));
    let report = close(&mut ledger, ms(3000));
    assert!(!stats(&report).carried);
    assert_eq!(stats(&report).delivered, [2, 0, 0, 0, 0]);
}
