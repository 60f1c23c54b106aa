//! Differences: takes snapshots one after the other and says what came between.
//! Not here: where the snapshots come from.

use std::collections::HashMap;

use super::{
    Blind, Cost, FlowId, LeftOut, Names, OpenSpells, Reading, Report, Row, Snapshot, Spell, State,
    StateTimes, Tally, Totals,
};

/// An account that was opened so late says too little of what was before: later than
/// one in so many parts of the interval, and than seeding mostly takes, nanoseconds.
const ACCOUNT_LATE_ONE_IN: u64 = 20;
const ACCOUNT_LATE_NS: u64 = 100_000_000;

/// What has been reported of a flow so far.
#[derive(Debug, Clone, Copy)]
struct Reported {
    spent: StateTimes,
    changes: u32,
    repeated_rtos: u32,
    missed: u32,
    doubtful_ns: u64,
    found_late: bool,
}

/// Remembers the last snapshot's figures of every flow that has ever left Open.
///
/// A flow that never did needs no memory: it was in its first state all along.
#[derive(Debug)]
pub struct Ledger {
    list_quiet: bool,
    last_ns: u64,
    reported: HashMap<FlowId, Reported>,
    /// What had come of the flows, where that was asked for.
    costs: HashMap<FlowId, Cost>,
    blind: Blind,
    ended_quiet: u64,
}

impl Ledger {
    /// A ledger whose first interval begins at `started_ns`
    /// (`CLOCK_MONOTONIC`). `list_quiet`: flows that stayed in Open have a row
    /// too.
    #[must_use]
    pub fn new(started_ns: u64, list_quiet: bool) -> Self {
        Self {
            list_quiet,
            last_ns: started_ns,
            reported: HashMap::new(),
            costs: HashMap::new(),
            blind: Blind::default(),
            ended_quiet: 0,
        }
    }

    /// The report of the interval that ends with `snapshot`.
    pub fn report(&mut self, snapshot: Snapshot) -> Report {
        let mut report = Report {
            at: snapshot.at,
            from_ns: self.last_ns,
            to_ns: snapshot.at_ns,
            rows: Vec::new(),
            groups: None,
            flows: 0,
            totals: Totals::default(),
            left_out: LeftOut::default(),
            flows_alive: 0,
            flows_quiet: 0,
            flows_ended: 0,
            flows_ended_quiet: snapshot.ended_quiet - self.ended_quiet,
            open_spells: [OpenSpells::default(); 5],
            ended_spells: Vec::new(),
            group_spells: Vec::new(),
            spells: snapshot.spells,
            blind: snapshot.blind.since(&self.blind),
            namespaces_unreached: snapshot.namespaces_unreached,
        };
        report.flows_ended = report.flows_ended_quiet;
        let mut reported = HashMap::new();
        let mut costs = HashMap::new();
        for reading in &snapshot.flows {
            let cost = self.settled_cost(reading, report.to_ns);
            costs.extend(cost.map(|cost| (reading.id, cost)));
            self.take(reading, cost, &mut report, &mut reported);
        }
        report.flows = report.rows.len();
        report.rows.sort_by_key(|row| {
            let ends = row.ends;
            (ends.lport, ends.laddr, ends.raddr, ends.rport, row.id)
        });
        self.reported = reported;
        self.costs = costs;
        self.last_ns = snapshot.at_ns;
        self.blind = snapshot.blind;
        self.ended_quiet = snapshot.ended_quiet;
        report
    }

    fn take(
        &self,
        reading: &Reading,
        cost: Option<Cost>,
        report: &mut Report,
        reported: &mut HashMap<FlowId, Reported>,
    ) {
        let alive = note_spell(&reading.tally, report);
        if reading.tally.stayed_open() && !self.list_quiet {
            *(if alive { &mut report.flows_quiet } else { &mut report.flows_ended_quiet }) += 1;
            return;
        }
        let row = self.row(reading, cost, report.to_ns);
        if alive && !reading.tally.stayed_open() {
            reported.insert(reading.id, Reported::of(&reading.tally, report.to_ns));
        }
        let quiet = row.is_quiet();
        if quiet {
            *(if alive { &mut report.flows_quiet } else { &mut report.flows_ended_quiet }) += 1;
        }
        if !quiet || self.list_quiet {
            report.totals.add(&row);
            report.rows.push(row);
        }
    }

    /// What has come of the flow, its idle time with it.
    fn settled_cost(&self, reading: &Reading, to_ns: u64) -> Option<Cost> {
        let mut cost = *reading.cost.as_deref()?;
        let open_ns = reading.tally.spent_until(to_ns)[State::Open];
        cost.settle(open_ns, self.costs.get(&reading.id));
        Some(cost)
    }

    /// What came since the last snapshot; nothing if it was not known then, or of a
    /// part of that time only.
    fn cost_since(&self, id: FlowId, cost: &Cost, to_ns: u64) -> Option<Cost> {
        let late_ns = ACCOUNT_LATE_NS.max((to_ns - self.last_ns) / ACCOUNT_LATE_ONE_IN);
        let is_whole = id.born_ns >= self.last_ns && cost.late_ns < late_ns;
        match self.costs.get(&id) {
            Some(before) => Some(cost.since(before)),
            None => is_whole.then_some(*cost),
        }
    }

    fn row(&self, reading: &Reading, cost: Option<Cost>, to_ns: u64) -> Row {
        let tally = &reading.tally;
        let before = self.reported.get(&reading.id).copied().unwrap_or_else(|| Reported {
            spent: reading.untouched_until(self.last_ns),
            ..Reported::NOTHING
        });
        let missed = tally.missed.saturating_sub(before.missed);
        let (spell_ns, ended) = match tally.spell {
            Spell::Open { since_ns, .. } => (to_ns.saturating_sub(since_ns), false),
            Spell::Ended { .. } => (0, true),
        };
        let times = tally.spent_until(to_ns).since(&before.spent);
        Row {
            id: reading.id,
            ends: reading.ends,
            netns: reading.netns,
            cookie: reading.cookie,
            whose: reading.whose,
            names: Names::default(),
            state: tally.state(),
            times,
            changes: tally.changes.saturating_sub(before.changes),
            repeated_rtos: tally.repeated_rtos.saturating_sub(before.repeated_rtos),
            cost: cost.and_then(|cost| self.cost_since(reading.id, &cost, to_ns)).map(Box::new),
            spell_ns,
            exact: missed == 0 && !tally.found_late && !before.found_late,
            doubtful_ns: tally.doubtful_ns.saturating_sub(before.doubtful_ns),
            ended,
        }
    }
}

impl Reported {
    const NOTHING: Self = Self {
        spent: StateTimes([0; 5]),
        changes: 0,
        repeated_rtos: 0,
        missed: 0,
        doubtful_ns: 0,
        found_late: false,
    };

    fn of(tally: &Tally, at_ns: u64) -> Self {
        Self {
            spent: tally.spent_until(at_ns),
            changes: tally.changes,
            repeated_rtos: tally.repeated_rtos,
            missed: tally.missed,
            doubtful_ns: tally.doubtful_ns,
            found_late: tally.found_late,
        }
    }
}

/// Counts the flow as alive, with its open spell, or as ended.
fn note_spell(tally: &Tally, report: &mut Report) -> bool {
    match tally.spell {
        Spell::Open { state, since_ns } => {
            let open = &mut report.open_spells[state as usize];
            open.count += 1;
            open.longest_ns = open.longest_ns.max(report.to_ns.saturating_sub(since_ns));
            report.flows_alive += 1;
            true
        }
        Spell::Ended { .. } => {
            report.flows_ended += 1;
            false
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
