//! Lists the processes that have the flows' sockets open (`bpf/owners.h`).
//! Which of them is an owner is the business of `whose`.

use anyhow::{Context as _, Result};
use libbpf_rs::Link;

use super::reader::Reader;
use crate::whose::Holder;

/// The iterator over all open files.
pub(super) struct Holders(Reader);

impl Holders {
    /// `link`: of the program `list_holders`.
    pub(super) fn new(link: Link) -> Self {
        Self(Reader::new(link, Holder::FLOW_BYTES, Holder::PROCESS_BYTES))
    }

    /// Every process with every flow's socket that it has, once or more.
    pub(super) fn list(&self) -> Result<Vec<Holder>> {
        let mut holders = Vec::new();
        let read = self.0.read(|flow, process| holders.extend(Holder::decode(flow, process)));
        read.context("listing who has the sockets")?;
        Ok(holders)
    }
}
