//! The rules by which evidence becomes a verdict: one table, each with its threshold and
//! where that comes from, and with what it costs. Not here: which of those that hold gives
//! the verdict, which `judge` decides.
//!
//! The classes are those of T-RAT (Zhang, Breslau, Paxson, Shenker: On the
//! Characteristics and Origins of Internet Flow Rates, SIGCOMM 2002), whose
//! "congestion" is split by what showed it, as TAPO does for stalls (Zhou et
//! al.: Demystifying and Mitigating TCP Stalls at the Server Side, `CoNEXT` 2015);
//! receiver, buffer and application come from the kernel's chronograph
//! (net/ipv4/tcp.c). The thresholds are ours where no source is named.

use super::weigh::{
    SHORT_NS, are_spurious, cwr_cost_ns, is_dead, limits, losses_cost_ns, lossy_ns,
    no_data_arrived, part, sending_cost_ns, smaller_window_ns, window_used,
};
use super::{Evidence, Trigger, Verdict};
use crate::model::State;

/// One line of the table.
pub struct Rule {
    /// What it says if it holds.
    pub verdict: Verdict,
    /// When that is, and where the threshold comes from.
    pub when: &'static str,
    /// How far beyond its threshold the evidence is; it holds from 1 on.
    pub(super) strength: fn(&Evidence) -> f64,
    /// What it costs, in words.
    pub cost: &'static str,
    /// The same, nanoseconds.
    pub(super) cost_ns: fn(&Evidence) -> u64,
    /// Where one of these holds, this is a part of that.
    pub(super) unless: &'static [Verdict],
}

/// Full for such a share of the time, window or buffer hold a connection up.
const LIMITED: f64 = 0.2;
/// `errno` of a connection that nobody took, and of one to which no way led
/// (include/uapi/asm-generic/errno.h).
const ECONNREFUSED: u16 = 111;
const UNREACHABLE: [u16; 4] = [100, 101, 112, 113];
const ETIMEDOUT: u16 = 110;
/// What ends or prevents a connection costs more than anything else.
const ALL: fn(&Evidence) -> u64 = |_| u64::MAX;
const ALL_OF_IT: &str = "all of the time";

/// A strength of `value` where the threshold is `threshold`.
fn beyond(value: f64, threshold: f64) -> f64 {
    value / threshold
}

