//! Holds the tool's reports against the truth, flow by flow and interval by interval.
//! The bounds are those of the specification; how the truth is found is `ledger`'s business.

use std::net::IpAddr;

use anyhow::{Result, ensure};

use super::ledger::{Cell, Ledger, Life};
use super::tool::{Flow, Report};

/// How far a state's time may be off for each transition, birth and end.
const BOUND_NS: u64 = 2_000;
/// The machine may do something else between the trace's reading of the clock
/// and the program's, at the same event: no cell is further off than this, ...
const INTERRUPTED_NS: u64 = 1_000_000;
/// ... at most one cell in so many is off by more than the bound, and the errors
/// of all cells together keep to the bound of all their events, each of which
/// bears on two states, but for the one interruption that a short test may meet.
const INTERRUPTED_ONE_IN: usize = 10;
const SLACK_NS: u64 = 100_000;
/// In a test of a handful of events each finds every cache cold.
const FEW: usize = 2;
/// An event so close to a boundary may be booked on its other side.
const NEAR_NS: u64 = 10_000;

/// What a comparison went through.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Flow-intervals held to every bound.
    pub(crate) cells: usize,
    /// Flow-intervals left out: the machine hid an event that bears on them.
    pub(crate) doubtful: usize,
    /// Of those, the ones that the tool itself marked.
    pub(crate) marked: usize,
    /// Flow-intervals left out: an event lies too close to a boundary.
    pub(crate) near: usize,
    pub(crate) changes: usize,
    pub(crate) repeated: usize,
    pub(crate) by_state_ns: [u64; 5],
    pub(crate) largest_error_ns: u64,
    errors_ns: u64,
    events: u64,
    beyond_bound: usize,
}

/// Compares all flows one of whose ends `ours` says yes to. Every such flow
/// must have its row where it qualifies, and only there.
pub(crate) fn compare(
    reports: &[Report],
    ledger: &Ledger,
    ours: impl Fn(IpAddr) -> bool,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for report in reports {
        let mut expected = 0;
        for life in &ledger.flows {
            if !(ours(life.local.ip()) && ours(life.remote.ip())) {
                continue;
            }
            let cell = ledger.truth(life, report.from_ns, report.to_ns);
            let rows = report.of(life.local, life.remote);
            expected += rows.len();
            let near = life.eventful_near(report.from_ns, NEAR_NS)
                || life.eventful_near(report.to_ns, NEAR_NS);
            if cell.doubtful || near {
                outcome.doubtful += usize::from(cell.doubtful);
                outcome.near += usize::from(near && !cell.doubtful);
                outcome.marked += usize::from(cell.doubtful && rows.iter().any(|row| !row.exact));
                continue;
            }
            ensure!(
                rows.len() == usize::from(cell.qualifies()),
                "{} rows for {life:?} in {}..{}, and the truth is {cell:?}",
                rows.len(),
                report.from_ns,
                report.to_ns
            );
            if let [row] = rows[..] {
                outcome.check(row, &cell, life, report)?;
            }
        }
        let shown = report.flows.iter().filter(|row| ours(row.local.ip()) && ours(row.remote.ip()));
        ensure!(shown.count() == expected, "rows of no flow in {report:?}");
    }
    let Outcome { cells, errors_ns, events, beyond_bound, .. } = outcome;
    ensure!(
        beyond_bound <= cells / INTERRUPTED_ONE_IN + FEW
            && errors_ns <= 2 * BOUND_NS * events + SLACK_NS,
        "too far from the truth: {outcome:?}"
    );
    Ok(outcome)
}

impl Outcome {
    fn check(&mut self, row: &Flow, cell: &Cell, life: &Life, report: &Report) -> Result<()> {
        let told = || format!("{row:?}\n{cell:?}\n{life:?}");
        let at_edge = |at: &u64| (report.from_ns..report.to_ns).contains(at);
        let edges =
            [Some(life.born_ns), life.ended_ns].iter().flatten().filter(|at| at_edge(at)).count();
        let events = (cell.changes + edges) as u64;
        let whole = report.to_ns - report.from_ns;
        let sum: u64 = row.times_ns.iter().sum();
        if cell.lived_ns == whole {
            ensure!(sum == whole, "the states sum to {sum} of {whole} ns: {}", told());
        } else {
            // The truth's own clock reading at a birth and an end.
            let error_ns = sum.abs_diff(cell.lived_ns);
            ensure!(error_ns <= INTERRUPTED_NS, "off by {error_ns} ns: {}", told());
        }
        let mut largest_ns = 0;
        for (mine, truth) in row.times_ns.iter().zip(cell.times_ns) {
            let error_ns = mine.abs_diff(truth);
            largest_ns = largest_ns.max(error_ns);
            self.errors_ns += error_ns;
        }
        ensure!(largest_ns <= INTERRUPTED_NS, "off by {largest_ns} ns: {}", told());
        self.largest_error_ns = self.largest_error_ns.max(largest_ns);
        self.beyond_bound += usize::from(largest_ns > BOUND_NS * events);
        self.events += events;
        ensure!(row.changes == cell.changes, "{}", told());
        ensure!(row.repeated == cell.repeated, "{}", told());
        // A mark stays until the next clean spell, longer than the doubt here.
        let marked = !row.exact && life.doubtful.is_empty();
        ensure!(!marked, "not exact, and nothing was hidden: {}", told());
        self.cells += 1;
        self.changes += cell.changes;
        self.repeated += cell.repeated;
        for (all, mine) in self.by_state_ns.iter_mut().zip(row.times_ns) {
            *all += mine;
        }
        Ok(())
    }
}
