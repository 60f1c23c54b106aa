//! Which process has a flow's socket, as the kernel lists them (`bpf/owners.h`):
//! the choice between several, and how long an answer is remembered.
//! Not here: the listing itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;

use super::cost_limiter::CostLimiter;
use crate::kernel::clock::{boottime_ns, monotonic_ns};
use tcpcong_core::model::{Endpoints, FlowId, Process, Row};

/// Sockets change hands, and flows end unreported: ask again after so long.
const REFRESH: Duration = Duration::from_secs(1);
/// So many answers are remembered between two reports, at most.
const MAX_KNOWN: usize = 1 << 20;

/// PID 1 keeps sockets for services that may want them back
/// (`sd_pid_notify_with_fds(3)`, FDSTORE=1).
const KEEPER: u32 = 1;

/// A process that has a TCP socket open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenSocket {
    /// The kernel's address of the socket.
    pub socket: u64,
    /// Its cookie, if anybody has asked for it so far.
    pub cookie: Option<u64>,
    /// The process.
    pub process: Process,
    /// When the process began, `CLOCK_BOOTTIME` nanoseconds.
    pub started_ns: u64,
    /// Where the socket listens, if it does.
    pub listens: Option<Listening>,
}

/// Where a socket listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listening {
    /// Inode number of its network namespace.
    pub netns: u32,
    /// The address; unspecified for any.
    pub laddr: IpAddr,
    /// The port.
    pub lport: u16,
}

/// A process that has a flow's socket open, or one that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The process.
    pub process: Process,
    /// When the process began, `CLOCK_BOOTTIME` nanoseconds.
    pub started_ns: u64,
    /// Whether it is the one that connected the socket.
    pub connected: bool,
}

impl Holder {
    /// The least is the owner: the one that connected; then the oldest, because
    /// whoever was forked with the socket is younger. By age, not by id, as ids
    /// wrap round.
    fn rank(&self) -> (bool, bool, u64, u32) {
        (!self.connected, self.process.pid == KEEPER, self.started_ns, self.process.pid)
    }
}

/// Who has what open.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Those who have flows' sockets.
    pub holders: Vec<(FlowId, Holder)>,
    /// Those who have sockets that listen, by the kernel's addresses of these.
    pub listeners: Vec<(u64, Listening, Holder)>,
}

/// Who listens.
#[derive(Debug)]
struct Listeners {
    /// When they were asked for, `CLOCK_MONOTONIC` nanoseconds.
    asked_ns: u64,
    /// How far `CLOCK_BOOTTIME` is ahead of that.
    ahead_ns: u64,
    by_port: ByPort,
}

/// By namespace and port.
type ByPort = HashMap<(u32, u16), Vec<Listener>>;

/// A socket that listens.
#[derive(Debug)]
struct Listener {
    socket: u64,
    laddr: IpAddr,
    /// Its owner.
    holder: Holder,
}

/// The owners found.
#[derive(Debug, Default)]
pub(super) struct Owners {
    known: HashMap<FlowId, Process>,
    /// When last asked.
    listeners: Option<Listeners>,
    limiter: CostLimiter,
}

impl Owners {
    /// The flow's owner when last asked: also one that has closed the socket
    /// since, while the kernel sends what is left.
    pub(super) fn of(&self, id: FlowId) -> Option<Process> {
        self.known.get(&id).copied()
    }

    pub(super) fn know(&self, id: FlowId) -> bool {
        self.known.contains_key(&id)
    }

    pub(super) fn know_listeners(&self) -> bool {
        self.listeners.is_some()
    }

