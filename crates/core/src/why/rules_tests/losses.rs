//! The rules of timeouts and losses, and of what makes windows smaller.

use super::*;
use crate::why::{Outages, Reduced};

#[test]
fn an_outage_of_a_twentieth_of_the_time_is_one_whatever_was_undone() {
    let mut case = evidence(0, 0, 0, 300);
    case.waited[State::Open] = SECOND / 5;
    (case.causes.rto, case.causes.undo, case.causes.undo_of_loss) = (2, 1, 1);
    case.since_ns = 7 * SECOND;
    case.outages = Outages {
        count: 1,
        total_ns: SECOND / 2,
        longest_from_ns: 7 * SECOND + SECOND * 6 / 5,
        timeouts: 2,
        ..Outages::default()
    };
    assert_eq!(judged(&case), (Verdict::Outage, Confidence::Medium));
    assert_eq!(judge(&case).second, None, "its timeouts are nothing else");
    assert_eq!(
        because(&case),
        "from 1.2 s of the watch on nothing was answered for 500 ms, by 2 timeouts; data was \
         lost, as far as it shows"
    );
    case.outages.goes_on = true;
    case.outages.longest_from_ns = 6 * SECOND;
    assert_eq!(
        because(&case),
        "from before the watch on nothing was answered for 500 ms, by 2 timeouts, and still is \
         not; which way does not show yet"
    );
    (case.outages.of_acks, case.outages.goes_on) = (1, false);
    assert_eq!(
        because(&case),
        "from before the watch on nothing was answered for 500 ms, by 2 timeouts; data had \
         arrived, and acknowledgements had not"
    );
    case.outages.total_ns -= 1;
    assert_ne!(verdict(&case), Verdict::Outage);
}

#[test]
fn what_the_chronograph_says_in_an_outage_is_of_before_it() {
    let mut case = evidence(0, 0, 0, 7_000);
    case.causes.rto = 5;
    case.outages =
        Outages { count: 1, total_ns: 7 * SECOND + SECOND / 5, timeouts: 5, ..Outages::default() };
    case.stats.open = Limits { rwnd_ns: 2 * SECOND, sending_ns: SECOND, sndbuf_ns: 0 };
    case.stats.other = Limits { rwnd_ns: 7 * SECOND, ..Limits::default() };
    assert_eq!(
        (verdict(&case), judge(&case).second),
        (Verdict::Outage, Some(Verdict::ReceiverWindow))
    );
    case.stats.open.rwnd_ns -= SECOND / 10;
    assert_eq!(judge(&case).second, None);
    case.stats.other = Limits { sndbuf_ns: 7 * SECOND, ..Limits::default() };
    assert_eq!((verdict(&case), judge(&case).second), (Verdict::Outage, None));
}

#[test]
fn several_outages_are_told_together() {
    let mut case = evidence(0, 0, 0, 1_000);
    case.outages = Outages {
        count: 2,
        total_ns: 3 * SECOND / 2,
        longest_from_ns: 3 * SECOND,
        of_acks: 1,
        timeouts: 5,
        ..Outages::default()
    };
    assert_eq!(judged(&case), (Verdict::Outage, Confidence::High));
    assert_eq!(
        because(&case),
        "2 times nothing was answered, for 1.5 s together, the longest from 3.0 s of the watch on; \
         data was lost, or acknowledgements were"
    );
}

#[test]
fn timeouts_that_were_for_nothing_say_how_many_and_for_how_long() {
    let mut case = evidence(0, 0, 0, 600);
    (case.causes.rto, case.causes.undo, case.causes.undo_of_loss) = (2, 2, 2);
    case.waited[State::Disorder] = SECOND / 5;
    assert_eq!(because(&case), "2 of 2 timeouts were for nothing, and took 800 ms");
    assert_eq!(judge(&case).second, None, "they are no other waits");
}

#[test]
fn two_timeouts_that_take_a_twentieth_of_the_time_are_waits() {
    let mut case = evidence(0, 0, 0, 300);
    case.waited[State::Open] = SECOND / 5;
    // A repeated timeout's wait is in Loss already.
    case.waited[State::Loss] = SECOND;
    case.causes.rto = 2;
    assert_eq!(judged(&case), (Verdict::TimeoutWaits, Confidence::Medium));
    assert_eq!(because(&case), "2 timeouts: 200 ms waited before them, 300 ms in Loss after");
    case.waited[State::Open] -= 1;
    assert_eq!(verdict(&case), Verdict::Healthy);
    case.waited[State::Open] += 1;
    case.causes.rto = 1;
    assert_eq!(verdict(&case), Verdict::Healthy, "one is chance");
    (case.causes.rto, case.causes.recovery) = (2, 3);
    assert_ne!(verdict(&case), Verdict::TimeoutWaits, "most was found sooner");
    case.causes.recovery = 2;
    assert_eq!(verdict(&case), Verdict::TimeoutWaits);
}

