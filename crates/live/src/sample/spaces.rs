//! The network namespaces whose sockets are looked at: its own always, others where this
//! process may find and enter them. Not here: when.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::thread;

use super::diag::{DiagSocket, Looked};
use super::owners::OpenInodes;
use super::sightings::{Sightings, Wanted};
use crate::kernel::clock::monotonic_ns;
use crate::namespaces::{Namespace, Namespaces};
use tcpcong_core::model::{Body, Entry, SurveyedNamespace};

/// Namespaces are looked for so often at most, nanoseconds, ...
const PAUSE_LEAST_NS: u64 = 1_000_000_000;
/// ... and after so many times of how long that took.
const PAUSE_TIMES: u64 = 100;
/// A list that was interrupted is asked for again so often.
const LISTS_MOST: u32 = 3;
/// So many looks at a namespace may fail one after the other.
const FAILURES_MOST: u32 = 10;
/// Stands for the process's own namespace where there is no /proc to tell its number.
const NO_NUMBER: u32 = 0;

/// What is looked at.
#[derive(Debug)]
pub(super) struct Spaces {
    wanted: Wanted,
    inodes: OpenInodes,
    open: BTreeMap<u32, Space>,
    /// Those that are there and could not be entered.
    closed: BTreeSet<u32>,
    /// There may be one more.
    hidden: bool,
    /// When they were last looked for, and how long that took.
    found_ns: Option<u64>,
    took_ns: u64,
    /// So many looks have failed.
    failed: u64,
}

/// A namespace, in which this process need not be.
#[derive(Debug)]
struct Space {
    diag: DiagSocket,
    sightings: Sightings,
    /// All that was there at first has been met.
    is_met: bool,
    /// So many looks have failed since one did not.
    failures: u32,
}

impl Spaces {
    pub(super) fn new(wanted: Wanted, inodes: OpenInodes) -> Self {
        Self {
            wanted,
            inodes,
            open: BTreeMap::new(),
            closed: BTreeSet::new(),
            hidden: false,
            found_ns: None,
            took_ns: 0,
            failed: 0,
        }
    }

    /// How many are looked at.
    pub(super) fn reached(&self) -> usize {
        self.open.len()
    }

    /// How many are not, as far as that is known.
    pub(super) fn unreached(&self) -> usize {
        self.closed.len() + usize::from(self.hidden)
    }

    /// How many looks have failed: what they would have shown the next ones showed.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// Looks for namespaces, if it is time to. What is in one that is not there any more has
    /// ended, and is let go, as a socket of this process's keeps it alive.
    pub(super) fn find_if_due(&mut self, entries: &mut Vec<Entry>) {
        let began_ns = monotonic_ns();
        let pause_ns = PAUSE_LEAST_NS.max(PAUSE_TIMES * self.took_ns);
        if self.found_ns.is_some_and(|found_ns| began_ns < found_ns + pause_ns) {
            return;
        }
        let found = Namespaces::find();
        self.hidden = found.hidden;
        // Not even this process's own could be opened, though it was before: too many files are
        // open. What is open stays so.
        if found.own_missing && self.open.keys().any(|netns| *netns != NO_NUMBER) {
            self.hidden = true;
            self.found_ns = Some(began_ns);
            return;
        }
        let is_there = |netns: &u32| {
            found.cut_short
                || *netns == NO_NUMBER
                || found.open.contains_key(netns)
                || found.closed.contains(netns)
        };
        let gone: Vec<_> = self.open.keys().filter(|netns| !is_there(netns)).copied().collect();
        for netns in gone {
            if let Some(space) = self.open.remove(&netns) {
                space.sightings.close(began_ns, &self.wanted, &self.inodes, entries);
            }
        }
        // One whose socket is open is looked at all the same.
        self.closed = found.closed;
        self.closed.retain(|netns| !self.open.contains_key(netns));
        // What a failed look left behind is in its socket's way.
        let is_to_open = |open: &BTreeMap<u32, Space>, netns| {
            open.get(netns).is_none_or(|space| space.failures > 0)
        };
        if found.own_missing && is_to_open(&self.open, &NO_NUMBER) {
            self.add(NO_NUMBER, DiagSocket::open());
        }
        for (netns, namespace) in &found.open {
            let is_wanted = self.wanted.selection.netns.is_none_or(|wanted| wanted == *netns);
            if is_wanted && is_to_open(&self.open, netns) {
                self.add(*netns, open_in(namespace));
            }
        }
        self.found_ns = Some(began_ns);
        self.took_ns = monotonic_ns() - began_ns;
    }