    /// Who listens where this flow was accepted: the owner of one that nobody was seen to
    /// have, as it was too short for that, or was never accepted. Nobody while it lives and
    /// was not asked for yet, and where several who listen alike may have got it.
    pub(super) fn of_listener(&self, row: &Row) -> Option<Process> {
        let Listeners { asked_ns, ahead_ns, by_port } = self.listeners.as_ref()?;
        if !row.ended && row.id.born_ns >= *asked_ns {
            return None;
        }
        let Endpoints { laddr, lport, .. } = row.connection.endpoints;
        let listeners = by_port.get(&(row.connection.netns, lport))?;
        // The kernel's order (net/ipv4/inet_hashtables.c, compute_score()): an address of its
        // own goes before any, and IPv4's before IPv6's, which takes IPv4 as well unless told
        // otherwise (ipv6(7), IPV6_V6ONLY).
        let score = |listener: &&Listener| {
            let is_any = listener.laddr.is_unspecified();
            let other_version = listener.laddr.is_ipv6() != laddr.is_ipv6();
            let takes = if is_any {
                listener.laddr.is_ipv6() || !other_version
            } else {
                listener.laddr == laddr
            };
            takes.then_some((is_any, other_version))
        };
        let best = listeners.iter().filter_map(|listener| score(&listener)).min()?;
        let mut alike = listeners.iter().filter(|listener| score(listener) == Some(best));
        let holder = alike.next()?.holder;
        let is_one = alike.all(|other| other.holder.process.pid == holder.process.pid);
        let was_there = holder.started_ns <= row.id.born_ns + ahead_ns;
        (is_one && was_there).then_some(holder.process)
    }

    /// Asks for what is not known yet.
    pub(super) fn ask_if_due(&mut self, answer: impl FnOnce() -> Result<Answer>) -> Result<()> {
        if self.limiter.is_due(Duration::ZERO) { self.ask(answer) } else { Ok(()) }
    }

    /// Asks for what may have changed.
    pub(super) fn refresh_if_due(&mut self, answer: impl FnOnce() -> Result<Answer>) -> Result<()> {
        if self.limiter.is_due(REFRESH) { self.ask(answer) } else { Ok(()) }
    }

    fn ask(&mut self, answer: impl FnOnce() -> Result<Answer>) -> Result<()> {
        let asked_ns = monotonic_ns();
        let ahead_ns = boottime_ns().saturating_sub(asked_ns);
        let Answer { holders, listeners } = self.limiter.look(answer)?;
        self.note(holders);
        self.listeners = Some(Listeners { asked_ns, ahead_ns, by_port: by_port(listeners) });
        Ok(())
    }

