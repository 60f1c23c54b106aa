//! What happened between two snapshots: the rows and their sums.
//! Not here: how any of it is printed.

use jiff::{SignedDuration, Timestamp};

use super::{
    Beginning, Connection, EndedSpell, FlowId, Groups, Losses, Name, Names, Sample, SendStats,
    SpellLengths, State, StateTimes, Transition,
};

/// One flow in one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which flow.
    pub id: FlowId,
    /// Which connection that is.
    pub connection: Connection,
    /// Its owner and namespace in words, where they were asked for.
    pub names: Names,
    /// The congestion control, as last seen.
    pub cc: Option<Name>,
    /// The state at the interval's end, or the one in which the life ended.
    pub state: State,
    /// Time in each state; the sum is the part of the interval that the flow
    /// lived.
    pub times: StateTimes,
    /// Transitions.
    pub changes: u32,
    /// Retransmission timeouts: Loss entered, or set again. What else enters Loss is rare,
    /// and counts as one: SACK reneging, and a Fast Open whose data the peer did not take.
    pub rtos: u32,
    /// Of those, Loss set again while in Loss.
    pub repeated_rtos: u32,
    /// For how long nothing was acknowledged or sent before each of the timeouts, by the
    /// state in which that was, where figures were asked for; those of timeouts that ran
    /// out in the interval.
    pub waited: StateTimes,
    /// What came of it in the interval, where that was asked for. Measured when
    /// the report was made, a little after the interval's end.
    pub stats: Option<Box<SendStats>>,
    /// Length of the open spell at the interval's end, its part before the
    /// interval included; 0 for an ended flow.
    pub spell_ns: u64,
    /// How that spell began; of an ended flow its last one.
    pub beginning: Beginning,
    /// Whether all transitions that bear on these figures were seen.
    pub exact: bool,
    /// By how much these figures may be off where `exact` is false.
    pub uncertain_ns: u64,
    /// Whether the life ended in the interval.
    pub ended: bool,
}

impl Row {
    /// Of a flow of which nothing else is known, and to which nothing has happened.
    #[must_use]
    pub fn new(id: FlowId, connection: Connection) -> Self {
        Self {
            id,
            connection,
            names: Names::default(),
            cc: None,
            state: State::Open,
            times: StateTimes::default(),
            changes: 0,
            rtos: 0,
            repeated_rtos: 0,
            waited: StateTimes::default(),
            stats: None,
            spell_ns: 0,
            beginning: Beginning::Unseen,
            exact: true,
            uncertain_ns: 0,
            ended: false,
        }
    }

    /// Goes on with the same flow's next interval: figures of both, and as it is at the end of
    /// that. What came of it is known only where it is of both.
    pub fn extend(&mut self, next: &Self) {
        self.times.add(&next.times);
        self.waited.add(&next.waited);
        let stats = self.stats.take().zip(next.stats.as_ref());
        let stats = stats.map(|(mut stats, more)| {
            stats.add(more);
            stats
        });
        *self = Self {
            times: self.times,
            changes: self.changes + next.changes,
            rtos: self.rtos + next.rtos,
            repeated_rtos: self.repeated_rtos + next.repeated_rtos,
            waited: self.waited,
            stats,
            exact: self.exact && next.exact,
            uncertain_ns: self.uncertain_ns + next.uncertain_ns,
            ..next.clone()
        };
    }

    /// Whose the flow is that made a transition, without figures.
    #[must_use]
    pub fn of_transition(transition: &Transition) -> Self {
        let Transition { id, connection, cc, to, exact, .. } = *transition;
        Self { cc, state: to, exact, ..Self::new(id, connection) }
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
    /// Loss entered, or set again.
    pub rtos: u64,
    /// Of those, Loss set again while in Loss.
    pub repeated_rtos: u64,
    /// Rows that are not exact.
    pub inexact: u64,
    /// By how much all rows together may be off.
    pub uncertain_ns: u64,
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
        self.rtos += u64::from(row.rtos);
        self.repeated_rtos += u64::from(row.repeated_rtos);
        self.inexact += u64::from(!row.exact);
        self.uncertain_ns += row.uncertain_ns;
    }
}

/// Rows that filters left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilteredOut {
    /// How many.
    pub rows: usize,
    /// Of those, the ones left out for figures that are not exact.
    pub inexact: u64,
    /// Of those, the ones of which what was asked for is not known.
    pub unknown: usize,
}

impl FilteredOut {
    /// Counts what does not fit.
    pub fn note(&mut self, matched: Match) {
        self.rows += usize::from(matched != Match::Yes);
        self.unknown += usize::from(matched == Match::Unknown);
    }
}

/// Whether a filter lets something pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// It does.
    Yes,
    /// It would perhaps, if more were known.
    Unknown,
    /// It does not.
    No,
}

impl Match {
    /// Of what is known, if it is: whether it is what was asked for.
    #[must_use]
    pub fn of(known: Option<bool>) -> Self {
        match known {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Unknown,
        }
    }
}

impl From<bool> for Match {
    fn from(matches: bool) -> Self {
        Self::of(Some(matches))
    }
}

/// The spells of one state that are still open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OngoingSpells {
    /// How many.
    pub count: u64,
    /// Length of the longest, nanoseconds.
    pub longest_ns: u64,
}

