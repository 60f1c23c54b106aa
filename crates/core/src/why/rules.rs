//! The rules by which evidence becomes a verdict: one table, tried in its order,
//! each with its threshold and where that comes from. A rule looks at shares of
//! the watched time, or at counts; the first that holds gives the verdict.
//!
//! The classes are those of T-RAT (Zhang, Breslau, Paxson, Shenker: On the
//! Characteristics and Origins of Internet Flow Rates, SIGCOMM 2002), whose
//! "congestion" is split by what showed it, as TAPO does for stalls (Zhou et
//! al.: Demystifying and Mitigating TCP Stalls at the Server Side, `CoNEXT` 2015);
//! receiver, buffer and application come from the kernel's chronograph
//! (net/ipv4/tcp.c). The thresholds are ours where no source is named.

use std::fmt;

use super::Evidence;
use crate::model::State;

/// Who or what is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Only timeouts, and nothing was acknowledged.
    BlackHole,
    /// Timeouts, or losses, that were none.
    SpuriousTimeouts,
    /// The path lost packets.
    PathLoss,
    /// Drops in this machine's own queue.
    LocalQueue,
    /// The path marked packets.
    EcnMarking,
    /// Packets overtook each other.
    Reordering,
    /// The receiver's window was full.
    ReceiverWindow,
    /// The send buffer was too small.
    SendBuffer,
    /// There was nothing to send.
    ApplicationIdle,
    /// Nothing held it up.
    Healthy,
}

impl Verdict {
    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BlackHole => "black hole",
            Self::SpuriousTimeouts => "spurious timeouts",
            Self::PathLoss => "path loss",
            Self::LocalQueue => "local queue",
            Self::EcnMarking => "ECN marking",
            Self::Reordering => "reordering",
            Self::ReceiverWindow => "receiver window",
            Self::SendBuffer => "send buffer",
            Self::ApplicationIdle => "application idle",
            Self::Healthy => "healthy",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How far a verdict can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// The watch was short, or much went unseen or is unknown.
    Low,
    /// The rule holds, by less than twice its threshold.
    Medium,
    /// It holds by twice its threshold or more.
    High,
}

