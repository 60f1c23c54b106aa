//! Sums over flows that have something in common, kept as entries come: a flow to which
//! nothing happens costs nothing, however long the interval and however many there are.
//!
//! What goes on is arithmetic: all that are in a state have been there, in this interval, for
//! its length each, less what had passed of it when they came.

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use slab::Slab;

use super::costs::Charge;
use super::{Ledger, MAX_WAITING};
use crate::model::{
    Cause, Connection, FlowId, IntervalSums, KeySums, Row, State, SumBy, SumKey, Sums,
};
use crate::source::SourceCost;

/// So many keys have a sum of their own at a time: as many as there are ports. Tests have fewer.
const MAX_KEYS: usize = if cfg!(test) { 1 << 12 } else { 1 << 16 };

/// The sums of the present interval.
#[derive(Debug)]
pub(super) struct KeptSums {
    by: SumBy,
    /// When the interval began: sums have their own.
    from_ns: u64,
    slots: Slab<Slot>,
    of_key: FxHashMap<SumKey, u32>,
    spells: Vec<(State, u64)>,
}

#[derive(Debug)]
struct Slot {
    key: SumKey,
    /// The last flow that came to it.
    example: (FlowId, Connection),
    sums: Sums,
    /// Of those that are in each state: how much of the interval had passed when they came,
    /// all together, nanoseconds.
    came_ns: [u64; 5],
}

/// Where a flow is summed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    slot: u32,
    /// Its time in the present state is summed up to this instant.
    until_ns: u64,
    /// That it began is not summed yet: nobody knows of which key.
    begins: bool,
}

impl KeptSums {
    pub(super) fn new(by: SumBy, from_ns: u64) -> Self {
        Self { by, from_ns, slots: Slab::new(), of_key: FxHashMap::default(), spells: Vec::new() }
    }

    /// Where a flow belongs.
    fn slot(&mut self, key: SumKey, example: (FlowId, Connection)) -> u32 {
        if let Some(slot) = self.of_key.get(&key) {
            self.slots[*slot as usize].example = example;
            return *slot;
        }
        if self.of_key.len() >= MAX_KEYS && key != SumKey::Other {
            return self.slot(SumKey::Other, example);
        }
        let slot = Slot { key, example, sums: Sums::default(), came_ns: [0; 5] };
        let at = u32::try_from(self.slots.insert(slot)).unwrap_or_default();
        self.of_key.insert(key, at);
        at
    }

    fn come(&mut self, slot: u32, state: State, after_ns: u64) {
        let slot = &mut self.slots[slot as usize];
        slot.sums.alive[state as usize] += 1;
        let came_ns = &mut slot.came_ns[state as usize];
        *came_ns = came_ns.saturating_add(after_ns);
    }

    /// It has been in the state from `came_ns` to `left_ns` after the interval's beginning.
    fn go(&mut self, slot: u32, state: State, (came_ns, left_ns): (u64, u64)) {
        let slot = &mut self.slots[slot as usize];
        slot.sums.alive[state as usize] -= 1;
        // Only forged times are so large that this makes a difference.
        let came = &mut slot.came_ns[state as usize];
        *came = came.saturating_sub(came_ns);
        let time_ns = &mut slot.sums.times[state];
        *time_ns = time_ns.saturating_add(left_ns - came_ns);
    }

    /// Ends the interval.
    fn take(&mut self, to_ns: u64, at: Timestamp) -> IntervalSums {
        let from_ns = std::mem::replace(&mut self.from_ns, to_ns);
        let mut by_key = Vec::with_capacity(self.slots.len());
        let mut gone = Vec::new();
        for (at, slot) in &mut self.slots {
            for state in State::ALL {
                let came_ns = std::mem::take(&mut slot.came_ns[state as usize]);
                let all_ns = slot.sums.alive[state as usize].saturating_mul(to_ns - from_ns);
                let time_ns = &mut slot.sums.times[state];
                *time_ns = time_ns.saturating_add(all_ns.saturating_sub(came_ns));
            }
            let alive = slot.sums.alive;
            let sums = std::mem::replace(&mut slot.sums, Sums { alive, ..Sums::default() });
            let example = Row::new(slot.example.0, slot.example.1);
            by_key.push(KeySums { key: slot.key, example, sums });
            if alive == [0; 5] {
                gone.push((at, slot.key));
            }
        }
        for (at, key) in gone {
            self.slots.remove(at);
            self.of_key.remove(&key);
        }
        by_key.sort_unstable_by_key(|one| one.key);
        let spells = std::mem::take(&mut self.spells);
        IntervalSums { at, from_ns, to_ns, by_key, spells, cost: SourceCost::default() }
    }
}

impl Ledger {
    /// A flow comes to be known, or to be wanted, whose time counts from an instant on.
    pub(super) fn sum_started(&mut self, at: u32, counts_from_ns: u64) {
        let Some(kept) = &mut self.sums else { return };
        let flow = &mut self.flows[at as usize];
        let key = kept.by.key(&flow.connection, flow.cc);
        let slot = kept.slot(key, (flow.id, flow.connection));
        let until_ns = flow.since_ns.max(kept.from_ns);
        kept.come(slot, flow.state, until_ns - kept.from_ns);
        // Of intervals that have been handed out.
        let before_ns = kept.from_ns.saturating_sub(flow.since_ns.max(counts_from_ns));
        let time_ns = &mut kept.slots[slot as usize].sums.times[flow.state];
        *time_ns = time_ns.saturating_add(before_ns);
        flow.summed = Some(Place { slot, until_ns, begins: true });
        self.sum_begun(at);
    }

