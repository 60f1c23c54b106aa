//! What no entry told, or an entry that was lost: counted, bounded, and right again.

use super::{MS, SECOND, apply, close, ledger, listing_all, ms, only};
use crate::model::sample::Script;
use crate::model::{LedgerOptions, State};

#[test]
fn a_missed_transition_is_counted_and_the_flow_inexact_until_the_next_clean_spell() {
    let mut ledger = ledger(LedgerOptions::default());
    let script = Script::default()
        .birth(1, ms(0))
        // Nobody saw it enter Loss.
        .transition(1, ms(600), State::Loss, State::Recovery);
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    let row = only(&report);
    assert_eq!(row.times.0, [600 * MS, 0, 0, 400 * MS, 0]);
    assert_eq!((row.exact, row.uncertain_ns, row.changes), (false, 600 * MS, 1));
    assert_eq!((report.losses.transitions_missed, report.totals.inexact), (1, 1));
    // The spell that goes on began in sight.
    assert!(only(&close(&mut ledger, ms(2000))).exact);
}

#[test]
fn only_the_time_since_it_was_last_found_in_its_state_is_uncertain() {
    for (script, uncertain_ms) in [
        (Script::default().seen(1, ms(600), State::Open), 100),
        (Script::default().seen_unlocked(1, ms(650), State::Open), 50),
        // Nothing was found of what it was.
        (Script::default().seen_unlocked(1, ms(650), State::Cwr), 700),
    ] {
        let mut ledger = ledger(LedgerOptions::default());
        apply(&mut ledger, Script::default().birth(1, ms(0)));
        apply(&mut ledger, script);
        apply(&mut ledger, Script::default().transition(1, ms(700), State::Loss, State::Recovery));
        let report = close(&mut ledger, ms(1000));
        let row = only(&report);
        assert_eq!(row.times.0, [700 * MS, 0, 0, 300 * MS, 0]);
        assert_eq!((row.exact, row.uncertain_ns), (false, uncertain_ms * MS));
    }
    // The last look was before it ended, nobody knows when.
    let mut ledger = ledger(listing_all());
    let script = Script::default()
        .birth(1, ms(0))
        .seen(1, ms(600), State::Open)
        .surveyed(ms(610), ms(599))
        .surveyed(ms(710), ms(699))
        .surveyed(ms(810), ms(799));
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    assert_eq!((report.losses.ends_missed, report.totals.uncertain_ns), (1, 210 * MS));
}

#[test]
fn a_state_found_by_a_survey_is_inexact_for_as_long_as_it_lasts() {
    let mut ledger = ledger(LedgerOptions::default());
    let script = Script::default().birth(1, ms(0)).seen(1, ms(900), State::Loss);
    apply(&mut ledger, script.surveyed(ms(910), ms(899)));
    let first = close(&mut ledger, ms(1000));
    assert_eq!(only(&first).times.0, [900 * MS, 0, 0, 0, 100 * MS]);
    assert_eq!((only(&first).changes, only(&first).exact), (0, false));
    assert!(!only(&close(&mut ledger, ms(2000))).exact);
    apply(&mut ledger, Script::default().transition(1, ms(2500), State::Loss, State::Open));
    assert!(!only(&close(&mut ledger, ms(3000))).exact);
    apply(&mut ledger, Script::default().transition(1, ms(3500), State::Open, State::Cwr));
    assert!(only(&close(&mut ledger, ms(4000))).exact);
}

#[test]
fn what_a_survey_sees_without_the_lock_corrects_nobody() {
    let mut ledger = ledger(listing_all());
    let script = Script::default().birth(1, ms(0)).seen_unlocked(1, ms(900), State::Loss);
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    assert_eq!(only(&report).state, State::Open);
    assert!(report.is_exact());
}

#[test]
fn a_birth_that_was_missed_counts_from_when_the_flow_was_met() {
    let mut ledger = ledger(LedgerOptions::default());
    let script = Script::default()
        .surveyed(ms(10), ms(1))
        .endpoints(1, ms(300), State::Open)
        .transition(1, ms(400), State::Open, State::Loss);
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    assert_eq!(only(&report).times.0, [100 * MS, 0, 0, 0, 600 * MS]);
    assert!(!only(&report).exact);
    assert_eq!(report.losses.births_missed, 1);
}