    fn note(&mut self, holders: Vec<(FlowId, Holder)>) {
        let mut owners: HashMap<FlowId, Holder> = HashMap::new();
        for (id, holder) in holders {
            let owner = owners.entry(id).or_insert(holder);
            if holder.rank() < owner.rank() {
                *owner = holder;
            }
        }
        if self.known.len() + owners.len() > MAX_KNOWN {
            self.known.clear();
        }
        self.known.extend(owners.into_iter().map(|(id, owner)| (id, owner.process)));
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn retain(&mut self, wanted: impl Fn(FlowId) -> bool) {
        self.known.retain(|id, _| wanted(*id));
    }
}

fn by_port(listeners: Vec<(u64, Listening, Holder)>) -> ByPort {
    let mut by_port = ByPort::new();
    for (socket, Listening { netns, laddr, lport }, holder) in listeners {
        let there = by_port.entry((netns, lport)).or_default();
        match there.iter_mut().find(|listener| listener.socket == socket) {
            Some(known) if known.holder.rank() <= holder.rank() => {}
            Some(known) => known.holder = holder,
            None => there.push(Listener { socket, laddr, holder }),
        }
    }
    by_port
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcpcong_core::model::sample::row;

    const FLOW: FlowId = FlowId { socket: 0xffff_8880_0123_4567, born_ns: 5 };

    fn holder(pid: u32, started_ns: u64) -> Holder {
        Holder { process: Process { pid, comm: None }, started_ns, connected: false }
    }

    fn of_flow(holders: &[Holder]) -> Vec<(FlowId, Holder)> {
        holders.iter().map(|holder| (FLOW, *holder)).collect()
    }

    fn owner(holders: &[Holder]) -> Option<u32> {
        let mut owners = Owners::default();
        owners.note(of_flow(holders));
        owners.of(FLOW).map(|process| process.pid)
    }

    #[test]
    fn the_parent_owns_what_its_children_inherited_whatever_their_ids() {
        assert_eq!(owner(&[holder(4000, 10), holder(12, 30), holder(4001, 20)]), Some(4000));
        assert_eq!(owner(&[]), None);
    }

    #[test]
    fn the_one_that_connected_comes_first_and_the_keeper_last() {
        let connected = Holder { connected: true, ..holder(900, 99) };
        assert_eq!(owner(&[holder(800, 1), connected]), Some(900));
        assert_eq!(owner(&[holder(1, 0), holder(800, 7)]), Some(800));
        assert_eq!(owner(&[holder(1, 0)]), Some(1));
    }

    #[test]
    fn a_later_answer_takes_the_place_of_the_former_but_no_answer_does_not() {
        let mut owners = Owners::default();
        owners.note(of_flow(&[holder(7, 1), holder(8, 2)]));
        owners.note(of_flow(&[holder(8, 2)]));
        assert_eq!(owners.of(FLOW).map(|process| process.pid), Some(8));
        owners.note(Vec::new());
        assert_eq!(owners.of(FLOW).map(|process| process.pid), Some(8));
        // The same socket's next life has no owner yet.
        assert!(!owners.know(FlowId { born_ns: 6, ..FLOW }));
        owners.retain(|id| id != FLOW);
        assert_eq!(owners.len(), 0);
    }

    fn listening(listeners: &[(u64, &str, u16, u32)]) -> Owners {
        let listener = |(socket, laddr, lport, pid): &(u64, &str, u16, u32)| {
            let laddr = laddr.parse().expect("an address");
            (*socket, Listening { netns: 1, laddr, lport: *lport }, holder(*pid, (*pid).into()))
        };
        let listeners = listeners.iter().map(listener).collect();
        let mut owners = Owners::default();
        owners.ask(|| Ok(Answer { listeners, ..Answer::default() })).expect("asked");
        owners
    }

    /// One that has ended.
    fn accepted(netns: u32, laddr: &str, lport: u16) -> Row {
        let mut row = Row { ended: true, ..row(lport) };
        (row.id.born_ns, row.connection.netns) = (1_000, netns);
        row.connection.endpoints.laddr = laddr.parse().expect("an address");
        row
    }

    #[test]
    fn an_accepted_one_that_nobody_was_seen_to_have_is_its_listeners() {
        let owners = listening(&[
            (1, "0.0.0.0", 80, 10),
            (2, "::", 80, 9),
            (3, "127.0.0.1", 80, 12),
            (3, "127.0.0.1", 80, 11),
            (4, "10.0.0.1", 80, 8),
            (5, "127.0.0.1", 81, 7),
            (6, "::", 82, 6),
        ]);
        let of = |netns, laddr: &str, lport| {
            owners.of_listener(&accepted(netns, laddr, lport)).map(|process| process.pid)
        };
        assert_eq!(of(1, "127.0.0.1", 80), Some(11), "the elder of those who have the socket");
        assert_eq!(of(1, "127.0.0.2", 80), Some(10), "any of IPv4 before any of IPv6");
        assert_eq!(of(1, "::1", 80), Some(9));
        assert_eq!(of(1, "127.0.0.1", 82), Some(6));
        assert_eq!(of(1, "127.0.0.1", 83), None);
        assert_eq!(of(2, "127.0.0.1", 80), None, "another namespace");
    }

    #[test]
    fn nobody_is_guessed() {
        let owners = listening(&[(1, "::", 80, 10), (2, "::", 80, 11), (3, "::", 81, 12)]);
        assert_eq!(owners.of_listener(&accepted(1, "::1", 80)), None, "either may have got it");
        let mut row = accepted(1, "::1", 81);
        assert_eq!(owners.of_listener(&row).map(|process| process.pid), Some(12));
        row.ended = false;
        assert!(owners.of_listener(&row).is_some(), "it was there and nobody had it");
        row.id.born_ns = u64::MAX / 2;
        assert_eq!(owners.of_listener(&row), None, "it was not asked for yet");
        let mut young = Owners::default();
        let later = (
            7,
            Listening { netns: 1, laddr: IpAddr::from([0; 16]), lport: 81 },
            holder(1, u64::MAX),
        );
        young.ask(|| Ok(Answer { listeners: vec![later], ..Answer::default() })).expect("asked");
        assert_eq!(young.of_listener(&accepted(1, "::1", 81)), None, "its process is younger");
    }

    #[test]
    fn it_asks_no_more_than_it_may() {
        let mut owners = Owners::default();
        let slowly = || {
            std::thread::sleep(Duration::from_millis(20));
            Ok(Answer { holders: of_flow(&[holder(7, 1)]), ..Answer::default() })
        };
        owners.ask_if_due(slowly).expect("asked");
        owners.ask_if_due(|| panic!("asked again")).expect("not asked");
        owners.refresh_if_due(|| panic!("asked again")).expect("not asked");
    }
}
