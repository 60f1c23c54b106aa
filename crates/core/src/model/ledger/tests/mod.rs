//! The ledger, entry by entry. Lives of all kinds together: `conservation`.

mod conservation;
mod costs;
mod estimated;
mod lost;
mod ongoing;
mod sums;
mod waits;

use jiff::Timestamp;

use super::{Ledger, LedgerOptions};
use crate::model::sample::{self, Script};
use crate::model::{Cause, Report, Row, State};

const START_NS: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

fn ledger(options: LedgerOptions) -> Ledger {
    Ledger::new(START_NS, options)
}

fn listing_all() -> LedgerOptions {
    LedgerOptions { list_quiet: true, ..LedgerOptions::default() }
}

/// Milliseconds after the start.
fn ms(ms: u64) -> u64 {
    START_NS + ms * MS
}

fn close(ledger: &mut Ledger, at_ns: u64) -> Report {
    ledger.close(at_ns, Timestamp::UNIX_EPOCH)
}

/// Applies all that the script has.
fn apply(ledger: &mut Ledger, Script { entries, .. }: Script) {
    for entry in entries {
        ledger.apply(&entry);
    }
}

fn only(report: &Report) -> &Row {
    let [row] = &report.rows[..] else { panic!("{} rows", report.rows.len()) };
    row
}

#[test]
fn a_spell_in_loss_without_any_event_has_its_row_in_every_interval() {
    let mut ledger = ledger(LedgerOptions::default());
    apply(
        &mut ledger,
        Script::default().birth(1, ms(100)).transition(1, ms(800), State::Open, State::Loss),
    );
    let first = close(&mut ledger, ms(1000));
    assert_eq!(only(&first).times.0, [700 * MS, 0, 0, 0, 200 * MS]);
    assert_eq!((only(&first).changes, only(&first).spell_ns), (1, 200 * MS));
    assert_eq!((only(&first).rtos, only(&first).repeated_rtos), (1, 0));
    let second = close(&mut ledger, ms(2000));
    assert_eq!(only(&second).times.0, [0, 0, 0, 0, SECOND]);
    assert_eq!((only(&second).changes, only(&second).spell_ns), (0, 1200 * MS));
    apply(
        &mut ledger,
        Script::default().transition(1, ms(2500), State::Loss, State::Loss).transition(
            1,
            ms(2700),
            State::Loss,
            State::Open,
        ),
    );
    let third = close(&mut ledger, ms(3000));
    assert_eq!(only(&third).times.0, [300 * MS, 0, 0, 0, 700 * MS]);
    assert_eq!((only(&third).changes, only(&third).rtos), (1, 1));
    assert_eq!(only(&third).repeated_rtos, 1);
    assert!(only(&third).exact && third.is_exact());
    // From now on it is quiet.
    assert!(close(&mut ledger, ms(4000)).rows.is_empty());
}

#[test]
fn quiet_flows_are_counted_and_listed_only_where_that_is_wanted() {
    let script = || {
        let quiet_and_ended = Script::default().birth(1, ms(0)).birth(2, ms(10));
        quiet_and_ended.end(2, ms(500), State::Open)
    };
    let mut counting = ledger(LedgerOptions::default());
    apply(&mut counting, script());
    let report = close(&mut counting, ms(1000));
    assert!(report.rows.is_empty() && report.is_exact());
    assert_eq!((report.flows_alive, report.flows_quiet), (1, 1));
    assert_eq!((report.flows_ended, report.flows_ended_quiet), (1, 1));

    let mut listing = ledger(listing_all());
    apply(&mut listing, script());
    let report = close(&mut listing, ms(1000));
    let times: Vec<_> = report.rows.iter().map(|row| (row.times[State::Open], row.ended)).collect();
    assert_eq!(times, [(SECOND, false), (490 * MS, true)]);
    assert_eq!((report.flows_quiet, report.flows_ended_quiet), (1, 1));
    assert_eq!(close(&mut listing, ms(2000)).rows.len(), 1);
}

#[test]
fn what_comes_after_the_end_is_of_the_next_interval_alone() {
    let mut ledger = ledger(LedgerOptions::default());
    apply(&mut ledger, Script::default().birth(1, ms(0)));
    let report = close(&mut ledger, ms(1000));
    assert!(report.rows.is_empty());
    apply(&mut ledger, Script::default().transition(1, ms(1000), State::Open, State::Cwr));
    let report = close(&mut ledger, ms(1500));
    assert_eq!(only(&report).times.0, [0, 0, 500 * MS, 0, 0]);
}

