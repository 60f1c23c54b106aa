//! An enrichment whose answers are written as they pass to a session; those that nobody asks
//! for are asked for. Not here: how lines become a recording.

use anyhow::{Context as _, Result};

use super::{Recorder, WRITING};
use crate::model::{Ledger, Lookups, Row};
use crate::recording::lines::Whose;
use crate::source::Enrichment;

/// Whose the flows are is asked so often.
const ASKS_NS: u64 = 1_000_000_000;

/// An enrichment that is recorded.
pub struct RecordedEnrichment<'e> {
    pub(super) inner: &'e mut dyn Enrichment,
    pub(super) recorder: Recorder,
    /// What is looked up of every flow, and when it last was.
    pub(super) lookups: Lookups,
    pub(super) asked_ns: u64,
}

impl RecordedEnrichment<'_> {
    /// Looks up those that nobody has, if it is time to.
    fn ask(&mut self, ledger: &Ledger) -> Result<()> {
        let now_ns = self.recorder.state().told_ns;
        if self.lookups == Lookups::default() || now_ns < self.asked_ns + ASKS_NS {
            return Ok(());
        }
        self.asked_ns = now_ns;
        let state = self.recorder.state();
        let is_known = |id| state.owners.get(id).is_some_and(Whose::has_process);
        let unknown = ledger.known().filter(|(id, _)| !is_known(*id));
        let mut rows: Vec<_> = unknown.map(|(id, connection)| Row::new(id, *connection)).collect();
        drop(state);
        if rows.is_empty() { Ok(()) } else { self.identify(&mut rows, self.lookups, ledger) }
    }
}

impl Enrichment for RecordedEnrichment<'_> {
    fn maintain(&mut self, ledger: &Ledger) -> Result<()> {
        self.inner.maintain(ledger)?;
        self.recorder.change().owners.forget_ended(ledger);
        if !self.recorder.state().is_part_due() {
            return self.ask(ledger);
        }
        // Whose the flows are that have ended belongs to the part that has them.
        self.asked_ns = 0;
        self.ask(ledger)?;
        self.recorder.change().begin_part(ledger).context(WRITING)
    }

    fn identify(&mut self, rows: &mut [Row], lookups: Lookups, ledger: &Ledger) -> Result<()> {
        self.inner.identify(rows, lookups, ledger)?;
        let mut state = self.recorder.change();
        rows.iter().try_for_each(|row| state.owner(row)).context(WRITING)
    }
}
