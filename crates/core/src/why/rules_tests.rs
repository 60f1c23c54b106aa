//! Each rule where it holds, and just where it does not; here those of states and causes,
//! and what they have in common. In `rules_tests/` the others, by what they are about.

#[path = "rules_tests/choosing.rs"]
mod choosing;
#[path = "rules_tests/connecting.rs"]
mod connecting;
#[path = "rules_tests/losses.rs"]
mod losses;
#[path = "rules_tests/queues.rs"]
mod queues;
#[path = "rules_tests/receiving.rs"]
mod receiving;

use super::*;
use crate::model::{Limits, SendStats, StateTimes};
use crate::why::{Confidence, Judgement, judge};

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
        stats: SendStats { open, delivered, ..SendStats::default() },
        measured_ns: 10 * SECOND,
        all_told: true,
        exact: true,
        ..Evidence::default()
    }
}

fn judged(case: &Evidence) -> (Verdict, Confidence) {
    let Judgement { verdict, confidence, .. } = judge(case);
    (verdict, confidence)
}

fn verdict(case: &Evidence) -> Verdict {
    judge(case).verdict
}

fn because(case: &Evidence) -> String {
    judge(case).because
}

/// The same at 10 Mbit/s.
fn at_ten_megabits(case: &Evidence) -> Evidence {
    let mut case = *case;
    (case.stats.traffic.acked_bytes, case.stats.traffic.acked_over_ns) = (12_500_000, 10 * SECOND);
    case
}

/// What is left of Open is idle.
fn leave_the_rest_idle(case: &mut Evidence) {
    case.stats.open_idle_ns = case.times[State::Open].saturating_sub(case.stats.open.busy_ns());
}

#[test]
fn sending_in_open_is_healthy() {
    assert_eq!(judged(&evidence(0, 0, 0, 0)), (Verdict::Healthy, Confidence::Medium));
}

#[test]
fn timeouts_alone_are_a_black_hole_until_something_is_delivered() {
    let mut case = evidence(0, 0, 0, 9_000);
    case.causes.rto = 4;
    case.stats.delivered = [0; 5];
    assert_eq!(judged(&case), (Verdict::BlackHole, Confidence::High));
    case.stats.delivered[0] = 1;
    assert_eq!(verdict(&case), Verdict::TimeoutWaits);
    case.stats.delivered[0] = 0;
    case.causes.rto = 1;
    case.times = evidence(0, 0, 0, 4_900).times;
    assert_ne!(verdict(&case), Verdict::BlackHole);
}

#[test]
fn loss_since_before_the_watch_needs_no_timeout_in_it() {
    let mut case = evidence(0, 0, 0, 10_000);
    case.stats.delivered = [0; 5];
    assert_eq!(judged(&case), (Verdict::BlackHole, Confidence::High));
    case.stats.delivered[4] = 1;
    assert_eq!(judged(&case), (Verdict::PathLoss, Confidence::High));
    assert_eq!(judged(&evidence(0, 0, 600, 0)), (Verdict::PathLoss, Confidence::Medium));
}

#[test]
fn segments_retransmitted_without_a_loss_are_none() {
    let mut case = evidence(0, 0, 0, 0);
    case.stats.retransmitted[0] = 200;
    assert_eq!(verdict(&case), Verdict::Healthy, "probes of the tail");
    let mut narrow = evidence(0, 0, 0, 600);
    narrow.causes.pmtu = 1;
    assert_ne!(verdict(&narrow), Verdict::PathLoss);
}

#[test]
fn undone_timeouts_are_spurious_and_others_are_waits() {
    let mut case = evidence(0, 0, 0, 600);
    case.causes.rto = 2;
    (case.causes.undo, case.causes.undo_of_loss) = (2, 2);
    assert_eq!(judged(&case), (Verdict::SpuriousTimeouts, Confidence::High));
    (case.causes.recovered, case.causes.recovered_of_loss) = (1, 1);
    assert_eq!(verdict(&case), Verdict::SpuriousTimeouts);
    (case.causes.recovered, case.causes.recovered_of_loss) = (2, 2);
    assert_eq!(verdict(&case), Verdict::TimeoutWaits);
    // Undone recoveries say nothing of the timeouts.
    (case.causes.recovery, case.causes.undo) = (4, 6);
    assert_eq!(verdict(&case), Verdict::PathLoss);
}

