//! The sockets of one namespace from one look to the next: what is new, what has changed, and
//! what is gone, as entries. A pure function of what was seen. Not here: the looking.

use rustc_hash::FxHashMap;

use super::answer::{Sighting, SocketKey};
use super::diag::Looked;
use super::figures::{Before, figures};
use super::owners::OpenInodes;
use crate::kernel::Selection;
use tcpcong_core::model::{Body, Connection, Entry, Kind, Owner, Place, SocketEvent, State};

/// `sk_cookie` of each namespace was its own before Linux 5.4.
const OF_NAMESPACE: u32 = 32;

/// What is made of what is seen.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) selection: Selection,
    /// Changes come with figures.
    pub(super) figures: bool,
    pub(super) tick_ns: u64,
    /// Cookies tell sockets apart whatever their namespace.
    pub(super) cookies_are_unique: bool,
}

/// All that is known of the sockets of one namespace.
#[derive(Debug)]
pub(super) struct Sightings {
    netns: u32,
    known: FxHashMap<u64, Known>,
    /// The number of the present look.
    look: u64,
    /// What is new has begun since then; nothing where it may have been there before all.
    since_ns: Option<u64>,
    /// Of the present look.
    seen: usize,
}

/// A socket, as it was when it was last seen.
#[derive(Debug, Clone, Copy)]
struct Known {
    key: SocketKey,
    ports: (u16, u16),
    look: u64,
    /// It was seen no sooner than then.
    from_ns: u64,
    state: State,
    retransmits: u8,
    cwnd: u32,
    delivered_ce: u32,
    inode: u32,
}

impl Sightings {
    /// Of a namespace of which nothing was seen. `since_ns`: it was not there then; without
    /// that, what is there was there when the run began.
    pub(super) fn new(netns: u32, since_ns: Option<u64>) -> Self {
        Self { netns, known: FxHashMap::default(), look: 0, since_ns, seen: 0 }
    }

    /// A look begins.
    pub(super) fn begin(&mut self) {
        self.look += 1;
        self.seen = 0;
    }

    /// Takes a socket that is there, and makes entries of what has become of it. `measure`:
    /// what it looks like is told in any case.
    pub(super) fn see(
        &mut self,
        sighting: &Sighting<'_>,
        looked: Looked,
        (wanted, measure): (&Wanted, bool),
        inodes: &OpenInodes,
        entries: &mut Vec<Entry>,
    ) {
        if !self.is_wanted(sighting, wanted) {
            return;
        }
        let cookie = sighting.key.cookie();
        let mut made = Made {
            sighting,
            looked,
            wanted,
            socket: self.socket(cookie, wanted),
            netns: self.netns,
            entries,
        };
        let before = self.known.get(&cookie).copied();
        let now = Known::of(sighting, looked, self.look);
        self.seen += usize::from(before.is_none_or(|before| before.look != self.look));
        self.known.insert(cookie, now);
        if before.is_none_or(|before| before.inode != now.inode) {
            inodes.set(before.map_or(0, |before| before.inode), now.inode, (made.socket, cookie));
        }
        match before {
            None => made.met(self.since_ns),
            // It was disconnected, and connected again.
            Some(before) if !before.has_same_ends(&now) => {
                made.ended(&before);
                made.met(Some(before.from_ns));
            }
            Some(before) => {
                made.changed(&before, &now);
                if measure && wanted.figures {
                    made.seen();
                }
            }
        }
    }

    /// The look is over; it began then. Those that were not seen are gone if `is_there` does
    /// not find them.
    pub(super) fn end(
        &mut self,
        looked: Looked,
        wanted: &Wanted,
        inodes: &OpenInodes,
        is_there: &mut dyn FnMut(&SocketKey) -> bool,
        entries: &mut Vec<Entry>,
    ) {
        self.since_ns = Some(looked.from_ns);
        if self.seen == self.known.len() {
            return;
        }
        let look = self.look;
        let missing = self.known.iter().filter(|(_, known)| known.look != look);
        // A list that changes while it is read may pass by one that is there.
        let gone: Vec<_> = missing
            .filter(|(_, known)| !is_there(&known.key))
            .map(|(cookie, known)| (*cookie, *known))
            .collect();
        for (cookie, known) in gone {
            self.known.remove(&cookie);
            inodes.set(known.inode, 0, (0, 0));
            entries.push(ended(self.socket(cookie, wanted), &known, looked.to_ns));
        }
    }

    /// The namespace is gone: so are its sockets.
    pub(super) fn close(
        self,
        to_ns: u64,
        wanted: &Wanted,
        inodes: &OpenInodes,
        entries: &mut Vec<Entry>,
    ) {
        for (cookie, known) in &self.known {
            inodes.set(known.inode, 0, (0, 0));
            entries.push(ended(self.socket(*cookie, wanted), known, to_ns));
        }
    }

    fn is_wanted(&self, sighting: &Sighting<'_>, wanted: &Wanted) -> bool {
        let Selection { lports, rports, laddr, raddr, netns } = &wanted.selection;
        let ends = &sighting.endpoints;
        lports.contains(ends.lport)
            && rports.contains(ends.rport)
            && laddr.is_none_or(|prefix| prefix.contains(ends.laddr))
            && raddr.is_none_or(|prefix| prefix.contains(ends.raddr))
            && netns.is_none_or(|netns| netns == self.netns)
    }

