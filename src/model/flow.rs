//! One flow as it is read: who it is, and its cumulative figures.
//! Not here: what came in an interval, which takes two readings.

use std::net::IpAddr;

use super::{Cost, State, StateTimes, Whose};

/// A flow's identity: one life of one socket. Two sockets with the same
/// addresses, in time or in two namespaces, are two flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId {
    /// The kernel's address of the socket.
    pub socket: u64,
    /// When the observed life began, `CLOCK_MONOTONIC` nanoseconds.
    pub born_ns: u64,
}

/// What travels: IPv4 for an `AF_INET6` socket with an IPv4-mapped peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// Both ends of a connection. IPv4-mapped addresses are IPv4 here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// This machine's address.
    pub laddr: IpAddr,
    /// This machine's port; 0 while a connecting socket has none yet.
    pub lport: u16,
    /// The peer's address.
    pub raddr: IpAddr,
    /// The peer's port.
    pub rport: u16,
}

impl Ends {
    /// What travels between them.
    #[must_use]
    pub fn version(&self) -> IpVersion {
        if self.raddr.is_ipv4() { IpVersion::Ipv4 } else { IpVersion::Ipv6 }
    }
}

/// The stay that is going on, or that there is none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spell {
    /// In `state` since `since_ns`.
    Open {
        /// The present state.
        state: State,
        /// When it was entered, `CLOCK_MONOTONIC` nanoseconds.
        since_ns: u64,
    },
    /// The life ended.
    Ended {
        /// When, `CLOCK_MONOTONIC` nanoseconds.
        at_ns: u64,
        /// The state in which it ended.
        last: State,
    },
}

/// A flow's cumulative figures: they only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The open spell.
    pub spell: Spell,
    /// Time in the spells that have ended.
    pub ended_spells: StateTimes,
    /// Transitions.
    pub changes: u32,
    /// Loss set again while in Loss.
    pub repeated_rtos: u32,
    /// Transitions (births and ends among them) learned of only afterwards.
    pub missed: u32,
    /// The open spell's beginning was not seen.
    pub found_late: bool,
    /// Nanoseconds that may belong to another state than the one they are
    /// counted in.
    pub doubtful_ns: u64,
}

impl Tally {
    /// What a record begins with.
    #[must_use]
    pub fn new(state: State, since_ns: u64) -> Self {
        Self {
            spell: Spell::Open { state, since_ns },
            ended_spells: StateTimes::default(),
            changes: 0,
            repeated_rtos: 0,
            missed: 0,
            found_late: false,
            doubtful_ns: 0,
        }
    }

    /// Time in each state until `at_ns`, the open spell included.
    #[must_use]
    pub fn spent_until(&self, at_ns: u64) -> StateTimes {
        let mut spent = self.ended_spells;
        if let Spell::Open { state, since_ns } = self.spell {
            spent[state] += at_ns.saturating_sub(since_ns);
        }
        spent
    }

    /// The state now, or the one in which the life ended.
    #[must_use]
    pub fn state(&self) -> State {
        match self.spell {
            Spell::Open { state, .. } | Spell::Ended { last: state, .. } => state,
        }
    }

    /// Whether the life had ended before `at_ns`.
    #[must_use]
    pub fn has_ended_before(&self, at_ns: u64) -> bool {
        matches!(self.spell, Spell::Ended { at_ns: ended_ns, .. } if ended_ns < at_ns)
    }

    /// Whether the flow has never left Open, as far as is known.
    #[must_use]
    pub fn stayed_open(&self) -> bool {
        self.state() == State::Open
            && self.changes == 0
            && self.repeated_rtos == 0
            && self.missed == 0
    }
}

/// One flow as it stood at a snapshot's instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which flow.
    pub id: FlowId,
    /// Between whom.
    pub ends: Ends,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// The kernel's socket cookie, where it is known.
    pub cookie: Option<u64>,
    /// Whose it is.
    pub whose: Whose,
    /// What came of it, where that was asked for.
    pub cost: Option<Box<Cost>>,
    /// The state in which the record began.
    pub first_state: State,
    /// Its figures.
    pub tally: Tally,
}

impl Reading {
    /// The figures at `at_ns` of a flow that made no transition from its
    /// record's beginning until then.
    #[must_use]
    pub fn untouched_until(&self, at_ns: u64) -> StateTimes {
        let mut spent = StateTimes::default();
        spent[self.first_state] = at_ns.saturating_sub(self.id.born_ns);
        spent
    }
}
