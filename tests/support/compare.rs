//! Holds the tool's reports against the truth, flow by flow and interval by interval.
//! The bounds are those of the specification; how the truth is found is `ledger`'s business.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};

use super::ledger::{Cell, Ledger, Life};
use super::tool::{Flow, Report};
use super::verdict::Verdict;

/// How far from the truth a tool may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// A state's time may be off by so much for each transition, birth and end.
    pub(crate) event_ns: u64,
    /// The machine may do something else between the trace's reading of the clock
    /// and the program's, at the same event: no cell is further off than this, ...
    pub(crate) largest_ns: u64,
    /// ... at most one cell in so many, and so few, are off by more than the bound, ...
    pub(crate) beyond_one_in: usize,
    pub(crate) few: usize,
    /// ... and the errors of all cells together, but for so many cells, keep to the
    /// bound of all their events, each of which bears on two states, and this more.
    pub(crate) interrupted: usize,
    pub(crate) slack_ns: u64,
    /// An event so close to a boundary may be booked on its other side.
    pub(crate) near_ns: u64,
    /// Spells shorter than this may have escaped it; 0 for a tool that sees each.
    pub(crate) flash_ns: u64,
    /// It may say of a row that it is not exact although nothing was hidden from it.
    pub(crate) marks: bool,
}

/// What the specification allows on a machine of one's own.
const STRICT: Bounds = Bounds {
    event_ns: 2_000,
    largest_ns: 1_000_000,
    beyond_one_in: 10,
    // In a test of a handful of events each finds every cache cold, and a machine that
    // is busy with something else interrupts some.
    few: 4,
    interrupted: 1,
    slack_ns: 100_000,
    near_ns: 10_000,
    flash_ns: 0,
    marks: false,
};

/// What a comparison went through.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Flows with a row.
    pub(crate) flows: usize,
    /// Flow-intervals held to every bound.
    pub(crate) cells: usize,
    /// Of those, the ones that had to sum up to the interval, and did.
    pub(crate) conserved: usize,
    /// Flow-intervals left out: the machine hid an event that bears on them.
    pub(crate) uncertain: usize,
    /// Flow-intervals that the tool itself marked as not exact.
    pub(crate) marked: usize,
    /// In all flow-intervals in which a flow can be told from others, those that
    /// were left out among them.
    pub(crate) changes: usize,
    pub(crate) changes_seen: usize,
    pub(crate) repeated: usize,
    pub(crate) repeated_seen: usize,
    pub(crate) by_state_ns: [u64; 5],
    pub(crate) largest_error_ns: u64,
    /// All states' errors together, but for the cells that were interrupted.
    pub(crate) errors_ns: u64,
    pub(crate) events: u64,
    pub(crate) beyond_bound: usize,
    /// What is not as it ought to be, in words.
    pub(crate) faults: Vec<String>,
    /// The same of single flows, and of how many.
    pub(crate) flow_faults: Vec<String>,
    pub(crate) faulty_flows: usize,
    /// States that do not sum up, which no missed event explains.
    pub(crate) sum_faults: Vec<String>,
}

/// Compares all flows both of whose ends `ours` says yes to. Every such flow
/// must have its row where it qualifies, and only there.
pub(crate) fn compare(
    reports: &[Report],
    ledger: &Ledger,
    ours: impl Fn(IpAddr) -> bool,
) -> Result<Outcome> {
    let both = |local: SocketAddr, remote: SocketAddr| ours(local.ip()) && ours(remote.ip());
    let outcome = measure(reports, ledger, &STRICT, both);
    let Outcome { faults, flow_faults, sum_faults, .. } = &outcome;
    let good = faults.is_empty() && flow_faults.is_empty() && sum_faults.is_empty();
    ensure!(good, "{outcome:#?}");
    Ok(outcome)
}

/// The same within any bounds, for flows chosen by both ends; faults are in the outcome.
pub(crate) fn measure(
    reports: &[Report],
    ledger: &Ledger,
    bounds: &Bounds,
    ours: impl Fn(SocketAddr, SocketAddr) -> bool,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut errors_ns = Vec::new();
    let mut by_ends: HashMap<_, Vec<&Life>> = HashMap::new();
    for life in ledger.flows.iter().filter(|life| ours(life.local, life.remote)) {
        by_ends.entry((life.local, life.remote)).or_default().push(life);
    }
    let known: HashSet<_> = by_ends.keys().copied().collect();
    for ((local, remote), lives) in by_ends {
        let new = |life| Verdict::new(ledger, bounds, life, reports);
        let mut verdicts: Vec<_> = lives.into_iter().map(new).collect();
        let unseen = |report: &&Report| {
            let rows = report.of(local, remote);
            rows.iter().any(|row| verdicts.iter().any(|life| life.end_unseen(report, row)))
        };
        let unseen_until_ns = reports.iter().filter(unseen).map(|report| report.to_ns).max();
        for report in reports {
            let rows = report.of(local, remote);
            let alive = verdicts.iter_mut().filter(|verdict| verdict.is_about(report));
            match &mut alive.collect::<Vec<_>>()[..] {
                [] if rows.is_empty() => {}
                // Until it knows, the tool takes it to go on.
                [] if Some(report.to_ns) <= unseen_until_ns => outcome.marked += rows.len(),
                [] => outcome.faults.push(format!("a row after or before its time: {rows:?}")),
                [one] => errors_ns.extend(one.interval(report, &rows, &mut outcome)),
                // Now and then the kernel has two sockets of the same ends, one after the other.
                several => several.iter_mut().for_each(|verdict| verdict.leave_out()),
            }
        }
        for verdict in verdicts {
            verdict.whole(reports, &mut outcome);
        }
    }
    let rows = reports.iter().flat_map(|report| &report.flows);
    let shown = rows.filter(|row| ours(row.local, row.remote));
    let invented = shown.filter(|row| !known.contains(&(row.local, row.remote))).count();
    if invented > 0 {
        outcome.faults.push(format!("{invented} rows of no flow"));
    }
    if reports.windows(2).any(|pair| pair[0].to_ns != pair[1].from_ns) {
        outcome.faults.push("an interval does not begin where the one before ends".to_owned());
    }
    errors_ns.sort_unstable();
    errors_ns.truncate(errors_ns.len().saturating_sub(bounds.interrupted));
    outcome.errors_ns = errors_ns.iter().sum();
    let Outcome { cells, errors_ns, events, beyond_bound, .. } = outcome;
    if beyond_bound > cells / bounds.beyond_one_in + bounds.few {
        outcome.faults.push(format!("{beyond_bound} of {cells} flow-intervals are beyond bounds"));
    }
    if errors_ns > 2 * bounds.event_ns * events + bounds.slack_ns {
        outcome.faults.push(format!("all errors together, {errors_ns} ns in {events} events"));
    }
    outcome
}

impl Outcome {
    /// What was seen of a flow in an interval, and what there was.
    pub(super) fn count(&mut self, rows: &[&Flow], cell: &Cell) {
        self.changes += cell.changes;
        self.changes_seen += rows.iter().map(|row| row.changes).sum::<usize>();
        self.repeated += cell.repeated;
        self.repeated_seen += rows.iter().map(|row| row.repeated).sum::<usize>();
    }

    /// A flow-interval that is compared.
    pub(super) fn add(&mut self, row: &Flow) {
        self.cells += 1;
        for (all, mine) in self.by_state_ns.iter_mut().zip(row.times_ns) {
            *all += mine;
        }
    }
}