    /// What stands for the kernel's address of the socket.
    fn socket(&self, cookie: u64, wanted: &Wanted) -> u64 {
        let of_namespace = if wanted.cookies_are_unique { 0 } else { u64::from(self.netns) };
        cookie ^ of_namespace << OF_NAMESPACE
    }
}

impl Known {
    fn of(sighting: &Sighting<'_>, looked: Looked, look: u64) -> Self {
        let Sighting { key, endpoints, state, info, inode, .. } = *sighting;
        Self {
            key,
            ports: (endpoints.lport, endpoints.rport),
            look,
            from_ns: looked.from_ns,
            state,
            retransmits: info.retransmits(),
            cwnd: info.snd_cwnd(),
            delivered_ce: info.delivered_ce(),
            inode,
        }
    }

    fn has_same_ends(&self, now: &Self) -> bool {
        // All but the interface, to which a socket may be bound at any time.
        self.key.id.get(..36) == now.key.id.get(..36)
    }
}

/// Halfway between two looks, and how far they are apart.
fn between(from_ns: u64, to_ns: u64) -> (u64, u64) {
    let within_ns = to_ns.saturating_sub(from_ns);
    (from_ns + within_ns / 2, within_ns.max(1))
}

/// That a socket was gone at `to_ns`.
fn ended(socket: u64, known: &Known, to_ns: u64) -> Entry {
    let (at_ns, within_ns) = between(known.from_ns, to_ns);
    let (lport, rport) = known.ports;
    let kind = Kind::End { state: known.state };
    let event = SocketEvent {
        socket,
        lport,
        rport,
        kind,
        within_ns,
        cc: None,
        connection: None,
        figures: None,
    };
    Entry { at_ns, body: Body::Socket(event) }
}

/// Makes entries of one socket that was seen.
struct Made<'m> {
    sighting: &'m Sighting<'m>,
    looked: Looked,
    wanted: &'m Wanted,
    socket: u64,
    netns: u32,
    entries: &'m mut Vec<Entry>,
}

impl Made<'_> {
    /// It was not there at `since_ns`.
    fn met(&mut self, since_ns: Option<u64>) {
        let state = self.sighting.state;
        let Some(since_ns) = since_ns else {
            // All that was counted so far was before.
            let figures = self.wanted.figures.then(Before::default);
            return self.add(self.looked.to_ns, 0, Kind::Seen { state, unlocked: false }, figures);
        };
        let (at_ns, within_ns) = between(since_ns, self.looked.to_ns);
        // Without figures: what it has counted came in its life.
        self.add(at_ns, within_ns, Kind::Birth { state }, None);
        if self.wanted.figures {
            self.seen();
        }
    }

    fn ended(&mut self, before: &Known) {
        self.entries.push(ended(self.socket, before, self.looked.to_ns));
    }

    fn seen(&mut self) {
        let kind = Kind::Seen { state: self.sighting.state, unlocked: false };
        self.add(self.looked.to_ns, 0, kind, Some(Before::default()));
    }

    /// It was seen before.
    fn changed(&mut self, before: &Known, now: &Known) {
        let (from, to) = (before.state, now.state);
        let (at_ns, within_ns) = between(before.from_ns, self.looked.to_ns);
        let before_it = Before { cwnd: before.cwnd, ago_ns: self.looked.to_ns - at_ns };
        let figures = self.wanted.figures.then_some(before_it);
        if from != to {
            let is_marked = now.delivered_ce != before.delivered_ce;
            let is_ecn = to == State::Cwr && is_marked;
            let place = if is_ecn { Place::FastretransAlert } else { Place::Unknown };
            self.add(at_ns, within_ns, Kind::Transition { from, to, place }, figures);
        }
        for _ in 0..repeated(before, now) {
            let (from, to, place) = (State::Loss, State::Loss, Place::Unknown);
            self.add(at_ns, 0, Kind::Transition { from, to, place }, figures);
        }
    }

    fn add(&mut self, at_ns: u64, within_ns: u64, kind: Kind, before: Option<Before>) {
        let Sighting { endpoints, key, cc, cgroup, .. } = *self.sighting;
        let is_first = matches!(kind, Kind::Birth { .. } | Kind::Seen { .. });
        let connection = is_first.then(|| Connection {
            endpoints,
            netns: self.netns,
            cookie: Some(key.cookie()),
            owner: Owner { cgroup, process: None },
        });
        let tick_ns = self.wanted.tick_ns;
        let event = SocketEvent {
            socket: self.socket,
            lport: endpoints.lport,
            rport: endpoints.rport,
            kind,
            within_ns,
            cc,
            connection,
            figures: before.map(|before| Box::new(figures(self.sighting, before, tick_ns))),
        };
        self.entries.push(Entry { at_ns, body: Body::Socket(event) });
    }
}

/// How often Loss was set again, at least. The kernel counts timeouts in a row
/// (`icsk_retransmits`, from 0 again once new data is acknowledged): the first of a row enters
/// Loss, if that was not the state, and each of the others sets it again.
fn repeated(before: &Known, now: &Known) -> u8 {
    if now.state != State::Loss {
        return 0;
    }
    let before_it = if before.state == State::Loss { before.retransmits.max(1) } else { 1 };
    now.retransmits.saturating_sub(before_it)
}

#[cfg(test)]
#[path = "sightings_tests.rs"]
mod tests;
