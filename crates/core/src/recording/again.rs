//! Surveys that find a socket as the one before did: its address and the instant are
//! written in place of its figures. Not here: when surveys are made.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::model::{Address, Body, Entry, Kind, SocketEvent, State};

/// What surveys found last is kept of so many sockets, some 300 bytes each; `seen` lines
/// of others are whole.
const SOCKETS_MOST: usize = 1 << 18;
/// A whole line comes so often: what a damaged frame told comes again.
const WHOLE_EVERY_NS: u64 = 60_000_000_000;
/// A line is of no more sockets.
const GROUP_MOST: usize = 1000;

/// Sockets that were found as they were before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenAgainLine {
    /// When the first of them was met.
    pub(super) at_ns: u64,
    state: State,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unlocked: bool,
    sockets: Vec<Address>,
    /// Of each, how long after the one before it was met.
    after_ns: Vec<u64>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
struct SeenAgain {
    at_ns: u64,
    socket: u64,
    state: State,
    unlocked: bool,
}

#[derive(Debug)]
struct Whole {
    event: SocketEvent,
    told_ns: u64,
    /// The number of its line, among those that the writer has told.
    number: u64,
}

/// The last whole `seen` line of each socket. Writer and reader keep the same, since both
/// go by the lines.
#[derive(Debug, Default)]
pub(super) struct LastSeen {
    of: FxHashMap<u64, Whole>,
    pruned_ns: u64,
    lines: u64,
}

impl LastSeen {
    /// Takes notice of an entry that is told in whole.
    pub(super) fn note(&mut self, entry: &Entry) {
        self.lines += 1;
        let Body::Socket(event) = &entry.body else { return };
        match event.kind {
            Kind::Seen { .. } => {
                if self.of.len() >= SOCKETS_MOST && !self.of.contains_key(&event.socket) {
                    self.prune(entry.at_ns);
                    if self.of.len() >= SOCKETS_MOST {
                        return;
                    }
                }
                let (told_ns, number) = (entry.at_ns, self.lines);
                self.of.insert(event.socket, Whole { event: event.clone(), told_ns, number });
            }
            Kind::Birth { .. } | Kind::End { .. } | Kind::FilteredOut => self.forget(event.socket),
            Kind::Endpoints { .. } | Kind::Transition { .. } | Kind::Found { .. } => {}
        }
    }

    /// The socket's next survey is told in whole.
    pub(super) fn forget(&mut self, socket: u64) {
        self.of.remove(&socket);
    }

    /// So are those of all.
    pub(super) fn forget_all(&mut self) {
        self.of.clear();
    }

    /// Lets go of sockets whose ends nobody saw.
    fn prune(&mut self, now_ns: u64) {
        if now_ns >= self.pruned_ns + WHOLE_EVERY_NS {
            self.pruned_ns = now_ns;
            self.of.retain(|_, whole| now_ns < whole.told_ns + 2 * WHOLE_EVERY_NS);
        }
    }

    /// The number of the last whole line that tells the same but for the time, if that is
    /// not long ago.
    fn same(&self, entry: &Entry) -> Option<u64> {
        let Body::Socket(event) = &entry.body else { return None };
        let whole = self.of.get(&event.socket)?;
        let is_same = whole.event == *event && entry.at_ns < whole.told_ns + WHOLE_EVERY_NS;
        is_same.then_some(whole.number)
    }

    /// The entry in whole. Of a socket whose whole line was in a damaged frame nothing but
    /// the state is known.
    fn whole(&self, again: SeenAgain) -> Entry {
        let SeenAgain { at_ns, socket, state, unlocked } = again;
        let kind = Kind::Seen { state, unlocked };
        let bare = || SocketEvent {
            socket,
            lport: 0,
            rport: 0,
            kind,
            within_ns: 0,
            cc: None,
            connection: None,
            figures: None,
        };
        let known = self.of.get(&socket).map(|whole| &whole.event);
        let event = known.filter(|event| event.kind == kind).cloned().unwrap_or_else(bare);
        Entry { at_ns, body: Body::Socket(event) }
    }
}

/// Entries as they are to be written.
pub(super) enum Told<T> {
    /// A line that there is already.
    Text(T),
    /// A survey's finding, in whole.
    Whole(Entry),
    /// Several, told in short.
    Again(SeenAgainLine),
}

