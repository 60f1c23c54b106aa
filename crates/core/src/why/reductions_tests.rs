use super::*;
use crate::model::PathFigures;
use crate::model::sample::transition;

const MS: u64 = 1_000_000;

/// At this instant the window goes from so many segments to so many, with such a smoothed and
/// a least round-trip time of 40 ms.
fn reduced(at_ms: u64, cause: Cause, [before, after]: [u32; 2], srtt_ms: u32) -> Transition {
    let mut one = transition(at_ms * MS, State::Open, State::Recovery, cause);
    (one.cwnd.before, one.cwnd.after) = (Some(before), Some(after));
    one.srtt_us = srtt_ms * 1000;
    one.path =
        Some(PathFigures { rtt_min_us: 40_000, cwnd_limited: true, ..PathFigures::default() });
    one
}

/// Recovery is over, with this window.
fn recovered(at_ms: u64, cwnd: u32) -> Transition {
    let mut one = transition(at_ms * MS, State::Recovery, State::Open, Cause::Recovered);
    one.cwnd.after = Some(cwnd);
    one.path = Some(PathFigures { cwnd_limited: true, ..PathFigures::default() });
    one
}

#[test]
fn a_window_that_comes_back_step_by_step_costs_what_was_missing() {
    let mut window = WindowFollowed::default();
    window.note(&reduced(1000, Cause::FastRetransmit, [100, 50], 42));
    window.note(&recovered(1000, 50));
    window.look(2000 * MS, 75, true);
    window.look(4000 * MS, 100, true);
    window.look(9000 * MS, 80, true);
    let Reduced { count, below_ns, deficit_ns, before, after, .. } =
        window.sums[Trigger::Loss as usize];
    assert_eq!((count, below_ns, deficit_ns), (1, 3000 * MS, 500 * MS + 500 * MS));
    assert_eq!((before, after), (100, 50));
}

#[test]
fn losses_while_packets_wait_are_a_full_queues() {
    let of = |cause, srtt_ms| {
        let mut window = WindowFollowed::default();
        window.note(&reduced(0, cause, [40, 20], srtt_ms));
        window.look(MS, 20, true);
        Trigger::ALL.into_iter().find(|trigger| window.sums[*trigger as usize].count > 0)
    };
    assert_eq!(of(Cause::RackTimer, 49), Some(Trigger::Loss));
    assert_eq!(of(Cause::RackTimer, 50), Some(Trigger::FullQueue));
    assert_eq!(of(Cause::Ecn, 90), Some(Trigger::Mark));
    assert_eq!(of(Cause::LocalDrop, 40), Some(Trigger::LocalDrop));
    assert_eq!(of(Cause::Reordering, 40), None);
}

#[test]
fn a_second_reduction_still_wants_what_the_first_took() {
    let mut window = WindowFollowed::default();
    window.note(&reduced(0, Cause::FastRetransmit, [100, 50], 40));
    window.note(&recovered(0, 50));
    window.note(&reduced(1000, Cause::FastRetransmit, [60, 30], 40));
    window.note(&recovered(1000, 30));
    window.look(2000 * MS, 60, true);
    window.look(3000 * MS, 100, true);
    let sum = window.sums[Trigger::Loss as usize];
    assert_eq!((sum.below_ns, sum.deficit_ns), (3000 * MS, 500 * MS + 700 * MS + 400 * MS));
}

#[test]
fn a_window_that_shrinks_step_by_step_is_missed_from_then_on() {
    let mut window = WindowFollowed::default();
    window.note(&reduced(1000, Cause::FastRetransmit, [100, 100], 40));
    window.look(1000 * MS, 100, true);
    window.note(&recovered(1040, 60));
    window.look(1140 * MS, 100, true);
    let sum = window.sums[Trigger::Loss as usize];
    assert_eq!((sum.below_ns, sum.deficit_ns, sum.after), (100 * MS, 40 * MS, 60));
    window.note(&reduced(2000, Cause::FastRetransmit, [100, 100], 40));
    let mut over = transition(2040 * MS, State::Recovery, State::Open, Cause::Recovered);
    over.cwnd.after = Some(100);
    window.note(&over);
    window.look(3000 * MS, 20, true);
    assert_eq!(
        window.sums[Trigger::Loss as usize].below_ns,
        100 * MS,
        "it did not shrink for that"
    );
}

#[test]
fn while_it_is_not_the_limit_a_smaller_window_costs_nothing() {
    let mut window = WindowFollowed::default();
    window.note(&reduced(0, Cause::FastRetransmit, [100, 50], 40));
    window.look(40 * MS, 50, true);
    window.note(&recovered(50, 50));
    window.look(1050 * MS, 50, false);
    window.look(2050 * MS, 50, true);
    let sum = window.sums[Trigger::Loss as usize];
    assert_eq!((sum.below_ns, sum.deficit_ns), (1000 * MS, 500 * MS), "nor while it is repaired");
}

#[test]
fn what_was_undone_is_back_at_once() {
    let mut window = WindowFollowed::default();
    window.note(&reduced(0, Cause::FastRetransmit, [100, 50], 40));
    let mut undo = transition(10 * MS, State::Recovery, State::Open, Cause::Undo(None));
    undo.cwnd.after = Some(90);
    window.note(&undo);
    window.look(1000 * MS, 90, true);
    assert_eq!(window.sums[Trigger::Loss as usize].below_ns, 0);
}

#[test]
fn of_several_flows_the_least_looked_at_counts_and_only_those_that_were_reduced() {
    let reduced = |count, looks| Reduced { count, looks, ..Reduced::default() };
    let mut sum = reduced(0, 0);
    sum.merge(&reduced(2, 7));
    assert_eq!(sum.looks, 7);
    sum.merge(&reduced(0, 0));
    assert_eq!(sum.looks, 7, "that one was never reduced");
    sum.merge(&reduced(1, 1));
    assert_eq!((sum.count, sum.looks), (3, 1));
}
