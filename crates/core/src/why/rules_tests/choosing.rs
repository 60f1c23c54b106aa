//! Which of the rules that hold gives the verdict, and which a second cause.

use super::*;
use crate::why::{Looks, Outages};

fn limited(limits: Limits) -> Judgement {
    let mut case = evidence(0, 0, 0, 0);
    case.stats.open = limits;
    judge(&case)
}

#[test]
fn every_verdict_has_a_rule_and_gives_way_to_others_that_have() {
    for rule in RULES {
        let own = RULES.iter().filter(|other| other.verdict == rule.verdict);
        assert_eq!(own.count(), 1, "{}", rule.verdict);
        for other in rule.unless {
            assert_ne!(*other, rule.verdict);
            assert!(RULES.iter().any(|rule| rule.verdict == *other), "{other}");
        }
    }
}

#[test]
fn what_costs_most_is_the_verdict_and_a_quarter_of_that_a_second_one() {
    let limits = |rwnd_ns, sndbuf_ns| Limits { rwnd_ns, sndbuf_ns, sending_ns: 0 };
    let more = limited(limits(3 * SECOND, 5 * SECOND));
    assert_eq!((more.verdict, more.cost_ns), (Verdict::SendBuffer, 5 * SECOND));
    assert_eq!(more.second, Some(Verdict::ReceiverWindow));
    assert_eq!(limited(limits(2 * SECOND, 8 * SECOND)).second, Some(Verdict::ReceiverWindow));
    assert_eq!(limited(limits(2 * SECOND, 8 * SECOND + 4)).second, None);
}

#[test]
fn of_two_that_cost_the_same_the_first_in_the_table_is_the_verdict() {
    let same = limited(Limits { rwnd_ns: 5 * SECOND, sndbuf_ns: 5 * SECOND, sending_ns: 0 });
    assert_eq!((same.verdict, same.second), (Verdict::ReceiverWindow, Some(Verdict::SendBuffer)));
}

#[test]
fn beside_what_ends_a_connection_nothing_is_a_second_cause() {
    let mut case = evidence(0, 0, 0, 0);
    case.probes = 2;
    case.stats.open = Limits { rwnd_ns: 9 * SECOND, ..Limits::default() };
    let judgement = judge(&case);
    assert_eq!((judgement.verdict, judgement.second), (Verdict::PeerSilent, None));
    assert_eq!(judgement.cost_ns, 10 * SECOND, "no more than was watched");
}

#[test]
fn what_costs_less_than_a_hundredth_of_the_time_is_not_to_blame() {
    let mut case = evidence(0, 0, 100, 0);
    case.causes.recovery = 3;
    case.stats.retransmitted[3] = 300;
    assert_eq!(judged(&case), (Verdict::PathLoss, Confidence::High));
    case.times = evidence(0, 0, 99, 0).times;
    assert_eq!(verdict(&case), Verdict::Healthy);
}

#[test]
fn an_idle_application_is_the_verdict_only_where_nothing_costs() {
    let mut case = evidence(0, 0, 0, 0);
    case.stats.open = Limits { rwnd_ns: 2 * SECOND, ..Limits::default() };
    leave_the_rest_idle(&mut case);
    assert_eq!(verdict(&case), Verdict::ReceiverWindow);
    assert_eq!(judge(&case).second, None, "being idle costs nothing");
}

#[test]
fn a_full_path_and_its_queue_come_after_what_losses_cost() {
    let mut case = evidence(0, 0, 0, 0);
    case.looks = Looks { count: 4, sending: 4, queued: 4, ..Looks::default() };
    case.outages = Outages { count: 1, total_ns: 2 * SECOND, timeouts: 2, ..Outages::default() };
    case.times = evidence(0, 0, 0, 2_000).times;
    case.stats.other.sending_ns = 2 * SECOND;
    case.stats.open.sending_ns = 8 * SECOND;
    let judgement = judge(&case);
    assert_eq!((judgement.verdict, judgement.cost_ns), (Verdict::Outage, 2 * SECOND));
    assert_eq!(judgement.second, Some(Verdict::PathFull), "a quarter of eight seconds as well");
    case.looks.srtt_sum_us = 4 * 100_000;
    case.looks.rtt_min_us = 40_000;
    let judgement = judge(&case);
    let waiting_ns = 8 * SECOND * 3 / 5;
    assert_eq!((judgement.verdict, judgement.cost_ns), (Verdict::PathFull, waiting_ns));
    assert_eq!(judgement.second, Some(Verdict::Outage));
}

#[test]
fn a_full_local_queue_is_not_the_paths() {
    let mut case = evidence(0, 200, 0, 0);
    case.causes.local_drop = 3;
    case.looks = Looks { count: 4, sending: 4, queued: 4, bloated: 4, ..Looks::default() };
    case.stats.other.sending_ns = SECOND / 5;
    let judgement = judge(&case);
    assert_eq!((judgement.verdict, judgement.second), (Verdict::LocalQueue, None));
    case.causes.local_drop = 0;
    let judgement = judge(&case);
    assert_eq!(judgement.verdict, Verdict::StandingQueue, "before a full path, of which it is one");
    assert_eq!(judgement.second, Some(Verdict::PathFull));
}

#[test]
fn losses_that_another_rule_explains_are_no_second_cause() {
    // Waits for timeouts are losses that only they found.
    let mut waits = evidence(0, 0, 0, 600);
    waits.causes.rto = 2;
    assert_eq!((judge(&waits).verdict, judge(&waits).second), (Verdict::TimeoutWaits, None));
    let mut overtaken = evidence(2_000, 0, 500, 0);
    (overtaken.causes.recovery, overtaken.causes.undo) = (3, 3);
    assert_eq!((judge(&overtaken).verdict, judge(&overtaken).second), (Verdict::Reordering, None));
}