impl OngoingSpells {
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

/// Entries that were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// After which they were made, `CLOCK_MONOTONIC` nanoseconds.
    pub from_ns: u64,
    /// Before which they were made, `CLOCK_MONOTONIC` nanoseconds.
    pub to_ns: u64,
    /// How many.
    pub dropped: u64,
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
    pub filtered_out: FilteredOut,
    /// Flows alive at the interval's end.
    pub flows_alive: u64,
    /// Of those, the ones that stayed in Open throughout.
    pub flows_quiet: u64,
    /// Flows that ended in the interval.
    pub flows_ended: u64,
    /// Of those, the ones that stayed in Open throughout.
    pub flows_ended_quiet: u64,
    /// Spells still open at the interval's end, by state in the kernel's order.
    pub ongoing_spells: [OngoingSpells; 5],
    /// The rows' spells that ended in the interval, where they were asked for
    /// one by one.
    pub ended_spells: Vec<EndedSpell>,
    /// The rows' transitions in the interval, where they were asked for one by one.
    pub transitions: Vec<Transition>,
    /// What the rows' sockets looked like in the interval, where that was asked for.
    pub samples: Vec<Sample>,
    /// The lengths of each listed group's, where a histogram was asked for.
    pub group_spells: Vec<SpellLengths>,
    /// The interval's ended spells, where a histogram was asked for.
    pub spells: Option<SpellLengths>,
    /// What could not be seen in the interval.
    pub losses: Losses,
    /// When entries were lost: as it was found out in this interval.
    pub gaps: Vec<Gap>,
    /// Namespaces that could not be entered when last tried.
    pub namespaces_unreached: usize,
    /// All times are estimates, and numbers of changes lower bounds.
    pub estimated: bool,
}

impl Report {
    /// A copy without what is listed one by one: spells, transitions and samples.
    #[must_use]
    pub fn of_flows(&self) -> Self {
        Self {
            at: self.at,
            from_ns: self.from_ns,
            to_ns: self.to_ns,
            rows: self.rows.clone(),
            groups: self.groups.clone(),
            flows: self.flows,
            totals: self.totals,
            filtered_out: self.filtered_out,
            flows_alive: self.flows_alive,
            flows_quiet: self.flows_quiet,
            flows_ended: self.flows_ended,
            flows_ended_quiet: self.flows_ended_quiet,
            ongoing_spells: self.ongoing_spells,
            ended_spells: Vec::new(),
            transitions: Vec::new(),
            samples: Vec::new(),
            group_spells: self.group_spells.clone(),
            spells: self.spells.clone(),
            losses: self.losses,
            gaps: self.gaps.clone(),
            namespaces_unreached: self.namespaces_unreached,
            estimated: self.estimated,
        }
    }

    /// Of an interval without any flow.
    #[must_use]
    pub fn of_nothing(at: Timestamp, from_ns: u64, to_ns: u64) -> Self {
        Self {
            at,
            from_ns,
            to_ns,
            rows: Vec::new(),
            groups: None,
            flows: 0,
            totals: Totals::default(),
            filtered_out: FilteredOut::default(),
            flows_alive: 0,
            flows_quiet: 0,
            flows_ended: 0,
            flows_ended_quiet: 0,
            ongoing_spells: [OngoingSpells::default(); 5],
            ended_spells: Vec::new(),
            transitions: Vec::new(),
            samples: Vec::new(),
            group_spells: Vec::new(),
            spells: None,
            losses: Losses::default(),
            gaps: Vec::new(),
            namespaces_unreached: 0,
            estimated: false,
        }
    }

    /// What the wall clock showed at `at_ns`, as it went at the interval's end.
    #[must_use]
    pub fn wall(&self, at_ns: u64) -> Timestamp {
        self.at - SignedDuration::from_nanos(self.to_ns.wrapping_sub(at_ns).cast_signed())
    }

    /// Length of the interval, nanoseconds.
    #[must_use]
    pub fn interval_ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }

    /// Whether every figure of the report is exact, and no row can be missing.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.losses.is_exact()
            && self.totals.inexact == 0
            && self.filtered_out.inexact == 0
            && self.namespaces_unreached == 0
            && !self.estimated
    }

    /// Leaves out the rows that do not pass. To be called before any are put
    /// together, put in another order, or not listed.
    pub fn keep<F: Into<Match>>(&mut self, judge: impl Fn(&Row) -> F) {
        let before = self.rows.len();
        let filtered_out = &mut self.filtered_out;
        self.rows.retain(|row| {
            let matched = judge(row).into();
            filtered_out.note(matched);
            matched == Match::Yes
        });
        if self.rows.len() < before {
            self.flows = self.rows.len();
            self.totals = Totals::of(&self.rows);
        }
    }

    /// Leaves out the rows of quiet flows, as where they are not asked for.
    pub fn leave_out_quiet(&mut self) {
        self.rows.retain(|row| !row.is_quiet());
        self.flows = self.rows.len();
        self.totals = Totals::of(&self.rows);
    }

    /// How many rows are listed, those in listed groups among them.
    #[must_use]
    pub fn flows_listed(&self) -> usize {
        self.groups.as_ref().map_or(self.rows.len(), |groups| {
            groups.listed.iter().map(|group| group.rows.len()).sum()
        })
    }
}
