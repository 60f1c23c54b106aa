//! The rules of what passes at the pace of the path, of a window or of a buffer.

use super::*;
use crate::why::Looks;

/// Ten looks at a flow that sends 10 Mbit/s as fast as it can.
fn looked_at(looks: Looks) -> Evidence {
    let mut case = at_ten_megabits(&evidence(0, 0, 0, 0));
    case.looks = Looks { count: 10, sending: 10, ..looks };
    case
}

fn waiting(queued: u32) -> Looks {
    Looks { queued, srtt_sum_us: 10 * 45_000, rtt_min_us: 40_000, ..Looks::default() }
}

#[test]
fn a_round_trip_of_three_times_the_least_at_half_of_the_looks_is_a_standing_queue() {
    let bloated = |sending, bloated| {
        let mut case = looked_at(Looks { bloated, rtt_min_us: 20_000, ..Looks::default() });
        (case.looks.sending, case.looks.srtt_sum_us) = (sending, 90_000 * u64::from(sending));
        case
    };
    let case = bloated(2, 1);
    assert_eq!(judged(&case), (Verdict::StandingQueue, Confidence::Medium));
    assert_eq!(
        because(&case),
        "packets wait 70 ms in a queue, and need 20 ms without: 10.0 Mbit/s"
    );
    assert_eq!(verdict(&bloated(3, 1)), Verdict::Healthy);
    assert_eq!(verdict(&bloated(1, 1)), Verdict::Healthy, "one look is not enough");
    assert_eq!(judged(&bloated(2, 2)).1, Confidence::High);
}

#[test]
fn a_queue_at_half_of_the_looks_is_a_full_path() {
    let case = looked_at(waiting(5));
    assert_eq!(judged(&case), (Verdict::PathFull, Confidence::Medium));
    assert_eq!(because(&case), "it carries 10.0 Mbit/s, and packets wait 5.0 ms in a queue");
    assert_eq!(verdict(&looked_at(waiting(4))), Verdict::Healthy);
    assert_eq!(judged(&looked_at(waiting(10))).1, Confidence::High);
}

/// At a rate that hardly varies, by a congestion control that goes by the rate.
fn steady() -> Evidence {
    let rates = [3.0, 30.0, 300.0];
    looked_at(Looks { cwnd_limited: 3, rtt_min_us: 1_000, rates, ..Looks::default() })
}

#[test]
fn a_steady_rate_below_the_window_is_a_full_path_too() {
    assert_eq!(judged(&steady()), (Verdict::PathFull, Confidence::Medium));
    assert_eq!(because(&steady()), "it carries 10.0 Mbit/s, steadily, and no more");
    let mut case = steady();
    case.looks.rates = [3.0, 30.0, 64.0 + 100.0 + 144.0];
    assert_eq!(verdict(&case), Verdict::PathFull, "8, 10 and 12 Mbit/s vary by 16 %");
    case.looks.rates = [3.0, 30.0, 49.0 + 100.0 + 169.0];
    assert_eq!(verdict(&case), Verdict::Healthy, "7, 10 and 13 Mbit/s vary by 24 %");
    case.looks.rates = [2.0, 20.0, 200.0];
    assert_eq!(verdict(&case), Verdict::Healthy, "two intervals say nothing");
}

#[test]
fn a_steady_rate_at_the_windows_pace_says_nothing_of_the_path() {
    let mut case = steady();
    case.looks.cwnd_limited = 4;
    assert_eq!(verdict(&case), Verdict::Healthy);
    let mut case = steady();
    case.looks.rtt_min_us = 999;
    assert_eq!(verdict(&case), Verdict::Healthy);
    let mut queued = looked_at(waiting(10));
    queued.stats.retransmitted[0] = 200;
    assert_eq!(verdict(&queued), Verdict::PathFull, "a queue is one with losses too");
}

#[test]
fn who_does_not_send_all_the_time_fills_no_path() {
    let mut case = looked_at(waiting(10));
    case.stats.open.sending_ns = 8 * SECOND;
    assert_eq!(verdict(&case), Verdict::PathFull);
    case.stats.open.sending_ns -= 1;
    assert_eq!(verdict(&case), Verdict::Healthy);
    let mut case = looked_at(waiting(10));
    case.looks.app_limited = 2;
    assert_eq!(verdict(&case), Verdict::PathFull);
    case.looks.app_limited = 3;
    assert_eq!(verdict(&case), Verdict::Healthy);
    let mut case = looked_at(Looks { queued: 1, ..waiting(1) });
    case.looks.sending = 1;
    assert_eq!(verdict(&case), Verdict::Healthy, "one look is not enough");
}

#[test]
fn who_is_held_to_a_rate_by_its_application_fills_no_path() {
    let mut case = looked_at(waiting(10));
    // 70 % of which is just less than 10 Mbit/s, or just more.
    case.looks.max_pacing_rate = Some(1_785_714);
    assert_eq!(verdict(&case), Verdict::Healthy);
    case.looks.max_pacing_rate = Some(1_785_715);
    assert_eq!(verdict(&case), Verdict::PathFull);
}

#[test]
fn a_full_window_or_buffer_says_for_which_part_of_the_time() {
    let mut case = at_ten_megabits(&evidence(0, 0, 0, 0));
    case.stats.open = Limits { rwnd_ns: 2 * SECOND, sending_ns: 8 * SECOND, sndbuf_ns: 0 };
    assert_eq!(because(&case), "the receiver's window was full for 20 %: 10.0 Mbit/s");
    case.stats.open.rwnd_ns -= 1;
    assert_eq!(verdict(&case), Verdict::Healthy);
    case.stats.open = Limits { sndbuf_ns: 2 * SECOND, sending_ns: 8 * SECOND, rwnd_ns: 0 };
    assert_eq!(because(&case), "the send buffer was full for 20 %: 10.0 Mbit/s");
    case.stats.open.sndbuf_ns -= 1;
    assert_eq!(verdict(&case), Verdict::Healthy);
}

#[test]
fn a_buffer_that_looks_find_full_is_one_that_the_chronograph_calls_sending() {
    let mut case = looked_at(waiting(10));
    assert_eq!(verdict(&case), Verdict::PathFull);
    // What is left is no full path.
    case.buffer_full_ns = 9 * SECOND;
    assert_eq!(because(&case), "the send buffer was full for 90 %: 10.0 Mbit/s");
    let mut case = looked_at(Looks::default());
    case.stats.open = Limits { sndbuf_ns: SECOND, sending_ns: 9 * SECOND, rwnd_ns: 0 };
    case.buffer_full_ns = SECOND;
    assert_eq!(because(&case), "the send buffer was full for 20 %: 10.0 Mbit/s");
    case.buffer_full_ns -= 1;
    assert_eq!(verdict(&case), Verdict::Healthy);
}

#[test]
fn rates_have_three_digits_and_the_unit_that_fits() {
    let rate = |acked_bytes| {
        let mut case = evidence(0, 0, 0, 0);
        (case.stats.traffic.acked_bytes, case.stats.traffic.acked_over_ns) =
            (acked_bytes, 8 * SECOND);
        because(&case).replace("nothing held it up: ", "")
    };
    assert_eq!(rate(999), "1.00 kbit/s");
    assert_eq!(rate(12_340), "12.3 kbit/s");
    assert_eq!(rate(123_400), "123 kbit/s");
    assert_eq!(rate(9_994_000), "9.99 Mbit/s");
    assert_eq!(rate(9_996_000), "10.0 Mbit/s");
    assert_eq!(rate(99_960_000), "100 Mbit/s");
    assert_eq!(rate(1_500_000_000), "1.50 Gbit/s");
}