/// Puts together what was found again. A reader sorts these entries in by their times, so
/// other lines may come between.
pub(super) struct Grouping<'l, T> {
    last: &'l mut LastSeen,
    told: Vec<Told<T>>,
    group: Option<Group>,
    last_ns: u64,
}

/// The group to which more may come: where it is among what is told, how many lines had
/// been told in whole when it began, and the instant of its last.
struct Group {
    at: usize,
    began: u64,
    last_ns: u64,
}

impl<'l, T> Grouping<'l, T> {
    pub(super) fn new(last: &'l mut LastSeen) -> Self {
        Self { last, told: Vec::new(), group: None, last_ns: 0 }
    }

    /// The next line is this one, which is no survey's.
    pub(super) fn text(&mut self, at_ns: u64, ends: Option<u64>, text: T) {
        self.last.lines += 1;
        if let Some(socket) = ends {
            self.last.forget(socket);
        }
        self.told.push(Told::Text(text));
        self.last_ns = at_ns;
    }

    /// The next entry is this survey's finding.
    pub(super) fn seen(&mut self, entry: Entry) {
        // Of two at one instant the reader takes the one of the group first.
        let is_later = entry.at_ns > self.last_ns;
        let same = self.last.same(&entry).filter(|_| is_later);
        self.last_ns = entry.at_ns;
        let Some(number) = same else {
            self.last.note(&entry);
            self.told.push(Told::Whole(entry));
            return;
        };
        if !self.join(&entry, number) {
            self.begin(&entry);
        }
    }

    fn join(&mut self, entry: &Entry, number: u64) -> bool {
        let Some(group) = &mut self.group else { return false };
        let Some(Told::Again(line)) = self.told.get_mut(group.at) else { return false };
        let Some((socket, state, unlocked)) = seen(entry) else { return false };
        let fits = line.sockets.len() < GROUP_MOST
            && (line.state, line.unlocked) == (state, unlocked)
            // What it repeats must have been told before the group.
            && number <= group.began;
        if fits {
            line.sockets.push(Address(socket));
            line.after_ns.push(entry.at_ns - group.last_ns);
            group.last_ns = entry.at_ns;
        }
        fits
    }

    fn begin(&mut self, entry: &Entry) {
        let Some((socket, state, unlocked)) = seen(entry) else { return };
        let at_ns = entry.at_ns;
        self.group = Some(Group { at: self.told.len(), began: self.last.lines, last_ns: at_ns });
        let (sockets, after_ns) = (vec![Address(socket)], vec![0]);
        self.told.push(Told::Again(SeenAgainLine { at_ns, state, unlocked, sockets, after_ns }));
    }

    /// What is to be written, in order.
    pub(super) fn told(self) -> Vec<Told<T>> {
        self.told
    }
}

fn seen(entry: &Entry) -> Option<(u64, State, bool)> {
    match &entry.body {
        Body::Socket(SocketEvent { socket, kind: Kind::Seen { state, unlocked }, .. }) => {
            Some((*socket, *state, *unlocked))
        }
        _ => None,
    }
}

impl SeenAgainLine {
    /// From the first of them to the last.
    pub(super) fn lasts_ns(&self) -> u64 {
        self.after_ns.iter().fold(0, |sum, after_ns| sum.saturating_add(*after_ns))
    }

    /// How many entries it tells.
    pub(super) fn entries(&self) -> u64 {
        self.sockets.len() as u64
    }
}

/// What was told in short, to be taken one by one.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<SeenAgain>);

impl Waiting {
    pub(super) fn add(&mut self, line: &SeenAgainLine) {
        let SeenAgainLine { at_ns, state, unlocked, sockets, after_ns } = line;
        let mut at_ns = *at_ns;
        for (socket, after_ns) in sockets.iter().zip(after_ns) {
            at_ns = at_ns.saturating_add(*after_ns);
            let (state, unlocked) = (*state, *unlocked);
            self.0.push_back(SeenAgain { at_ns, socket: socket.0, state, unlocked });
        }
    }

    /// The next one's instant.
    pub(super) fn at_ns(&self) -> Option<u64> {
        self.0.front().map(|again| again.at_ns)
    }

    /// The next one, in whole.
    pub(super) fn next(&mut self, last: &LastSeen) -> Option<Entry> {
        self.0.pop_front().map(|again| last.whole(again))
    }
}
