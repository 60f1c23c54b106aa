//! A ledger that goes on where another one is says the same of what comes.

use proptest::prelude::*;

use super::conservation::{lives, played};
use super::{MS, START_NS, close, ms};
use crate::model::sample::{Script, account, figures};
use crate::model::{Entry, Figures, Ledger, LedgerOptions, PathFigures, Report, State};

fn options() -> LedgerOptions {
    LedgerOptions {
        list_quiet: true,
        transitions: true,
        spells: true,
        tick_ns: Some(4 * MS),
        ..LedgerOptions::default()
    }
}

/// What is said of the time from `at_ns` to `to_ns`: by one that was told all, and by one
/// that goes on from a key frame of that instant, which was a text meanwhile.
fn both(entries: &[Entry], at_ns: u64, to_ns: u64) -> [Report; 2] {
    let (before, after) = entries.split_at(entries.partition_point(|one| one.at_ns < at_ns));
    let mut all = Ledger::new(START_NS, options());
    for entry in before {
        all.apply(entry);
    }
    close(&mut all, at_ns);
    all.take_transitions();
    let mut resumed = Ledger::new(at_ns, options());
    for entry in all.key_frame(at_ns) {
        let text = serde_json::to_string(&entry).expect("text");
        let read = serde_json::from_str(&text).expect("an entry");
        assert_eq!(entry, read, "{text}");
        resumed.apply(&read);
    }
    [all, resumed].map(|mut ledger| {
        for entry in after {
            ledger.apply(entry);
        }
        let transitions = ledger.take_transitions();
        Report { transitions, ..close(&mut ledger, to_ns) }
    })
}

proptest! {
    #[test]
    fn it_says_the_same_of_lives_of_all_kinds(lives in lives(false), at in 0..4_000_000_u64) {
        let (_, mut entries) = played(&lives);
        entries.sort_by_key(|entry| entry.at_ns);
        let at_ns = START_NS + 1 + at;
        let [all, resumed] = both(&entries, at_ns, START_NS + 20_000_000);
        prop_assert_eq!(all, resumed);
    }
}

#[test]
fn when_it_was_last_found_in_its_state_is_told_on() {
    let script = Script::default().birth(1, ms(0)).seen(1, ms(600), State::Open).transition(
        1,
        ms(900),
        State::Loss,
        State::Recovery,
    );
    let [all, resumed] = both(&script.entries, ms(700), ms(1000));
    assert_eq!(all, resumed);
    assert_eq!(all.totals.uncertain_ns, 300 * MS);
}

#[test]
fn causes_windows_and_costs_go_on() {
    let script = Script::default()
        .birth(1, ms(0))
        .with(account([0, 0, 0], 0, 0))
        .surveyed(ms(1), ms(0))
        .transition(1, ms(200), State::Open, State::Recovery)
        .with(figures(20, 40, true))
        .seen(1, ms(250), State::Recovery)
        .with(account([40, 0, 5], 30, 2))
        .surveyed(ms(251), ms(249))
        .transition(1, ms(400), State::Recovery, State::Open)
        .with(figures(40, 40, false))
        .seen(1, ms(900), State::Open)
        .with(account([60, 0, 5], 50, 2))
        .surveyed(ms(901), ms(899));
    for at in [300, 500, 800] {
        let [all, resumed] = both(&script.entries, ms(at), ms(1000));
        assert_eq!(all, resumed, "at {at} ms");
        assert!(all.rows[0].stats.is_some());
    }
}

#[test]
fn what_began_before_a_gap_stays_inexact() {
    let script = Script::default()
        .birth(1, ms(0))
        .transition(1, ms(100), State::Open, State::Loss)
        .gap(ms(200), ms(300), 5);
    let [_, resumed] = both(&script.entries, ms(500), ms(1000));
    assert!(!resumed.rows[0].exact);
    assert_eq!(resumed.rows[0].spell_ns, 900 * MS);
}

#[test]
fn what_was_waited_for_a_repeated_timeout_goes_on() {
    let quiet = |ticks| {
        let path = PathFigures { quiet: ticks, ..PathFigures::default() };
        Figures { path: Some(path), ..account([0, 0, 0], 0, 0) }
    };
    let script = Script::default()
        .birth(1, ms(0))
        .with(quiet(0))
        .transition(1, ms(300), State::Open, State::Loss)
        .with(quiet(50))
        // The device had not taken what was retransmitted, which the kernel counts on.
        .transition(1, ms(700), State::Loss, State::Loss)
        .with(quiet(150));
    let [all, resumed] = both(&script.entries, ms(500), ms(1000));
    assert_eq!(all.transitions[0].waited_ns, Some(400 * MS));
    assert_eq!(all, resumed);
}
