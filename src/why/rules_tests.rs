//! Each rule where it holds, and just where it does not.

use super::*;
use crate::model::{Cost, Limits, StateTimes};
use crate::why::Causes;

const SECOND: u64 = 1_000_000_000;

/// Ten seconds of one flow that was sending all the time, all in Open but for
/// so many milliseconds in the other states.
fn evidence(disorder: u64, cwr: u64, recovery: u64, loss: u64) -> Evidence {
    let outside = disorder + cwr + recovery + loss;
    let open_ns = 10 * SECOND - outside * 1_000_000;
    let mut times = StateTimes([open_ns, 0, 0, 0, 0]);
    times[State::Disorder] = disorder * 1_000_000;
    times[State::Cwr] = cwr * 1_000_000;
    times[State::Recovery] = recovery * 1_000_000;
    times[State::Loss] = loss * 1_000_000;
    let open = Limits { sending_ns: open_ns, ..Limits::default() };
    let delivered = [10_000, 0, 0, 0, 0];
    Evidence {
        flows: 1,
        times,
        cost: Cost { open, delivered, ..Cost::default() },
        measured_ns: 10 * SECOND,
        unanswered_ns: 0,
        causes: Causes::default(),
        doubtful_ns: 0,
        all_told: true,
        exact: true,
    }
}

fn verdict(it: &Evidence) -> Verdict {
    judge(it).0
}

#[test]
fn sending_in_open_is_healthy() {
    assert_eq!(judge(&evidence(0, 0, 0, 0)), (Verdict::Healthy, Sure::Likely));
}

#[test]
fn timeouts_alone_are_a_black_hole_until_something_is_delivered() {
    let mut it = evidence(0, 0, 0, 9_000);
    it.causes.rto = 4;
    it.cost.delivered = [0; 5];
    assert_eq!(judge(&it), (Verdict::BlackHole, Sure::Sure));
    it.cost.delivered[0] = 1;
    assert_eq!(verdict(&it), Verdict::PathLoss);
    it.cost.delivered[0] = 0;
    it.causes.rto = 1;
    it.times = evidence(0, 0, 0, 4_900).times;
    assert_ne!(verdict(&it), Verdict::BlackHole);
}

#[test]
fn loss_since_before_the_watch_needs_no_timeout_in_it() {
    let mut it = evidence(0, 0, 0, 10_000);
    it.cost.delivered = [0; 5];
    assert_eq!(judge(&it), (Verdict::BlackHole, Sure::Sure));
    it.cost.delivered[4] = 1;
    assert_eq!(judge(&it), (Verdict::PathLoss, Sure::Sure));
    assert_eq!(judge(&evidence(0, 0, 600, 0)), (Verdict::PathLoss, Sure::Likely));
}

#[test]
fn segments_sent_again_without_a_loss_are_none() {
    let mut it = evidence(0, 0, 0, 0);
    it.cost.retransmitted[0] = 200;
    assert_eq!(verdict(&it), Verdict::Healthy, "probes of the tail");
    let mut narrow = evidence(0, 0, 0, 600);
    narrow.causes.pmtu = 1;
    assert_ne!(verdict(&narrow), Verdict::PathLoss);
}

#[test]
fn undone_timeouts_are_spurious_and_others_are_loss() {
    let mut it = evidence(0, 0, 0, 600);
    it.causes.rto = 2;
    (it.causes.undo, it.causes.undo_of_loss) = (2, 2);
    assert_eq!(judge(&it), (Verdict::SpuriousTimeouts, Sure::Sure));
    (it.causes.recovered, it.causes.recovered_of_loss) = (1, 1);
    assert_eq!(verdict(&it), Verdict::SpuriousTimeouts);
    (it.causes.recovered, it.causes.recovered_of_loss) = (2, 2);
    assert_eq!(verdict(&it), Verdict::PathLoss);
    // Undone recoveries say nothing of the timeouts.
    (it.causes.recovery, it.causes.undo) = (4, 6);
    assert_eq!(verdict(&it), Verdict::PathLoss);
}

