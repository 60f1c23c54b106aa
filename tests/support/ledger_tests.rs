//! Tests of the ledger on events made by hand.
//! Not of real traffic: `truth_itself.rs` has that.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::support::ledger::{
    CWR, Cell, DISORDER, LOSS, Ledger, Life, OPEN, RECOVERY, Spell, Stretch,
};
use super::support::truth::{Event, Record, What};

const ESTABLISHED: u32 = 1;
const SYN_SENT: u32 = 2;
const SYN_RECV: u32 = 3;
const FIN_WAIT1: u32 = 4;
const CLOSE: u32 = 7;
const LISTEN: u32 = 10;
/// The record's bounds in all these tests.
const START_NS: u64 = 1000;
const END_NS: u64 = 9000;
const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

fn event(at_ns: u64, socket: u64, what: What) -> Event {
    Event {
        at_ns,
        cpu: 0,
        pid: 100,
        hidden: false,
        socket,
        sport: 50000,
        dport: 443,
        family: 2,
        saddr: NEAR,
        daddr: FAR,
        what,
    }
}

fn tcp(at_ns: u64, socket: u64, from: u32, to: u32) -> Event {
    let protocol = 6;
    event(at_ns, socket, What::TcpState { from, to, protocol })
}

fn set(at_ns: u64, socket: u64, to: u8) -> Event {
    event(at_ns, socket, What::Congestion { to })
}

fn hidden(event: Event) -> Event {
    Event { hidden: true, ..event }
}

fn record(events: &[Event]) -> Record {
    Record { started_ns: START_NS, ended_ns: END_NS, events: events.to_vec(), missed: 0 }
}

fn ledger(events: &[Event]) -> Ledger {
    let ledger = Ledger::new(&record(events));
    ledger.flows.iter().for_each(|life| assert_conserved(&ledger, life));
    ledger
}

/// Rule 1, for intervals of several lengths.
fn assert_conserved(ledger: &Ledger, life: &Life) {
    for length_ns in [1, 7, 1000, 20_000] {
        let mut lived_ns = 0;
        for number in 0..10_000_u64.div_ceil(length_ns) {
            let cell = ledger.truth(life, number * length_ns, (number + 1) * length_ns);
            assert_eq!(cell.times_ns.iter().sum::<u64>(), cell.lived_ns);
            lived_ns += cell.lived_ns;
        }
        assert_eq!(lived_ns, life.ended_ns.unwrap_or(END_NS) - life.born_ns);
    }
}

fn cell(times_ns: [u64; 5], changes: usize, repeated: usize) -> Cell {
    Cell { times_ns, changes, repeated, uncertain: false, lived_ns: times_ns.iter().sum() }
}

fn stretch(from_ns: u64, to_ns: u64) -> Stretch {
    Stretch { from_ns, to_ns }
}

#[test]
fn a_state_lasts_through_silent_intervals() {
    let ledger = ledger(&[tcp(1500, 1, CLOSE, SYN_SENT), set(2500, 1, LOSS)]);
    let life = &ledger.flows[0];
    assert_eq!(ledger.truth(life, 1000, 2000), cell([500, 0, 0, 0, 0], 0, 0));
    assert_eq!(ledger.truth(life, 2000, 3000), cell([500, 0, 0, 0, 500], 1, 0));
    assert_eq!(ledger.truth(life, 3000, 4000), cell([0, 0, 0, 0, 1000], 0, 0));
    assert!(ledger.truth(life, 3000, 4000).qualifies());
    // The record's end is the end of what is known.
    assert_eq!(ledger.truth(life, 8500, 9500), cell([0, 0, 0, 0, 500], 0, 0));
    assert_eq!(life.ended_ns, None);
    assert_eq!(life.ended_spells().len(), 1);
}

#[test]
fn birth_and_end_inside_one_interval() {
    let ledger = ledger(&[
        tcp(2100, 1, LISTEN, SYN_RECV),
        set(2100, 1, OPEN),
        tcp(2200, 1, SYN_RECV, ESTABLISHED),
        set(2300, 1, DISORDER),
        set(2350, 1, RECOVERY),
        tcp(2400, 1, ESTABLISHED, FIN_WAIT1),
        tcp(2600, 1, FIN_WAIT1, CLOSE),
        set(2600, 1, OPEN),
    ]);
    let life = &ledger.flows[0];
    assert_eq!(ledger.flows.len(), 1);
    assert_eq!(ledger.truth(life, 2000, 3000), cell([200, 50, 0, 250, 0], 2, 0));
    assert_eq!(ledger.truth(life, 3000, 4000), Cell::default());
    assert_eq!((life.born_ns, life.ended_ns), (2100, Some(2600)));
    assert_eq!(life.ended_spells().len(), 3);
    assert!(!ledger.truth(life, 2000, 2200).qualifies());
}

