//! Accounts: takes entries, one after the other by their times, and says what came in
//! each interval. A pure function of the entries. Not here: where they come from.
//!
//! A flow that makes no transition costs nothing: its time in Open is a difference, made
//! where somebody asks for it.

mod costs;
mod flow;
mod interval;
mod list;
mod lives;
mod ongoing;
mod spells;
mod sums;

use rustc_hash::{FxHashMap, FxHashSet};
use slab::Slab;

use super::{
    Body, Connection, EndedSpell, Entry, FlowId, Gap, Losses, Row, Sample, SpellLengths, SumBy,
    Transition,
};
pub use costs::Told;
use flow::Flow;
use list::List;
use sums::KeptSums;

/// So many ended flows, transitions, spells and samples wait to be taken, at most; some 300 MB.
const MAX_WAITING: usize = 1 << 20;

/// What is wanted of the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is wanted or not, whatever the others
pub struct LedgerOptions {
    /// Flows that stayed in Open have a row too.
    pub list_quiet: bool,
    /// Each transition, with its cause.
    pub transitions: bool,
    /// Each spell that ended.
    pub spells: bool,
    /// What each socket looked like whenever that was told.
    pub samples: bool,
    /// How long the spells that ended were, in units of so many nanoseconds.
    pub lengths_unit_ns: Option<u64>,
    /// What came of the flows by the kernel's account, whose jiffy lasts so long.
    pub tick_ns: Option<u64>,
    /// Sums over all flows that have the same key.
    pub sums: Option<SumBy>,
    /// Births may be of flows that a filter does not want, of which that is told later.
    pub filtered: bool,
    /// Times of entries are estimates: so is all that follows from them.
    pub estimated: bool,
    /// Room for so many living flows.
    pub max_flows: u32,
}

impl Default for LedgerOptions {
    /// The table alone.
    fn default() -> Self {
        Self {
            list_quiet: false,
            transitions: false,
            spells: false,
            samples: false,
            lengths_unit_ns: None,
            tick_ns: None,
            sums: None,
            filtered: false,
            estimated: false,
            max_flows: u32::MAX,
        }
    }
}

/// Every living flow, and what has come in the present interval.
#[derive(Debug)]
pub struct Ledger {
    options: LedgerOptions,
    started_ns: u64,
    flows: Slab<Flow>,
    /// By the kernel's address.
    sockets: FxHashMap<u64, u32>,
    in_state: [List; 5],
    /// Namespaces all of whose sockets were met.
    surveyed: FxHashSet<u32>,
    /// Some flow found no room.
    ever_refused: bool,
    last_gap: Option<Gap>,
    /// Some flow was not met by the last survey.
    has_suspects: bool,
    /// The costs are those of this instant at least.
    measured_ns: u64,

    /// The present interval: its number, and when it began.
    interval: u32,
    from_ns: u64,
    /// Living flows to which something has happened.
    touched: Vec<u32>,
    ended: Vec<Row>,
    ended_quiet: u64,
    gaps: Vec<Gap>,
    losses: Losses,
    transitions: Vec<Transition>,
    spells: Vec<EndedSpell>,
    samples: Vec<Sample>,
    lengths: Option<SpellLengths>,
    sums: Option<KeptSums>,
}

impl Ledger {
    /// One whose first interval begins at `started_ns` (`CLOCK_MONOTONIC`), when observed
    /// lives begin.
    #[must_use]
    pub fn new(started_ns: u64, options: LedgerOptions) -> Self {
        Self {
            options,
            started_ns,
            flows: Slab::new(),
            sockets: FxHashMap::default(),
            in_state: [List::default(); 5],
            surveyed: FxHashSet::default(),
            ever_refused: false,
            last_gap: None,
            has_suspects: false,
            measured_ns: 0,
            interval: 1,
            from_ns: started_ns,
            touched: Vec::new(),
            ended: Vec::new(),
            ended_quiet: 0,
            gaps: Vec::new(),
            losses: Losses::default(),
            transitions: Vec::new(),
            spells: Vec::new(),
            samples: Vec::new(),
            lengths: options.lengths_unit_ns.map(SpellLengths::none),
            sums: options.sums.map(|by| KeptSums::new(by, started_ns)),
        }
    }

    /// Takes the next entry. Entries come in the order of their times; one that is late
    /// all the same counts from the beginning of the present interval.
    pub fn apply(&mut self, entry: &Entry) {
        let at_ns = entry.at_ns.max(self.from_ns);
        match &entry.body {
            Body::Socket(event) => self.on_socket(event, at_ns),
            Body::Ongoing(ongoing) => self.on_ongoing(ongoing, at_ns),
            Body::Surveyed(namespaces) => self.on_surveyed(namespaces, at_ns),
            Body::Gap { from_ns, dropped, damaged } => {
                self.on_gap(*from_ns, at_ns, *dropped);
                self.losses.lines_damaged += if *damaged { *dropped } else { 0 };
            }
        }
    }

    /// The transitions since the last call, where they are wanted.
    pub fn take_transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }

    /// Whether another survey would tell more.
    #[must_use]
    pub fn has_suspects(&self) -> bool {
        self.has_suspects
    }

    /// The flow that this socket has, if the cookie, where both know one, says no other.
    #[must_use]
    pub fn flow_of(&self, socket: u64, cookie: Option<u64>) -> Option<(FlowId, Connection)> {
        let flow = &self.flows[*self.sockets.get(&socket)? as usize];
        let known = flow.connection.cookie;
        // A socket keeps the cookie that it has: one without is another.
        let other = known.is_some() && known != cookie;
        (!other).then_some((flow.id, flow.connection))
    }

    /// Every flow that is alive, or has ended in this interval.
    pub fn known(&self) -> impl Iterator<Item = (FlowId, &Connection)> {
        let living = self.flows.iter().map(|(_, flow)| (flow.id, &flow.connection));
        living.chain(self.ended.iter().map(|row| (row.id, &row.connection)))
    }
}

#[cfg(test)]
mod tests;
