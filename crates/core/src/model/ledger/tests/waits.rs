//! For how long nothing had come or gone when a retransmission timer ran out.

use super::{MS, apply, close, ledger, ms, only};
use crate::model::sample::Script;
use crate::model::{
    Account, Cause, Figures, LedgerOptions, PathFigures, State, StateTimes, Transition,
};

/// A jiffy of the machine that these are from.
const TICK_NS: u64 = 4 * MS;

fn options() -> LedgerOptions {
    let tick_ns = Some(TICK_NS);
    LedgerOptions { list_quiet: true, transitions: true, tick_ns, ..LedgerOptions::default() }
}

/// Of a timer that has run out, when nothing had come or gone for so many jiffies.
fn timeout(quiet: u32) -> Figures {
    let path = Some(PathFigures { quiet, ..PathFigures::default() });
    let account = Some(Account::default());
    Figures { undo_marker: true, account, path, ..Figures::default() }
}

fn waits(transitions: &[Transition]) -> Vec<(Cause, Option<u64>)> {
    transitions.iter().map(|one| (one.cause, one.waited_ns)).collect()
}

#[test]
fn a_timeouts_wait_is_what_the_socket_shows_by_the_state_that_it_was_spent_in() {
    let mut ledger = ledger(options());
    let script = Script::default()
        .birth(1, ms(0))
        .transition(1, ms(500), State::Open, State::Loss)
        .with(timeout(60))
        .transition(1, ms(700), State::Loss, State::Open)
        .with(timeout(0))
        .transition(1, ms(800), State::Open, State::Disorder)
        .with(timeout(0))
        .transition(1, ms(990), State::Disorder, State::Loss)
        .with(timeout(47));
    apply(&mut ledger, script);
    let told = ledger.take_transitions();
    let told = waits(&told);
    assert_eq!(told[0], (Cause::Rto, Some(240 * MS)));
    assert_eq!([told[1].1, told[2].1], [None, None]);
    assert_eq!(told[3], (Cause::Rto, Some(188 * MS)));
    let report = close(&mut ledger, ms(1000));
    let waited = only(&report).waited;
    assert_eq!(waited, StateTimes([240 * MS, 188 * MS, 0, 0, 0]));
    assert_eq!(only(&report).rtos, 2);
    // What is shown is of the interval.
    let report = close(&mut ledger, ms(2000));
    assert_eq!(only(&report).waited, StateTimes::default());
}

#[test]
fn a_repeated_timeouts_wait_is_in_loss_and_goes_no_further_back_than_the_one_before() {
    let mut ledger = ledger(options());
    let script = Script::default()
        .birth(1, ms(0))
        .transition(1, ms(300), State::Open, State::Loss)
        .with(timeout(50))
        // The retransmission went out at once.
        .transition(1, ms(700), State::Loss, State::Loss)
        .with(timeout(100))
        // The device did not take that one, so the socket shows no later transmission.
        .transition(1, ms(1500), State::Loss, State::Loss)
        .with(timeout(300));
    apply(&mut ledger, script);
    let expected = [
        (Cause::Rto, Some(200 * MS)),
        (Cause::RtoRepeat, Some(400 * MS)),
        (Cause::RtoRepeat, Some(800 * MS)),
    ];
    assert_eq!(waits(&ledger.take_transitions()), expected);
    let report = close(&mut ledger, ms(2000));
    assert_eq!(only(&report).waited, StateTimes([200 * MS, 0, 0, 0, 1200 * MS]));
}

#[test]
fn in_a_handshake_it_is_since_the_birth_or_the_timeout_before() {
    let mut ledger = ledger(options());
    // No ACK has come, and a SYN is no data: what the socket shows means nothing.
    let handshake = Figures { handshake: true, ..timeout(1 << 30) };
    let script = Script::default()
        .birth(1, ms(0))
        .transition(1, ms(1004), State::Open, State::Loss)
        .with(handshake)
        .transition(1, ms(3052), State::Loss, State::Loss)
        .with(handshake);
    apply(&mut ledger, script);
    let expected = [(Cause::SynTimeout, Some(1004 * MS)), (Cause::SynTimeout, Some(2048 * MS))];
    assert_eq!(waits(&ledger.take_transitions()), expected);
    let report = close(&mut ledger, ms(4000));
    assert_eq!(only(&report).waited, StateTimes([1004 * MS, 0, 0, 0, 2048 * MS]));
}

#[test]
fn what_is_no_timeout_or_was_not_told_has_no_wait() {
    let mut ledger = ledger(options());
    let untold = Figures { path: None, ..timeout(0) };
    let too_big = Figures { pending: 1, undo_marker: false, ..timeout(30) };
    let script = Script::default()
        .birth(1, ms(0))
        .transition(1, ms(300), State::Open, State::Loss)
        .with(untold)
        .transition(1, ms(400), State::Loss, State::Open)
        .with(timeout(3))
        .transition(1, ms(500), State::Open, State::Loss)
        .with(too_big);
    apply(&mut ledger, script);
    let told = ledger.take_transitions();
    assert_eq!(told.iter().map(|one| one.waited_ns).collect::<Vec<_>>(), [None; 3]);
    assert_eq!(told[2].cause, Cause::Pmtu);
    let report = close(&mut ledger, ms(1000));
    assert_eq!(only(&report).waited, StateTimes::default());
}
