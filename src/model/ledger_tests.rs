use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::model::{Ends, Limits, Whose};

const START_NS: u64 = 1_000;

fn ends(lport: u16) -> Ends {
    let addr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Ends { laddr: addr, lport, raddr: addr, rport: 80 }
}

fn reading(socket: u64, born_ns: u64, tally: Tally) -> Reading {
    Reading {
        id: FlowId { socket, born_ns },
        ends: ends(1),
        netns: 1,
        cookie: None,
        whose: Whose::default(),
        cost: None,
        first_state: State::Open,
        tally,
    }
}

fn snapshot(at_ns: u64, flows: Vec<Reading>) -> Snapshot {
    Snapshot {
        at: Timestamp::UNIX_EPOCH,
        at_ns,
        flows,
        ended_quiet: 0,
        spells: None,
        blind: Blind::default(),
        namespaces_unreached: 0,
    }
}

#[test]
fn three_silent_seconds_in_loss_are_three_rows() {
    let second = 1_000_000_000;
    let mut flow = reading(1, START_NS, Tally::new(State::Open, START_NS));
    let mut ledger = Ledger::new(START_NS, false);
    let lost_ns = START_NS + second / 2;
    flow.tally.ended_spells[State::Open] = second / 2;
    flow.tally.changes = 1;
    flow.tally.spell = Spell::Open { state: State::Loss, since_ns: lost_ns };
    let mut loss = Vec::new();
    for n in 1..=3 {
        let report = ledger.report(snapshot(START_NS + n * second, vec![flow.clone()]));
        assert_eq!(report.rows.len(), 1, "interval {n}");
        let row = &report.rows[0];
        assert_eq!(row.times.total_ns(), second);
        assert_eq!(row.spell_ns, START_NS + n * second - lost_ns);
        loss.push((row.times[State::Loss], row.changes));
    }
    assert_eq!(loss, [(second / 2, 1), (second, 0), (second, 0)]);
}

#[test]
fn idle_time_is_what_is_left_of_open_so_far_not_of_each_interval() {
    let mut ledger = Ledger::new(START_NS, true);
    let mut flow = reading(1, START_NS, Tally::new(State::Open, START_NS));
    // Busy throughout, but counted in ticks of 40, which are seen late or early.
    let idle = [80, 240, 280, 400, 480].map(|busy_ns| {
        let at_ns = ledger.last_ns + 100;
        let open = Limits { sending_ns: busy_ns, ..Limits::default() };
        flow.cost = Some(Box::new(Cost { open, ..Cost::default() }));
        let row = ledger.report(snapshot(at_ns, vec![flow.clone()])).rows.remove(0);
        row.cost.map(|cost| cost.open_idle_ns)
    });
    assert_eq!(idle, [Some(20), Some(0), Some(0), Some(0), Some(0)]);
}

#[test]
fn an_account_opened_late_says_nothing_of_its_first_interval() {
    for (late_ns, first) in [(ACCOUNT_LATE_NS - 1, Some(60)), (ACCOUNT_LATE_NS, None)] {
        let mut ledger = Ledger::new(START_NS, true);
        let mut flow = reading(1, START_NS, Tally::new(State::Open, START_NS));
        let sent = [60, 150].map(|busy_ns| {
            let at_ns = ledger.last_ns + 100;
            let open = Limits { sending_ns: busy_ns, ..Limits::default() };
            flow.cost = Some(Box::new(Cost { open, late_ns, ..Cost::default() }));
            let row = ledger.report(snapshot(at_ns, vec![flow.clone()])).rows.remove(0);
            row.cost.map(|cost| cost.open.sending_ns)
        });
        assert_eq!(sent, [first, Some(90)]);
    }
}

#[test]
fn a_flow_found_in_loss_at_the_start_has_its_row_in_the_first_report() {
    let mut flow = reading(1, START_NS, Tally::new(State::Loss, START_NS));
    flow.first_state = State::Loss;
    let report = Ledger::new(START_NS, false).report(snapshot(START_NS + 7, vec![flow.clone()]));
    assert_eq!(report.rows[0].times[State::Loss], 7);
    assert_eq!((report.rows[0].changes, report.rows[0].state), (0, State::Loss));
}

