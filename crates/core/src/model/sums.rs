//! Sums over all flows that have something in common, the quiet ones among them: what metrics
//! are made of. Not here: the summing, which is the ledger's, and how any of it is named.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::source::SourceCost;

use super::by::PrefixBits;
use super::{AddressPrefix, Cause, Connection, Limits, Name, Row, State, StateTimes, Traffic};

/// What flows are summed by. Of a cgroup's unit or pod nothing is known here: who has the
/// cgroups' names puts those together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SumBy {
    /// All of them are one.
    #[default]
    All,
    /// The cgroup.
    Cgroup,
    /// The remote address's network.
    Prefix(PrefixBits),
    /// The local port.
    Lport,
    /// The congestion control.
    Cc,
    /// The network namespace.
    Netns,
}

/// What summed flows have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SumKey {
    /// Nothing was asked for.
    All,
    /// The cgroup's number, if it is known.
    Cgroup(Option<u64>),
    /// The remote address's network; nothing while the peer is not known.
    Prefix(Option<AddressPrefix>),
    /// The local port; 0 while there is none.
    Lport(u16),
    /// The congestion control, if it is known.
    Cc(Option<Name>),
    /// The network namespace's inode number; 0 where it is not known.
    Netns(u32),
    /// There was no room for another sum.
    Other,
}

impl SumKey {
    /// Whether it is known, or will not be better known than once both ends are.
    #[must_use]
    pub fn is_settled(self) -> bool {
        match self {
            Self::All | Self::Other | Self::Cgroup(_) | Self::Netns(_) => true,
            Self::Prefix(prefix) => prefix.is_some(),
            Self::Lport(port) => port != 0,
            Self::Cc(cc) => cc.is_some(),
        }
    }
}

impl SumBy {
    /// The key of a flow.
    #[must_use]
    pub fn key(self, connection: &Connection, cc: Option<Name>) -> SumKey {
        let raddr = connection.endpoints.raddr;
        match self {
            Self::All => SumKey::All,
            Self::Cgroup => SumKey::Cgroup(connection.owner.cgroup),
            Self::Prefix(bits) => SumKey::Prefix((!raddr.is_unspecified()).then(|| bits.of(raddr))),
            Self::Lport => SumKey::Lport(connection.endpoints.lport),
            Self::Cc => SumKey::Cc(cc),
            Self::Netns => SumKey::Netns(connection.netns),
        }
    }
}

/// Of one key, in one interval.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Time in each state, spells that go on included.
    pub times: StateTimes,
    /// Flows alive at the interval's end, by the state that they are in.
    pub alive: [u64; 5],
    /// Flows that began, or came to be known.
    pub started: u64,
    /// Flows that ended.
    pub ended: u64,
    /// Transitions by the state before, the state after and the cause; and Loss set again.
    pub transitions: BTreeMap<(State, State, Cause), u64>,
    /// Retransmission timeouts, as in a row.
    pub rtos: u64,
    /// Of those, Loss set again while in Loss.
    pub repeated_rtos: u64,
    /// Before timeouts, by the state in which that was, as in a row.
    pub waited: StateTimes,
    /// Time that may stand in a wrong state, nanoseconds.
    pub uncertain_ns: u64,
    /// By the kernel's own account, in Open and in the other states together.
    pub limits: Limits,
    /// Segments acknowledged, by state.
    pub delivered: [u64; 5],
    /// Segments retransmitted, by state.
    pub retransmitted: [u64; 5],
    /// What went either way.
    pub traffic: Traffic,
}

impl Sums {
    /// Adds another interval of the same key, or another key's: alive is what is alive at
    /// that one's end.
    pub fn add(&mut self, other: &Self) {
        for state in State::ALL {
            self.times[state] = self.times[state].saturating_add(other.times[state]);
            self.waited[state] = self.waited[state].saturating_add(other.waited[state]);
        }
        self.started += other.started;
        self.ended += other.ended;
        for (what, count) in &other.transitions {
            *self.transitions.entry(*what).or_default() += count;
        }
        self.rtos += other.rtos;
        self.repeated_rtos += other.repeated_rtos;
        self.uncertain_ns = self.uncertain_ns.saturating_add(other.uncertain_ns);
        self.limits.add(&other.limits);
        self.traffic.add(&other.traffic);
        for state in 0..State::ALL.len() {
            self.alive[state] += other.alive[state];
            self.delivered[state] += other.delivered[state];
            self.retransmitted[state] += other.retransmitted[state];
        }
    }
}

/// The sums of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySums {
    /// The key.
    pub key: SumKey,
    /// One of the flows, without figures: who looks names up finds the key's by it.
    pub example: Row,
    /// What they add up to.
    pub sums: Sums,
}

/// All sums of an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalSums {
    /// The interval's end, wall-clock.
    pub at: Timestamp,
    /// The interval's beginning, `CLOCK_MONOTONIC` nanoseconds.
    pub from_ns: u64,
    /// The interval's end, `CLOCK_MONOTONIC` nanoseconds.
    pub to_ns: u64,
    /// Of each key that has flows, or had some in the interval; in order.
    pub by_key: Vec<KeySums>,
    /// How long the spells were that ended in the interval, nanoseconds.
    pub spells: Vec<(State, u64)>,
    /// What the source takes, where a session has asked it.
    pub cost: SourceCost,
}

impl IntervalSums {
    /// All keys together.
    #[must_use]
    pub fn in_all(&self) -> Sums {
        let mut all = Sums::default();
        self.by_key.iter().for_each(|one| all.add(&one.sums));
        all
    }
}