#[test]
fn a_twentieth_in_recovery_is_path_loss() {
    let mut it = evidence(0, 0, 500, 0);
    it.causes.recovery = 3;
    it.causes.recovered = 3;
    assert_eq!(judge(&it), (Verdict::PathLoss, Sure::Likely));
    let mut less = evidence(0, 0, 490, 0);
    less.causes.recovery = 3;
    less.causes.recovered = 3;
    assert_eq!(verdict(&less), Verdict::Healthy);
    less.cost.retransmitted[3] = 200;
    assert_eq!(judge(&less), (Verdict::PathLoss, Sure::Sure));
}

#[test]
fn losses_that_hold_up_less_than_something_else_are_not_to_blame() {
    let mut it = evidence(0, 0, 20, 0);
    it.causes.tlp = 1;
    it.cost.delivered = [20, 0, 0, 0, 0];
    it.cost.retransmitted[0] = 1;
    it.cost.open = Limits { sending_ns: SECOND / 10, ..Limits::default() };
    it.cost.settle(it.times[State::Open], None);
    assert_eq!(judge(&it), (Verdict::ApplicationIdle, Sure::Sure), "one is chance");
    let mut it = evidence(0, 0, 20, 0);
    it.causes.recovery = 3;
    it.cost.retransmitted[3] = 300;
    assert_eq!(judge(&it), (Verdict::PathLoss, Sure::Sure));
    it.cost.open = Limits { rwnd_ns: 7 * SECOND, sending_ns: 2 * SECOND, sndbuf_ns: 0 };
    assert_eq!(judge(&it), (Verdict::ReceiverWindow, Sure::Sure));
}

#[test]
fn cwr_goes_to_whom_most_of_it_is_due() {
    let mut it = evidence(0, 200, 0, 0);
    it.causes.ecn = 2;
    it.causes.local_drop = 1;
    assert_eq!(judge(&it), (Verdict::EcnMarking, Sure::Likely));
    it.causes.local_drop = 3;
    assert_eq!(verdict(&it), Verdict::LocalQueue);
    let mut less = evidence(0, 199, 0, 0);
    less.causes.local_drop = 3;
    assert_eq!(verdict(&less), Verdict::Healthy);
}

#[test]
fn losses_beside_more_of_local_drops_are_their_own() {
    let mut it = evidence(0, 900, 900, 0);
    it.causes.local_drop = 50;
    it.causes.recovery = 20;
    it.causes.recovered = 20;
    it.cost.retransmitted[3] = 150;
    assert_eq!(verdict(&it), Verdict::LocalQueue);
    it.times = evidence(0, 900, 901, 0).times;
    assert_eq!(verdict(&it), Verdict::PathLoss);
}

#[test]
fn disorder_without_loss_is_reordering() {
    let mut it = evidence(400, 0, 100, 0);
    it.causes.recovery = 1;
    it.causes.recovered = 1;
    assert_eq!(judge(&it), (Verdict::Reordering, Sure::Sure));
    it.times[State::Recovery] = 101_000_000;
    assert_ne!(verdict(&it), Verdict::Reordering);
    it.causes.undo = 1;
    assert_eq!(verdict(&it), Verdict::Reordering);
    it.causes.recovered = 3;
    assert_ne!(verdict(&it), Verdict::Reordering, "a third is not reached");
    it.causes.undo = 2;
    it.causes.rto = 1;
    assert_ne!(verdict(&it), Verdict::Reordering);
    it.causes.recovery = 10;
    assert_eq!(verdict(&it), Verdict::Reordering, "one timeout in ten recoveries");
}

#[test]
fn the_chronograph_blames_receiver_buffer_and_application() {
    let limited = |limits: Limits| {
        let mut it = evidence(0, 0, 0, 0);
        it.cost.open = limits;
        it.cost.settle(it.times[State::Open], None);
        judge(&it)
    };
    let rwnd = Limits { rwnd_ns: 2 * SECOND, sending_ns: 8 * SECOND, sndbuf_ns: 0 };
    assert_eq!(limited(rwnd), (Verdict::ReceiverWindow, Sure::Likely));
    let sndbuf = Limits { sndbuf_ns: 5 * SECOND, sending_ns: 5 * SECOND, rwnd_ns: 0 };
    assert_eq!(limited(sndbuf), (Verdict::SendBuffer, Sure::Sure));
    let idle = Limits { sending_ns: 5 * SECOND, ..Limits::default() };
    assert_eq!(limited(idle), (Verdict::ApplicationIdle, Sure::Likely));
    let just_not = Limits { sending_ns: 6 * SECOND, ..Limits::default() };
    assert_eq!(limited(just_not).0, Verdict::Healthy);
}

