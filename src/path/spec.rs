//! What a path is like: each way's rate, delay, queue and what befalls packets, over time.
//! It only describes and looks up; `link` carries it out.

use std::net::Ipv4Addr;
use std::time::Duration;

/// One way of a path. The default is a wire: no rate, no delay, nothing lost.
///
/// What befalls packets one by one (`loss`, `marks`, `overtaking`, `silent_dscp`) concerns
/// only those with payload, so that handshakes and acknowledgements stay whole; what
/// concerns all packets says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkSpec {
    /// `None`: packets take no time to be sent, and never queue.
    pub rate_bits_per_s: Option<u64>,
    /// On the way, after the packet left the queue. A packet never comes out before the one
    /// that was sent before it, also where the delay shrinks.
    pub delay: Duration,
    /// What the queue holds before it drops what comes last, of all packets.
    pub queue_bytes: u64,
    /// Which packets are lost.
    pub loss: Loss,
    /// Which ECN-capable packets are marked "congestion experienced".
    pub marks: Marks,
    /// Which packets come out behind their followers.
    pub overtaking: Option<Overtaking>,
    /// Before the queue: drops what exceeds a rate, of all packets.
    pub policer: Option<Policer>,
    /// Drops everything, acknowledgements too.
    pub blackout: bool,
    /// Drops what is longer, of all packets, and tells nobody (RFC 2923, section 2.1).
    pub max_packet_bytes: Option<usize>,
    /// Drops all of one service class (RFC 2474).
    pub silent_dscp: Option<u8>,
    /// Answers in place of the far end, which gets nothing.
    pub answer: Option<Answer>,
}

/// Which packets with payload are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// None of them.
    None,
    /// Each with this probability, from 0 to 1; the seed is the path's.
    Random(f64),
    /// Every `n`th.
    Every(u32),
    /// The last ones of bursts, and what is sent soon after them, as probes are.
    Tails {
        /// So many packets of a burst pass.
        first: u32,
        /// A burst ends when nothing has come for so long.
        quiet: Duration,
        /// It befalls every `one_in`th burst.
        one_in: u32,
    },
}

/// Which packets with payload are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// None of them.
    None,
    /// Every `n`th.
    Every(u32),
    /// Those that find more than so many bytes in the queue.
    Above(u64),
}

/// Packets that are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overtaking {
    /// Every so many-th packet with payload.
    pub one_in: u32,
    /// For so long, after the delay.
    pub late: Duration,
}

/// A token bucket that drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policer {
    /// At which tokens come.
    pub rate_bits_per_s: u64,
    /// What the bucket holds; it begins full.
    pub burst_bytes: u64,
}

/// What a router on the path says of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// ICMP "host unreachable" (RFC 792), to each packet.
    HostUnreachable,
}

impl Default for LinkSpec {
    fn default() -> Self {
        Self::WIRE
    }
}

impl LinkSpec {
    /// Passes all at once.
    pub const WIRE: Self = Self {
        rate_bits_per_s: None,
        delay: Duration::ZERO,
        queue_bytes: u64::MAX,
        loss: Loss::None,
        marks: Marks::None,
        overtaking: None,
        policer: None,
        blackout: false,
        max_packet_bytes: None,
        silent_dscp: None,
        answer: None,
    };

    /// A bottleneck with a queue.
    #[must_use]
    pub const fn bottleneck(rate_bits_per_s: u64, delay: Duration, queue_bytes: u64) -> Self {
        Self { rate_bits_per_s: Some(rate_bits_per_s), delay, queue_bytes, ..Self::WIRE }
    }

    /// The same, while nothing passes.
    #[must_use]
    pub const fn blacked_out(self) -> Self {
        Self { blackout: true, ..self }
    }
}

/// A state of one way, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// What the way is like meanwhile.
    pub spec: LinkSpec,
    /// How long.
    pub lasts: Duration,
}

/// What one way is like over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    phases: Vec<Phase>,
    /// What is on when the phases are over; `None`: they begin again.
    afterwards: Option<LinkSpec>,
}

impl Script {
    /// Always the same.
    #[must_use]
    pub fn constant(spec: LinkSpec) -> Self {
        Self { phases: Vec::new(), afterwards: Some(spec) }
    }

    /// These phases again and again; without any a wire.
    #[must_use]
    pub fn repeating(phases: Vec<Phase>) -> Self {
        Self { phases, afterwards: None }
    }

    /// These phases once, and then the last state for good.
    #[must_use]
    pub fn once(phases: Vec<Phase>, afterwards: LinkSpec) -> Self {
        Self { phases, afterwards: Some(afterwards) }
    }

