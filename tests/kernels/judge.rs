//! Compares what one way of attaching saw with the truth, scenario by scenario.
//! Not how the traffic came about: `guest` had it made.

use super::guest::Playing;
use super::lines::{Cell, SeenTruth, Way};
use super::support::compare::{Bounds, Outcome, measure};
use super::support::ledger::{Ledger, Life};
use super::support::tool::Report;
use super::ways::{CALLERS, KRETPROBES};

/// An emulated CPU stands still while the machine runs something else, and later
/// kernels let a thread be interrupted between the truth's event and a program's,
/// so a moment is off by what it takes to get the CPU back: tens of milliseconds,
/// on a busy machine hundreds. That befalls few events, but all flows whose timers
/// fire at that moment; the others are off by some ten microseconds in the mean,
/// and by hundreds where an event finds the programs' code not yet translated.
pub(crate) const EMULATED: Bounds = Bounds {
    event_ns: 500_000,
    largest_ns: 500_000_000,
    beyond_one_in: 10,
    few: 8,
    interrupted: 8,
    slack_ns: 5_000_000,
    near_ns: 20_000_000,
    flash_ns: 0,
    marks: true,
};
/// Where threads wait for one CPU, a call may last as long as that: what looks at
/// the socket after it is as late.
pub(crate) const CROWDED: Bounds = Bounds { event_ns: 20_000_000, beyond_one_in: 2, ..EMULATED };
/// Longer than a spell within one call of the kernel, in emulation too.
pub(crate) const FLASH_NS: u64 = 2_000_000;
/// Faults told of a cell; one is mostly many.
const TOLD: usize = 5;
/// A flow's whole truth may be long.
const TOLD_CHARACTERS: usize = 1200;

/// A kernel that does not count the runs that it skips may have skipped as many
/// unnoticed; ...
const UNCOUNTED: usize = 2;
/// ... however many it skips, most are noticed: of all flows, one in so many may differ, ...
pub(crate) const UNNOTICED_ONE_IN: usize = 10;
/// ... and of a scenario's flows one in so many, but for two; where all is on one CPU,
/// and calls interrupt each other on purpose, one in two.
pub(crate) const UNNOTICED_IN_SCENARIO_ONE_IN: usize = 4;
pub(crate) const UNNOTICED_IN_SCENARIO_FEW: usize = 2;
pub(crate) const UNNOTICED_IN_CROWD_ONE_IN: usize = 2;
/// Of a scenario's transitions one in so many, and a few, may lack.
pub(crate) const LACKING_ONE_IN: usize = 10;
pub(crate) const LACKING_FEW: usize = 3;
/// What the tool itself calls not exact is left out, and may be one interval in so
/// many, and a few, but where all is on one CPU.
pub(crate) const MARKED_ONE_IN: usize = 2;
pub(crate) const MARKED_FEW: usize = 3;

/// A call that interrupts another must not take its socket's place (`bpf/callers.h`):
/// then the other's would be lost. The kernel may also skip the program at an entry
/// while it runs another, so some may be lost without that: half as many, and a few.
pub(crate) const LOST_ONE_IN: usize = 2;
pub(crate) const LOST_FEW: usize = 3;

/// One way's reports, and what they have to be.
pub(crate) struct Judge<'a> {
    pub(crate) way: &'a Way,
    pub(crate) reports: &'a [Report],
    pub(crate) ledger: &'a Ledger,
    /// Events that the truth itself missed.
    pub(crate) missed: u64,
}

