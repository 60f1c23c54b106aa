//! The figures of every flow in any interval, as the specification defines them.
//! Not how events become lives: `replay` does that; not the tool's own model either.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::replay::Replay;
use super::truth::Record;

pub(crate) const OPEN: u8 = 0;
pub(crate) const DISORDER: u8 = 1;
pub(crate) const CWR: u8 = 2;
pub(crate) const RECOVERY: u8 = 3;
pub(crate) const LOSS: u8 = 4;

/// One uninterrupted stay in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spell {
    pub(crate) state: u8,
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

/// A stretch of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

/// One flow: a socket from its leaving CLOSE or LISTEN until its return to CLOSE.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) socket: u64,
    pub(crate) born_ns: u64,
    /// `None` while it lasts: then the record's end bounds what is known.
    pub(crate) ended_ns: Option<u64>,
    /// It was there before the record began: `born_ns` is the record's start.
    pub(crate) from_before: bool,
    /// As good as the events tell; unspecified and 0 until one of them does.
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// Without a gap; the last one is open while the life lasts and reaches to the record's end.
    pub(crate) spells: Vec<Spell>,
    /// Loss set again while in Loss.
    pub(crate) repeated_ns: Vec<u64>,
    pub(crate) transitions_ns: Vec<u64>,
    /// When the figures depend on events that BPF programs could not see, or on
    /// a state that was set before the record began. May reach past `ended_ns`.
    pub(crate) uncertain: Vec<Stretch>,
}

/// One flow's figures in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// By state, Open first. Their sum is `lived_ns`.
    pub(crate) times_ns: [u64; 5],
    pub(crate) changes: usize,
    pub(crate) repeated: usize,
    /// A tool that did all it can may show something else here.
    pub(crate) uncertain: bool,
    /// The part of the flow's life that falls in the interval.
    pub(crate) lived_ns: u64,
}

/// Every flow of a record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// By birth.
    pub(crate) flows: Vec<Life>,
    pub(crate) ended_ns: u64,
}

impl Ledger {
    /// Replays a record in which every flow's birth is expected to be.
    pub(crate) fn new(record: &Record) -> Self {
        Self::with_states(record, &HashMap::new())
    }

    /// The same, knowing the state that older sockets were in at the record's start.
    ///
    /// An older socket that is not in `states` counts as Open and is uncertain
    /// until its first visible congestion event.
    pub(crate) fn with_states(record: &Record, states: &HashMap<u64, u8>) -> Self {
        let mut replay = Replay::new(record, states);
        for event in &record.events {
            replay.take(event);
        }
        let mut flows = replay.finish();
        flows.sort_by_key(|life| life.born_ns);
        Self { flows, ended_ns: record.ended_ns }
    }

    /// One flow's figures from `from_ns` until just before `to_ns`.
    ///
    /// Time after the record's end is not lived.
    pub(crate) fn truth(&self, life: &Life, from_ns: u64, to_ns: u64) -> Cell {
        let within = |instants: &[u64]| {
            let inside = instants.iter().filter(|&&at| from_ns <= at && at < to_ns);
            inside.count()
        };
        let mut cell = Cell {
            changes: within(&life.transitions_ns),
            repeated: within(&life.repeated_ns),
            uncertain: life
                .uncertain
                .iter()
                .any(|span| span.from_ns < to_ns && span.to_ns >= from_ns),
            lived_ns: overlap_ns(
                (life.born_ns, life.ended_ns.unwrap_or(self.ended_ns)),
                (from_ns, to_ns),
            ),
            ..Cell::default()
        };
        for spell in &life.spells {
            cell.times_ns[usize::from(spell.state)] +=
                overlap_ns((spell.from_ns, spell.to_ns), (from_ns, to_ns));
        }
        cell
    }

    /// The flows one of whose ends is `address`.
    pub(crate) fn flows_of(&self, address: IpAddr) -> impl Iterator<Item = &Life> {
        let ours = move |life: &&Life| life.local.ip() == address || life.remote.ip() == address;
        self.flows.iter().filter(ours)
    }

    /// How many flows are uncertain at any time, for a test's output.
    pub(crate) fn doubtful_flows(&self) -> usize {
        self.flows.iter().filter(|life| !life.uncertain.is_empty()).count()
    }
}

impl Life {
    pub(super) fn new(socket: u64, born_ns: u64, state: u8) -> Self {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Self {
            socket,
            born_ns,
            ended_ns: None,
            from_before: false,
            local: nowhere,
            remote: nowhere,
            spells: vec![Spell { state, from_ns: born_ns, to_ns: born_ns }],
            repeated_ns: Vec::new(),
            transitions_ns: Vec::new(),
            uncertain: Vec::new(),
        }
    }

    /// The spells that a histogram counts: all but the one that is still open.
    pub(crate) fn ended_spells(&self) -> &[Spell] {
        let open = usize::from(self.ended_ns.is_none());
        &self.spells[..self.spells.len() - open]
    }

    /// The same life as one sees it who misses all spells shorter than `least_ns`,
    /// but for the first and the last. That is the fewest transitions that one can see.
    pub(crate) fn without_flashes(&self, least_ns: u64) -> Self {
        let last = self.spells.len() - 1;
        let mut spells: Vec<Spell> = Vec::new();
        for (index, spell) in self.spells.iter().enumerate() {
            if index > 0 && index < last && spell.to_ns - spell.from_ns < least_ns {
                continue;
            }
            match spells.last_mut() {
                Some(before) if before.state == spell.state => before.to_ns = spell.to_ns,
                Some(before) => {
                    before.to_ns = spell.from_ns;
                    spells.push(*spell);
                }
                None => spells.push(*spell),
            }
        }
        let transitions_ns = spells.iter().skip(1).map(|spell| spell.from_ns).collect();
        Self { spells, transitions_ns, ..self.clone() }
    }
}

impl Cell {
    /// Whether the specification wants a row for it (its rule 2).
    pub(crate) fn qualifies(&self) -> bool {
        let [_, beside_open @ ..] = self.times_ns;
        self.changes > 0 || self.repeated > 0 || beside_open.iter().any(|&time_ns| time_ns > 0)
    }
}

fn overlap_ns(one: (u64, u64), other: (u64, u64)) -> u64 {
    one.1.min(other.1).saturating_sub(one.0.max(other.0))
}
