//! What a verdict rests on, in words. Not here: the figures, which are the evidence.

use tcpcong_core::model::State;
use tcpcong_core::why::Evidence;

use super::page::{rate_unit, short};
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
    facts.extend(passed(evidence));
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
    let sndbuf_ns = limits.sndbuf_ns + evidence.buffer_full_ns;
    time(evidence.share_of_measured(sndbuf_ns), "limited by the send buffer");
    if !evidence.receives() {
        // Of an end that receives that says nothing.
        time(evidence.share_of_measured(evidence.stats.open_idle_ns), "app-limited");
    }
    time(evidence.share(evidence.unanswered_ns), "without an answer to the SYN");
    let below_ns = evidence.reductions.iter().map(|reduced| reduced.below_ns).sum();
    time(evidence.share(below_ns), "with a smaller window than before a reduction");
    time(evidence.share(evidence.outages.total_ns), "in outages");
    let causes = &evidence.causes;
    let mut count = |count: u32, one: &str, many: &str| {
        if count > 0 {
            facts.push(format!("{count} {}", if count == 1 { one } else { many }));
        }
    };
    count(causes.rto, "timeout", "timeouts");
    count(waited_ms(evidence), "ms waited before them", "ms waited before them");
    count(causes.syn_timeout, "of them in the handshake", "of them in the handshake");
    count(causes.recovery, "recovery", "recoveries");
    count(causes.tlp, "tail loss repaired by a probe", "tail losses repaired by a probe");
    count(causes.ecn, "ECN mark heeded", "ECN marks heeded");
    count(causes.local_drop, "drop in a local queue", "drops in a local queue");
    count(causes.pmtu, "packet too big for the path", "packets too big for the path");
    count(causes.tfo_fail, "SYN without its data", "SYNs without their data");
    count(causes.reordering, "SACK or reordering episode", "SACK or reordering episodes");
    count(causes.undo, "reduction undone", "reductions undone");
    let dsacks = u32::try_from(evidence.stats.traffic.dsacks).unwrap_or(u32::MAX);
    count(dsacks, "segment sent again for nothing", "segments sent again for nothing");
    count(evidence.probes, "keep-alive probe unanswered", "keep-alive probes unanswered");
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
    } else if delivered > 0 || !evidence.receives() {
        facts.push(trust::counted(delivered, "segment") + " delivered");
    }
    facts
}

/// How fast and how long on their way segments were, and what the reader left.
fn passed(evidence: &Evidence) -> Vec<String> {
    let mut facts = Vec::new();
    if evidence.measured_ns == 0 {
        return facts;
    }
    let traffic = &evidence.stats.traffic;
    let looks = &evidence.looks;
    // A SYN counts as one.
    if traffic.acked_bytes > evidence.flows as u64 {
        facts.push(format!("{} delivered", rate(evidence.rate_bits())));
    }
    if traffic.received_bytes > 0 {
        facts.push(format!("{} received", rate(evidence.recv_rate_bits())));
    }
    let milliseconds = |us: u32| short(f64::from(us) / 1e3);
    let (mean, least) = (looks.srtt_mean_us(), looks.rtt_min_us);
    if mean > 0 && least > 0 {
        let (mean, least) = (milliseconds(mean), milliseconds(least));
        facts.push(format!("round trip {mean} ms, at least {least} ms"));
    }
    if looks.sending > 0 {
        let cwnd = looks.cwnd_sum as f64 / f64::from(looks.sending);
        facts.push(format!("window {} segments", short(cwnd)));
    }
    if traffic.received_bytes > 0 && traffic.out_of_order > 0 {
        let (late, all) = (traffic.out_of_order, traffic.segments_in);
        facts.push(format!("{late} of {all} segments came out of order"));
    }
    facts
}

fn rate(bits: f64) -> String {
    let (unit, one) = rate_unit(bits);
    format!("{} {unit}", short(bits / one))
}

/// Before first timeouts: before repeated ones it was in Loss.
fn waited_ms(evidence: &Evidence) -> u32 {
    let waited_ns = evidence.waited.total_ns() - evidence.waited[State::Loss];
    u32::try_from(waited_ns / 1_000_000).unwrap_or(u32::MAX)
}
