//! Replays a record, event by event, into the lives of its sockets.
//! Not the figures of an interval: `ledger` cuts the lives up.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::ledger::{LOSS, Life, OPEN, Spell, Stretch};
use super::truth::{AF_UNSPEC, Event, Record, What};

const IPPROTO_TCP: u16 = 6;
/// `TCP_CLOSE` and `TCP_LISTEN` of `include/net/tcp_states.h`.
pub(crate) const TCP_CLOSE: u32 = 7;
pub(crate) const TCP_LISTEN: u32 = 10;

/// What is known of every socket up to one event.
pub(super) struct Replay<'a> {
    record: &'a Record,
    states: &'a HashMap<u64, u8>,
    flows: Vec<Life>,
    sockets: HashMap<u64, Socket>,
}

/// One socket address of the kernel, whose lives follow each other.
#[derive(Default)]
struct Socket {
    /// The index of its life, while it has one.
    life: Option<usize>,
    last_event_ns: u64,
    /// Lives that are uncertain, and since when.
    doubts: Vec<(usize, u64)>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(record: &'a Record, states: &'a HashMap<u64, u8>) -> Self {
        Self { record, states, flows: Vec::new(), sockets: HashMap::new() }
    }

    /// Takes the next event, in the order of time.
    pub(super) fn take(&mut self, event: &Event) {
        match event.what {
            What::Congestion { to } => self.congestion(event, to),
            What::TcpState { from, to, protocol } => {
                if protocol == IPPROTO_TCP {
                    self.tcp_state(event, from, to);
                }
            }
        }
    }

    /// Ends the open spells with the record and hands out the lives.
    pub(super) fn finish(mut self) -> Vec<Life> {
        let ended_ns = self.record.ended_ns;
        for socket in self.sockets.values_mut() {
            resolve(&mut self.flows, socket, ended_ns);
        }
        for life in &mut self.flows {
            if life.ended_ns.is_none() {
                end_spell(life, ended_ns);
            }
        }
        self.flows
    }

    fn tcp_state(&mut self, event: &Event, from: u32, to: u32) {
        let alive = |state| state != TCP_CLOSE && state != TCP_LISTEN;
        match (alive(from), alive(to)) {
            (false, true) => self.birth(event),
            (true, _) => {
                if let Some(life) = self.life_of(event) {
                    note_addresses(&mut self.flows[life], event);
                    if !alive(to) {
                        self.end(event, life);
                    }
                }
            }
            // A listener's coming and going.
            (false, false) => {}
        }
        self.touch(event);
    }

    fn birth(&mut self, event: &Event) {
        let socket = self.sockets.entry(event.socket).or_default();
        if let Some(lost) = socket.life {
            // The kernel frees a child that lost a race to its twin without a
            // word: all that is known is that it was gone by now.
            let since_ns = socket.last_event_ns;
            doubt(socket, lost, since_ns);
            close(&mut self.flows[lost], event.at_ns);
        }
        if !event.hidden {
            resolve(&mut self.flows, socket, event.at_ns);
        }
        let index = self.flows.len();
        socket.life = Some(index);
        if event.hidden {
            doubt(socket, index, event.at_ns);
        }
        let mut life = Life::new(event.socket, event.at_ns, OPEN);
        // Before 6.18 LISTEN -> SYN_RECV shows the listener's addresses, and no remote port.
        if event.dport != 0 {
            note_addresses(&mut life, event);
        }
        self.flows.push(life);
    }

    fn end(&mut self, event: &Event, life: usize) {
        let socket = self.sockets.entry(event.socket).or_default();
        socket.life = None;
        if event.hidden {
            doubt(socket, life, event.at_ns);
        } else {
            resolve(&mut self.flows, socket, event.at_ns);
        }
        close(&mut self.flows[life], event.at_ns);
    }

    fn congestion(&mut self, event: &Event, to: u8) {
        // A disconnect's event, after CLOSE, has lost its remote port: it must
        // not make a life of a socket that was closed before the record began.
        // Where events have no ports, none makes a life.
        let tells_ends = event.family != AF_UNSPEC;
        if tells_ends && event.dport == 0 || !tells_ends && !self.is_alive(event.socket) {
            return;
        }
        let Some(index) = self.life_of(event) else {
            return;
        };
        let life = &mut self.flows[index];
        note_addresses(life, event);
        let socket = self.sockets.entry(event.socket).or_default();
        let stored = life.spells.last().map_or(OPEN, |spell| spell.state);
        if event.hidden {
            // Set to what it is already, nothing hangs on the event.
            if to != stored {
                doubt(socket, index, event.at_ns);
            }
        } else {
            if to != stored {
                end_spell(life, event.at_ns);
                life.spells.push(Spell { state: to, from_ns: event.at_ns, to_ns: event.at_ns });
                life.transitions_ns.push(event.at_ns);
            } else if to == LOSS {
                life.repeated_ns.push(event.at_ns);
            }
            resolve(&mut self.flows, socket, event.at_ns);
        }
        self.touch(event);
    }

    fn is_alive(&self, socket: u64) -> bool {
        self.sockets.get(&socket).is_some_and(|known| known.life.is_some())
    }

    /// The socket's present life; for a socket not met before, one from before the record.
    fn life_of(&mut self, event: &Event) -> Option<usize> {
        if let Some(known) = self.sockets.get(&event.socket) {
            return known.life;
        }
        let state = self.states.get(&event.socket).copied();
        let index = self.flows.len();
        let born_ns = self.record.started_ns.min(event.at_ns);
        let mut life = Life::new(event.socket, born_ns, state.unwrap_or(OPEN));
        life.from_before = true;
        self.flows.push(life);
        let mut socket = Socket { life: Some(index), ..Socket::default() };
        if state.is_none() {
            doubt(&mut socket, index, born_ns);
        }
        self.sockets.insert(event.socket, socket);
        Some(index)
    }

    fn touch(&mut self, event: &Event) {
        if let Some(socket) = self.sockets.get_mut(&event.socket) {
            socket.last_event_ns = event.at_ns;
        }
    }
}

/// A life's figures are uncertain from here until something visible settles them.
fn doubt(socket: &mut Socket, life: usize, since_ns: u64) {
    if socket.doubts.iter().all(|&(doubted, _)| doubted != life) {
        socket.doubts.push((life, since_ns));
    }
}

/// A visible congestion event, birth or end settles all doubts of its socket.
fn resolve(flows: &mut [Life], socket: &mut Socket, at_ns: u64) {
    for (life, from_ns) in socket.doubts.drain(..) {
        let stretch = Stretch { from_ns, to_ns: at_ns };
        flows[life].uncertain.push(stretch);
    }
}

fn close(life: &mut Life, at_ns: u64) {
    end_spell(life, at_ns);
    life.ended_ns = Some(at_ns);
}

fn end_spell(life: &mut Life, at_ns: u64) {
    if let Some(spell) = life.spells.last_mut() {
        spell.to_ns = at_ns;
    }
}

/// Takes over what the event knows: a client has no port yet at `SYN_SENT`.
fn note_addresses(life: &mut Life, event: &Event) {
    let ends =
        [(&mut life.local, event.saddr, event.sport), (&mut life.remote, event.daddr, event.dport)];
    for (known, address, port) in ends {
        if !address.is_unspecified() {
            known.set_ip(address);
        }
        if port != 0 {
            *known = SocketAddr::new(known.ip(), port);
        }
    }
}
