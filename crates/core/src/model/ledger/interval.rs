//! Ends of lives and of intervals: figures become rows, and rows a report.

use jiff::Timestamp;

use super::flow::Flow;
use super::{Ledger, MAX_WAITING};
use crate::model::{Gap, OngoingSpells, Report, Row, SpellLengths, State, StateTimes, Totals};

impl Ledger {
    /// Ends the life: its row waits for the interval's end.
    pub(super) fn end(&mut self, at: u32, at_ns: u64) {
        self.end_spell(at, None, at_ns, false);
        self.sum_ended(at, true);
        let state = self.flows[at as usize].state;
        self.in_state[state as usize].remove(&mut self.flows, at);
        let mut flow = self.flows.remove(at as usize);
        self.sockets.remove(&flow.id.socket);
        let times = flow.figures.times;
        if flow.is_quiet(&times) && !self.options.list_quiet {
            self.ended_quiet += 1;
            return;
        }
        if self.ended.len() >= MAX_WAITING {
            self.losses.rows_lost += 1;
            return;
        }
        let mut row = flow.row(times, 0, true);
        if let Some(costs) = &mut flow.costs {
            row.stats = costs.of_interval(self.from_ns, at_ns, flow.id.born_ns, 0, 0);
        }
        row.exact &= !self.options.estimated;
        doubt_gaps(&mut row, &self.gaps, self.from_ns, at_ns);
        self.ended.push(row);
    }

    /// Ends the interval at `to_ns`, which the wall clock shows as `at`: all entries from
    /// before have been applied, and none from after.
    pub fn close(&mut self, to_ns: u64, at: Timestamp) -> Report {
        let to_ns = to_ns.max(self.from_ns);
        let mut rows = std::mem::take(&mut self.ended);
        let flows_ended = rows.len() as u64 + self.ended_quiet;
        let mut flows_ended_quiet = self.ended_quiet;
        flows_ended_quiet += rows.iter().filter(|row| row.is_quiet()).count() as u64;
        let ended = rows.len();
        for at in std::mem::take(&mut self.touched) {
            // It may have ended, and its place be another's.
            let is_listed = self.flows.get_mut(at as usize).is_some_and(|flow| {
                std::mem::take(&mut flow.figures.is_listed) && flow.interval == self.interval
            });
            if is_listed {
                rows.extend(self.row(at, to_ns));
            }
        }
        let untouched: Vec<u32> = if self.options.list_quiet {
            self.in_state.iter().flat_map(|list| list.iter(&self.flows)).collect()
        } else {
            self.in_state[1..].iter().flat_map(|list| list.iter(&self.flows)).collect()
        };
        for at in untouched {
            if self.flows[at as usize].interval != self.interval {
                rows.extend(self.row(at, to_ns));
            }
        }
        let not_quiet = rows[ended..].iter().filter(|row| !row.is_quiet()).count() as u64;
        let flows_alive = self.flows.len() as u64;
        rows.sort_by_key(|row| {
            let endpoints = row.connection.endpoints;
            (endpoints.lport, endpoints.laddr, endpoints.raddr, endpoints.rport, row.id)
        });
        let report = Report {
            flows: rows.len(),
            totals: Totals::of(&rows),
            rows,
            flows_alive,
            flows_quiet: flows_alive - not_quiet,
            flows_ended,
            flows_ended_quiet,
            ongoing_spells: State::ALL.map(|state| self.ongoing_spells(state, to_ns)),
            ended_spells: std::mem::take(&mut self.spells),
            samples: std::mem::take(&mut self.samples),
            spells: self.take_lengths(),
            losses: std::mem::take(&mut self.losses),
            gaps: std::mem::take(&mut self.gaps),
            estimated: self.options.estimated,
            ..Report::of_nothing(at, self.from_ns, to_ns)
        };
        self.interval = self.interval.wrapping_add(1);
        self.from_ns = to_ns;
        self.ended_quiet = 0;
        report
    }

    /// The row of a living flow; nothing where it is not to be listed.
    fn row(&mut self, at: u32, to_ns: u64) -> Option<Row> {
        let Self { interval, from_ns, measured_ns, options, .. } = *self;
        let present = self.present(at);
        let flow = &mut self.flows[at as usize];
        if flow.interval != interval {
            flow.interval = interval;
            flow.figures =
                super::flow::IntervalFigures { inexact: flow.found_late, ..Default::default() };
        }
        let times = times_until(flow, from_ns, to_ns);
        if flow.is_quiet(&times) && !options.list_quiet {
            return None;
        }
        let mut row = flow.row(times, to_ns.saturating_sub(flow.since_ns), false);
        let born_ns = flow.id.born_ns;
        if let Some(costs) = &mut flow.costs {
            costs.enter(present);
            let open_ns = to_ns.saturating_sub(present.since_ns);
            let open_ns = if present.state == State::Open { open_ns } else { 0 };
            row.stats = costs.of_interval(from_ns, to_ns, born_ns, measured_ns, open_ns);
        }
        row.exact &= !options.estimated;
        doubt_gaps(&mut row, &self.gaps, from_ns, to_ns);
        Some(row)
    }

    fn ongoing_spells(&self, state: State, to_ns: u64) -> OngoingSpells {
        let list = &self.in_state[state as usize];
        let longest_ns =
            list.oldest(&self.flows).map_or(0, |flow| to_ns.saturating_sub(flow.since_ns));
        OngoingSpells { count: list.count, longest_ns }
    }

    fn take_lengths(&mut self) -> Option<SpellLengths> {
        let unit_ns = self.options.lengths_unit_ns?;
        self.lengths.replace(SpellLengths::none(unit_ns))
    }
}

/// Time by state in the interval, the spell that goes on included.
fn times_until(flow: &Flow, from_ns: u64, to_ns: u64) -> StateTimes {
    let mut times = flow.figures.times;
    times[flow.state] += to_ns.saturating_sub(flow.since_ns.max(from_ns));
    times
}

/// What was told of a flow during a gap is not all: it may have been in any state.
fn doubt_gaps(row: &mut Row, gaps: &[Gap], from_ns: u64, to_ns: u64) {
    let from_ns = row.id.born_ns.max(from_ns);
    for gap in gaps.iter().filter(|gap| gap.from_ns <= to_ns && gap.to_ns >= from_ns) {
        row.exact = false;
        row.uncertain_ns += gap.to_ns.min(to_ns) - gap.from_ns.max(from_ns);
    }
}