#[test]
fn a_flow_first_met_late_counts_only_what_falls_in_the_interval() {
    let mut ledger = Ledger::new(START_NS, false);
    assert_eq!(ledger.report(snapshot(2_000, Vec::new())).rows, []);
    // In Loss since the start; its first event comes at 2,400.
    let mut flow = reading(1, START_NS, Tally::new(State::Open, 2_400));
    flow.first_state = State::Loss;
    flow.tally.ended_spells[State::Loss] = 1_400;
    flow.tally.changes = 1;
    let report = ledger.report(snapshot(3_000, vec![flow.clone()]));
    assert_eq!(report.rows[0].times, StateTimes([600, 0, 0, 0, 400]));
}

#[test]
fn quiet_flows_are_counted_and_listed_only_on_request() {
    let flow = reading(1, START_NS + 10, Tally::new(State::Open, START_NS + 10));
    for list_quiet in [false, true] {
        let mut ledger = Ledger::new(START_NS, list_quiet);
        let report = ledger.report(snapshot(START_NS + 100, vec![flow.clone()]));
        assert_eq!((report.flows_alive, report.flows_quiet), (1, 1));
        let open: Vec<_> = report.rows.iter().map(|row| row.times[State::Open]).collect();
        assert_eq!(open, if list_quiet { vec![90] } else { vec![] });
    }
}

#[test]
fn a_missed_transition_marks_the_row_until_the_next_clean_spell() {
    let mut flow = reading(1, START_NS, Tally::new(State::Loss, START_NS + 50));
    flow.tally.ended_spells[State::Open] = 50;
    (flow.tally.missed, flow.tally.found_late, flow.tally.doubtful_ns) = (1, true, 50);
    let mut ledger = Ledger::new(START_NS, false);
    let exact = |report: &Report| (report.rows[0].exact, report.rows[0].doubtful_ns);
    assert_eq!(exact(&ledger.report(snapshot(START_NS + 100, vec![flow.clone()]))), (false, 50));
    assert_eq!(exact(&ledger.report(snapshot(START_NS + 200, vec![flow.clone()]))), (false, 0));
    flow.tally.ended_spells[State::Loss] = 200;
    flow.tally.spell = Spell::Open { state: State::Recovery, since_ns: START_NS + 250 };
    (flow.tally.changes, flow.tally.found_late) = (1, false);
    assert_eq!(exact(&ledger.report(snapshot(START_NS + 300, vec![flow.clone()]))), (false, 0));
    assert_eq!(exact(&ledger.report(snapshot(START_NS + 400, vec![flow.clone()]))), (true, 0));
}

#[test]
fn the_same_addresses_twice_are_two_rows_by_local_port() {
    let lossy = |socket, born_ns, lport| Reading {
        ends: ends(lport),
        first_state: State::Loss,
        ..reading(socket, born_ns, Tally::new(State::Loss, born_ns))
    };
    let flows = vec![lossy(1, START_NS, 9), lossy(2, START_NS, 3), lossy(1, START_NS + 5, 9)];
    let report = Ledger::new(START_NS, false).report(snapshot(START_NS + 10, flows));
    let rows: Vec<_> =
        report.rows.iter().map(|row| (row.ends.lport, row.times[State::Loss])).collect();
    assert_eq!(rows, [(3, 10), (9, 10), (9, 5)]);
}

/// What happens to one socket, and how long after what happened before.
#[derive(Debug, Clone, Copy)]
enum Event {
    Set(usize),
    Close,
    Connect,
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![
        12 => (0..5_usize).prop_map(Event::Set),
        1 => Just(Event::Close),
        1 => Just(Event::Connect),
    ];
    proptest::collection::vec((1..40_u64, event), 0..60)
}

/// One life, told twice: as the kernel side tallies it, and spell by spell.
struct Life {
    reading: Reading,
    spells: Vec<(State, u64, u64)>,
    changes_at: Vec<u64>,
    rtos_at: Vec<u64>,
}