#[test]
fn a_syn_without_an_answer_is_likely_a_black_hole_once_that_is_long_enough() {
    let mut it = evidence(0, 0, 0, 0);
    it.cost = Cost::default();
    assert_eq!(verdict(&it), Verdict::Healthy, "it is not idle either");
    it.unanswered_ns = 10 * SECOND;
    assert_eq!(judge(&it), (Verdict::BlackHole, Sure::Likely));
    let among_others = Evidence::sum([&it, &evidence(0, 0, 0, 0)]);
    assert_eq!(verdict(&among_others), Verdict::Healthy, "something was delivered");
    it.times = StateTimes([SHORT_NS - 1, 0, 0, 0, 0]);
    (it.unanswered_ns, it.measured_ns) = (SHORT_NS - 1, SHORT_NS - 1);
    assert_eq!(judge(&it), (Verdict::Healthy, Sure::Unsure));
}

#[test]
fn what_was_not_seen_makes_it_unsure() {
    let mut it = evidence(0, 0, 2_000, 0);
    it.causes.recovery = 3;
    assert_eq!(judge(&it).1, Sure::Sure);
    it.causes.unknown = 1;
    assert_eq!(judge(&it).1, Sure::Unsure);
    it.causes.unknown = 0;
    it.exact = false;
    it.doubtful_ns = SECOND / 10 - 1;
    assert_eq!(judge(&it).1, Sure::Sure, "too little to matter");
    it.doubtful_ns = SECOND - 1;
    assert_eq!(judge(&it).1, Sure::Sure, "less than half of what held it up");
    it.doubtful_ns = SECOND;
    assert_eq!(judge(&it).1, Sure::Unsure);
    let mut calm = evidence(0, 0, 0, 0);
    calm.doubtful_ns = SECOND / 10;
    assert_eq!(judge(&calm), (Verdict::Healthy, Sure::Unsure));
    it.doubtful_ns = 0;
    it.all_told = false;
    assert_eq!(judge(&it).1, Sure::Unsure);
}

#[test]
fn evidence_of_several_is_their_sum() {
    let mut one = evidence(0, 0, 500, 0);
    one.causes.recovery = 3;
    let sum = Evidence::sum([&one, &evidence(0, 0, 0, 0)]);
    assert_eq!((sum.flows, sum.watched_ns()), (2, 20 * SECOND));
    assert_eq!(sum.causes.recovery, 3);
    assert_eq!(verdict(&sum), Verdict::Healthy, "diluted to 2.5 %");
}

#[test]
fn the_documentation_has_every_rule() {
    let document = include_str!("../../docs/why.md");
    let mut rows = RULES.iter().map(|rule| format!("| {} | {} |", rule.verdict, rule.when));
    assert!(rows.all(|row| document.contains(&row)), "docs/why.md is not as the rules are");
}

#[test]
fn what_was_not_measured_blames_nobody() {
    let mut it = evidence(0, 0, 0, 0);
    (it.cost, it.measured_ns) = (Cost::default(), 0);
    assert_eq!(judge(&it), (Verdict::Healthy, Sure::Unsure), "idle is not known");
    it = evidence(0, 0, 0, 9_000);
    (it.cost, it.measured_ns, it.causes.rto) = (Cost::default(), 0, 4);
    assert_eq!(judge(&it), (Verdict::PathLoss, Sure::Unsure), "nor whether anything arrived");
}

#[test]
fn what_was_measured_is_not_diluted_by_what_was_not() {
    let mut full = evidence(0, 0, 0, 0);
    full.cost.open = Limits { rwnd_ns: 10 * SECOND, ..Limits::default() };
    let mut unknown = evidence(0, 0, 0, 0);
    (unknown.cost, unknown.measured_ns) = (Cost::default(), 0);
    let sum = Evidence::sum([&full, &unknown, &unknown]);
    assert_eq!(judge(&sum), (Verdict::ReceiverWindow, Sure::Unsure));
    let sum = Evidence::sum([&full, &full, &full, &full, &unknown]);
    assert_eq!(judge(&sum), (Verdict::ReceiverWindow, Sure::Sure), "one in five");
}
