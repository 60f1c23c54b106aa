//! Entries that were found by comparing two looks: nothing of them is exact, and nothing
//! counts as missed.

use super::{MS, SECOND, apply, close, ledger, listing_all, ms, only};
use crate::model::sample::{Script, figures};
use crate::model::{Cause, LedgerOptions, State};

fn estimated() -> LedgerOptions {
    LedgerOptions { estimated: true, ..LedgerOptions::default() }
}

#[test]
fn the_time_between_two_looks_is_uncertain_and_no_transition_counts_as_missed() {
    let mut ledger = ledger(estimated());
    let script = Script::default()
        .seen(1, ms(0), State::Open)
        .transition(1, ms(250), State::Open, State::Loss)
        .within(100 * MS)
        .transition(1, ms(650), State::Loss, State::Open)
        .within(90 * MS);
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    let row = only(&report);
    assert_eq!(row.times.0, [600 * MS, 0, 0, 0, 400 * MS]);
    assert_eq!((row.changes, row.exact, row.uncertain_ns), (2, false, 190 * MS));
    assert!(report.losses.is_exact() && report.estimated && !report.is_exact());
}

#[test]
fn births_and_ends_between_two_looks_are_uncertain_as_well() {
    let mut ledger = ledger(LedgerOptions { list_quiet: true, ..estimated() });
    let script = Script::default()
        .birth(1, ms(150))
        .within(100 * MS)
        .end(1, ms(850), State::Open)
        .within(80 * MS);
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    assert_eq!(only(&report).times.0, [700 * MS, 0, 0, 0, 0]);
    assert_eq!((only(&report).exact, only(&report).uncertain_ns), (false, 180 * MS));
}

#[test]
fn a_flow_that_shows_no_change_is_an_estimate_all_the_same() {
    let mut ledger = ledger(LedgerOptions { estimated: true, ..listing_all() });
    apply(&mut ledger, Script::default().seen(1, ms(0), State::Open));
    let report = close(&mut ledger, ms(1000));
    assert_eq!((only(&report).times.total_ns(), only(&report).exact), (SECOND, false));
    // So is a report without any.
    assert!(!close(&mut super::ledger(estimated()), ms(1000)).is_exact());
}

#[test]
fn how_a_recovery_ended_is_not_known() {
    let mut ledger = ledger(LedgerOptions { transitions: true, ..estimated() });
    let recovery = |from, to, at| {
        Script::default().transition(1, at, from, to).within(MS).with(figures(5, 10, false))
    };
    apply(&mut ledger, Script::default().seen(1, ms(0), State::Open));
    apply(&mut ledger, recovery(State::Open, State::Recovery, ms(100)));
    apply(&mut ledger, recovery(State::Recovery, State::Open, ms(200)));
    apply(&mut ledger, recovery(State::Open, State::Cwr, ms(300)));
    apply(&mut ledger, recovery(State::Cwr, State::Open, ms(400)));
    let told = ledger.take_transitions();
    let causes: Vec<_> = told.iter().map(|one| one.cause).collect();
    let expected = [Cause::FastRetransmit, Cause::Unknown, Cause::Unknown, Cause::Recovered];
    assert_eq!(causes, expected);
    assert!(told.iter().all(|one| !one.exact));
}
