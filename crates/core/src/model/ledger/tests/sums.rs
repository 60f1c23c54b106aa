//! Sums: what flows have in common may change, keys come and go, and what the kernel's account
//! has come to is in them.

use jiff::Timestamp;

use super::{START_NS, apply, ledger, ms};
use crate::model::sample::{Script, account, row};
use crate::model::{
    Body, IntervalSums, Ledger, LedgerOptions, Limits, Name, State, StateTimes, SumBy, SumKey,
};

fn summing(by: SumBy) -> Ledger {
    ledger(LedgerOptions { sums: Some(by), tick_ns: Some(4_000_000), ..LedgerOptions::default() })
}

fn filtered() -> Ledger {
    ledger(LedgerOptions { sums: Some(SumBy::All), filtered: true, ..LedgerOptions::default() })
}

fn take(ledger: &mut Ledger, at_ns: u64) -> IntervalSums {
    ledger.take_sums(at_ns, Timestamp::UNIX_EPOCH).expect("sums were asked for")
}

fn using(mut script: Script, cc: &str) -> Script {
    if let Some(Body::Socket(event)) = script.entries.last_mut().map(|entry| &mut entry.body) {
        event.cc = Name::from_text(cc);
    }
    script
}

#[test]
fn a_flow_that_becomes_another_keys_takes_its_time_from_then_on_with_it() {
    let mut ledger = summing(SumBy::Cc);
    let script = using(Script::default().birth(1, ms(0)), "cubic");
    apply(&mut ledger, using(script.seen(1, ms(3), State::Open), "bbr"));
    let sums = take(&mut ledger, ms(10));
    let times: Vec<_> = sums.by_key.iter().map(|one| one.sums.times[State::Open]).collect();
    assert_eq!(times, [7_000_000, 3_000_000], "bbr, cubic");
    assert_eq!(sums.by_key[0].sums.alive[0], 1);
    assert_eq!(sums.by_key[1].sums.alive[0], 0);
    assert_eq!(sums.in_all().started, 1);
    // A key without flows is let go.
    let next = take(&mut ledger, ms(15));
    assert_eq!(next.by_key.len(), 1);
    assert_eq!((next.from_ns, next.to_ns), (ms(10), ms(15)));
    assert_eq!(next.in_all().times, StateTimes([5_000_000, 0, 0, 0, 0]));
}

#[test]
fn a_flow_begins_in_the_key_that_it_is_known_to_be_of() {
    let mut ledger = summing(SumBy::Cc);
    apply(&mut ledger, Script::default().birth(1, ms(0)));
    assert_eq!(take(&mut ledger, ms(1)).in_all().started, 0, "of which key is not known");
    apply(&mut ledger, using(Script::default().endpoints(1, ms(2), State::Open), "bbr"));
    let sums = take(&mut ledger, ms(3));
    assert_eq!(
        (sums.by_key[1].key, sums.by_key[1].sums.started),
        (SumKey::Cc(Name::from_text("bbr")), 1)
    );
    // One of which it is never known begins where it ends.
    apply(&mut ledger, Script::default().birth(2, ms(4)).end(2, ms(5), State::Open));
    let sums = take(&mut ledger, ms(6));
    assert_eq!((sums.by_key[0].sums.started, sums.by_key[0].sums.ended), (1, 1));
}

#[test]
fn sums_and_reports_need_not_come_at_the_same_time() {
    let mut ledger = summing(SumBy::All);
    apply(&mut ledger, Script::default().birth(1, ms(1)));
    let mut all = take(&mut ledger, ms(4)).in_all();
    apply(&mut ledger, Script::default().transition(1, ms(5), State::Open, State::Loss));
    ledger.close(ms(6), Timestamp::UNIX_EPOCH);
    apply(&mut ledger, Script::default().end(1, ms(9), State::Loss));
    all.add(&take(&mut ledger, ms(20)).in_all());
    assert_eq!(all.times, StateTimes([4_000_000, 0, 0, 0, 4_000_000]));
    assert_eq!((all.started, all.ended, all.rtos), (1, 1, 1));
}

#[test]
fn what_a_filter_does_not_want_is_in_no_sum() {
    let mut ledger = filtered();
    apply(&mut ledger, Script::default().birth(1, ms(1)));
    assert_eq!(take(&mut ledger, ms(2)).by_key, []);
    apply(&mut ledger, Script::default().filtered_out(1, ms(3)));
    assert_eq!(take(&mut ledger, ms(4)).by_key, []);
}

#[test]
fn what_a_filter_wants_is_summed_from_its_birth_once_that_is_known() {
    let mut ledger = filtered();
    apply(&mut ledger, Script::default().birth(1, ms(1)).birth(2, ms(2)));
    assert_eq!(take(&mut ledger, ms(3)).by_key, []);
    let script = Script::default().endpoints(1, ms(5), State::Open).transition(
        2,
        ms(6),
        State::Open,
        State::Loss,
    );
    apply(&mut ledger, script);
    let all = take(&mut ledger, ms(10)).in_all();
    assert_eq!(all.times, StateTimes([13_000_000, 0, 0, 0, 4_000_000]));
    assert_eq!((all.started, all.alive), (2, [1, 0, 0, 0, 1]));
}

#[test]
fn a_flow_met_late_has_the_time_that_its_row_has() {
    let mut ledger = summing(SumBy::All);
    ledger.close(ms(10), Timestamp::UNIX_EPOCH);
    take(&mut ledger, ms(19));
    // From before the start, in a namespace that nobody surveyed.
    let script = Script::default().endpoints(1, ms(20), State::Open);
    apply(&mut ledger, script.transition(1, ms(20), State::Open, State::Loss));
    let times = take(&mut ledger, ms(30)).in_all().times;
    assert_eq!(times, StateTimes([10_000_000, 0, 0, 0, 10_000_000]));
    assert_eq!(ledger.close(ms(30), Timestamp::UNIX_EPOCH).rows[0].times, times);
}

#[test]
fn the_kernels_account_is_summed_by_state() {
    let mut ledger = summing(SumBy::All);
    let script = Script::default()
        .birth(1, ms(0))
        .transition(1, ms(40), State::Open, State::Recovery)
        .with(account([5, 2, 1], 10, 1))
        .seen(1, ms(80), State::Recovery)
        .with(account([10, 2, 1], 15, 4));
    apply(&mut ledger, script);
    let all = take(&mut ledger, ms(100)).in_all();
    let limits = Limits { sending_ns: 40_000_000, rwnd_ns: 8_000_000, sndbuf_ns: 4_000_000 };
    assert_eq!(all.limits, limits);
    assert_eq!(all.delivered, [10, 0, 0, 5, 0]);
    assert_eq!(all.retransmitted, [1, 0, 0, 3, 0]);
}

#[test]
fn keys_without_room_are_summed_together() {
    let mut ledger = summing(SumBy::Lport);
    let mut script = Script::default();
    for socket in 1..=5_000 {
        script = script.birth(socket, START_NS + u64::from(socket));
    }
    apply(&mut ledger, script);
    let sums = take(&mut ledger, ms(1));
    let other = sums.by_key.last().expect("sums");
    assert_eq!((other.key, other.sums.alive[0]), (SumKey::Other, 5_000 - 4_096));
    assert_eq!(other.sums.started, 5_000 - 4_096);
    assert_eq!(sums.in_all().started, 5_000);
    assert_eq!(sums.by_key[6].example.connection, row(7).connection);
}