impl Judge<'_> {
    pub(crate) fn cells(&self, playing: &[Playing]) -> Vec<Cell> {
        let outcomes: Vec<_> = playing.iter().map(|one| self.outcome(one)).collect();
        let faulty: usize = outcomes.iter().map(|outcome| outcome.faulty_flows).sum();
        let flows: usize = outcomes.iter().map(|outcome| outcome.flows).sum();
        let explained = faulty <= self.unnoticed().min(flows / UNNOTICED_ONE_IN);
        let cells = playing.iter().zip(outcomes);
        cells.map(|(playing, outcome)| self.cell(playing, &outcome, explained)).collect()
    }

    fn is_by_callers(&self) -> bool {
        self.way.attach.as_deref().is_some_and(|name| name.ends_with(CALLERS))
    }

    fn outcome(&self, playing: &Playing) -> Outcome {
        let bounds = Bounds {
            flash_ns: if self.is_by_callers() { FLASH_NS } else { 0 },
            ..if playing.scenario.is_crowded() { CROWDED } else { EMULATED }
        };
        measure(self.reports, self.ledger, &bounds, |local, remote| playing.owns(local, remote))
    }

    /// So many flows may differ from the truth without the tool's saying so of
    /// them. A run that the kernel skips hides a transition, and where the state
    /// returns to what it was before the next run, nobody learns of it. So does
    /// an event that the truth missed.
    fn unnoticed(&self) -> usize {
        let number = |count| usize::try_from(count).unwrap_or(usize::MAX);
        let skipped = number(self.way.recursion_misses + self.way.transitions_missed);
        let uncounted = self.way.limitations.iter().any(|what| what.contains("skips"));
        let by_tool = skipped.max(if uncounted { UNCOUNTED } else { 0 });
        by_tool.saturating_add(number(self.missed))
    }

    fn cell(&self, playing: &Playing, outcome: &Outcome, explained: bool) -> Cell {
        let owned = |life: &&Life| playing.owns(life.local, life.remote);
        let lives: Vec<&Life> = self.ledger.flows.iter().filter(owned).collect();
        let flashes = lives.iter().map(|life| {
            life.transitions_ns.len() - life.without_flashes(FLASH_NS).transitions_ns.len()
        });
        let flashes: usize = flashes.sum();
        let wants = playing.scenario.wants.iter().filter(|want| !(want.is_there)(&lives));
        let mut red = playing.red.clone();
        red.extend(wants.map(|want| format!("it did not come to {}", want.what)));
        let told = |fault: &String| fault.chars().take(TOLD_CHARACTERS).collect::<String>();
        red.extend(outcome.faults.iter().take(TOLD).map(told));
        red.extend(outcome.sum_faults.iter().take(TOLD).map(told));
        let lost = playing.nested().filter(|_| self.way.name == KRETPROBES).map(|nested| {
            let lost = usize::try_from(self.way.calls_lost).unwrap_or(usize::MAX);
            if lost > nested / LOST_ONE_IN + LOST_FEW {
                red.push(format!("{nested} calls interrupted others, and it lost {lost}"));
            }
            lost
        });
        let crowded = playing.scenario.is_crowded();
        let intervals = outcome.cells + outcome.marked;
        if !crowded && outcome.marked > intervals / MARKED_ONE_IN + MARKED_FEW {
            red.push(format!("{} of {intervals} flow-intervals are not exact", outcome.marked));
        }
        let of_flows = outcome.flow_faults.iter().take(TOLD).map(told);
        let Outcome { flows, faulty_flows, changes, changes_seen, .. } = *outcome;
        let flashes_unseen = if self.is_by_callers() { flashes } else { 0 };
        if changes_seen + flashes_unseen + changes / LACKING_ONE_IN + LACKING_FEW < changes {
            red.push(format!("{changes_seen} changes of {changes} were seen"));
        }
        let one_in = if crowded { UNNOTICED_IN_CROWD_ONE_IN } else { UNNOTICED_IN_SCENARIO_ONE_IN };
        let few = (flows / one_in).max(UNNOTICED_IN_SCENARIO_FEW);
        if explained && faulty_flows <= few {
            let place = format!("{} {}", self.way.name, playing.scenario.name);
            of_flows.for_each(|fault| eprintln!("kernels: {place} differs: {fault}"));
        } else {
            red.extend(of_flows);
        }
        Cell {
            kernel: self.way.kernel.clone(),
            way: self.way.name.clone(),
            scenario: playing.scenario.name.to_owned(),
            flows: outcome.flows,
            intervals: outcome.cells,
            conserved: outcome.conserved,
            marked: outcome.marked,
            differ: outcome.faulty_flows,
            changes: SeenTruth { seen: outcome.changes_seen, truth: outcome.changes },
            repeated: SeenTruth { seen: outcome.repeated_seen, truth: outcome.repeated },
            flashes,
            largest_error_us: outcome.largest_error_ns as f64 / 1e3,
            error_us_per_event: outcome.errors_ns as f64 / 1e3 / outcome.events.max(1) as f64,
            notes: playing.notes(),
            lost,
            red,
        }
    }
}
