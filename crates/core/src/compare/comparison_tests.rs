use jiff::Timestamp;

use super::*;
use crate::compare::Recorder;
use crate::model::sample::{Script, figures, start};
use crate::model::{Filter, Ledger, State};
use crate::sink::{Output, Sink as _};

const MS: u64 = 1_000_000;

/// What a script tells of the first `seconds`, in intervals of a second.
fn recorded(script: Script, seconds: u64, filter: &Filter) -> Recorded {
    let mut ledger = Ledger::new(0, Recorder::needs(4 * MS));
    let mut recorder = Recorder::default();
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    let mut out = Output { data: &mut data, remarks: &mut remarks };
    recorder.started(&start(0), &mut out).unwrap();
    let mut entries = script.entries.into_iter().peekable();
    for second in 1..=seconds {
        while let Some(entry) = entries.next_if(|entry| entry.at_ns < second * 1000 * MS) {
            ledger.apply(&entry);
        }
        let mut report = ledger.close(second * 1000 * MS, Timestamp::UNIX_EPOCH);
        report.transitions = ledger.take_transitions();
        recorder.add(&report);
    }
    recorder.finish(filter, None).unwrap()
}

/// Connections that each have one recovery of about so many milliseconds.
fn recoveries(connections: u16, length_ms: u64) -> Script {
    let mut entries = Vec::new();
    for socket in 1..=connections {
        let (from, length) = (u64::from(socket) * 10 * MS, (length_ms + u64::from(socket)) * MS);
        let script = Script::default()
            .birth(socket, 0)
            .transition(socket, from, State::Open, State::Recovery)
            .with(figures(20, 20, true))
            .transition(socket, from + length, State::Recovery, State::Open)
            .with(figures(10, 20, true));
        entries.extend(script.entries);
    }
    entries.sort_by_key(|entry| entry.at_ns);
    let mut script = Script::default();
    script.entries = entries;
    script
}

fn measured(comparison: &Comparison, measure: Measure) -> &Difference {
    let mut all = comparison.groups[0].differences.iter();
    all.find(|one| one.measure == measure).unwrap_or_else(|| panic!("no {measure:?}"))
}

#[test]
fn a_recording_beside_itself_does_not_differ() {
    let one = || recorded(recoveries(12, 100), 2, &Filter::default());
    let comparison = compare(one(), one());
    assert!(comparison.unlike.is_empty() && comparison.tests > 5);
    for difference in &comparison.groups[0].differences {
        assert_ne!(difference.verdict(), Verdict::Higher, "{difference:?}");
        assert_ne!(difference.verdict(), Verdict::Lower, "{difference:?}");
        assert!(difference.difference().is_none_or(|apart| apart == 0.0), "{difference:?}");
        assert!(difference.delta.abs() < 1e-12, "{difference:?}");
    }
}

#[test]
fn what_differs_is_found_and_nothing_else() {
    let filter = Filter::default();
    let comparison = compare(
        recorded(recoveries(12, 100), 2, &filter),
        recorded(recoveries(12, 300), 2, &filter),
    );
    let spells = measured(&comparison, Measure::Spells(State::Recovery));
    assert_eq!((spells.verdict(), spells.effect()), (Verdict::Higher, Some(Effect::Large)));
    let [a, b] = spells.lengths.unwrap();
    assert_eq!((a.count, a.median_ns, a.longest_ns), (12, Some(106 * MS), Some(112 * MS)));
    assert_eq!((b.p90_ns, b.p99_ns), (Some(311 * MS), Some(312 * MS)));
    let share = measured(&comparison, Measure::Share(State::Recovery));
    assert_eq!(share.verdict(), Verdict::Higher);
    let expected = (12.0 * 100.0 + 78.0) / (12.0 * 2000.0);
    assert!((share.values[0].unwrap() - expected).abs() < 1e-9, "{share:?}");
    assert_eq!(measured(&comparison, Measure::Share(State::Open)).verdict(), Verdict::Lower);
    let rate = measured(&comparison, Measure::Transitions);
    assert_eq!((rate.verdict(), rate.values), (Verdict::NoEvidence, [Some(1.0), Some(1.0)]));
    // Nothing was in Loss on either side: that is no comparison.
    let loss = |one: &&Difference| one.measure == Measure::Share(State::Loss);
    assert!(comparison.groups[0].differences.iter().find(loss).is_none());
}

#[test]
fn few_connections_are_said_to_be_too_few() {
    let filter = Filter::default();
    let comparison = compare(
        recorded(recoveries(7, 100), 2, &filter),
        recorded(recoveries(30, 900), 2, &filter),
    );
    assert_eq!(comparison.tests, 0);
    for difference in &comparison.groups[0].differences {
        assert_eq!((difference.verdict(), difference.p), (Verdict::TooFew, None));
    }
}

#[test]
fn both_ends_of_a_connection_on_this_machine_are_one() {
    let mut script = recoveries(3, 100);
    let both = script.entries.iter().take(1).cloned().map(|mut entry| {
        if let crate::model::Body::Socket(event) = &mut entry.body {
            event.socket = 99;
            std::mem::swap(&mut event.lport, &mut event.rport);
            if let Some(connection) = &mut event.connection {
                let ends = &mut connection.endpoints;
                std::mem::swap(&mut ends.lport, &mut ends.rport);
                std::mem::swap(&mut ends.laddr, &mut ends.raddr);
            }
        }
        entry
    });
    let both: Vec<_> = both.collect();
    script.entries.splice(0..0, both);
    let recorded = recorded(script, 2, &Filter::default());
    assert_eq!((recorded.flows, recorded.connections), (4, 3));
    assert_eq!(recorded.times.total_ns(), 4 * 2000 * MS);
}

#[test]
fn filters_are_asked_once_of_the_whole_recording() {
    // Two transitions each, but never two in a second.
    let mut script = Script::default().birth(1, 0).birth(2, 0);
    script = script.transition(1, 900 * MS, State::Open, State::Recovery).transition(
        1,
        1100 * MS,
        State::Recovery,
        State::Open,
    );
    let filter = Filter { min_changes: Some(2), ..Filter::default() };
    let recorded = recorded(script, 3, &filter);
    assert_eq!((recorded.flows, recorded.summary.filtered_out.rows), (1, 1));
    assert_eq!((recorded.summary.changes, recorded.times[State::Recovery]), (2, 200 * MS));
}

#[test]
fn recordings_that_are_not_alike_are_said_to_be() {
    let one = |seconds| recorded(recoveries(2, 100), seconds, &Filter::default());
    let mut other = one(3);
    other.start.kernel = "5.10.0".to_owned();
    let comparison = compare(one(2), other);
    let kernels = ["6.18.0".to_owned(), "5.10.0".to_owned()];
    let lengths = [2000 * MS, 3000 * MS];
    assert_eq!(comparison.unlike, [Unlike::Kernels(kernels), Unlike::Lengths(lengths)]);
}
