//! The rules of connections that do not come about, or on which nothing is answered.

use super::*;
use crate::why::Outages;

const ECONNRESET: u16 = 104;

/// Ten seconds in which nothing was acknowledged.
fn silent(loss_ms: u64) -> Evidence {
    Evidence { stats: SendStats::default(), ..evidence(0, 0, 0, loss_ms) }
}

#[test]
fn a_connection_that_was_refused_is_so_at_once() {
    let mut case = Evidence { errno: ECONNREFUSED, ..silent(0) };
    case.times = StateTimes([1_000_000, 0, 0, 0, 0]);
    case.measured_ns = 1_000_000;
    assert_eq!(judged(&case), (Verdict::Refused, Confidence::High));
    assert_eq!((judge(&case).cost_ns, judge(&case).second), (1_000_000, None));
    assert_eq!(because(&case), "the peer's machine refused the connection");
    case.stats.delivered[0] = 1;
    assert_ne!(verdict(&case), Verdict::Refused, "it had been accepted");
}

#[test]
fn what_icmp_says_is_unreachable_also_later() {
    for errno in UNREACHABLE {
        assert_eq!(
            judged(&Evidence { errno, ..silent(0) }),
            (Verdict::Unreachable, Confidence::High)
        );
        assert_eq!(verdict(&Evidence { errno, ..evidence(0, 0, 0, 500) }), Verdict::Unreachable);
    }
    let case = Evidence { errno: UNREACHABLE[0], ..silent(0) };
    assert_eq!(because(&case), "network or host cannot be reached, said an ICMP message");
    assert_eq!(verdict(&Evidence { errno: ECONNRESET, ..silent(0) }), Verdict::Healthy);
}

#[test]
fn a_syn_that_timed_out_is_not_answered_and_no_black_hole() {
    let mut case = silent(9_000);
    (case.causes.rto, case.causes.syn_timeout) = (1, 1);
    assert_eq!(judged(&case), (Verdict::NotAnswered, Confidence::High));
    assert_eq!(because(&case), "no answer to the SYN, nor to another one");
    (case.causes.rto, case.causes.syn_timeout) = (3, 3);
    assert_eq!(verdict(&case), Verdict::NotAnswered, "of two that cost the same the first");
    assert_eq!(because(&case), "no answer to the SYN, nor to 3 others");
    case.stats.delivered[0] = 1;
    assert_ne!(verdict(&case), Verdict::NotAnswered, "one was answered");
}

#[test]
fn a_syn_without_a_timeout_is_not_answered_for_half_of_the_time_at_least() {
    let mut case = silent(0);
    case.unanswered_ns = 5 * SECOND;
    assert_eq!(judged(&case), (Verdict::NotAnswered, Confidence::Medium));
    assert_eq!(because(&case), "no answer to the SYN in 5.0 s");
    case.unanswered_ns -= 1;
    assert_eq!(verdict(&case), Verdict::Healthy);
}

#[test]
fn a_black_hole_takes_data_and_answers_a_syn_at_most() {
    let mut case = silent(9_000);
    case.causes.rto = 2;
    assert_eq!(because(&case), "nothing was acknowledged, after 2 timeouts");
    (case.stats.delivered[0], case.stats.traffic.acked_bytes) = (1, 1);
    assert_eq!(verdict(&case), Verdict::BlackHole, "a SYN counts as one");
    case.stats.traffic.acked_bytes = 2;
    assert_ne!(verdict(&case), Verdict::BlackHole);
    assert_eq!(because(&silent(10_000)), "nothing was acknowledged in 10.0 s");
}

#[test]
fn what_was_not_measured_for_a_fifth_of_the_time_may_be_a_black_hole() {
    let mut case = silent(10_000);
    case.measured_ns = 8 * SECOND;
    assert_eq!(judged(&case), (Verdict::BlackHole, Confidence::High));
    case.measured_ns -= 1;
    assert_ne!(verdict(&case), Verdict::BlackHole);
}

#[test]
fn two_keepalive_probes_without_an_answer_are_a_silent_peer() {
    let mut case = evidence(0, 0, 0, 0);
    case.probes = 1;
    assert_eq!(verdict(&case), Verdict::Healthy);
    case.probes = 2;
    assert_eq!(judged(&case), (Verdict::PeerSilent, Confidence::Medium));
    assert_eq!(because(&case), "2 keep-alive probes had no answer");
    case.probes = 4;
    assert_eq!(judged(&case).1, Confidence::High);
}

#[test]
fn a_time_out_without_a_timeout_is_a_silent_peer() {
    let mut case = Evidence { errno: ETIMEDOUT, keepalive: true, ..evidence(0, 0, 0, 0) };
    assert_eq!(judged(&case), (Verdict::PeerSilent, Confidence::Medium));
    assert_eq!(because(&case), "keep-alive probes had no answer until it ended");
    case.keepalive = false;
    assert_eq!(verdict(&case), Verdict::Healthy, "data timed out, or a closed window");
}

/// Timeouts that took 800 ms in all.
fn stuck() -> Evidence {
    let mut case = evidence(0, 0, 0, 600);
    case.waited[State::Open] = SECOND / 5;
    case.causes.rto = 3;
    case.small_only = true;
    case
}

#[test]
fn timeouts_for_a_segment_that_others_passed_by_are_packets_too_big() {
    let mut case = stuck();
    case.passed_by = 1;
    assert_eq!(verdict(&case), Verdict::TimeoutWaits);
    case.passed_by = 2;
    assert_eq!(judged(&case), (Verdict::PacketsTooBig, Confidence::Medium));
    assert_eq!(because(&case), "it stood for 800 ms on one segment while later ones arrived");
    assert_eq!(judge(&case).second, None, "the waits are a part of it");
    case.passed_by = 4;
    assert_eq!(judged(&case).1, Confidence::High);
    case.small_only = false;
    assert_eq!(verdict(&case), Verdict::TimeoutWaits, "large ones had arrived");
}

#[test]
fn segments_that_became_smaller_after_timeouts_had_been_too_big() {
    let mut case = stuck();
    case.shrunk = 1;
    assert_eq!(judged(&case), (Verdict::PacketsTooBig, Confidence::Medium));
    assert_eq!(because(&case), "it stood for 800 ms until segments became smaller");
    case.times = evidence(0, 0, 0, 99).times;
    assert_ne!(verdict(&case), Verdict::PacketsTooBig, "that took less than 1 % of the time");
    case.times = evidence(0, 0, 0, 100).times;
    assert_eq!(verdict(&case), Verdict::PacketsTooBig);
}

#[test]
fn packets_too_big_explain_outages_and_black_holes() {
    let mut case = stuck();
    case.outages = Outages { count: 1, total_ns: SECOND, timeouts: 3, ..Outages::default() };
    assert_eq!(verdict(&case), Verdict::Outage);
    case.passed_by = 2;
    assert_eq!((verdict(&case), judge(&case).second), (Verdict::PacketsTooBig, None));
    assert_eq!(because(&case), "it stood for 1.0 s on one segment while later ones arrived");
    let mut hole = silent(9_000);
    hole.small_only = true;
    hole.causes.rto = 3;
    assert_eq!(verdict(&hole), Verdict::BlackHole);
    hole.passed_by = 2;
    assert_eq!(verdict(&hole), Verdict::PacketsTooBig);
}
