//! What reductions of the congestion window cost: how much smaller it was, and for how
//! long, until it was back. Not here: why they were made, which transitions tell.

use crate::model::{Cause, State, Transition};

/// What brought a reduction about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A loss while packets hardly waited in a queue: the path's own.
    Loss,
    /// A loss while they did: a queue that had filled up.
    FullQueue,
    /// An ECN mark.
    Mark,
    /// A drop in a queue of this machine.
    LocalDrop,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Loss, Self::FullQueue, Self::Mark, Self::LocalDrop];

    fn of(transition: &Transition) -> Option<Self> {
        match transition.cause {
            Cause::FastRetransmit | Cause::RackTimer | Cause::Tlp | Cause::Rto => {
                let least = transition.path.and_then(|path| path.rtt_min());
                let cwnd = transition.cwnd.before.max(transition.cwnd.after).unwrap_or(0);
                let waits = least.is_some_and(|least| has_queue(transition.srtt_us, least, cwnd));
                Some(if waits { Self::FullQueue } else { Self::Loss })
            }
            Cause::Ecn => Some(Self::Mark),
            Cause::LocalDrop => Some(Self::LocalDrop),
            _ => None,
        }
    }
}

/// Whether packets waited in queues for a quarter of the least round trip, and for a
/// millisecond, and four segments of the window did: delayed acknowledgements of a small
/// window look like a queue. Microseconds, and segments.
pub(super) fn has_queue(srtt_us: u32, least_us: u32, cwnd: u32) -> bool {
    let waits_us = srtt_us.saturating_sub(least_us);
    let waiting = u64::from(cwnd) * u64::from(waits_us);
    waits_us >= (least_us / 4).max(1000) && waiting >= 4 * u64::from(srtt_us)
}

/// Reductions of one trigger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reduced {
    /// How many.
    pub count: u32,
    /// How long the window was smaller than before, nanoseconds.
    pub below_ns: u64,
    /// That time by how much smaller it was: a second at half of the window is half a
    /// second, nanoseconds.
    pub deficit_ns: u64,
    /// The largest window before, and the smallest after, segments.
    pub before: u32,
    /// See `before`; 0: none.
    pub after: u32,
    /// So often was the flow looked at since the first one, with something on its way; of
    /// several flows the least that one has.
    pub looks: u32,
}

impl Reduced {
    pub(super) fn merge(&mut self, other: &Self) {
        self.looks = match (self.count, other.count) {
            (0, _) => other.looks,
            (_, 0) => self.looks,
            _ => self.looks.min(other.looks),
        };
        self.count += other.count;
        self.below_ns += other.below_ns;
        self.deficit_ns += other.deficit_ns;
        self.before = self.before.max(other.before);
        self.after = match (self.after, other.after) {
            (0, after) | (after, 0) => after,
            (one, other) => one.min(other),
        };
    }
}

/// All reductions of a flow, by trigger, in the order of [`Trigger::ALL`].
pub type Reductions = [Reduced; 4];

/// The window of one flow, followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WindowFollowed {
    pub(super) sums: Reductions,
    cwnd: u32,
    at_ns: u64,
    /// In Recovery and Loss what it costs is counted otherwise.
    is_repairing: bool,
    wanted: Option<Wanted>,
}

/// A window that is not back yet.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    cwnd: u32,
    trigger: Trigger,
    /// It has been smaller since: it shrinks step by step (RFC 6937).
    is_missing: bool,
}

impl WindowFollowed {
    /// It was so large at this instant, and stays so until the next one. `is_limit`: it was
    /// what kept more from being sent since the last one.
    pub(super) fn look(&mut self, at_ns: u64, cwnd: u32, is_limit: bool) {
        if let Some(wanted) = &mut self.wanted {
            let lasted_ns = at_ns.saturating_sub(self.at_ns);
            let sum = &mut self.sums[wanted.trigger as usize];
            let missing = wanted.cwnd.saturating_sub(self.cwnd);
            if missing > 0 && is_limit && !self.is_repairing {
                sum.below_ns += lasted_ns;
                sum.deficit_ns += lasted_ns / u64::from(wanted.cwnd) * u64::from(missing);
            }
            if cwnd < wanted.cwnd {
                wanted.is_missing = true;
                sum.after = if sum.after == 0 { cwnd } else { cwnd.min(sum.after) };
            } else if wanted.is_missing {
                self.wanted = None;
            }
        }
        (self.cwnd, self.at_ns) = (cwnd, at_ns);
    }

    /// Something was on its way when it was looked at.
    pub(super) fn looked_on(&mut self) {
        for sum in self.sums.iter_mut().filter(|sum| sum.count > 0) {
            sum.looks += 1;
        }
    }

    pub(super) fn note(&mut self, transition: &Transition) {
        let cwnd = transition.cwnd.after.unwrap_or(self.cwnd);
        let is_limit = transition.path.is_some_and(|path| path.cwnd_limited);
        self.look(transition.at_ns, cwnd, is_limit);
        self.is_repairing = matches!(transition.to, State::Recovery | State::Loss);
        let Some(trigger) = Trigger::of(transition) else {
            // What was for nothing is back, and what did not shrink until the end will not.
            let is_over = transition.cause == Cause::Recovered && transition.to == State::Open;
            let stayed = is_over && self.wanted.is_some_and(|wanted| cwnd >= wanted.cwnd);
            if stayed || matches!(transition.cause, Cause::Undo(_)) {
                self.wanted = None;
            }
            return;
        };
        let before = transition.cwnd.before.unwrap_or(cwnd).max(cwnd);
        let sum = &mut self.sums[trigger as usize];
        sum.count += 1;
        sum.before = sum.before.max(before);
        // What is not back yet is still wanted, but what no queue took does not want room in one.
        let former = self.wanted.filter(|former| former.trigger == trigger);
        let is_missing = former.is_some_and(|former| former.cwnd > before && former.is_missing);
        let cwnd = former.map_or(before, |former| former.cwnd.max(before));
        self.wanted = (cwnd > 0).then_some(Wanted { cwnd, trigger, is_missing });
    }
}

#[cfg(test)]
#[path = "reductions_tests.rs"]
mod tests;
