//! Whose the flows are, on this machine: lists the processes that have sockets open
//! (`bpf/owners.h`), and names what has a number. Which process is an owner is the
//! business of `enrichment`.

use anyhow::{Context as _, Result};
use libbpf_rs::Link;

use super::reader::Records;
use crate::enrichment::{Finder, OpenSocket};
use crate::kernel::wire;
use tcpcong_core::model::{Ledger, Lookups, Row};
use tcpcong_core::source::Enrichment;

/// What this machine tells of a flow's surroundings.
pub struct MachineLookups {
    /// The iterator over all open files, where owners were asked for.
    holders: Option<Link>,
    finder: Finder,
}

impl MachineLookups {
    /// `holders`: of the program `list_holders`.
    pub(super) fn new(holders: Option<Link>) -> Self {
        Self { holders, finder: Finder::default() }
    }
}

/// Every process with every TCP socket that it has, once or more.
fn open_sockets(holders: &Link) -> Result<Vec<OpenSocket>> {
    let mut open = Vec::new();
    let mut records = Records::new(holders, wire::HOLDER_BYTES)?;
    let mut take = |record: &[u8]| {
        open.push(wire::holder(record)?);
        Ok(())
    };
    while records.read(&mut take).context("listing who has the sockets")? {}
    Ok(open)
}

impl Enrichment for MachineLookups {
    fn maintain(&mut self, ledger: &Ledger) -> Result<()> {
        self.finder.keep_for(ledger);
        let Some(holders) = &self.holders else { return Ok(()) };
        self.finder.maintain(ledger, || open_sockets(holders))
    }

    fn identify(&mut self, rows: &mut [Row], lookups: Lookups, ledger: &Ledger) -> Result<()> {
        let holders = self.holders.as_ref();
        let open = || holders.map_or(Ok(Vec::new()), open_sockets);
        self.finder.identify(rows, lookups, ledger, open)
    }
}