    /// It counts as begun once it is known of which key it is; mostly a moment after its birth.
    fn sum_begun(&mut self, at: u32) {
        let Some(kept) = &mut self.sums else { return };
        let flow = &mut self.flows[at as usize];
        let Some(place) = &mut flow.summed else { return };
        let slot = &mut kept.slots[place.slot as usize];
        if place.begins && flow.connection.is_complete() && slot.key.is_settled() {
            place.begins = false;
            slot.sums.started += 1;
        }
    }

    /// It is over. What a filter does not want never was.
    pub(super) fn sum_ended(&mut self, at: u32, counts: bool) {
        let Some(kept) = &mut self.sums else { return };
        let flow = &self.flows[at as usize];
        let Some(Place { slot, until_ns, begins }) = flow.summed else { return };
        let came_ns = until_ns.max(kept.from_ns) - kept.from_ns;
        kept.go(slot, flow.state, (came_ns, came_ns));
        let sums = &mut kept.slots[slot as usize].sums;
        if counts {
            sums.started += u64::from(begins);
            sums.ended += 1;
        } else if !begins {
            sums.started = sums.started.saturating_sub(1);
        }
    }

    /// Sums its time in the present state up to an instant.
    pub(super) fn sum_until(&mut self, at: u32, at_ns: u64) {
        let Some(kept) = &mut self.sums else { return };
        let flow = &mut self.flows[at as usize];
        let Some(place) = &mut flow.summed else { return };
        let from_ns = kept.from_ns;
        let came_ns = place.until_ns.max(from_ns) - from_ns;
        let left_ns = (at_ns.max(from_ns) - from_ns).max(came_ns);
        kept.go(place.slot, flow.state, (came_ns, left_ns));
        kept.come(place.slot, flow.state, left_ns);
        place.until_ns = from_ns + left_ns;
    }

    /// It goes on in another state, its time in the one before being summed.
    pub(super) fn sum_state(&mut self, at: u32, next: State) {
        let Some(kept) = &mut self.sums else { return };
        let Some(Place { slot, until_ns, .. }) = self.flows[at as usize].summed else { return };
        let came_ns = until_ns.max(kept.from_ns) - kept.from_ns;
        kept.go(slot, self.flows[at as usize].state, (came_ns, came_ns));
        kept.come(slot, next, came_ns);
    }

    /// More is known of it than that it was born, so it is wanted; and what it has in common
    /// with others may have become something else.
    pub(super) fn sum_moved(&mut self, at: u32, at_ns: u64) {
        let Some(kept) = &mut self.sums else { return };
        let flow = &self.flows[at as usize];
        let Some(Place { slot: before, .. }) = flow.summed else {
            return self.sum_started(at, flow.since_ns);
        };
        let key = kept.by.key(&flow.connection, flow.cc);
        if kept.slots[before as usize].key == key {
            return self.sum_begun(at);
        }
        let slot = kept.slot(key, (flow.id, flow.connection));
        if slot == before {
            return self.sum_begun(at);
        }
        self.sum_until(at, at_ns);
        let Some(kept) = &mut self.sums else { return };
        let flow = &mut self.flows[at as usize];
        let Some(place) = &mut flow.summed else { return };
        let came_ns = place.until_ns.max(kept.from_ns) - kept.from_ns;
        place.slot = slot;
        kept.go(before, flow.state, (came_ns, came_ns));
        kept.come(slot, flow.state, came_ns);
        self.sum_begun(at);
    }

    /// Changes the sums of a flow's key.
    pub(super) fn sum(&mut self, at: u32, change: impl FnOnce(&mut Sums)) {
        let place = self.flows[at as usize].summed;
        if let (Some(kept), Some(place)) = (&mut self.sums, place) {
            change(&mut kept.slots[place.slot as usize].sums);
        }
    }

    pub(super) fn sum_transition(&mut self, at: u32, (from, to): (State, State), cause: Cause) {
        self.sum(at, |sums| {
            *sums.transitions.entry((from, to, cause)).or_default() += 1;
            sums.repeated_rtos += u64::from(from == to);
        });
    }

    pub(super) fn sum_charge(&mut self, at: u32, charge: &Charge) {
        self.sum(at, |sums| {
            sums.limits.add(&charge.limits);
            sums.delivered[charge.state as usize] += charge.delivered;
            sums.retransmitted[charge.state as usize] += charge.retransmitted;
            sums.traffic.add(&charge.traffic);
        });
    }

    /// A spell of it has ended after so long.
    pub(super) fn sum_spell(&mut self, at: u32, state: State, length_ns: u64) {
        let Some(kept) = &mut self.sums else { return };
        if self.flows[at as usize].summed.is_none() {
            return;
        }
        if kept.spells.len() < MAX_WAITING {
            kept.spells.push((state, length_ns));
        } else {
            self.losses.rows_lost += 1;
        }
    }

    /// The sums since the last call, up to `to_ns`, which the wall clock shows as `at`: all
    /// entries from before have been applied, and none from after. Nothing where they were not
    /// asked for.
    pub fn take_sums(&mut self, to_ns: u64, at: Timestamp) -> Option<IntervalSums> {
        self.sums.as_mut().map(|kept| kept.take(to_ns.max(kept.from_ns), at))
    }
}