#[test]
fn a_socket_that_is_used_again_is_another_flow() {
    let mut ledger = ledger(LedgerOptions::default());
    let first = Script::default()
        .birth(1, ms(100))
        .transition(1, ms(200), State::Open, State::Recovery)
        .end(1, ms(300), State::Recovery);
    let second = first.birth(1, ms(400)).transition(1, ms(500), State::Open, State::Disorder);
    apply(&mut ledger, second);
    let report = close(&mut ledger, ms(1000));
    let rows: Vec<_> = report.rows.iter().map(|row| (row.id.born_ns, row.times.0)).collect();
    assert_eq!(
        rows,
        [(ms(100), [100 * MS, 0, 0, 100 * MS, 0]), (ms(400), [100 * MS, 500 * MS, 0, 0, 0])]
    );
    assert_eq!(report.rows.iter().map(|row| row.ended).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn what_a_filter_does_not_want_never_was() {
    let mut ledger = ledger(listing_all());
    apply(&mut ledger, Script::default().birth(1, ms(0)).filtered_out(1, ms(5)));
    let report = close(&mut ledger, ms(1000));
    assert!(report.rows.is_empty());
    assert_eq!((report.flows_alive, report.flows_ended), (0, 0));
}

#[test]
fn sockets_from_before_count_from_the_start_whoever_shows_them_first() {
    let mut ledger = ledger(LedgerOptions::default());
    let script = Script::default()
        .seen(1, ms(20), State::Loss)
        // An event came sooner than the survey.
        .endpoints(2, ms(10), State::Recovery)
        .transition(2, ms(10), State::Recovery, State::Open)
        .seen(2, ms(21), State::Open)
        .surveyed(ms(30), ms(15));
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(100));
    let rows: Vec<_> = report.rows.iter().map(|row| row.times.0).collect();
    assert_eq!(rows, [[0, 0, 0, 0, 100 * MS], [90 * MS, 0, 0, 10 * MS, 0]]);
    assert!(report.is_exact());
}

#[test]
fn spells_are_counted_by_length_as_they_end_and_the_longest_that_go_on_are_known() {
    let options = LedgerOptions { lengths_unit_ns: Some(MS), ..LedgerOptions::default() };
    let mut ledger = ledger(LedgerOptions { spells: true, ..options });
    let script = Script::default()
        .birth(1, ms(0))
        .birth(2, ms(50))
        .transition(1, ms(5), State::Open, State::Loss)
        .transition(1, ms(300), State::Loss, State::Open)
        .end(2, ms(400), State::Open)
        // Met late, but there since the start.
        .seen(3, ms(500), State::Open);
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    let lengths = report.spells.as_ref().expect("asked for");
    let counted = |state: State| {
        let counts = lengths.of(state).iter().enumerate();
        counts
            .filter(|(_, count)| **count > 0)
            .map(|(slot, count)| (slot, *count))
            .collect::<Vec<_>>()
    };
    // 5 ms and 350 ms in Open, 295 ms in Loss.
    assert_eq!(counted(State::Open), [(2, 1), (8, 1)]);
    assert_eq!(counted(State::Loss), [(8, 1)]);
    let nexts: Vec<_> = report.ended_spells.iter().map(|spell| spell.next).collect();
    assert_eq!(nexts, [Some(State::Loss), Some(State::Open), None]);
    let open = report.ongoing_spells[State::Open as usize];
    assert_eq!((open.count, open.longest_ns), (2, SECOND));
    assert_eq!(report.ongoing_spells[State::Loss as usize].count, 0);
}

#[test]
fn a_transition_is_told_with_its_cause_and_what_the_window_was() {
    let options = LedgerOptions { transitions: true, ..LedgerOptions::default() };
    let mut ledger = ledger(options);
    let figures = |snd_cwnd, undo_marker| sample::figures(snd_cwnd, 7, undo_marker);
    let script = Script::default()
        .birth(1, ms(0))
        .transition(1, ms(100), State::Open, State::Recovery)
        .with(figures(20, true))
        .transition(1, ms(150), State::Recovery, State::Open)
        .with(figures(10, false));
    apply(&mut ledger, script);
    let told = ledger.take_transitions();
    let [recovery, open] = &told[..] else { panic!("{} transitions", told.len()) };
    assert_eq!((recovery.cause, recovery.spell_ns), (Cause::FastRetransmit, 100 * MS));
    assert_eq!((recovery.cwnd.before, recovery.cwnd.after), (Some(7), Some(20)));
    assert!(matches!(open.cause, Cause::Undo(_)), "{:?}", open.cause);
    assert_eq!((open.cwnd.before, open.cwnd.after), (Some(20), Some(10)));
    assert!(recovery.exact && open.exact);
    assert!(ledger.take_transitions().is_empty());
}
