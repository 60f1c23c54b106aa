//! What every source hands over: all flows at one instant, and what the source
//! could not see. Live tracing, a recording and a test fake all make these.

use jiff::Timestamp;
use serde::Serialize;

use super::{Reading, State};

/// How a tracing run began: the same for all of its snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Wall-clock time of the start.
    pub at: Timestamp,
    /// The same instant, `CLOCK_MONOTONIC` nanoseconds: observed lives begin here.
    pub at_ns: u64,
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// How the transitions are learned.
    pub attach: String,
    /// Other ways that were tried before, or known not to work.
    pub passed_over: Vec<PassedOver>,
    /// What is not seen this way on this kernel, each a phrase.
    pub cannot_see: Vec<String>,
    /// Room for flows.
    pub max_flows: u32,
    /// Network namespaces whose sockets were met at the start.
    pub namespaces: usize,
    /// Network namespaces that are there but could not be entered.
    pub namespaces_unreached: usize,
}

/// A way to attach that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// Its name.
    pub attach: String,
    /// Why not.
    pub why: String,
}

/// Ended spells of one interval by length, in log2 slots: slot `n` counts those
/// of `2^n` to `2^(n+1)-1` units, slot 0 those of 0 units as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpellLengths {
    /// Nanoseconds of one unit.
    pub unit_ns: u64,
    /// By state in the kernel's order, then by slot.
    pub counts: [Vec<u64>; 5],
}

impl SpellLengths {
    /// The slots of one state.
    #[must_use]
    pub fn of(&self, state: State) -> &[u64] {
        &self.counts[state as usize]
    }

    /// What has come since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts.clone();
        for (now, before) in counts.iter_mut().zip(&earlier.counts) {
            for (now, before) in now.iter_mut().zip(before) {
                *now = now.saturating_sub(*before);
            }
        }
        Self { unit_ns: self.unit_ns, counts }
    }
}

macro_rules! blind_fields {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What the source could not see or keep, cumulative since the start.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct Blind {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Blind {
            /// What has come since `earlier`.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name.saturating_sub(earlier.$name),)* }
            }

            /// Adds what `other` holds.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Whether nothing is missing.
            #[must_use]
            pub fn is_exact(&self) -> bool {
                *self == Self::default()
            }
        }
    };
}

blind_fields! {
    /// Flows that got no record, because the map was full.
    flows_refused,
    /// Flows whose beginning was not seen: they count from when they were met.
    births_missed,
    /// Flows whose end was not seen: they count until they were found gone.
    ends_missed,
    /// Transitions learned of only afterwards, from the socket's state.
    transitions_missed,
    /// Events of sockets without a record.
    events_unaccounted,
    /// Ended flows whose row is lost, because the map of ended flows was full.
    rows_lost,
    /// Runs of a program that the kernel skipped (`recursion_misses`).
    runs_skipped,
    /// Calls whose end was seen and not their beginning, so that it is not known
    /// whose they were.
    calls_lost,
    /// Transitions, and ends, that were counted but not told one by one.
    transitions_untold,
}

/// All flows at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The instant, wall-clock.
    pub at: Timestamp,
    /// The same instant, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// Every flow that is alive at the instant, and every one that ended since
    /// the former snapshot and had left Open (or all, where so asked). In no
    /// order.
    pub flows: Vec<Reading>,
    /// Flows not in `flows`, because they ended without leaving Open;
    /// cumulative.
    pub ended_quiet: u64,
    /// The interval's ended spells, where a histogram was asked for.
    pub spells: Option<SpellLengths>,
    /// What could not be seen; cumulative.
    pub blind: Blind,
    /// Namespaces that could not be entered when last tried.
    pub namespaces_unreached: usize,
}