#[test]
fn a_socket_pointer_used_again_is_another_flow() {
    let ledger = ledger(&[
        tcp(2000, 1, CLOSE, SYN_SENT),
        set(2500, 1, CWR),
        tcp(3000, 1, ESTABLISHED, CLOSE),
        tcp(3100, 1, LISTEN, SYN_RECV),
        set(3300, 1, LOSS),
    ]);
    let [first, second] = &ledger.flows[..] else { panic!("{ledger:?}") };
    assert_eq!(ledger.truth(first, 0, 9000), cell([500, 0, 500, 0, 0], 1, 0));
    assert_eq!(ledger.truth(second, 0, 9000), cell([200, 0, 0, 0, 5700], 1, 0));
}

#[test]
fn a_disconnect_ends_the_life_and_its_open_event_makes_none() {
    let disconnected = |at_ns, socket| Event {
        sport: 0,
        dport: 0,
        saddr: Ipv4Addr::UNSPECIFIED.into(),
        ..set(at_ns, socket, OPEN)
    };
    let ledger = ledger(&[
        tcp(2000, 1, CLOSE, SYN_SENT),
        set(2500, 1, LOSS),
        tcp(3000, 1, ESTABLISHED, CLOSE),
        disconnected(3001, 1),
        // One that had been closed before the record began.
        disconnected(3001, 2),
        tcp(4000, 1, CLOSE, SYN_SENT),
    ]);
    let [first, second] = &ledger.flows[..] else { panic!("{ledger:?}") };
    assert_eq!(ledger.truth(first, 0, 9000), cell([500, 0, 0, 0, 500], 1, 0));
    assert_eq!(ledger.truth(second, 0, 9000), cell([5000, 0, 0, 0, 0], 0, 0));
}

#[test]
fn a_repeated_rto_is_no_transition_nor_is_open_set_again() {
    let ledger = ledger(&[
        tcp(2000, 1, CLOSE, SYN_SENT),
        set(2100, 1, OPEN),
        set(2500, 1, LOSS),
        set(3500, 1, LOSS),
        set(5500, 1, LOSS),
        set(5600, 1, OPEN),
    ]);
    let life = &ledger.flows[0];
    assert_eq!(life.spells.len(), 3);
    assert_eq!(ledger.truth(life, 3000, 4000), cell([0, 0, 0, 0, 1000], 0, 1));
    assert_eq!(ledger.truth(life, 2000, 9000), cell([3900, 0, 0, 0, 3100], 2, 2));
}

#[test]
fn a_flash_takes_no_time_but_counts() {
    let ledger = ledger(&[tcp(2000, 1, CLOSE, SYN_SENT), set(2500, 1, CWR), set(2500, 1, OPEN)]);
    let life = &ledger.flows[0];
    assert_eq!(ledger.truth(life, 2500, 2501), cell([1, 0, 0, 0, 0], 2, 0));
    let flash = Spell { state: CWR, from_ns: 2500, to_ns: 2500 };
    assert_eq!(life.spells[1], flash);
}

#[test]
fn a_hidden_event_is_left_out_and_doubted_until_the_next_visible_one() {
    let ledger = ledger(&[
        tcp(2000, 1, CLOSE, SYN_SENT),
        hidden(set(3000, 1, LOSS)),
        // Neither settles what state it is in.
        hidden(set(3500, 1, LOSS)),
        tcp(3600, 1, SYN_SENT, ESTABLISHED),
        set(4500, 1, RECOVERY),
    ]);
    let life = &ledger.flows[0];
    assert_eq!(life.uncertain, [stretch(3000, 4500)]);
    assert_eq!((life.transitions_ns.len(), life.repeated_ns.len()), (1, 0));
    assert_eq!(ledger.truth(life, 2000, 3000), cell([1000, 0, 0, 0, 0], 0, 0));
    assert!(ledger.truth(life, 4000, 5000).uncertain);
    assert!(ledger.truth(life, 4500, 5000).uncertain);
    assert_eq!(ledger.truth(life, 5000, 6000), cell([0, 0, 0, 1000, 0], 0, 0));
}

#[test]
fn a_hidden_event_that_changes_nothing_raises_no_doubt() {
    let ledger =
        ledger(&[tcp(2000, 1, CLOSE, SYN_SENT), set(3000, 1, LOSS), hidden(set(4000, 1, LOSS))]);
    assert_eq!(ledger.flows[0].uncertain, []);
    assert_eq!(ledger.flows[0].repeated_ns, [0; 0]);
}

