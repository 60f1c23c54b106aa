//! Whose flows are, as a recording tells: kept for as long as a flow is known, and the
//! enrichment that says it again. Not here: what looks it up in a live run.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Result;
use rustc_hash::{FxHashMap, FxHashSet};

use super::lines::Whose;
use crate::model::{FlowId, Ledger, Lookups, Row};
use crate::source::Enrichment;

/// So many are kept without asking whether they are alive.
const KEPT_FREELY: usize = 1024;

#[derive(Debug)]
pub(super) struct Owners {
    of: FxHashMap<FlowId, Whose>,
    /// How many may be kept until that is asked.
    room: usize,
}

impl Default for Owners {
    fn default() -> Self {
        Self { of: FxHashMap::default(), room: KEPT_FREELY }
    }
}

impl Owners {
    pub(super) fn get(&self, id: FlowId) -> Option<&Whose> {
        self.of.get(&id)
    }

    pub(super) fn insert(&mut self, id: FlowId, whose: Whose) {
        self.of.insert(id, whose);
    }

    /// Forgets what no flow has, where much is kept.
    pub(super) fn forget_ended(&mut self, ledger: &Ledger) {
        if self.of.len() > self.room {
            let known: FxHashSet<_> = ledger.known().map(|(id, _)| id).collect();
            self.of.retain(|id, _| known.contains(id));
            self.room = 2 * self.of.len() + KEPT_FREELY;
        }
    }
}

/// Whose the flows of a recording were, as far as it was looked up then.
#[derive(Debug)]
pub struct RecordedOwners(Rc<RefCell<Owners>>);

impl RecordedOwners {
    pub(super) fn new(owners: Rc<RefCell<Owners>>) -> Self {
        Self(owners)
    }
}

impl Enrichment for RecordedOwners {
    fn maintain(&mut self, ledger: &Ledger) -> Result<()> {
        self.0.borrow_mut().forget_ended(ledger);
        Ok(())
    }

    fn identify(&mut self, rows: &mut [Row], _: Lookups, _: &Ledger) -> Result<()> {
        let owners = self.0.borrow();
        for row in rows {
            if let Some(whose) = owners.get(row.id) {
                let process = &mut row.connection.owner.process;
                *process = whose.process().or(*process);
                row.names = whose.names();
            }
        }
        Ok(())
    }
}
