//! How a run began, and what could not be seen in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::State;

/// How a tracing run began: the same for all of its snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub attach_rejected: Vec<RejectedMethod>,
    /// What is not seen this way on this kernel, each a phrase.
    pub limitations: Vec<String>,
    /// Room for living flows.
    pub max_flows: u32,
    /// Room in the kernel for entries that were not read yet, bytes.
    pub buffer_bytes: u64,
    /// Network namespaces whose sockets were met at the start.
    pub namespaces: usize,
    /// Network namespaces that are there but could not be entered.
    pub namespaces_unreached: usize,
    /// Sockets were looked at from time to time: all times are estimates, and numbers of
    /// changes lower bounds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Of a recording: the options that left other connections out of it, as `-R 443`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

/// A way to attach that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedMethod {
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
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands it over so
fn is_zero(number: &u64) -> bool {
    *number == 0
}

macro_rules! blind_fields {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What the source could not see or keep, cumulative since the start.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Losses {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Losses {
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
    /// Flows for which there was no room.
    flows_refused,
    /// Flows whose beginning was not seen: they count from when they were met.
    births_missed,
    /// Flows whose end was not seen: they count until they were found gone.
    ends_missed,
    /// Transitions learned of only afterwards, from the socket's state.
    transitions_missed,
    /// Events of flows for which there was no room.
    events_unaccounted,
    /// Ended flows, transitions and spells that are not shown, because too many of them
    /// waited for it.
    rows_lost,
    /// Runs of a program that the kernel skipped (`recursion_misses`).
    recursion_misses,
    /// Calls whose end was seen and not their beginning, so that it is not known
    /// whose they were.
    calls_lost,
    /// Entries that found no room in the log, or were overwritten before they were read.
    entries_dropped,
    /// Of those, lines in damaged frames of a recording.
    lines_damaged,
    /// How often that happened.
    gaps,
    /// How long the times were, together, in which they were made, nanoseconds.
    gap_ns,
    /// Looks at the sockets that came later than asked, where there are no events.
    #[serde(skip_serializing_if = "is_zero")]
    samples_late,
}
