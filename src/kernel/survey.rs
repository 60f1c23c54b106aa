//! Meets every socket of every namespace: at the start, and again at times, to
//! find what no event told. Costs at most a hundredth of the time.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::thread;

use anyhow::{Context as _, Result};
use libbpf_rs::{Link, MapCore, MapFlags};

use super::namespaces::{Namespace, Namespaces};
use super::raw::Words;
use super::reader::each_record;
use super::tracer::monotonic_ns;
use crate::model::{FlowId, Spell};
use crate::wire::{self, Account, FlowRecord};

/// Pause after a survey, in times of how long it took, ...
const PAUSE_TIMES: u64 = 100;
/// ... and at least, nanoseconds.
const PAUSE_LEAST_NS: u64 = 900_000_000;
/// A record whose socket so many surveys have not met is of a socket that is
/// gone. One might have passed it by while it was moving.
const ROUNDS_UNMET: u32 = 2;

/// Runs the survey's iterator in every namespace.
pub(super) struct Surveyor {
    iterator: Link,
    round: u32,
    /// When the last survey began and ended, nanoseconds.
    began_ns: u64,
    ended_ns: u64,
    due_ns: u64,
    /// Inode numbers of those that the last survey met, the one before, and any.
    reached: BTreeSet<u32>,
    reached_before: BTreeSet<u32>,
    ever_reached: BTreeSet<u32>,
    /// Inode numbers of those that were found, or met with in a flow, but not
    /// entered.
    unreached: BTreeSet<u32>,
    /// There may be one more.
    hidden: bool,
    /// What the last survey has handed over: accounts, where it may not write them
    /// into the records.
    accounts: HashMap<FlowId, Account>,
}

impl Surveyor {
    pub(super) fn new(iterator: Link) -> Self {
        Self {
            iterator,
            round: 0,
            began_ns: 0,
            ended_ns: 0,
            due_ns: 0,
            reached: BTreeSet::new(),
            reached_before: BTreeSet::new(),
            ever_reached: BTreeSet::new(),
            unreached: BTreeSet::new(),
            hidden: false,
            accounts: HashMap::new(),
        }
    }

    /// Whether the last survey met the record's socket.
    pub(super) fn has_met(&self, record: &FlowRecord) -> bool {
        record.surveyed == self.round
    }

    /// The flow's account, if the last survey has handed it over.
    pub(super) fn account_of(&self, record: &FlowRecord) -> Option<&Account> {
        self.accounts.get(&record.latest().id)
    }

    /// Namespaces that the last survey entered.
    pub(super) fn reached(&self) -> usize {
        self.reached.len()
    }

    /// Namespaces that the last survey could not enter, as far as it can know.
    pub(super) fn unreached(&self) -> usize {
        self.unreached.len() + usize::from(self.hidden)
    }

    /// Notes the namespaces that flows are in although none was entered.
    pub(super) fn note_unreached(&mut self, flows: &[FlowRecord]) {
        for flow in flows.iter().map(FlowRecord::latest) {
            // A namespace made since the last survey will be found by the next;
            // one that was met and now has no process left has been met.
            if flow.id.born_ns < self.began_ns && !self.ever_reached.contains(&flow.netns) {
                self.unreached.insert(flow.netns);
            }
        }
    }

    pub(super) fn survey_if_due(
        &mut self,
        words: &Words<'_>,
        surveyed: &impl MapCore,
    ) -> Result<()> {
        if monotonic_ns() < self.due_ns { Ok(()) } else { self.survey(words, surveyed) }
    }

    /// Meets every socket, and puts the namespaces of which that is true into
    /// the map `surveyed`.
    pub(super) fn survey(&mut self, words: &Words<'_>, surveyed: &impl MapCore) -> Result<()> {
        self.round += 1;
        self.began_ns = monotonic_ns();
        words.survey_round.store(self.round, Ordering::SeqCst);
        let found = Namespaces::find();
        self.reached_before = std::mem::take(&mut self.reached);
        self.unreached = found.closed;
        self.hidden = found.hidden;
        self.accounts.clear();
        if found.own_missing {
            self.accounts.extend(self.survey_here()?);
        }
        for (inode, namespace) in &found.open {
            if let Some(accounts) = self.survey_one(namespace)? {
                self.accounts.extend(accounts);
                self.reached.insert(*inode);
                // Where the map is full, a missed birth there goes unnoticed.
                _ = surveyed.update(&inode.to_ne_bytes(), &[1], MapFlags::ANY);
            } else {
                self.unreached.insert(*inode);
            }
        }
        self.ever_reached.extend(&self.reached);
        self.ended_ns = monotonic_ns();
        let took = self.ended_ns - self.began_ns;
        self.due_ns = self.ended_ns + (took * PAUSE_TIMES).max(PAUSE_LEAST_NS);
        Ok(())
    }

    fn survey_here(&self) -> Result<Vec<(FlowId, Account)>> {
        let what = "listing the TCP sockets";
        let mut accounts = Vec::new();
        let mut broken = Ok(());
        let read =
            each_record(&self.iterator, wire::GLANCE_BYTES, |bytes| match wire::glance(bytes) {
                Ok(glance) => accounts.push(glance),
                Err(error) => broken = Err(error),
            });
        read.context(what)?;
        broken.context(what).map(|()| accounts)
    }

    /// Nothing where the namespace may not be entered.
    ///
    /// The iterator lists the namespace of the thread that makes it, so each
    /// namespace gets a thread, which need not find its way back.
    fn survey_one(&self, namespace: &Namespace) -> Result<Option<Vec<(FlowId, Account)>>> {
        thread::scope(|scope| {
            let surveying = scope.spawn(|| {
                if namespace.enter().is_err() {
                    return Ok(None);
                }
                self.survey_here().map(Some)
            });
            surveying.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the survey panicked")))
        })
    }

    /// When the record's socket was found gone, nanoseconds; nothing if it was
    /// met, or might have been missed.
    pub(super) fn found_gone_at(&self, record: &FlowRecord) -> Option<u64> {
        let flow = record.latest();
        let Spell::Open { since_ns, .. } = flow.tally.spell else { return None };
        let unmet = self.round.saturating_sub(record.surveyed) >= ROUNDS_UNMET;
        let looked =
            self.reached.contains(&flow.netns) && self.reached_before.contains(&flow.netns);
        // Nothing of it may have happened since the survey began.
        (unmet && looked && since_ns < self.began_ns).then_some(self.ended_ns)
    }
}
