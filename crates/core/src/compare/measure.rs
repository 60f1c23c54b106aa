//! What is compared: each measure, and each connection's part in it. Not here: whether a
//! difference is more than chance.

use super::statistics::{Part, cliffs_delta, midranks};
use super::{Observed, Population};
use crate::model::{Cause, State};

/// A figure of which each recording has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// Time in a state, of the time observed.
    Share(State),
    /// Transitions a second of a connection.
    Transitions,
    /// Loss entered or set again, a second of a connection.
    Timeouts,
    /// Loss set again while in Loss, a second of a connection.
    RepeatedTimeouts,
    /// Transitions made for a reason, a second of a connection.
    Caused(Cause),
    /// How long the spells in a state were that ended: the median, nanoseconds.
    Spells(State),
    /// Segments delivered a second of a connection, of the time in which that is known.
    Delivered,
    /// Segments retransmitted, of those delivered.
    Retransmitted,
    /// The congestion window's mean over time, segments.
    Window,
    /// The smoothed round-trip time's mean over time, microseconds.
    RoundTrip,
}

/// What a measure counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// From 0 to 1.
    Share,
    /// Times a second of a connection.
    PerSecond,
    /// Nanoseconds.
    Nanoseconds,
    /// Segments.
    Segments,
    /// Microseconds.
    Microseconds,
}

impl Unit {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::PerSecond => "per-second",
            Self::Nanoseconds => "ns",
            Self::Segments => "segments",
            Self::Microseconds => "us",
        }
    }
}

impl Measure {
    /// All there are, for causes that came.
    pub fn all(causes: impl Iterator<Item = Cause>) -> impl Iterator<Item = Self> {
        let shares = State::ALL.into_iter().map(Self::Share);
        let rates = [Self::Transitions, Self::Timeouts, Self::RepeatedTimeouts];
        let spells = State::ALL.into_iter().map(Self::Spells);
        let sent = [Self::Delivered, Self::Retransmitted, Self::Window, Self::RoundTrip];
        shares.chain(rates).chain(causes.map(Self::Caused)).chain(spells).chain(sent)
    }

    /// Its name, as programs read it; which state or cause it is of is not in that.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Share(_) => "share",
            Self::Transitions => "changes",
            Self::Timeouts => "rtos",
            Self::RepeatedTimeouts => "repeated_rtos",
            Self::Caused(_) => "caused",
            Self::Spells(_) => "spells",
            Self::Delivered => "delivered",
            Self::Retransmitted => "retrans",
            Self::Window => "cwnd",
            Self::RoundTrip => "srtt",
        }
    }

    /// The state that it is of.
    #[must_use]
    pub fn state(self) -> Option<State> {
        if let Self::Share(state) | Self::Spells(state) = self { Some(state) } else { None }
    }

    /// The cause that it is of.
    #[must_use]
    pub fn cause(self) -> Option<Cause> {
        if let Self::Caused(cause) = self { Some(cause) } else { None }
    }

    /// What it counts in.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Share(_) | Self::Retransmitted => Unit::Share,
            Self::Transitions
            | Self::Timeouts
            | Self::RepeatedTimeouts
            | Self::Caused(_)
            | Self::Delivered => Unit::PerSecond,
            Self::Spells(_) => Unit::Nanoseconds,
            Self::Window => Unit::Segments,
            Self::RoundTrip => Unit::Microseconds,
        }
    }

    /// Each connection's part in the ratio that the measure is of both sides; those that
    /// have none are left out. The parts of spells are their ranks among all of both sides.
    pub(super) fn parts(self, a: &Population, b: &Population) -> [Vec<Part>; 2] {
        if let Self::Spells(state) = self {
            return ranks(state, a, b);
        }
        [a, b].map(|side| side.connections.iter().filter_map(|one| self.part(one)).collect())
    }

    fn part(self, one: &Observed) -> Option<Part> {
        let observed_s = one.times.total_ns() as f64 / 1e9;
        let rate = |count: u64| (count as f64, observed_s);
        let (above, below) = match self {
            Self::Share(state) => (one.times[state] as f64, one.times.total_ns() as f64),
            Self::Transitions => rate(one.changes),
            Self::Timeouts => rate(one.rtos),
            Self::RepeatedTimeouts => rate(one.repeated_rtos),
            Self::Caused(cause) => rate(one.causes.get(&cause).copied().unwrap_or_default()),
            Self::Delivered => (one.delivered as f64, one.measured_ns as f64 / 1e9),
            // Nothing may have been delivered of what was sent again and again.
            Self::Retransmitted => {
                (one.retransmitted as f64, one.delivered.max(one.retransmitted) as f64)
            }
            Self::Window => (one.cwnd.area, one.cwnd.time_ns),
            Self::RoundTrip => (one.srtt.area, one.srtt.time_ns),
            Self::Spells(_) => return None,
        };
        (below > 0.0).then_some(Part { above, below })
    }

    /// Cliff's delta: of spells one by one, of anything else connection by connection.
    pub(super) fn delta(self, a: &Population, b: &Population, parts: &[Vec<Part>; 2]) -> f64 {
        let [a, b] = match self {
            Self::Spells(state) => [a, b].map(|side| lengths(state, side).collect()),
            _ => [0, 1].map(|side: usize| -> Vec<f64> {
                parts[side].iter().map(|part| part.above / part.below).collect()
            }),
        };
        cliffs_delta(&a, &b)
    }
}

fn lengths(state: State, side: &Population) -> impl Iterator<Item = f64> {
    let all = side.connections.iter().flat_map(move |one| &one.spells_ns[state as usize]);
    all.map(|length_ns| *length_ns as f64)
}

/// For each connection the sum of its spells' ranks over their number: the rank-sum test of
/// values that come in clusters (Rosner, Glynn and Lee, "Incorporation of clustering effects
/// for the Wilcoxon rank sum test", Biometrics 59, 2003; Datta and Satten, "Rank-sum tests
/// for clustered data", JASA 100, 2005).
fn ranks(state: State, a: &Population, b: &Population) -> [Vec<Part>; 2] {
    let all: Vec<_> = lengths(state, a).chain(lengths(state, b)).collect();
    let mut ranks = midranks(&all).into_iter();
    [a, b].map(|side| {
        let counts = side.connections.iter().map(|one| one.spells_ns[state as usize].len());
        let part = |count| Part { above: ranks.by_ref().take(count).sum(), below: count as f64 };
        counts.filter(|count| *count > 0).map(part).collect()
    })
}

/// How long the spells in a state were that ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lengths {
    /// How many.
    pub count: usize,
    /// Half of them were no longer, nanoseconds; nothing where there are none.
    pub median_ns: Option<u64>,
    /// Nine in ten of them were no longer.
    pub p90_ns: Option<u64>,
    /// Ninety-nine in a hundred of them were no longer.
    pub p99_ns: Option<u64>,
    /// The longest.
    pub longest_ns: Option<u64>,
}

impl Lengths {
    /// Of all connections' spells.
    #[must_use]
    pub fn of(state: State, side: &Population) -> Self {
        let all = side.connections.iter().flat_map(|one| &one.spells_ns[state as usize]);
        let mut all: Vec<_> = all.copied().collect();
        all.sort_unstable();
        // The least that so many are not above.
        let part = |percent: usize| {
            let at = (all.len() * percent).div_ceil(100).saturating_sub(1);
            all.get(at).copied()
        };
        Self {
            count: all.len(),
            median_ns: part(50),
            p90_ns: part(90),
            p99_ns: part(99),
            longest_ns: all.last().copied(),
        }
    }
}
