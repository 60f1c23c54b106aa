//! What a run is to do, as a command says it. Not here: how it is done.

use std::time::Duration;

use crate::model::{Arrangement, Filter, LedgerOptions, Lookups};

/// What a run is to hand to its sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// A report for each interval.
    Reports,
    /// Transitions as they come.
    Transitions,
    /// Verdicts at the end.
    Verdicts,
}

/// What a run is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What comes out.
    pub product: Product,
    /// From one report, or one look at what is to be judged, to the next; without it there is
    /// one report, at the end, and a look each second.
    pub interval: Option<Duration>,
    /// How many reports; without it there is no end.
    pub outputs: Option<u64>,
    /// How long it lasts; without it there is no end.
    pub duration: Option<Duration>,
    /// Where the ledger is to have sums, they come about so often, and when an interval ends.
    pub sums_every: Option<Duration>,
    /// What must be looked up of one flow of each key of theirs.
    pub sums_lookups: Lookups,
    /// Verdicts come so often, each of its own watch; without it at the end, and beside reports
    /// not at all.
    pub verdicts_every: Option<Duration>,
    /// The sink is handed each look at what is to be judged as well.
    pub each_look: bool,
    /// What is kept of the entries.
    pub ledger: LedgerOptions,
    /// Which rows and transitions stay.
    pub filter: Filter,
    /// How they are listed.
    pub arrangement: Arrangement,
    /// What must be looked up for all this.
    pub lookups: Lookups,
    /// The histograms are of the listed rows' spells, in units of so many nanoseconds.
    pub lengths_of_rows: Option<u64>,
}

impl Plan {
    /// Each transition as it happens, with its cause. The source must have been asked for
    /// figures.
    #[must_use]
    pub fn transitions(duration: Option<Duration>) -> Self {
        Self {
            product: Product::Transitions,
            duration,
            ledger: LedgerOptions { transitions: true, ..LedgerOptions::default() },
            ..Self::default()
        }
    }
}

impl Default for Plan {
    /// Reports on everything, one at the end.
    fn default() -> Self {
        Self {
            product: Product::Reports,
            interval: None,
            outputs: None,
            duration: None,
            sums_every: None,
            sums_lookups: Lookups::default(),
            verdicts_every: None,
            each_look: false,
            ledger: LedgerOptions::default(),
            filter: Filter::default(),
            arrangement: Arrangement::default(),
            lookups: Lookups::default(),
            lengths_of_rows: None,
        }
    }
}