    fn add(&mut self, netns: u32, opened: io::Result<DiagSocket>) {
        match opened {
            Ok(diag) => {
                if let Some(space) = self.open.get_mut(&netns) {
                    space.diag = diag;
                    return;
                }
                let sightings = Sightings::new(netns, self.found_ns);
                self.open.insert(netns, Space { diag, sightings, is_met: false, failures: 0 });
            }
            Err(_) if self.open.contains_key(&netns) => {}
            Err(_) => {
                self.closed.insert(netns);
            }
        }
    }

    /// Looks at all sockets. `measure`: what each looks like is told in any case.
    pub(super) fn look(&mut self, measure: bool, entries: &mut Vec<Entry>) -> io::Result<()> {
        let Self { wanted, inodes, open, failed, .. } = self;
        for (netns, space) in open {
            if let Err(error) = space.look((wanted, measure), inodes, entries) {
                *failed += 1;
                space.failures += 1;
                if space.failures >= FAILURES_MOST {
                    return Err(error);
                }
                continue;
            }
            space.failures = 0;
            if !std::mem::replace(&mut space.is_met, true) {
                // Nothing is judged by when that was: each look ends what it does not find.
                let surveyed = SurveyedNamespace { netns: *netns, began_ns: 0 };
                entries.push(Entry { at_ns: monotonic_ns(), body: Body::Surveyed(vec![surveyed]) });
            }
        }
        Ok(())
    }
}

impl Space {
    fn look(
        &mut self,
        (wanted, measure): (&Wanted, bool),
        inodes: &OpenInodes,
        entries: &mut Vec<Entry>,
    ) -> io::Result<()> {
        let Self { diag, sightings, .. } = self;
        let mut from_ns = monotonic_ns();
        for _ in 0..LISTS_MOST {
            from_ns = monotonic_ns();
            sightings.begin();
            let interrupted = diag.list(&mut |sighting, looked| {
                sightings.see(sighting, looked, (wanted, measure), inodes, entries);
            })?;
            if !interrupted {
                break;
            }
        }
        let looked = Looked { from_ns, to_ns: monotonic_ns() };
        // Of one that cannot be asked for, the next look tells.
        let mut is_there = |key: &_| diag.is_there(key).unwrap_or(true);
        sightings.end(looked, wanted, inodes, &mut is_there, entries);
        Ok(())
    }
}

/// The ports at which somebody listens, in any network namespace that can be entered.
#[must_use]
pub fn listening_ports() -> BTreeSet<u16> {
    let found = Namespaces::find();
    let own = found.own_missing.then(DiagSocket::open);
    let sockets = found.open.values().map(open_in).chain(own);
    // One that is gone meanwhile has none.
    sockets
        .filter_map(|socket| socket.and_then(|mut diag| diag.listening()).ok())
        .flatten()
        .collect()
}

/// A socket stays in the namespace in which it was made, so a thread makes it that need not
/// find its way back.
fn open_in(namespace: &Namespace) -> io::Result<DiagSocket> {
    if namespace.is_own() {
        return DiagSocket::open();
    }
    thread::scope(|scope| {
        let entering = scope.spawn(|| namespace.enter().and_then(|()| DiagSocket::open()));
        entering.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    })
}
