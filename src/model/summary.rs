//! A whole run: what all of its reports together could not see.
//! Not here: the words for it.

use serde::Serialize;

use super::{Blind, LeftOut, Report};

/// Sums over the reports of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many reports.
    pub reports: u64,
    /// Transitions in them.
    pub changes: u64,
    /// By how much all figures together may be off, nanoseconds.
    pub doubtful_ns: u64,
    /// Rows that filters left out.
    pub left_out: LeftOut,
    /// Rows that passed them and were not listed.
    pub unlisted: usize,
    /// What could not be seen.
    pub blind: Blind,
    /// Namespaces that could not be entered when last tried.
    pub namespaces_unreached: usize,
}

/// What a run without reports has not seen, or has left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// What filters left out.
    pub left_out: usize,
    /// Of that, what they might have let pass if more were known.
    pub left_out_unknown: usize,
    /// What could not be seen.
    #[serde(flatten)]
    pub blind: Blind,
    /// Namespaces that could not be entered when last tried.
    pub namespaces_unreached: usize,
}

impl Unseen {
    /// Of all this.
    #[must_use]
    pub fn new(blind: Blind, namespaces_unreached: usize, left_out: LeftOut) -> Self {
        let LeftOut { rows, unknown, .. } = left_out;
        Self { left_out: rows, left_out_unknown: unknown, blind, namespaces_unreached }
    }
}

impl Summary {
    /// Adds one report.
    pub fn add(&mut self, report: &Report) {
        self.reports += 1;
        self.changes += report.totals.changes;
        self.doubtful_ns += report.totals.doubtful_ns;
        self.left_out.rows += report.left_out.rows;
        self.left_out.inexact += report.left_out.inexact;
        self.left_out.unknown += report.left_out.unknown;
        self.unlisted += report.flows - report.flows_listed();
        self.blind.add(&report.blind);
        self.namespaces_unreached = report.namespaces_unreached;
    }

    /// The same, of one report alone.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut summary = Self::default();
        summary.add(report);
        summary
    }
}
