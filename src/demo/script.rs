//! What the router does to the traffic, and when: a table that repeats for ever.
//! It only describes; the path carries the effects out.

use std::fmt;
use std::time::Duration;

use crate::path::{self, LinkSpec, Loss, Marks, Overtaking, Script};

/// What happens to packets while a phase lasts. It concerns only packets with
/// payload, so that handshakes and acknowledgements stay whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing but the queue, the rate and the delay.
    Clean,
    /// One packet in so many is marked "congestion experienced": CWR.
    MarkCe { one_in: u32 },
    /// One packet in so many comes `late`, behind its followers: Disorder.
    Delay { one_in: u32, late: Duration },
    /// One packet in so many is lost, and others report the gap: Recovery.
    Drop { one_in: u32 },
    /// Nothing passes of one service class, so that the retransmission timers
    /// of its connections have to fire: Loss.
    Silence { class: Class },
}

/// A service class: the DSCP of the IPv4 header (RFC 2474). Each connection
/// has one, and a silence hits one at a time, so that the connections differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) dscp: u8,
}

/// Best effort.
pub(super) const CLASS_A: Class = Class { dscp: 0 };
/// AF11 (RFC 2597).
pub(super) const CLASS_B: Class = Class { dscp: 10 };

/// An effect and how long it lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase {
    pub(super) effect: Effect,
    pub(super) lasts: Duration,
}

const fn phase(lasts_ms: u64, effect: Effect) -> Phase {
    Phase { effect, lasts: Duration::from_millis(lasts_ms) }
}

/// The script: twice the same, but for the class that falls silent. Any 4 s of
/// it, from wherever, have each effect for long enough to show its state.
///
/// - The counts are primes, so that they do not fall into step with bursts and
///   hit the same connection each time.
/// - A packet is late by less than a quarter of the round trip without queue
///   (16 ms): that is how long RACK waits before it takes a late packet for a
///   lost one (`tcp_rack_reo_wnd`), which would be Recovery, not Disorder.
/// - The silence outlasts the first retransmission timeout (at least 200 ms,
///   `TCP_RTO_MIN`, and the tail loss probe before it) and ends before the
///   second, which has twice the interval, brings the connections back.
pub(super) const SCRIPT: [Phase; 12] = [
    phase(300, Effect::Clean),
    phase(700, MARK),
    phase(700, LATE),
    phase(600, DROP),
    phase(300, Effect::Clean),
    phase(600, Effect::Silence { class: CLASS_A }),
    phase(300, Effect::Clean),
    phase(700, MARK),
    phase(700, LATE),
    phase(600, DROP),
    phase(300, Effect::Clean),
    phase(600, Effect::Silence { class: CLASS_B }),
];

const MARK: Effect = Effect::MarkCe { one_in: 37 };
const LATE: Effect = Effect::Delay { one_in: 13, late: Duration::from_millis(3) };
const DROP: Effect = Effect::Drop { one_in: 61 };

/// The bottleneck, the same in both directions. Without queue the round trip
/// takes 16 ms, and a full queue adds 19 ms; six connections share 53 to 117
/// packets in flight, enough each for fast retransmissions.
pub(super) const LINK: LinkSpec =
    LinkSpec::bottleneck(LINK_BITS_PER_S, Duration::from_millis(8), 96_000);
pub(super) const LINK_BITS_PER_S: u64 = 40_000_000;

impl Effect {
    /// The bottleneck while this lasts.
    fn link(self) -> LinkSpec {
        match self {
            Self::Clean => LINK,
            Self::MarkCe { one_in } => LinkSpec { marks: Marks::Every(one_in), ..LINK },
            Self::Delay { one_in, late } => {
                LinkSpec { overtaking: Some(Overtaking { one_in, late }), ..LINK }
            }
            Self::Drop { one_in } => LinkSpec { loss: Loss::Every(one_in), ..LINK },
            Self::Silence { class } => LinkSpec { silent_dscp: Some(class.dscp), ..LINK },
        }
    }
}

/// The bottleneck as `phases` have it, again and again.
pub(super) fn script(phases: &[Phase]) -> Script {
    let of_link = |phase: &Phase| path::Phase { spec: phase.effect.link(), lasts: phase.lasts };
    Script::repeating(phases.iter().map(of_link).collect())
}

/// How long one run through `script` takes.
pub(super) fn period(script: &[Phase]) -> Duration {
    script.iter().map(|phase| phase.lasts).sum()
}

/// What `script` does, in its order and each effect once, in words.
pub(super) fn summary(script: &[Phase]) -> String {
    let mut words: Vec<String> = Vec::new();
    for phase in script {
        let effect = phase.effect.to_string();
        if !words.contains(&effect) {
            words.push(effect);
        }
    }
    words.join(", ")
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("leaves all as it is"),
            Self::MarkCe { one_in } => write!(f, "ECN-marks 1 packet in {one_in}"),
            Self::Delay { one_in, late } => {
                write!(f, "holds 1 in {one_in} back for {} ms", late.as_millis())
            }
            Self::Drop { one_in } => write!(f, "drops 1 in {one_in}"),
            Self::Silence { class } => write!(f, "drops all of DSCP {}", class.dscp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long `wanted` is on within 4 s from `from_ms`.
    fn share_ms(from_ms: u64, wanted: fn(&LinkSpec) -> bool) -> usize {
        let script = script(&SCRIPT);
        (from_ms..from_ms + 4_000)
            .filter(|at_ms| wanted(&script.at(Duration::from_millis(*at_ms))))
            .count()
    }

    #[test]
    fn any_four_seconds_have_every_effect() {
        let period_ms = u64::try_from(period(&SCRIPT).as_millis()).unwrap();
        for from_ms in (0..period_ms).step_by(50) {
            assert!(share_ms(from_ms, |link| link.marks != Marks::None) >= 600);
            assert!(share_ms(from_ms, |link| link.overtaking.is_some()) >= 600);
            assert!(share_ms(from_ms, |link| link.loss != Loss::None) >= 600);
            assert!(share_ms(from_ms, |link| link.silent_dscp.is_some()) >= 600);
        }
    }

    #[test]
    fn what_lasts_does_not_change_the_bottleneck() {
        for phase in SCRIPT {
            let LinkSpec { rate_bits_per_s, delay, queue_bytes, .. } = phase.effect.link();
            assert_eq!((rate_bits_per_s, delay), (LINK.rate_bits_per_s, LINK.delay));
            assert_eq!(queue_bytes, LINK.queue_bytes);
        }
    }

    #[test]
    fn each_class_falls_silent() {
        for class in [CLASS_A, CLASS_B] {
            let silence = Effect::Silence { class };
            assert!(SCRIPT.iter().any(|phase| phase.effect == silence));
        }
    }

    #[test]
    fn the_summary_says_each_effect_once() {
        assert_eq!(
            summary(&SCRIPT),
            "leaves all as it is, ECN-marks 1 packet in 37, holds 1 in 13 back for 3 ms, \
             drops 1 in 61, drops all of DSCP 0, drops all of DSCP 10"
        );
    }
}