#[test]
fn an_end_that_was_missed_shows_when_the_socket_is_born_again() {
    let mut ledger = ledger(listing_all());
    apply(&mut ledger, Script::default().birth(1, ms(0)).birth(1, ms(700)));
    let report = close(&mut ledger, ms(1000));
    let rows: Vec<_> =
        report.rows.iter().map(|row| (row.times[State::Open], row.ended, row.exact)).collect();
    assert_eq!(rows, [(700 * MS, true, false), (300 * MS, false, true)]);
    assert_eq!(report.losses.ends_missed, 1);
}

#[test]
fn a_socket_that_two_surveys_have_not_met_is_gone() {
    let mut ledger = ledger(listing_all());
    let script = Script::default().birth(1, ms(0)).birth(2, ms(0)).seen(2, ms(101), State::Open);
    apply(&mut ledger, script.surveyed(ms(110), ms(100)));
    assert!(ledger.has_suspects());
    assert_eq!(close(&mut ledger, ms(1000)).flows_alive, 2);
    let script = Script::default().seen(2, ms(1101), State::Open).surveyed(ms(1110), ms(1100));
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(2000));
    assert_eq!((report.flows_alive, report.flows_ended, report.losses.ends_missed), (1, 1, 1));
    assert_eq!(report.rows[0].times[State::Open], 110 * MS);
}

#[test]
fn all_that_lives_in_a_gap_is_inexact_by_at_most_its_length_the_second_time_too() {
    for from in [0, 5000] {
        let mut ledger = ledger(listing_all());
        let script = Script::default().birth(1, ms(0)).birth(2, ms(from + 100)).transition(
            2,
            ms(from + 150),
            State::Open,
            State::Loss,
        );
        close(&mut ledger, ms(from));
        apply(&mut ledger, script.gap(ms(from + 200), ms(from + 230), 7));
        apply(&mut ledger, Script::default().birth(3, ms(from + 300)));
        let report = close(&mut ledger, ms(from + 1000));
        let doubts: Vec<_> = report.rows.iter().map(|row| (row.exact, row.uncertain_ns)).collect();
        assert_eq!(doubts, [(false, 30 * MS), (false, 30 * MS), (true, 0)], "{from}");
        assert_eq!((report.losses.entries_dropped, report.losses.gap_ns), (7, 30 * MS));
        assert_eq!(
            (report.gaps[0].from_ns, report.gaps[0].to_ns),
            (ms(from + 200), ms(from + 230))
        );
        assert!(!report.is_exact());
        // Met again, all is right.
        let met = Script::default()
            .seen(1, ms(from + 1001), State::Open)
            .seen(2, ms(from + 1002), State::Loss)
            .seen(3, ms(from + 1003), State::Open)
            .surveyed(ms(from + 1004), ms(from + 1000));
        apply(&mut ledger, met);
        assert!(close(&mut ledger, ms(from + 2000)).is_exact());
    }
}

#[test]
fn after_a_gap_other_ports_are_another_flow() {
    let mut ledger = ledger(listing_all());
    let script = Script::default().birth(1, ms(0)).surveyed(ms(2), ms(1)).gap(ms(100), ms(200), 3);
    // Its end was lost, and the birth of the one that has its address now.
    let script = script.ports(9).transition(1, ms(400), State::Open, State::Loss);
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    let rows: Vec<_> =
        report.rows.iter().map(|row| (row.connection.endpoints.lport, row.ended)).collect();
    assert_eq!(rows, [(1, true), (9, false)]);
    assert_eq!((report.losses.ends_missed, report.losses.births_missed), (1, 1));
    assert_eq!(report.rows[1].times[State::Loss], 600 * MS);
}

#[test]
fn what_finds_no_room_is_counted_and_changes_nothing_for_the_rest() {
    let options = LedgerOptions { max_flows: 1, ..listing_all() };
    let mut ledger = ledger(options);
    let script = Script::default()
        .birth(1, ms(0))
        .birth(2, ms(1))
        .transition(2, ms(2), State::Open, State::Loss)
        .transition(1, ms(3), State::Open, State::Cwr)
        .end(2, ms(4), State::Loss);
    apply(&mut ledger, script);
    let report = close(&mut ledger, ms(1000));
    assert_eq!(only(&report).times.0, [3 * MS, 0, SECOND - 3 * MS, 0, 0]);
    assert_eq!((report.losses.flows_refused, report.losses.events_unaccounted), (1, 1));
    assert!(only(&report).exact && !report.is_exact());
}