fn holds(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

/// How far CWR for this, or the smaller window after it, is beyond its threshold.
fn slowed(evidence: &Evidence, trigger: Trigger) -> f64 {
    let smaller = evidence.share(evidence.reduced(trigger).deficit_ns);
    beyond(evidence.share(evidence.times[State::Cwr]), 0.02).max(beyond(smaller, 0.1))
}

/// Such a part of the looks at a flow that sends as much as it can.
fn path_full(evidence: &Evidence) -> f64 {
    const SENDING: f64 = 0.8;
    let looks = &evidence.looks;
    let sending = evidence.share_of_measured(limits(evidence).sending_ns) >= SENDING;
    let wants_more = looks.share_of_sending(looks.app_limited) <= 0.2;
    // Held to a rate by its application, it would not fill anything.
    let paced =
        looks.max_pacing_rate.is_some_and(|bytes| evidence.rate_bits() >= 0.7 * 8.0 * bytes as f64);
    if looks.sending < 2 || !sending || !wants_more || paced {
        return 0.0;
    }
    let queued = beyond(looks.share_of_sending(looks.queued), 0.5);
    // A congestion control that goes by the rate finds the path full before there is a queue.
    let by_rate = looks.share_of_sending(looks.cwnd_limited) <= 0.3 && looks.rtt_min_us >= 1000;
    let steady = by_rate && looks.rate_variation().is_some_and(|variation| variation <= 0.2);
    queued.max(if steady { 1.5 } else { 0.0 })
}

/// All, in the order in which they are tried: of two that cost the same the first is given.
pub static RULES: &[Rule] = &[
    Rule {
        verdict: Verdict::Refused,
        when: "nothing was acknowledged, and it ended by `ECONNREFUSED`: a RST, or an ICMP message",
        strength: |evidence| {
            holds(evidence.errno == ECONNREFUSED && evidence.stats.delivered_in_all() == 0) * 2.0
        },
        cost: ALL_OF_IT,
        cost_ns: ALL,
        unless: &[],
    },
    Rule {
        verdict: Verdict::Unreachable,
        when: "it ended because network or host cannot be reached (`sk_err`), as an ICMP message or \
               this machine's own routes say; or an ICMP message has said so (`sk_err_soft`), and \
               no data was acknowledged, or two timeouts in a row had no answer",
        strength: |evidence| {
            // While something is acknowledged, what a router said is over.
            let stands = no_data_arrived(evidence) || evidence.outages.goes_on;
            let soft = stands && UNREACHABLE.contains(&evidence.errno_soft);
            holds(soft || UNREACHABLE.contains(&evidence.errno)) * 2.0
        },
        cost: ALL_OF_IT,
        cost_ns: ALL,
        unless: &[],
    },
    Rule {
        verdict: Verdict::NotAnswered,
        when: "nothing was acknowledged, and the SYN timed out, or had no answer for half of the \
               time, and for half a second; or half of the time was in Loss, and nothing ever was",
        strength: |evidence| {
            let silent = evidence.unanswered_ns >= SHORT_NS
                && 2 * evidence.unanswered_ns >= evidence.watched_ns();
            // One that began before the watch is told by what it never had.
            let in_loss = evidence.share(evidence.times[State::Loss]);
            let never = if evidence.never_answered { beyond(in_loss, 0.5) } else { 0.0 };
            let timeouts = beyond(evidence.causes.syn_timeout.into(), 0.5).max(never);
            // That no timer has run out yet makes it likely, and no more.
            if is_dead(evidence) { timeouts.max(holds(silent)) } else { 0.0 }
        },
        cost: ALL_OF_IT,
        cost_ns: ALL,
        unless: &[],
    },
    Rule {
        verdict: Verdict::BlackHole,
        when: "no data was acknowledged, and there were two timeouts or more (one may be chance: \
               RFC 6298 backs off from the second on) or half of the time was in Loss, as the \
               next timeout may be minutes away",
        strength: |evidence| {
            let in_time = beyond(evidence.share(evidence.times[State::Loss]), 0.5);
            let strength = beyond(evidence.causes.rto.into(), 2.0).max(in_time);
            if no_data_arrived(evidence) { strength } else { 0.0 }
        },
        cost: ALL_OF_IT,
        cost_ns: ALL,
        unless: &[Verdict::NotAnswered, Verdict::PacketsTooBig],
    },
    Rule {
        verdict: Verdict::PeerSilent,
        when: "two keep-alive probes or more had no answer at the end, or the connection ended by \
               `ETIMEDOUT` with nothing on its way (RFC 9293, 3.8.4)",
        strength: |evidence| {
            let timed_out = evidence.errno == ETIMEDOUT && evidence.keepalive;
            beyond(evidence.probes.into(), 2.0).max(holds(timed_out))
        },
        cost: ALL_OF_IT,
        cost_ns: ALL,
        unless: &[],
    },
    Rule {
        verdict: Verdict::PacketsTooBig,
        when: "timeouts repeated, twice or more, for a segment while ones after it had arrived, and \
               nothing of full size was ever acknowledged; or \
               segments became smaller after timeouts or by an ICMP message (RFC 4821, RFC 1191); \
               and outages and Loss were 1 % of the time or more",
        strength: |evidence| {
            let passed_by = if evidence.small_only { evidence.passed_by } else { 0 };
            let stuck = beyond(passed_by.into(), 2.0).max(evidence.shrunk.into());
            let stood_ns = evidence.outages.total_ns.max(evidence.times[State::Loss]);
            if evidence.share(stood_ns) >= 0.01 { stuck } else { 0.0 }
        },
        cost: "outages, what was waited before timeouts, and Loss",
        cost_ns: |evidence| evidence.outages.total_ns + evidence.timeouts_ns() + 1,
        unless: &[],
    },
    Rule {
        verdict: Verdict::Outage,
        when: "two timeouts or more in a row had no answer, for 5 % of the time or more",
        strength: |evidence| beyond(evidence.share(evidence.outages.total_ns), 0.05),
        cost: "the outages, from what came last before them on",
        cost_ns: |evidence| evidence.outages.total_ns,
        unless: &[Verdict::PacketsTooBig],
    },
    Rule {
        verdict: Verdict::SpuriousTimeouts,
        when: "more than half of the ends of Loss restored the window (RFC 5682, RFC 3522), and \
               timeouts took 1 % of the time or more, outages apart",
        strength: |evidence| {
            let undone = are_spurious(evidence);
            if undone { beyond(evidence.share(evidence.timeouts_ns()), 0.01) } else { 0.0 }
        },
        cost: "what was waited before timeouts, and Loss",
        cost_ns: Evidence::timeouts_ns,
        unless: &[],
    },
    Rule {
        verdict: Verdict::Reordering,
        when: "Disorder takes 2 % of the time or more and four times as much as Recovery and \
               Loss; or the three take 1 %, a third of the recoveries was undone (the reports of \
               needless retransmissions come too late for the others), and there was not more \
               than one timeout in ten recoveries",
        strength: |evidence| {
            let lossy = evidence.times[State::Recovery] + evidence.times[State::Loss];
            let ends = evidence.causes.undo + evidence.causes.recovered;
            let without_timeouts = evidence.causes.rto * 10 <= evidence.causes.recovery;
            let undone = evidence.causes.undo > 0 && evidence.causes.undo * 3 >= ends;
            if undone && without_timeouts {
                beyond(evidence.share(evidence.times[State::Disorder] + lossy), 0.01)
            } else if evidence.times[State::Disorder] >= 4 * lossy {
                beyond(evidence.share(evidence.times[State::Disorder]), 0.02)
            } else {
                0.0
            }
        },
        cost: "Disorder, Recovery and Loss",
        cost_ns: |evidence| evidence.times[State::Disorder] + lossy_ns(evidence),
        unless: &[],
    },
    Rule {
        verdict: Verdict::LocalQueue,
        when: "CWR takes 2 % of the time or more, or the window was smaller after it by 10 % over all \
               of the time; it takes no less than Recovery and Loss, most of it began with a drop \
               in a local queue, and there were as many of those as recoveries: a queue that drops a part of what the \
               device was to cut into segments does not tell, so such drops show as losses",
        strength: |evidence| {
            let cwr = evidence.times[State::Cwr];
            let causes = &evidence.causes;
            let mine =
                causes.local_drop > causes.ecn + causes.tlp && causes.local_drop >= causes.recovery;
            let mine = mine && cwr >= lossy_ns(evidence);
            if mine { slowed(evidence, Trigger::LocalDrop) } else { 0.0 }
        },
        cost: "CWR, or the smaller window after local drops",
        cost_ns: |evidence| cwr_cost_ns(evidence, Trigger::LocalDrop),
        unless: &[],
    },
    Rule {
        verdict: Verdict::TimeoutWaits,
        when: "two timeouts or more, and no fewer than recoveries, took 5 % of the time, outages \
               apart: nothing came after what was lost that could have told sooner (a tail loss, \
               RFC 8985)",
        strength: |evidence| {
            let causes = &evidence.causes;
            let most = causes.rto >= 2 && causes.rto >= causes.recovery;
            if most { beyond(evidence.share(evidence.timeouts_ns()), 0.05) } else { 0.0 }
        },
        cost: "as path loss",
        cost_ns: losses_cost_ns,
        unless: &[Verdict::SpuriousTimeouts, Verdict::PacketsTooBig],
    },
    Rule {
        verdict: Verdict::PathLoss,
        when: "Recovery and Loss, outages apart, take 5 % of the time or more (and not for packets \
               that were too big, or came with a SYN); or 1 % of the segments, and ten at least, \
               were retransmitted after losses (at 1 % loss TCP gives up most of a long path's \
               rate, RFC 3649), and neither window nor buffer was full for 20 % of the time; or \
               the window, which was the limit, was smaller after two losses or more that no full \
               queue brought about, by 10 % over all of the time",
        strength: |evidence| {
            let causes = evidence.causes.recovery
                + evidence.causes.rto
                + evidence.causes.tlp
                + evidence.causes.unknown;
            match causes {
                0 if evidence.causes.pmtu + evidence.causes.tfo_fail > 0 => 0.0,
                // It has been there since before the watch.
                0 => beyond(evidence.share(lossy_ns(evidence)), 0.05),
                _ => {
                    let few = evidence.stats.retransmitted_in_all() < 10;
                    let limits = limits(evidence);
                    let full_ns = limits.rwnd_ns + limits.sndbuf_ns;
                    let limited = evidence.share_of_measured(full_ns) >= LIMITED;
                    let retransmitted =
                        if few || limited { 0.0 } else { evidence.retransmitted_share() };
                    let once = evidence.reduced(Trigger::Loss).count < 2;
                    let smaller = if once || limited { 0 } else { smaller_window_ns(evidence) };
                    beyond(evidence.share(lossy_ns(evidence)), 0.05)
                        .max(beyond(retransmitted, 0.01))
                        .max(beyond(evidence.share(smaller), 0.1))
                }
            }
        },
        cost: "Recovery as far as it delivered less than Open, what was waited before timeouts and \
               Loss, and by how much the window was smaller after losses that no full queue \
               brought about",
        cost_ns: losses_cost_ns,
        unless: &[
            Verdict::PacketsTooBig,
            Verdict::Reordering,
            Verdict::LocalQueue,
            Verdict::TimeoutWaits,
        ],
    },
    Rule {
        verdict: Verdict::EcnMarking,
        when: "CWR takes 2 % of the time or more, or the window was smaller after it by 10 % over all \
               of the time; most of it began with an ECN mark; not where two looks or more \
               at each connection have shown that after marks the window was never smaller and the limit, as with \
               bbr, which goes by the rate",
        strength: |evidence| {
            let marked = evidence.causes.ecn >= evidence.causes.local_drop + evidence.causes.tlp;
            let marked = marked && evidence.causes.ecn > 0;
            let reduced = evidence.reduced(Trigger::Mark);
            let unharmed = reduced.looks >= 2 && reduced.below_ns == 0;
            if marked && !unharmed { slowed(evidence, Trigger::Mark) } else { 0.0 }
        },
        cost: "CWR, or the smaller window after marks",
        cost_ns: |evidence| cwr_cost_ns(evidence, Trigger::Mark),
        unless: &[],
    },
    Rule {
        verdict: Verdict::ReceiverWindow,
        when: "the receiver's window was full for 20 % of the time or more, outages apart (the \
               kernel's chronograph)",
        strength: |evidence| beyond(evidence.share_of_measured(limits(evidence).rwnd_ns), LIMITED),
        cost: "that time",
        cost_ns: |evidence| limits(evidence).rwnd_ns,
        unless: &[],
    },
    Rule {
        verdict: Verdict::SendBuffer,
        when: "the send buffer was too small for 20 % of the time or more, outages apart (the \
               kernel's chronograph, and of the time that it counts as sending the share of looks \
               that found the buffer full)",
        strength: |evidence| {
            beyond(evidence.share_of_measured(limits(evidence).sndbuf_ns), LIMITED)
        },
        cost: "that time",
        cost_ns: |evidence| limits(evidence).sndbuf_ns,
        unless: &[],
    },
    Rule {
        verdict: Verdict::StandingQueue,
        when: "at half of the looks or more the smoothed round-trip time was three times the least \
               one, and 25 ms longer: packets wait in a queue that does not drain (RFC 8033)",
        strength: |evidence| {
            let looks = &evidence.looks;
            let enough = looks.sending >= 2;
            if enough { beyond(looks.share_of_sending(looks.bloated), 0.5) } else { 0.0 }
        },
        cost: "of the time in which data was on its way, outages and what losses cost apart, the part \
               that packets waited in queues; a quarter at least",
        cost_ns: sending_cost_ns,
        unless: &[Verdict::LocalQueue],
    },
    Rule {
        verdict: Verdict::PathFull,
        when: "data was on its way for 80 % of the time or more, with more to send, and no pacing \
               asked for; and four segments or more waited in a queue at half of the looks or more \
               (for a quarter of the least round trip, and a millisecond), or, where the congestion window was not \
               the limit, the rate was steady within 20 %",
        strength: path_full,
        cost: "of the time in which data was on its way, outages and what losses cost apart, the part \
               that packets waited in queues; a quarter at least",
        cost_ns: sending_cost_ns,
        unless: &[Verdict::LocalQueue],
    },
    Rule {
        verdict: Verdict::SlowReader,
        when: "at half of the looks or more the application here had left unread three times what \
               might still come, or more; or it had left something unread then, and in each round \
               trip there came a quarter or more of the largest window that it offered, which grows \
               only as fast as it reads",
        strength: |evidence| {
            let looks = &evidence.looks;
            let keeps_up = window_used(evidence) < 0.25;
            let behind = if keeps_up { 0.0 } else { beyond(looks.share(looks.unread), 0.5) };
            let full = beyond(looks.share(looks.full), 0.5);
            if looks.count < 2 { 0.0 } else { full.max(behind) }
        },
        cost: "such a part of the time",
        cost_ns: |evidence| {
            part(evidence.watched_ns(), evidence.looks.share(evidence.looks.unread))
        },
        unless: &[],
    },
    Rule {
        verdict: Verdict::ReceiveBuffer,
        when: "this end receives: in each round trip there came 70 % or more of the largest window \
               that it offered, and its application left little unread",
        strength: |evidence| {
            let looks = &evidence.looks;
            let reads = looks.share(looks.unread) < 0.25 && looks.window_most > 0;
            let used = beyond(window_used(evidence), 0.7);
            if !evidence.receives() || !reads || used < 1.0 {
                0.0
            } else if looks.buffer_locked {
                2.0
            } else {
                used.min(1.9)
            }
        },
        cost: "all of the time",
        cost_ns: Evidence::watched_ns,
        unless: &[],
    },
    Rule {
        verdict: Verdict::InboundLoss,
        when: "this end receives: 1 % of the segments, and ten at least, came while others before \
               them were missing",
        strength: |evidence| {
            let traffic = &evidence.stats.traffic;
            let share = traffic.out_of_order as f64 / traffic.segments_in.max(1) as f64;
            let enough = evidence.receives() && traffic.out_of_order >= 10;
            if enough { beyond(share, 0.01) } else { 0.0 }
        },
        cost: "such a part of the time",
        cost_ns: |evidence| {
            let traffic = &evidence.stats.traffic;
            let share = traffic.out_of_order as f64 / traffic.segments_in.max(1) as f64;
            part(evidence.watched_ns(), share.min(1.0))
        },
        unless: &[],
    },
    Rule {
        verdict: Verdict::SenderIdle,
        when: "this end received: nothing came any more for half of the time, and for a second, \
               though it had read all and offered a window",
        strength: |evidence| {
            let looks = &evidence.looks;
            let open = looks.share(looks.unread) < 0.25 && looks.window_most > 0;
            let enough = evidence.receives() && open && evidence.still_ns >= 1_000_000_000;
            if enough { beyond(evidence.share(evidence.still_ns), 0.5) } else { 0.0 }
        },
        cost: "that time",
        cost_ns: |evidence| evidence.still_ns,
        unless: &[],
    },
    Rule {
        verdict: Verdict::ApplicationIdle,
        when: "it was app-limited (nothing to send) in Open for half of the time or more (the kernel's \
               chronograph), and is not the end that receives",
        // The other way round, as there is no twice of more than half.
        strength: |evidence| {
            if evidence.receives() {
                return 0.0;
            }
            0.5 / (1.0 - evidence.share_of_measured(evidence.stats.open_idle_ns)).max(f64::EPSILON)
        },
        cost: "nothing",
        cost_ns: |_| 0,
        unless: &[],
    },
];

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
