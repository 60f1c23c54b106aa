//! The rules of the end that receives.

use super::*;
use crate::why::Looks;

/// Ten looks at ten seconds in which 10 Mbit/s came, so 50,000 bytes in each round trip, and
/// nothing was sent.
fn receiving(window_most: u32) -> Evidence {
    let mut case = evidence(0, 0, 0, 0);
    case.stats = SendStats { open_idle_ns: 10 * SECOND, ..SendStats::default() };
    let traffic = &mut case.stats.traffic;
    (traffic.received_bytes, traffic.segments_in) = (12_500_000, 10_000);
    (traffic.acked_over_ns, traffic.received_over_ns) = (10 * SECOND, 10 * SECOND);
    case.looks = Looks { count: 10, window_most, rcv_rtt_us: 40_000, ..Looks::default() };
    case
}

const ROOMY: u32 = 1_000_000;

#[test]
fn who_receives_is_not_idle_because_it_sends_nothing() {
    let mut case = receiving(ROOMY);
    assert_eq!(judged(&case), (Verdict::Healthy, Confidence::Medium));
    assert_eq!(because(&case), "nothing here held it up: 10.0 Mbit/s came");
    case.stats.traffic.received_bytes = 10_000;
    assert_eq!(verdict(&case), Verdict::Healthy);
    case.stats.traffic.received_bytes -= 1;
    assert_eq!(judged(&case), (Verdict::ApplicationIdle, Confidence::High), "less than an answer");
    assert_eq!(because(&case), "there was nothing to send for 100 %");
    let mut both = receiving(ROOMY);
    both.stats.traffic.acked_bytes = 3_125_000;
    assert_eq!(verdict(&both), Verdict::Healthy);
    both.stats.traffic.acked_bytes += 1;
    assert_eq!(verdict(&both), Verdict::ApplicationIdle, "it sends as well");
}

#[test]
fn who_leaves_three_times_the_window_unread_reads_slowly() {
    let mut case = receiving(ROOMY);
    (case.looks.full, case.looks.unread, case.looks.unread_most) = (5, 5, 300_000);
    assert_eq!(judged(&case), (Verdict::SlowReader, Confidence::Medium));
    assert_eq!(judge(&case).cost_ns, 5 * SECOND);
    assert_eq!(
        because(&case),
        "the application here had not read all at 50 % of the looks, up to 300 kB"
    );
    case.looks.unread_most = 2_345_678;
    assert!(because(&case).ends_with("up to 2.3 MB"), "{}", because(&case));
    (case.looks.full, case.looks.unread) = (4, 4);
    assert_eq!(verdict(&case), Verdict::Healthy);
    (case.looks.count, case.looks.full, case.looks.unread) = (1, 1, 1);
    assert_eq!(verdict(&case), Verdict::Healthy, "one look is not enough");
}

#[test]
fn who_leaves_something_unread_and_uses_a_quarter_of_the_window_reads_slowly() {
    let mut case = receiving(200_000);
    case.looks.unread = 5;
    assert_eq!(judged(&case), (Verdict::SlowReader, Confidence::Medium));
    case.looks.unread = 4;
    assert_eq!(verdict(&case), Verdict::Healthy);
    let mut keeps_up = receiving(200_001);
    keeps_up.looks.unread = 10;
    assert_eq!(verdict(&keeps_up), Verdict::Healthy, "something is always on its way to it");
}

#[test]
fn a_window_that_is_used_in_each_round_trip_is_too_small_a_buffer() {
    let mut case = receiving(71_428);
    assert_eq!(judged(&case), (Verdict::ReceiveBuffer, Confidence::Medium));
    assert_eq!(
        because(&case),
        "10.0 Mbit/s came: 70 % of the window of 71 kB in each round trip of 40 ms"
    );
    case.looks.buffer_locked = true;
    assert_eq!(judged(&case).1, Confidence::High, "`SO_RCVBUF` was set");
    case.looks.unread = 2;
    assert_eq!(verdict(&case), Verdict::ReceiveBuffer);
    case.looks.unread = 3;
    assert_ne!(verdict(&case), Verdict::ReceiveBuffer, "its application reads slowly");
    assert_eq!(verdict(&receiving(71_429)), Verdict::Healthy);
    let mut sends = receiving(71_428);
    sends.stats.traffic.acked_bytes = 3_125_001;
    assert_ne!(verdict(&sends), Verdict::ReceiveBuffer);
}

#[test]
fn where_the_receiver_does_not_know_the_round_trip_the_senders_counts() {
    let mut case = receiving(71_428);
    (case.looks.rcv_rtt_us, case.looks.rtt_min_us) = (0, 40_000);
    assert_eq!(verdict(&case), Verdict::ReceiveBuffer);
    assert!(because(&case).ends_with("in each round trip of 40 ms"), "{}", because(&case));
}

#[test]
fn segments_that_come_after_gaps_are_inbound_loss() {
    let mut case = receiving(ROOMY);
    case.stats.traffic.out_of_order = 100;
    assert_eq!(judged(&case), (Verdict::InboundLoss, Confidence::Medium));
    assert_eq!(judge(&case).cost_ns, SECOND / 10);
    assert_eq!(because(&case), "100 of 10000 segments came while others before them were missing");
    (case.stats.traffic.out_of_order, case.stats.traffic.segments_in) = (9, 900);
    assert_eq!(verdict(&case), Verdict::Healthy, "nine may be chance");
    (case.stats.traffic.out_of_order, case.stats.traffic.segments_in) = (10, 1_000);
    assert_eq!(verdict(&case), Verdict::InboundLoss);
    case.stats.traffic.segments_in = 1_001;
    assert_eq!(verdict(&case), Verdict::Healthy, "less than 1 %");
    case.stats.traffic.acked_bytes = 3_125_001;
    assert_ne!(verdict(&case), Verdict::InboundLoss, "it sends as well");
}

#[test]
fn a_sender_is_idle_if_nothing_comes_for_half_of_the_time() {
    let mut case = receiving(ROOMY);
    case.still_ns = 5 * SECOND;
    assert_eq!(judged(&case), (Verdict::SenderIdle, Confidence::Medium));
    assert_eq!(judge(&case).cost_ns, 5 * SECOND);
    assert_eq!(
        because(&case),
        "nothing has come for 5.0 s, though all is read and the window is open"
    );
    case.looks.unread = 3;
    assert_ne!(verdict(&case), Verdict::SenderIdle, "it waits for this end");
    case.looks.unread = 2;
    case.still_ns -= 1;
    assert_eq!(verdict(&case), Verdict::Healthy);
}

#[test]
fn a_sender_that_pauses_for_less_than_a_second_is_not_idle() {
    let mut case = receiving(ROOMY);
    case.times = StateTimes([3 * SECOND / 2, 0, 0, 0, 0]);
    (case.measured_ns, case.still_ns) = (3 * SECOND / 2, SECOND - 1);
    assert_ne!(verdict(&case), Verdict::SenderIdle);
    case.still_ns = SECOND;
    assert_eq!(verdict(&case), Verdict::SenderIdle);
}
