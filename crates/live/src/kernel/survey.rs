//! Meets every socket of every namespace, or of some: at the start, and again at times,
//! to find what no event told. When is `pace`'s business.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use anyhow::{Context as _, Result};
use libbpf_rs::Link;

use super::reader::Records;
use crate::kernel::wire;
use crate::namespaces::{Namespace, Namespaces};
use tcpcong_core::model::Entry;

/// Stands for the process's own namespace where there is no /proc to tell its number.
const NO_NUMBER: u32 = 0;

/// Runs the survey's iterator in namespaces.
pub(super) struct Surveyor {
    iterator: Link,
    /// What it tells of a socket, bytes.
    record_bytes: usize,
    /// Those that were found, and could be entered, when they were last looked for.
    namespaces: BTreeMap<u32, Namespace>,
    /// There is no /proc, so not even the process's own is among them.
    own_missing: bool,
    ever_reached: BTreeSet<u32>,
    /// Inode numbers of those that were found, or met with in a flow, but not entered.
    unreached: BTreeSet<u32>,
    /// There may be one more.
    hidden: bool,
}

impl Surveyor {
    pub(super) fn new(iterator: Link, figures: bool) -> Self {
        let record_bytes =
            if figures { wire::SEEN_BYTES } else { wire::SEEN_BYTES_WITHOUT_FIGURES };
        Self {
            iterator,
            record_bytes,
            namespaces: BTreeMap::new(),
            own_missing: false,
            ever_reached: BTreeSet::new(),
            unreached: BTreeSet::new(),
            hidden: false,
        }
    }

    /// Namespaces that could be entered so far.
    pub(super) fn reached(&self) -> usize {
        self.ever_reached.len()
    }

    /// Namespaces that could not be entered when last tried, as far as that is known.
    pub(super) fn unreached(&self) -> usize {
        self.unreached.len() + usize::from(self.hidden)
    }

    /// Whether this namespace has never been entered.
    pub(super) fn is_new(&self, netns: u32) -> bool {
        !self.ever_reached.contains(&netns)
    }

    /// Notes one whose sockets could not be met, or that a flow is in although it was not found.
    /// The latter is to be noted after a look for namespaces that began after the flow did.
    pub(super) fn note_unreached(&mut self, netns: u32) {
        self.unreached.insert(netns);
    }

    /// Looks for namespaces.
    pub(super) fn find_namespaces(&mut self) {
        let found = Namespaces::find();
        self.namespaces = found.open;
        self.own_missing = found.own_missing;
        self.unreached = found.closed;
        self.hidden = found.hidden;
    }

    /// Those that were found. Without /proc the process's own has no number.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = u32> {
        self.own_missing.then_some(NO_NUMBER).into_iter().chain(self.namespaces.keys().copied())
    }

    /// Begins to meet every socket of a namespace that was found; nothing where it is not
    /// there, or may not be entered.
    pub(super) fn meet(&mut self, netns: u32) -> Result<Option<Meeting>> {
        let records = if netns == NO_NUMBER {
            Some(Records::new(&self.iterator, self.record_bytes)?)
        } else {
            let Some(namespace) = self.namespaces.get(&netns) else { return Ok(None) };
            records_in(&self.iterator, self.record_bytes, namespace)?
        };
        if records.is_some() {
            self.ever_reached.insert(netns);
            self.unreached.remove(&netns);
        } else {
            self.unreached.insert(netns);
        }
        Ok(records.map(Meeting))
    }
}

/// Sockets that are being met.
pub(super) struct Meeting(Records);

impl Meeting {
    /// So many more, or a few more than that; none when all were met.
    pub(super) fn next(&mut self, most: usize) -> Result<Vec<Entry>> {
        let mut met = Vec::new();
        while met.len() < most {
            let read = self.0.read(|record| {
                met.push(wire::entry_of_bytes(record)?);
                Ok(())
            });
            if !read.context("listing the TCP sockets")? {
                break;
            }
        }
        Ok(met)
    }
}

/// Nothing where the namespace may not be entered.
///
/// The iterator lists the namespace of the thread that makes it, so each
/// namespace gets a thread, which need not find its way back.
fn records_in(
    iterator: &Link,
    record_bytes: usize,
    namespace: &Namespace,
) -> Result<Option<Records>> {
    if namespace.is_own() {
        return Records::new(iterator, record_bytes).map(Some);
    }
    thread::scope(|scope| {
        let entering = scope.spawn(|| {
            if namespace.enter().is_err() {
                return Ok(None);
            }
            Records::new(iterator, record_bytes).map(Some)
        });
        entering.join().unwrap_or_else(|_| Err(anyhow::anyhow!("entering a namespace panicked")))
    })
}