#[test]
fn a_twentieth_in_recovery_is_path_loss() {
    let mut case = evidence(0, 0, 500, 0);
    case.causes.recovery = 3;
    case.causes.recovered = 3;
    assert_eq!(judged(&case), (Verdict::PathLoss, Confidence::Medium));
    let mut less = evidence(0, 0, 490, 0);
    less.causes.recovery = 3;
    less.causes.recovered = 3;
    assert_eq!(verdict(&less), Verdict::Healthy);
    less.stats.retransmitted[3] = 200;
    assert_eq!(judged(&less), (Verdict::PathLoss, Confidence::High));
}

#[test]
fn losses_that_hold_up_less_than_something_else_are_not_to_blame() {
    let mut case = evidence(0, 0, 20, 0);
    case.causes.tlp = 1;
    case.stats.delivered = [20, 0, 0, 0, 0];
    case.stats.retransmitted[0] = 1;
    case.stats.open = Limits { sending_ns: SECOND / 10, ..Limits::default() };
    leave_the_rest_idle(&mut case);
    assert_eq!(judged(&case), (Verdict::ApplicationIdle, Confidence::High), "one is chance");
    let mut case = evidence(0, 0, 20, 0);
    case.causes.recovery = 3;
    case.stats.retransmitted[3] = 300;
    assert_eq!(verdict(&case), Verdict::Healthy, "they cost 0.2 % of the time");
    case.times = evidence(0, 0, 120, 0).times;
    assert_eq!(judged(&case), (Verdict::PathLoss, Confidence::High));
    case.stats.open = Limits { rwnd_ns: 7 * SECOND, sending_ns: 2 * SECOND, sndbuf_ns: 0 };
    assert_eq!(judged(&case), (Verdict::ReceiverWindow, Confidence::High));
}

#[test]
fn cwr_goes_to_whom_most_of_it_is_due() {
    let mut case = evidence(0, 200, 0, 0);
    case.causes.ecn = 2;
    case.causes.local_drop = 1;
    assert_eq!(judged(&case), (Verdict::EcnMarking, Confidence::Medium));
    case.looks.sending = 2;
    assert_eq!(verdict(&case), Verdict::EcnMarking, "both looks were before the marks");
    case.reductions[Trigger::Mark as usize].looks = 2;
    assert_eq!(verdict(&case), Verdict::Healthy, "the window was never smaller and the limit");
    case.reductions[Trigger::Mark as usize].below_ns = 1;
    assert_eq!(verdict(&case), Verdict::EcnMarking);
    case.causes.local_drop = 3;
    assert_eq!(verdict(&case), Verdict::LocalQueue);
    let mut less = evidence(0, 199, 0, 0);
    less.causes.local_drop = 3;
    assert_eq!(verdict(&less), Verdict::Healthy);
}

#[test]
fn losses_beside_more_of_local_drops_are_their_own() {
    let mut case = evidence(0, 900, 900, 0);
    case.causes.local_drop = 50;
    case.causes.recovery = 20;
    case.causes.recovered = 20;
    case.stats.retransmitted[3] = 150;
    assert_eq!(verdict(&case), Verdict::LocalQueue);
    case.times = evidence(0, 900, 901, 0).times;
    assert_eq!(verdict(&case), Verdict::PathLoss);
}

#[test]
fn disorder_without_loss_is_reordering() {
    let mut case = evidence(400, 0, 100, 0);
    case.causes.recovery = 1;
    case.causes.recovered = 1;
    assert_eq!(judged(&case), (Verdict::Reordering, Confidence::High));
    case.times[State::Recovery] = 101_000_000;
    assert_ne!(verdict(&case), Verdict::Reordering);
    case.causes.undo = 1;
    assert_eq!(verdict(&case), Verdict::Reordering);
    case.causes.recovered = 3;
    assert_ne!(verdict(&case), Verdict::Reordering, "a third is not reached");
    case.causes.undo = 2;
    case.causes.rto = 1;
    assert_ne!(verdict(&case), Verdict::Reordering);
    case.causes.recovery = 10;
    assert_eq!(verdict(&case), Verdict::Reordering, "one timeout in ten recoveries");
}