impl Confidence {
    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One line of the table.
pub struct Rule {
    /// What it says if it holds.
    pub verdict: Verdict,
    /// When that is, and where the threshold comes from.
    pub when: &'static str,
    /// How far beyond its threshold the evidence is; it holds from 1 on.
    strength: fn(&Evidence) -> f64,
}

/// Full for such a share of the time, window or buffer hold a connection up.
const LIMITED: f64 = 0.2;

/// A strength of `value` where the threshold is `threshold`.
fn beyond(value: f64, threshold: f64) -> f64 {
    value / threshold
}

/// All, in the order in which they are tried.
pub static RULES: &[Rule] = &[
    Rule {
        verdict: Verdict::BlackHole,
        when: "nothing was acknowledged, and there were two timeouts or more (one may be chance: \
               RFC 6298 backs off from the second on) or half of the time was in Loss, as the \
               next timeout may be minutes away; or there was no answer to a SYN for half of \
               the time, and for half a second",
        strength: |evidence| {
            let dead = evidence.all_measured() && evidence.stats.delivered_in_all() == 0;
            let in_time = beyond(evidence.share(evidence.times[State::Loss]), 0.5);
            let silent = evidence.unanswered_ns >= SHORT_NS
                && 2 * evidence.unanswered_ns >= evidence.watched_ns();
            let strength = beyond(evidence.causes.rto.into(), 2.0).max(in_time);
            // That no timer has run out yet makes it likely, and no more.
            if dead { strength.max(f64::from(u8::from(silent))) } else { 0.0 }
        },
    },
    Rule {
        verdict: Verdict::SpuriousTimeouts,
        when: "more than half of the ends of Loss restored the window (RFC 5682, RFC 3522), and \
               it was 1 % of the time or more",
        strength: |evidence| {
            let undone = evidence.causes.undo_of_loss > evidence.causes.recovered_of_loss;
            if undone { beyond(evidence.share(evidence.times[State::Loss]), 0.01) } else { 0.0 }
        },
    },
    Rule {
        verdict: Verdict::Reordering,
        when: "Disorder takes 2 % of the time or more and four times as much as Recovery and \
               Loss; or the three take 1 %, a third of the recoveries was undone (the reports of \
               needless retransmissions come too late for the others), and there was not more \
               than one timeout in ten recoveries",
        strength: |evidence| {
            let lossy = evidence.times[State::Recovery] + evidence.times[State::Loss];
            let endpoints = evidence.causes.undo + evidence.causes.recovered;
            let without_timeouts = evidence.causes.rto * 10 <= evidence.causes.recovery;
            let undone = evidence.causes.undo > 0 && evidence.causes.undo * 3 >= endpoints;
            if undone && without_timeouts {
                beyond(evidence.share(evidence.times[State::Disorder] + lossy), 0.01)
            } else if evidence.times[State::Disorder] >= 4 * lossy {
                beyond(evidence.share(evidence.times[State::Disorder]), 0.02)
            } else {
                0.0
            }
        },
    },
    Rule {
        verdict: Verdict::LocalQueue,
        when: "CWR takes 2 % of the time or more, and no less than Recovery and Loss, and most of \
               it began with a drop in a local queue: a queue that drops a part of what the \
               device was to cut into segments does not tell, so such drops show as losses",
        strength: |evidence| {
            let mine = evidence.causes.local_drop > evidence.causes.ecn + evidence.causes.tlp;
            let cwr = evidence.times[State::Cwr];
            let mine = mine && cwr >= evidence.times[State::Recovery] + evidence.times[State::Loss];
            if mine { beyond(evidence.share(cwr), 0.02) } else { 0.0 }
        },
    },
    Rule {
        verdict: Verdict::PathLoss,
        when: "Recovery and Loss take 5 % of the time or more (and not for packets that were too \
               big, or came with a SYN); or 1 % of the segments, and ten at least, were \
               retransmitted after losses (at 1 % loss TCP gives up most of a long path's rate, \
               RFC 3649), and neither window nor buffer was full for 20 % of the time",
        strength: |evidence| {
            let lossy = evidence.times[State::Recovery] + evidence.times[State::Loss];
            let causes = evidence.causes.recovery
                + evidence.causes.rto
                + evidence.causes.tlp
                + evidence.causes.unknown;
            match causes {
                0 if evidence.causes.pmtu + evidence.causes.tfo_fail > 0 => 0.0,
                // It has been there since before the watch.
                0 => beyond(evidence.share(lossy), 0.05),
                _ => {
                    let few = evidence.stats.retransmitted_in_all() < 10;
                    let limits = evidence.stats.limits();
                    let full_ns = limits.rwnd_ns + limits.sndbuf_ns;
                    let limited = evidence.share_of_measured(full_ns) >= LIMITED;
                    let retransmitted =
                        if few || limited { 0.0 } else { evidence.retransmitted_share() };
                    beyond(evidence.share(lossy), 0.05).max(beyond(retransmitted, 0.01))
                }
            }
        },
    },
    Rule {
        verdict: Verdict::EcnMarking,
        when: "CWR takes 2 % of the time or more, and most of it began with an ECN mark",
        strength: |evidence| {
            let marked = evidence.causes.ecn >= evidence.causes.local_drop + evidence.causes.tlp;
            let marked = marked && evidence.causes.ecn > 0;
            if marked { beyond(evidence.share(evidence.times[State::Cwr]), 0.02) } else { 0.0 }
        },
    },
    Rule {
        verdict: Verdict::ReceiverWindow,
        when: "the receiver's window was full for 20 % of the time or more (the kernel's \
               chronograph)",
        strength: |evidence| {
            beyond(evidence.share_of_measured(evidence.stats.limits().rwnd_ns), LIMITED)
        },
    },
    Rule {
        verdict: Verdict::SendBuffer,
        when: "the send buffer was too small for 20 % of the time or more (the kernel's \
               chronograph)",
        strength: |evidence| {
            beyond(evidence.share_of_measured(evidence.stats.limits().sndbuf_ns), LIMITED)
        },
    },
    Rule {
        verdict: Verdict::ApplicationIdle,
        when: "it was app-limited (nothing to send) in Open for half of the time or more (the kernel's \
               chronograph)",
        // The other way round, as there is no twice of more than half.
        strength: |evidence| {
            0.5 / (1.0 - evidence.share_of_measured(evidence.stats.open_idle_ns)).max(f64::EPSILON)
        },
    },
];

/// A watch of a connection that is shorter than this says little, nanoseconds.
const SHORT_NS: u64 = 500_000_000;
/// Less time in doubt than this makes no rule hold: it is the lowest threshold.
const UNCERTAIN: f64 = 0.01;
/// More than this of what it rests on, unknown, is too much.
const UNKNOWN: f64 = 0.2;
/// From so many times its threshold on the confidence in a rule's verdict is high.
const CLEAR: f64 = 2.0;

/// The verdict on the evidence, and the confidence in it.
#[must_use]
pub fn judge(evidence: &Evidence) -> (Verdict, Confidence) {
    let found = RULES.iter().find_map(|rule| {
        let strength = (rule.strength)(evidence);
        (strength >= 1.0).then_some((rule.verdict, strength))
    });
    let told = evidence.causes.recovery
        + evidence.causes.rto
        + evidence.causes.ecn
        + evidence.causes.local_drop;
    let in_doubt = evidence.share(evidence.uncertain_ns) >= UNCERTAIN
        && 2 * evidence.uncertain_ns >= evidence.held_up_ns();
    let uncertain = !evidence.all_told
        || in_doubt
        || evidence.watched_ns() < SHORT_NS
        || evidence.share(evidence.measured_ns) < 1.0 - UNKNOWN
        || f64::from(evidence.causes.unknown) > UNKNOWN * f64::from(told + evidence.causes.unknown);
    match found {
        Some((verdict, _)) if uncertain => (verdict, Confidence::Low),
        Some((verdict, strength)) if strength >= CLEAR => (verdict, Confidence::High),
        Some((verdict, _)) => (verdict, Confidence::Medium),
        None if uncertain => (Verdict::Healthy, Confidence::Low),
        None => (Verdict::Healthy, Confidence::Medium),
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
