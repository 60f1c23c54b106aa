//! What happened between two snapshots: the rows and their sums.
//! Not here: how any of it is printed.

use jiff::Timestamp;

use super::{Blind, Ends, FlowId, SpellLengths, State, StateTimes};

/// One flow in one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which flow.
    pub id: FlowId,
    /// Between whom.
    pub ends: Ends,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// The kernel's socket cookie, where it is known.
    pub cookie: Option<u64>,
    /// The state at the interval's end, or the one in which the life ended.
    pub state: State,
    /// Time in each state; the sum is the part of the interval that the flow
    /// lived.
    pub times: StateTimes,
    /// Transitions.
    pub changes: u32,
    /// Loss set again while in Loss.
    pub repeated_rtos: u32,
    /// Length of the open spell at the interval's end, its part before the
    /// interval included; 0 for an ended flow.
    pub spell_ns: u64,
    /// Whether all transitions that bear on these figures were seen.
    pub exact: bool,
    /// By how much these figures may be off where `exact` is false.
    pub doubtful_ns: u64,
    /// Whether the life ended in the interval.
    pub ended: bool,
}

impl Row {
    /// Whether the flow made a transition, repeated an RTO, or was outside Open.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.changes == 0 && self.repeated_rtos == 0 && self.times.outside_open_ns() == 0
    }
}

/// Sums over a report's rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Time in each state.
    pub times: StateTimes,
    /// Transitions.
    pub changes: u64,
    /// Loss set again while in Loss.
    pub repeated_rtos: u64,
    /// Rows that are not exact.
    pub inexact: u64,
    /// By how much all rows together may be off.
    pub doubtful_ns: u64,
}

impl Totals {
    /// Adds one row.
    pub fn add(&mut self, row: &Row) {
        self.times.add(&row.times);
        self.changes += u64::from(row.changes);
        self.repeated_rtos += u64::from(row.repeated_rtos);
        self.inexact += u64::from(!row.exact);
        self.doubtful_ns += row.doubtful_ns;
    }
}

/// The spells of one state that are still open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenSpells {
    /// How many.
    pub count: u64,
    /// Length of the longest, nanoseconds.
    pub longest_ns: u64,
}

/// One interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The interval's end, wall-clock.
    pub at: Timestamp,
    /// The interval's beginning, `CLOCK_MONOTONIC` nanoseconds.
    pub from_ns: u64,
    /// The interval's end, `CLOCK_MONOTONIC` nanoseconds.
    pub to_ns: u64,
    /// A row for each flow that was anything but quiet, or for all where so
    /// asked; by local port, then by the other parts of the address.
    pub rows: Vec<Row>,
    /// Sums over the rows.
    pub totals: Totals,
    /// Flows alive at the interval's end.
    pub flows_alive: u64,
    /// Of those, the ones that stayed in Open throughout.
    pub flows_quiet: u64,
    /// Flows that ended in the interval.
    pub flows_ended: u64,
    /// Of those, the ones that stayed in Open throughout.
    pub flows_ended_quiet: u64,
    /// Spells still open at the interval's end, by state in the kernel's order.
    pub open_spells: [OpenSpells; 5],
    /// The interval's ended spells, where a histogram was asked for.
    pub spells: Option<SpellLengths>,
    /// What could not be seen in the interval.
    pub blind: Blind,
    /// Namespaces that could not be entered when last tried.
    pub namespaces_unreached: usize,
}

impl Report {
    /// Length of the interval, nanoseconds.
    #[must_use]
    pub fn interval_ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }

    /// Whether every figure of the report is exact, and no row can be missing.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.blind.is_exact() && self.totals.inexact == 0 && self.namespaces_unreached == 0
    }
}
