//! What a verdict rests on, in words. Not here: the figures, which are the evidence.

use tcpcong_core::model::State;
use tcpcong_core::why::Evidence;

use crate::view::trust;

/// What the verdict rests on, in words; what did not happen is left out.
pub(in crate::view) fn facts(evidence: &Evidence) -> Vec<String> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let watched = evidence.watched_ns() as f64 / 1e9;
    let whose = if evidence.flows == 1 {
        String::new()
    } else {
        format!(" of {} connections", evidence.flows)
    };
    let mut facts = vec![format!("{watched:.1} s{whose} watched")];
    let mut time = |share: f64, what: &str| {
        if share >= 0.0005 {
            facts.push(format!("{} {what}", percent(share)));
        }
    };
    let limits = evidence.stats.limits();
    time(evidence.share(evidence.times[State::Loss]), "in Loss");
    time(evidence.share(evidence.times[State::Recovery]), "in Recovery");
    time(evidence.share(evidence.times[State::Cwr]), "in CWR");
    time(evidence.share(evidence.times[State::Disorder]), "in Disorder");
    time(evidence.share_of_measured(limits.rwnd_ns), "limited by the receiver's window");
    time(evidence.share_of_measured(limits.sndbuf_ns), "limited by the send buffer");
    time(evidence.share_of_measured(evidence.stats.open_idle_ns), "app-limited");
    time(evidence.share(evidence.unanswered_ns), "without an answer to the SYN");
    let causes = &evidence.causes;
    let mut count = |count: u32, one: &str, many: &str| {
        if count > 0 {
            facts.push(format!("{count} {}", if count == 1 { one } else { many }));
        }
    };
    count(causes.rto, "timeout", "timeouts");
    count(causes.syn_timeout, "of them in the handshake", "of them in the handshake");
    count(causes.recovery, "recovery", "recoveries");
    count(causes.tlp, "tail loss repaired by a probe", "tail losses repaired by a probe");
    count(causes.ecn, "ECN mark heeded", "ECN marks heeded");
    count(causes.local_drop, "drop in a local queue", "drops in a local queue");
    count(causes.pmtu, "packet too big for the path", "packets too big for the path");
    count(causes.tfo_fail, "SYN without its data", "SYNs without their data");
    count(causes.reordering, "SACK or reordering episode", "SACK or reordering episodes");
    count(causes.undo, "reduction undone", "reductions undone");
    count(causes.unknown, "transition of unknown cause", "transitions of unknown cause");
    if evidence.measured_ns == 0 {
        facts.push("what it sent was not measured".to_owned());
        return facts;
    }
    if !evidence.all_measured() {
        let share = percent(evidence.share(evidence.measured_ns));
        facts.push(format!("what was sent was measured for {share} of the time"));
    }
    let (again, delivered) =
        (evidence.stats.retransmitted_in_all(), evidence.stats.delivered_in_all());
    let retransmitted = trust::counted(again, "segment");
    if again > delivered {
        facts.push(format!("{retransmitted} retransmitted, {delivered} delivered"));
    } else if again > 0 {
        let share = 100.0 * evidence.retransmitted_share();
        facts.push(format!("{retransmitted} retransmitted, {delivered} delivered ({share:.2} %)"));
    } else {
        facts.push(trust::counted(delivered, "segment") + " delivered");
    }
    facts
}