#[test]
fn a_hidden_birth_and_a_hidden_end_are_doubted() {
    let ledger = ledger(&[
        hidden(tcp(2000, 1, LISTEN, SYN_RECV)),
        set(2500, 1, DISORDER),
        hidden(tcp(3000, 1, ESTABLISHED, CLOSE)),
        tcp(5000, 1, CLOSE, SYN_SENT),
        hidden(tcp(6000, 1, ESTABLISHED, CLOSE)),
    ]);
    let [first, second] = &ledger.flows[..] else { panic!("{ledger:?}") };
    assert_eq!(first.uncertain, [stretch(2000, 2500), stretch(3000, 5000)]);
    // A tool may still show it in an interval in which it did not live.
    let ghost = ledger.truth(first, 4000, 4500);
    assert_eq!((ghost.lived_ns, ghost.uncertain), (0, true));
    assert_eq!(second.uncertain, [stretch(6000, END_NS)]);
    assert_eq!(ledger.doubtful_flows(), 2);
}

#[test]
fn a_life_without_an_end_makes_way_for_the_next() {
    let ledger = ledger(&[tcp(2000, 1, LISTEN, SYN_RECV), tcp(4000, 1, LISTEN, SYN_RECV)]);
    let [lost, next] = &ledger.flows[..] else { panic!("{ledger:?}") };
    assert_eq!((lost.ended_ns, &lost.uncertain[..]), (Some(4000), &[stretch(2000, 4000)][..]));
    assert_eq!((next.ended_ns, next.uncertain.len()), (None, 0));
}

#[test]
fn mptcp_and_listeners_are_no_flows() {
    let protocol = 262;
    let (from, to) = (CLOSE, SYN_SENT);
    let ledger = ledger(&[
        event(2000, 1, What::TcpState { from, to, protocol }),
        tcp(2000, 2, CLOSE, LISTEN),
        tcp(2100, 2, LISTEN, CLOSE),
    ]);
    assert_eq!(ledger.flows.len(), 0);
}

#[test]
fn an_older_flow_is_doubtful_until_its_state_is_known() {
    let events = [tcp(3000, 1, ESTABLISHED, FIN_WAIT1), set(4000, 1, LOSS)];
    let unknown = ledger(&events);
    let life = &unknown.flows[0];
    assert!(life.from_before);
    assert_eq!((life.born_ns, &life.uncertain[..]), (START_NS, &[stretch(1000, 4000)][..]));

    let known = Ledger::with_states(&record(&events), &HashMap::from([(1, RECOVERY)]));
    let life = &known.flows[0];
    assert_eq!(known.truth(life, 0, 9000), cell([0, 0, 0, 3000, 5000], 1, 0));
    assert!(life.from_before);
}

#[test]
fn addresses_are_taken_where_the_kernel_has_them() {
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let ledger = ledger(&[
        // 5.10 to 6.12 show the listener here.
        Event { sport: 80, dport: 0, daddr: nowhere, saddr: FAR, ..tcp(2000, 1, LISTEN, SYN_RECV) },
        tcp(2100, 1, SYN_RECV, ESTABLISHED),
        Event { sport: 0, saddr: nowhere, ..tcp(2000, 2, CLOSE, SYN_SENT) },
        tcp(2900, 2, ESTABLISHED, CLOSE),
    ]);
    for life in &ledger.flows {
        assert_eq!((life.local, life.remote), ((NEAR, 50000).into(), (FAR, 443).into()));
    }
    assert_eq!(ledger.flows_of(FAR).count(), 2);
}

#[test]
fn flashes_are_left_out_and_their_neighbours_joined() {
    let ledger = ledger(&[
        tcp(2000, 1, CLOSE, SYN_SENT),
        // Between two spells of the same state, and between two of others.
        set(3000, 1, CWR),
        set(3001, 1, OPEN),
        set(4000, 1, RECOVERY),
        set(5000, 1, OPEN),
        set(5001, 1, DISORDER),
        tcp(5002, 1, ESTABLISHED, CLOSE),
    ]);
    let life = &ledger.flows[0];
    assert_eq!(life.without_flashes(0).spells, life.spells);
    let least = life.without_flashes(100);
    assert_eq!(least.transitions_ns, [4000, 5001]);
    // The last one has no next transition that would hide it.
    assert_eq!(ledger.truth(&least, 2000, 6000), cell([2000, 1, 0, 1001, 0], 2, 0));
}
