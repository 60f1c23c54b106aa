//! Outages: timeouts in a row without an answer, and what came of them. Not here: what a
//! single timeout costs.

use crate::model::{Cause, State, Transition};

/// So many timeouts in a row without an answer are an outage: one may be chance, and RFC 6298
/// backs off from the second on.
const TIMEOUTS: u32 = 2;

/// Outages of a watch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outages {
    /// How many.
    pub count: u32,
    /// How long they were together, from the last acknowledgement or transmission before the
    /// first timeout until it was over, nanoseconds.
    pub total_ns: u64,
    /// When the longest began, `CLOCK_MONOTONIC` nanoseconds, ...
    pub longest_from_ns: u64,
    /// ... and how long it was, nanoseconds.
    pub longest_ns: u64,
    /// After so many of them it showed that the data had arrived, and only the
    /// acknowledgements had not.
    pub of_acks: u32,
    /// It lasts still.
    pub goes_on: bool,
    /// Timeouts in them.
    pub timeouts: u32,
}

impl Outages {
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.total_ns += other.total_ns;
        if other.longest_ns > self.longest_ns {
            (self.longest_from_ns, self.longest_ns) = (other.longest_from_ns, other.longest_ns);
        }
        self.of_acks += other.of_acks;
        self.goes_on |= other.goes_on;
        self.timeouts += other.timeouts;
    }

    fn add(&mut self, from_ns: u64, to_ns: u64, timeouts: u32) {
        let lasted_ns = to_ns.saturating_sub(from_ns);
        self.count += 1;
        self.timeouts += timeouts;
        self.total_ns += lasted_ns;
        if lasted_ns > self.longest_ns {
            (self.longest_from_ns, self.longest_ns) = (from_ns, lasted_ns);
        }
    }
}

/// Timeouts in a row.
#[derive(Debug, Clone, Copy)]
struct Run {
    from_ns: u64,
    timeouts: u32,
}

/// The timeouts of one flow, followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TimeoutsFollowed {
    outages: Outages,
    run: Option<Run>,
}

impl TimeoutsFollowed {
    pub(super) fn note(&mut self, transition: &Transition) {
        let at_ns = transition.at_ns;
        match transition.cause {
            // In a handshake there is nothing yet that could be out.
            Cause::Rto | Cause::RtoRepeat => {
                let from_ns = at_ns.saturating_sub(transition.waited_ns.unwrap_or(0));
                // What was acknowledged in Loss makes no transition, but the kernel counts anew.
                let before = transition.path.map(|path| u32::from(path.retransmits));
                if before == Some(0) {
                    self.end(from_ns, false);
                }
                let run = self.run.get_or_insert(Run { from_ns, timeouts: 0 });
                run.timeouts = before.unwrap_or(run.timeouts) + 1;
            }
            cause if transition.from == State::Loss => {
                self.end(at_ns, matches!(cause, Cause::Undo(_)));
            }
            _ => {}
        }
    }

    fn end(&mut self, at_ns: u64, had_arrived: bool) {
        if let Some(run) = self.run.take().filter(|run| run.timeouts >= TIMEOUTS) {
            self.outages.add(run.from_ns, at_ns, run.timeouts);
            self.outages.of_acks += u32::from(had_arrived);
        }
    }

    /// With one that lasts still at this instant, or at which the connection ended.
    pub(super) fn until(&self, to_ns: u64, has_ended: bool) -> Outages {
        let mut outages = self.outages;
        if let Some(run) = self.run.filter(|run| run.timeouts >= TIMEOUTS) {
            outages.add(run.from_ns, to_ns, run.timeouts);
            outages.goes_on = !has_ended;
        }
        outages
    }
}

#[cfg(test)]
#[path = "outages_tests.rs"]
mod tests;
