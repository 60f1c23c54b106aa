//! A whole run: what all of its reports together could not see.
//! Not here: the words for it.

use serde::Serialize;

use super::{FilteredOut, Losses, Report};

/// Sums over the reports of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many reports.
    pub reports: u64,
    /// Transitions in them.
    pub changes: u64,
    /// Verdicts at the end.
    pub verdicts: usize,
    /// By how much all figures together may be off, nanoseconds.
    pub uncertain_ns: u64,
    /// Rows that filters left out.
    pub filtered_out: FilteredOut,
    /// Rows that passed them and were not listed.
    pub unlisted: usize,
    /// What could not be seen.
    pub losses: Losses,
    /// Namespaces that could not be entered when last tried.
    pub namespaces_unreached: usize,
}

/// What a run without reports has not seen, or has left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// What filters left out.
    pub filtered_out: usize,
    /// Of that, what they might have let pass if more were known.
    pub filtered_out_unknown: usize,
    /// What could not be seen.
    #[serde(flatten)]
    pub losses: Losses,
    /// Namespaces that could not be entered when last tried.
    pub namespaces_unreached: usize,
}

impl Coverage {
    /// Of a whole run.
    #[must_use]
    pub fn of(summary: &Summary) -> Self {
        let Summary { losses, namespaces_unreached, filtered_out, .. } = *summary;
        let FilteredOut { rows, unknown, .. } = filtered_out;
        Self { filtered_out: rows, filtered_out_unknown: unknown, losses, namespaces_unreached }
    }
}

impl Summary {
    /// Adds one report.
    pub fn add(&mut self, report: &Report) {
        self.reports += 1;
        self.changes += report.totals.changes;
        self.uncertain_ns += report.totals.uncertain_ns;
        self.filtered_out.rows += report.filtered_out.rows;
        self.filtered_out.inexact += report.filtered_out.inexact;
        self.filtered_out.unknown += report.filtered_out.unknown;
        self.unlisted += report.flows - report.flows_listed();
        self.losses.add(&report.losses);
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
