//! What a watch has found, as values. Not here: how they are printed.

use super::{Confidence, Evidence, Verdict};
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
    /// Who or what is to blame.
    pub verdict: Verdict,
    /// How far that can be relied on.
    pub confidence: Confidence,
}

/// The verdicts of a watch.
#[derive(Debug, Clone)]
pub struct Verdicts {
    /// Those that are to be listed, in this order.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub in_all: usize,
    /// Entries that were lost, so that causes may be missing.
    pub dropped: u64,
}
