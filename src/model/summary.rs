//! A whole run: what all of its reports together could not see.
//! Not here: the words for it.

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

impl Summary {
    /// Adds one report.
    pub fn add(&mut self, report: &Report) {
        self.reports += 1;
        self.changes += report.totals.changes;
        self.doubtful_ns += report.totals.doubtful_ns;
        self.left_out.rows += report.left_out.rows;
        self.left_out.inexact += report.left_out.inexact;
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
