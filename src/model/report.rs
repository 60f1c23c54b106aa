//! What happened between two snapshots: the rows and their sums.
//! Not here: how any of it is printed.

use jiff::Timestamp;

use super::{
    Blind, Cost, EndedSpell, Ends, FlowId, Groups, Names, SpellLengths, State, StateTimes,
    Transition, Whose,
};

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
    /// Whose it is.
    pub whose: Whose,
    /// The same in words, where they were asked for.
    pub names: Names,
    /// The state at the interval's end, or the one in which the life ended.
    pub state: State,
    /// Time in each state; the sum is the part of the interval that the flow
    /// lived.
    pub times: StateTimes,
    /// Transitions.
    pub changes: u32,
    /// Loss set again while in Loss.
    pub repeated_rtos: u32,
    /// What came of it in the interval, where that was asked for. Measured when
    /// the report was made, a little after the interval's end.
    pub cost: Option<Box<Cost>>,
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
    /// Whose the flow is that made a transition, without figures.
    #[must_use]
    pub fn of_transition(it: &Transition) -> Self {
        Self {
            id: it.id,
            ends: it.ends,
            netns: it.netns,
            cookie: it.cookie,
            whose: it.whose,
            names: Names::default(),
            state: it.to,
            times: StateTimes::default(),
            changes: 0,
            repeated_rtos: 0,
            cost: None,
            spell_ns: 0,
            exact: it.exact,
            doubtful_ns: 0,
            ended: false,
        }
    }

    /// Whether the flow made a transition, repeated an RTO, or was outside Open.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.changes == 0 && self.repeated_rtos == 0 && self.times.outside_open_ns() == 0
    }
}

/// Sums over a report's rows, those among them that are not listed as well.
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
    /// Of all these rows.
    #[must_use]
    pub fn of(rows: &[Row]) -> Self {
        let mut totals = Self::default();
        for row in rows {
            totals.add(row);
        }
        totals
    }

    /// Adds one row.
    pub fn add(&mut self, row: &Row) {
        self.times.add(&row.times);
        self.changes += u64::from(row.changes);
        self.repeated_rtos += u64::from(row.repeated_rtos);
        self.inexact += u64::from(!row.exact);
        self.doubtful_ns += row.doubtful_ns;
    }
}

/// Rows that filters left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub rows: usize,
    /// Of those, the ones left out for figures that are not exact.
    pub inexact: u64,
    /// Of those, the ones of which what was asked for is not known.
    pub unknown: usize,
}

impl LeftOut {
    /// Counts what does not fit.
    pub fn note(&mut self, fit: Fit) {
        self.rows += usize::from(fit != Fit::Fits);
        self.unknown += usize::from(fit == Fit::Unknown);
    }
}

/// Whether a filter lets something pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It does.
    Fits,
    /// It would perhaps, if more were known.
    Unknown,
    /// It does not.
    No,
}

impl Fit {
    /// Of what is known, if it is: whether it is what was asked for.
    #[must_use]
    pub fn of(known: Option<bool>) -> Self {
        match known {
            Some(true) => Self::Fits,
            Some(false) => Self::No,
            None => Self::Unknown,
        }
    }
}

impl From<bool> for Fit {
    fn from(fits: bool) -> Self {
        Self::of(Some(fits))
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

impl OpenSpells {
    /// Of these rows, by state in the kernel's order.
    #[must_use]
    pub fn of<'r>(rows: impl Iterator<Item = &'r Row>) -> [Self; 5] {
        let mut open = [Self::default(); 5];
        for row in rows.filter(|row| !row.ended) {
            let of_state = &mut open[row.state as usize];
            of_state.count += 1;
            of_state.longest_ns = of_state.longest_ns.max(row.spell_ns);
        }
        open
    }
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
    /// asked; by local port, then by the other parts of the address. What
    /// filters left out is not there, nor what is not to be listed.
    pub rows: Vec<Row>,
    /// The rows put together, where that was asked for; `rows` is empty then.
    pub groups: Option<Groups>,
    /// How many rows passed the filters, listed or not.
    pub flows: usize,
    /// Sums over those.
    pub totals: Totals,
    /// The rows that did not pass.
    pub left_out: LeftOut,
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
    /// The rows' spells that ended in the interval, where they were asked for
    /// one by one.
    pub ended_spells: Vec<EndedSpell>,
    /// The lengths of each listed group's, where a histogram was asked for.
    pub group_spells: Vec<SpellLengths>,
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
        self.blind.is_exact()
            && self.totals.inexact == 0
            && self.left_out.inexact == 0
            && self.namespaces_unreached == 0
    }

    /// Leaves out the rows that do not pass. To be called before any are put
    /// together, put in another order, or not listed.
    pub fn keep<F: Into<Fit>>(&mut self, judge: impl Fn(&Row) -> F) {
        let before = self.rows.len();
        let left_out = &mut self.left_out;
        self.rows.retain(|row| {
            let fit = judge(row).into();
            left_out.note(fit);
            fit == Fit::Fits
        });
        if self.rows.len() < before {
            self.flows = self.rows.len();
            self.totals = Totals::of(&self.rows);
        }
    }

    /// How many rows are listed, those in listed groups among them.
    #[must_use]
    pub fn flows_listed(&self) -> usize {
        self.groups.as_ref().map_or(self.rows.len(), |groups| {
            groups.listed.iter().map(|group| group.rows.len()).sum()
        })
    }
}
