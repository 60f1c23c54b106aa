//! A part of a recording: from an instant in its midst on, up to another. Not here: how
//! people tell instants.

use anyhow::Result;

use super::{Recording, RecordingError};
use crate::model::{Ledger, LedgerOptions};
use crate::source::{Enrichment as _, Source as _, Wait};

impl Recording {
    /// Goes to this instant of `CLOCK_MONOTONIC`: observed lives begin there, in the states
    /// that the flows are in then. To be called before anything is taken.
    pub fn begin_at(&mut self, since_ns: u64) -> Result<()> {
        if since_ns <= self.start.at_ns {
            return Ok(());
        }
        let mut ledger = Ledger::new(
            self.start.at_ns,
            LedgerOptions {
                transitions: true,
                tick_ns: Some(self.tick_ns),
                max_flows: self.start.max_flows,
                ..LedgerOptions::default()
            },
        );
        let mut owners = self.owners();
        let wait = Wait { until_ns: Some(since_ns), promptly: false };
        let since_ns = loop {
            let reached = self.advance(wait, &mut |entry| ledger.apply(&entry))?;
            let at = self.wall(reached.until_ns);
            if reached.end.is_some() {
                return Err(RecordingError::EndsBefore(at).into());
            }
            // An interval that was to end there may have ended a little later.
            if reached.until_ns >= since_ns {
                break reached.until_ns;
            }
            // What came until now is of no interest.
            ledger.take_transitions();
            ledger.close(reached.until_ns, at);
            owners.maintain(&ledger)?;
        };
        self.before = ledger.key_frame(since_ns).collect();
        self.start.at = self.wall(since_ns);
        self.start.at_ns = since_ns;
        self.losses_before = self.all_losses();
        Ok(())
    }

    /// Ends at this instant of `CLOCK_MONOTONIC`, if it does not end before.
    pub fn end_at(&mut self, until_ns: u64) {
        self.ends_ns = Some(until_ns);
    }
}
