//! What the ledger keeps of one living flow.

use super::costs::Costs;
use super::list::Links;
use super::sums::Place;
use crate::model::cause::Window;
use crate::model::{Beginning, Cause, Connection, FlowId, Name, Names, Row, State, StateTimes};

/// A living flow.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) id: FlowId,
    /// Its owner's process is the one that connected it, where that is known.
    pub(super) connection: Connection,
    pub(super) cc: Option<Name>,
    pub(super) state: State,
    pub(super) since_ns: u64,
    /// When it was last found to be in it.
    pub(super) seen_ns: u64,
    /// Why the transition to it was made; nothing before the first one.
    pub(super) cause: Option<Cause>,
    /// Its birth was not seen.
    pub(super) found: bool,
    /// The present spell's beginning was not seen: its state was found later.
    pub(super) found_late: bool,
    /// The last entry about it.
    pub(super) last_entry_ns: u64,
    /// So many surveys have not met it.
    pub(super) unmet: u8,
    pub(super) links: Links,
    /// What came in this interval; of an earlier one nothing counts any more.
    pub(super) interval: u32,
    pub(super) figures: IntervalFigures,
    /// With figures only.
    pub(super) window: Window,
    /// The last timeout, or the birth.
    pub(super) last_rto_ns: u64,
    pub(super) costs: Option<Box<Costs>>,
    /// Where it is summed: where sums are wanted, and once it is known that filters want the flow.
    pub(super) summed: Option<Place>,
}

/// What came of a flow in an interval, but for the spell that goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct IntervalFigures {
    pub(super) times: StateTimes,
    pub(super) changes: u32,
    pub(super) rtos: u32,
    pub(super) repeated_rtos: u32,
    pub(super) waited: StateTimes,
    /// Something that bears on this was learned of only afterwards.
    pub(super) inexact: bool,
    pub(super) uncertain_ns: u64,
    /// It waits for its row.
    pub(super) is_listed: bool,
}

impl Flow {
    /// Whether the present spell's beginning was seen: not of one that went on already
    /// when the flow was met, nor of one that was found later.
    pub(super) fn began_in_sight(&self) -> bool {
        let went_on_already = self.found && self.since_ns == self.id.born_ns;
        !self.found_late && !went_on_already
    }

    /// How the present spell began.
    pub(super) fn beginning(&self) -> Beginning {
        match self.cause {
            _ if !self.began_in_sight() => Beginning::Unseen,
            Some(cause) => Beginning::Transition(cause),
            None => Beginning::Birth,
        }
    }

    /// Whether nothing has happened to it in the interval, given its time by state.
    pub(super) fn is_quiet(&self, times: &StateTimes) -> bool {
        self.figures.changes == 0 && self.figures.repeated_rtos == 0 && times.outside_open_ns() == 0
    }

    /// Its row, but for what gaps make of it. `times`: in the interval.
    pub(super) fn row(&self, times: StateTimes, spell_ns: u64, ended: bool) -> Row {
        Row {
            id: self.id,
            connection: self.connection,
            names: Names::default(),
            cc: self.cc,
            state: self.state,
            times,
            changes: self.figures.changes,
            rtos: self.figures.rtos,
            repeated_rtos: self.figures.repeated_rtos,
            waited: self.figures.waited,
            stats: None,
            spell_ns,
            beginning: self.beginning(),
            exact: !self.figures.inexact && !self.found_late,
            uncertain_ns: self.figures.uncertain_ns,
            ended,
        }
    }
}