    /// What is on at `elapsed` after its start.
    #[must_use]
    pub fn at(&self, elapsed: Duration) -> LinkSpec {
        let mut left_ns = elapsed.as_nanos();
        if self.afterwards.is_none() {
            left_ns %= self.period().as_nanos().max(1);
        }
        for phase in &self.phases {
            let lasts_ns = phase.lasts.as_nanos();
            if left_ns < lasts_ns {
                return phase.spec;
            }
            left_ns -= lasts_ns;
        }
        self.afterwards.unwrap_or_default()
    }

    /// How long one run through its phases takes.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.phases.iter().map(|phase| phase.lasts).sum()
    }
}

impl From<LinkSpec> for Script {
    fn from(spec: LinkSpec) -> Self {
        Self::constant(spec)
    }
}

/// A path: two ends, and what lies between them.
#[derive(Clone, Debug, PartialEq)]
pub struct PathSpec {
    /// Begins the names of its threads; ten letters at most, as the kernel cuts them.
    pub name: &'static str,
    /// The near end's address.
    pub near: Ipv4Addr,
    /// The far end's address.
    pub far: Ipv4Addr,
    /// Covers both addresses, so that neither end needs a route.
    pub netmask: Ipv4Addr,
    /// The longest packet of both ends' devices.
    pub mtu_bytes: u16,
    /// From near to far.
    pub forth: Script,
    /// From far to near.
    pub back: Script,
    /// Of what is random; each way draws its own.
    pub seed: u64,
}

impl PathSpec {
    /// A path of these two ways. Its addresses are of the block for benchmarks (RFC 2544,
    /// 198.18.0.0/15), which no real network has.
    #[must_use]
    pub fn new(forth: impl Into<Script>, back: impl Into<Script>) -> Self {
        Self {
            name: "path",
            near: Ipv4Addr::new(198, 18, 0, 1),
            far: Ipv4Addr::new(198, 18, 1, 1),
            netmask: Ipv4Addr::new(255, 254, 0, 0),
            mtu_bytes: 1_500,
            forth: forth.into(),
            back: back.into(),
            seed: 1,
        }
    }

    /// The same, at two addresses of a network of its own, so that whoever traces the whole
    /// machine can tell paths apart that stand at the same time.
    #[must_use]
    pub fn numbered(self, number: u16) -> Self {
        let end = |host| Ipv4Addr::from(u32::from(Self::network(number)) + host);
        Self { near: end(1), far: end(2), netmask: Ipv4Addr::new(255, 255, 255, 252), ..self }
    }

    /// That network, of [`NETWORK_BITS`](Self::NETWORK_BITS) bits: one of the 16384 in
    /// 198.19.0.0/16.
    #[must_use]
    pub const fn network(number: u16) -> Ipv4Addr {
        let [high, low] = (number << 2).to_be_bytes();
        Ipv4Addr::new(198, 19, high, low)
    }

    /// How many bits of an address are those of a numbered path's network.
    pub const NETWORK_BITS: u8 = 30;
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const DARK: LinkSpec = LinkSpec::WIRE.blacked_out();
    const TWO: [Phase; 2] =
        [Phase { spec: LinkSpec::WIRE, lasts: ms(100) }, Phase { spec: DARK, lasts: ms(50) }];

    #[test]
    fn a_phase_ends_where_the_next_starts() {
        let script = Script::repeating(TWO.to_vec());
        for (at, is_dark) in [(0, false), (99, false), (100, true), (149, true)] {
            assert_eq!(script.at(ms(at)).blackout, is_dark, "{at}");
        }
    }

    #[test]
    fn the_script_repeats() {
        let script = Script::repeating(TWO.to_vec());
        assert_eq!(script.period(), ms(150));
        assert!(!script.at(ms(150)).blackout);
        assert!(script.at(ms(150 * 1_000_000 + 120)).blackout);
    }

    #[test]
    fn phases_that_come_once_give_way_to_what_is_afterwards() {
        let script = Script::once(TWO.to_vec(), LinkSpec { delay: ms(7), ..LinkSpec::WIRE });
        assert!(script.at(ms(120)).blackout);
        assert_eq!(script.at(ms(150)).delay, ms(7));
        assert_eq!(script.at(ms(999)).delay, ms(7));
    }

    #[test]
    fn an_empty_script_does_nothing() {
        assert_eq!(Script::repeating(Vec::new()).at(ms(5_000)), LinkSpec::WIRE);
        assert_eq!(Script::constant(DARK).at(ms(5_000)), DARK);
    }

    #[test]
    fn numbered_paths_have_no_address_in_common() {
        let path = || PathSpec::new(LinkSpec::WIRE, LinkSpec::WIRE);
        let (one, two) = (path().numbered(1), path().numbered(2));
        assert_ne!(one.near, one.far);
        assert!(one.near != two.near && one.far != two.far);
        assert_eq!(path().numbered(0x3fff).far, Ipv4Addr::new(198, 19, 255, 254));
    }
}