/// The lives of one socket until `until_ns`, its events after that left out.
fn lives(socket: u64, events: &[(u64, Event)], until_ns: u64) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    let mut now = START_NS;
    for (after, event) in events {
        now += after;
        if now >= until_ns {
            break;
        }
        let alive = lives.last_mut().and_then(|life| match life.reading.tally.spell {
            Spell::Open { state, since_ns } => Some((life, state, since_ns)),
            Spell::Ended { .. } => None,
        });
        match (event, alive) {
            (Event::Connect, None) => lives.push(Life {
                reading: reading(socket, now, Tally::new(State::Open, now)),
                spells: Vec::new(),
                changes_at: Vec::new(),
                rtos_at: Vec::new(),
            }),
            (Event::Set(4), Some((life, State::Loss, _))) => {
                life.reading.tally.repeated_rtos += 1;
                life.rtos_at.push(now);
            }
            (Event::Set(next), Some((_, state, _))) if State::ALL[*next] == state => {}
            (Event::Set(_) | Event::Close, Some((life, state, since_ns))) => {
                life.reading.tally.ended_spells[state] += now - since_ns;
                life.spells.push((state, since_ns, now));
                life.reading.tally.spell = if let Event::Set(next) = event {
                    life.reading.tally.changes += 1;
                    life.changes_at.push(now);
                    Spell::Open { state: State::ALL[*next], since_ns: now }
                } else {
                    Spell::Ended { at_ns: now, last: state }
                };
            }
            _ => {}
        }
    }
    for life in &mut lives {
        if let Spell::Open { state, since_ns } = life.reading.tally.spell {
            life.spells.push((state, since_ns, until_ns));
        }
    }
    lives
}

fn overlap(spell: (u64, u64), interval: (u64, u64)) -> u64 {
    spell.1.min(interval.1).saturating_sub(spell.0.max(interval.0))
}

fn count(times: &[u64], (from, to): (u64, u64)) -> u32 {
    u32::try_from(times.iter().filter(|at| (from..to).contains(at)).count()).unwrap()
}

proptest! {
    /// Rules 1 to 3: in every interval each flow's times are those of its
    /// spells, their sum is the part of the interval that it lived, and it has a
    /// row if and only if something was the matter.
    #[test]
    fn every_moment_is_in_exactly_one_column(
        sockets in proptest::collection::vec(events(), 1..5),
        lengths in proptest::collection::vec(1..200_u64, 1..12),
        list_quiet: bool,
    ) {
        let mut ledger = Ledger::new(START_NS, list_quiet);
        let mut from = START_NS;
        for length in lengths {
            let to = from + length;
            let lives: Vec<Life> = sockets
                .iter()
                .zip(1..)
                .flat_map(|(events, socket)| lives(socket, events, to))
                .filter(|life| !life.reading.tally.has_ended_before(from))
                .collect();
            let flows = lives.iter().map(|life| life.reading.clone()).collect();
            let report = ledger.report(snapshot(to, flows));
            let mut listed = 0;
            for life in &lives {
                let mut truth = StateTimes::default();
                for (state, begun, ended) in &life.spells {
                    truth[*state] += overlap((*begun, *ended), (from, to));
                }
                let changes = count(&life.changes_at, (from, to));
                let rtos = count(&life.rtos_at, (from, to));
                let matters = changes + rtos > 0 || truth.outside_open_ns() > 0;
                let row = report.rows.iter().find(|row| row.id == life.reading.id);
                prop_assert_eq!(row.is_some(), matters || list_quiet);
                let Some(row) = row else { continue };
                listed += 1;
                prop_assert_eq!(row.times, truth);
                prop_assert_eq!((row.changes, row.repeated_rtos), (changes, rtos));
                let end = life.spells.last().map_or(to, |spell| spell.2);
                let lived = overlap((life.reading.id.born_ns, end), (from, to));
                prop_assert_eq!(row.times.total_ns(), lived);
                prop_assert!(row.exact);
            }
            prop_assert_eq!(report.rows.len(), listed);
            from = to;
        }
    }
}