/// Two losses after which the window, the limit at half of the looks, was smaller.
fn smaller_window(trigger: Trigger) -> Evidence {
    let mut case = at_ten_megabits(&evidence(0, 0, 40, 0));
    case.causes.recovery = 2;
    (case.looks.sending, case.looks.cwnd_limited) = (10, 5);
    case.reductions[trigger as usize] = Reduced {
        count: 2,
        below_ns: 4 * SECOND,
        deficit_ns: 2 * SECOND,
        before: 40,
        after: 12,
        looks: 0,
    };
    case
}

#[test]
fn a_window_that_losses_keep_small_is_path_loss_though_recoveries_are_short() {
    let mut case = smaller_window(Trigger::Loss);
    assert_eq!(judged(&case), (Verdict::PathLoss, Confidence::High));
    let cost_ns = 2 * SECOND + 40_000_000;
    assert_eq!(judge(&case).cost_ns, cost_ns, "and Recovery, which delivered nothing");
    assert_eq!(
        because(&case),
        "after 2 losses on the way the window was smaller for 40 % (40 to 12 segments): 10.0 Mbit/s"
    );
    case.reductions[Trigger::Loss as usize].count = 1;
    assert_eq!(verdict(&case), Verdict::Healthy, "one is chance");
}

#[test]
fn a_window_that_a_full_queue_or_the_receiver_keeps_small_is_no_path_loss() {
    assert_eq!(verdict(&smaller_window(Trigger::FullQueue)), Verdict::Healthy);
    let mut limited = smaller_window(Trigger::Loss);
    limited.stats.open = Limits { rwnd_ns: 2 * SECOND, sending_ns: 7 * SECOND, sndbuf_ns: 0 };
    assert_eq!(verdict(&limited), Verdict::ReceiverWindow);
}

#[test]
fn path_loss_says_what_was_retransmitted_and_what_that_cost() {
    let mut case = evidence(0, 0, 500, 0);
    case.causes.recovery = 3;
    case.stats.retransmitted[3] = 150;
    assert_eq!(because(&case), "150 segments were retransmitted, and losses cost 5 % of the time");
}

#[test]
fn a_recovery_that_delivers_as_much_as_open_costs_nothing() {
    let mut case = evidence(0, 0, 1_000, 0);
    case.causes.recovery = 3;
    case.stats.delivered = [9_000, 0, 0, 500, 0];
    assert_eq!(verdict(&case), Verdict::PathLoss);
    assert_eq!(judge(&case).cost_ns, SECOND / 2, "it delivered half as much");
    case.stats.delivered[State::Recovery as usize] = 1_000;
    assert_eq!(verdict(&case), Verdict::Healthy);
}

#[test]
fn marks_and_local_drops_slow_down_by_the_smaller_window_after_them() {
    let case = |trigger, deficit_ns| {
        let mut case = evidence(0, 0, 0, 0);
        let count = match trigger {
            Trigger::Mark => &mut case.causes.ecn,
            _ => &mut case.causes.local_drop,
        };
        *count = 5;
        case.reductions[trigger as usize] =
            Reduced { count: 5, below_ns: 2 * SECOND, deficit_ns, before: 40, after: 20, looks: 0 };
        case
    };
    let marked = case(Trigger::Mark, SECOND);
    assert_eq!(judged(&marked), (Verdict::EcnMarking, Confidence::Medium));
    assert_eq!(judge(&marked).cost_ns, SECOND);
    assert_eq!(
        because(&marked),
        "after 5 marks on the way the window was smaller for 20 % (40 to 20 segments)"
    );
    assert_eq!(verdict(&case(Trigger::Mark, SECOND - 1)), Verdict::Healthy);
    let mut dropped = case(Trigger::LocalDrop, SECOND);
    assert_eq!(judged(&dropped), (Verdict::LocalQueue, Confidence::Medium));
    dropped.reductions[Trigger::LocalDrop as usize].count = 1;
    assert_eq!(
        because(&dropped),
        "after a drop in this machine's queue the window was smaller for 20 % (40 to 20 segments)"
    );
    assert_eq!(verdict(&case(Trigger::LocalDrop, SECOND - 1)), Verdict::Healthy);
    let mut unseen = evidence(0, 200, 0, 0);
    unseen.causes.ecn = 1;
    unseen.reductions[Trigger::Mark as usize].count = 1;
    assert_eq!(because(&unseen), "a mark on the way made it slow down");
}

#[test]
fn what_was_overtaken_says_for_how_long() {
    let mut case = evidence(400, 0, 100, 0);
    case.causes.undo = 1;
    assert_eq!(because(&case), "segments overtaken kept it in Disorder and Recovery for 500 ms");
}