#[test]
fn the_chronograph_blames_receiver_buffer_and_application() {
    let limited = |limits: Limits| {
        let mut case = evidence(0, 0, 0, 0);
        case.stats.open = limits;
        leave_the_rest_idle(&mut case);
        judged(&case)
    };
    let rwnd = Limits { rwnd_ns: 2 * SECOND, sending_ns: 8 * SECOND, sndbuf_ns: 0 };
    assert_eq!(limited(rwnd), (Verdict::ReceiverWindow, Confidence::Medium));
    let sndbuf = Limits { sndbuf_ns: 5 * SECOND, sending_ns: 5 * SECOND, rwnd_ns: 0 };
    assert_eq!(limited(sndbuf), (Verdict::SendBuffer, Confidence::High));
    let idle = Limits { sending_ns: 5 * SECOND, ..Limits::default() };
    assert_eq!(limited(idle), (Verdict::ApplicationIdle, Confidence::Medium));
    let just_not = Limits { sending_ns: 6 * SECOND, ..Limits::default() };
    assert_eq!(limited(just_not).0, Verdict::Healthy);
}

#[test]
fn a_syn_without_an_answer_is_likely_not_answered_once_that_is_long_enough() {
    let mut case = evidence(0, 0, 0, 0);
    case.stats = SendStats::default();
    assert_eq!(verdict(&case), Verdict::Healthy, "it is not idle either");
    case.unanswered_ns = 10 * SECOND;
    assert_eq!(judged(&case), (Verdict::NotAnswered, Confidence::Medium));
    let among_others = Evidence::sum([&case, &evidence(0, 0, 0, 0)]);
    assert_eq!(verdict(&among_others), Verdict::Healthy, "something was delivered");
    case.times = StateTimes([SHORT_NS - 1, 0, 0, 0, 0]);
    (case.unanswered_ns, case.measured_ns) = (SHORT_NS - 1, SHORT_NS - 1);
    assert_eq!(judged(&case), (Verdict::Healthy, Confidence::Low));
}

#[test]
fn what_was_not_seen_makes_it_unsure() {
    let mut case = evidence(0, 0, 2_000, 0);
    case.causes.recovery = 3;
    assert_eq!(judge(&case).confidence, Confidence::High);
    case.causes.unknown = 1;
    assert_eq!(judge(&case).confidence, Confidence::Low);
    case.causes.unknown = 0;
    case.exact = false;
    case.uncertain_ns = SECOND / 10 - 1;
    assert_eq!(judge(&case).confidence, Confidence::High, "too little to matter");
    case.uncertain_ns = SECOND - 1;
    assert_eq!(judge(&case).confidence, Confidence::High, "less than half of what held it up");
    case.uncertain_ns = SECOND;
    assert_eq!(judge(&case).confidence, Confidence::Low);
    let mut calm = evidence(0, 0, 0, 0);
    calm.uncertain_ns = SECOND / 10;
    assert_eq!(judged(&calm), (Verdict::Healthy, Confidence::Low));
    case.uncertain_ns = 0;
    case.all_told = false;
    assert_eq!(judge(&case).confidence, Confidence::Low);
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
fn what_was_not_measured_blames_nobody() {
    let mut case = evidence(0, 0, 0, 0);
    (case.stats, case.measured_ns) = (SendStats::default(), 0);
    assert_eq!(judged(&case), (Verdict::Healthy, Confidence::Low), "idle is not known");
    case = evidence(0, 0, 0, 9_000);
    (case.stats, case.measured_ns, case.causes.rto) = (SendStats::default(), 0, 4);
    assert_eq!(
        judged(&case),
        (Verdict::TimeoutWaits, Confidence::Low),
        "nor whether anything arrived"
    );
}

#[test]
fn what_was_measured_is_not_diluted_by_what_was_not() {
    let mut full = evidence(0, 0, 0, 0);
    full.stats.open = Limits { rwnd_ns: 10 * SECOND, ..Limits::default() };
    let mut unknown = evidence(0, 0, 0, 0);
    (unknown.stats, unknown.measured_ns) = (SendStats::default(), 0);
    let sum = Evidence::sum([&full, &unknown, &unknown]);
    assert_eq!(judged(&sum), (Verdict::ReceiverWindow, Confidence::Low));
    let sum = Evidence::sum([&full, &full, &full, &full, &unknown]);
    assert_eq!(judged(&sum), (Verdict::ReceiverWindow, Confidence::High), "one in five");
}
