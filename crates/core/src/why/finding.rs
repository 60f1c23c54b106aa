//! What a watch has found, as values. Not here: how they are printed.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::{Evidence, Judgement};
use crate::model::{Group, Row};

/// What there is a verdict on.
#[derive(Debug, Clone)]
pub enum About {
    /// A flow.
    Flow(Box<Row>),
    /// Flows that have something in common.
    Group(Group),
}

/// One verdict.
#[derive(Debug, Clone)]
pub struct Finding {
    /// On what.
    pub about: About,
    /// What it rests on.
    pub evidence: Evidence,
    /// What the rules say of that.
    pub judgement: Judgement,
}

impl Finding {
    /// Those that are calm last; of the others the one that was held up most first, and of
    /// those held up alike the one that sent or received the most.
    pub(crate) fn rank(&self) -> (bool, Reverse<u64>, Reverse<u64>) {
        let traffic = &self.evidence.stats.traffic;
        let is_calm = self.judgement.verdict.is_calm();
        let held_up_ns = self.evidence.held_up_ns().max(self.judgement.cost_ns);
        let bytes = traffic.acked_bytes.max(traffic.received_bytes);
        (is_calm, Reverse(held_up_ns), Reverse(bytes))
    }
}

/// The verdicts of a watch.
#[derive(Debug, Clone)]
pub struct Verdicts {
    /// Those that are to be listed, in this order.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub in_all: usize,
    /// What the wall clock showed at the watch's end.
    pub at: Timestamp,
    /// When it began, `CLOCK_MONOTONIC` nanoseconds.
    pub from_ns: u64,
    /// When it ended, `CLOCK_MONOTONIC` nanoseconds.
    pub to_ns: u64,
    /// How many flows were not watched, for want of room.
    pub not_taken: u64,
    /// Entries that were lost, so that causes may be missing.
    pub dropped: u64,
}
