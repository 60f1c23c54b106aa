//! One flow's rows against its own truth.
//! Not what all flows come to: `compare` has that.

use super::compare::{Bounds, Outcome};
use super::ledger::{Cell, Ledger, Life, Stretch};
use super::tool::{Flow, Report};

/// One flow's truth, and its rows so far.
pub(super) struct Verdict<'a> {
    ledger: &'a Ledger,
    bounds: &'a Bounds,
    life: &'a Life,
    /// What even a tool that misses all flashes sees of it.
    least: Life,
    /// When the tool itself says that its figures may be off.
    marked: Vec<Stretch>,
    rows: usize,
    changes: usize,
    repeated: usize,
    /// Some of it was not compared.
    partial: bool,
    /// The tool has said that it had missed a birth, which may be this flow's.
    births_missed: bool,
    faults: Vec<String>,
}

impl<'a> Verdict<'a> {
    pub(super) fn new(
        ledger: &'a Ledger,
        bounds: &'a Bounds,
        life: &'a Life,
        reports: &[Report],
    ) -> Self {
        Self {
            ledger,
            bounds,
            life,
            least: life.without_flashes(bounds.flash_ns),
            marked: if bounds.marks { marked(reports, life) } else { Vec::new() },
            rows: 0,
            changes: 0,
            repeated: 0,
            partial: false,
            births_missed: false,
            faults: Vec::new(),
        }
    }

    /// Whether the flow may have a row in a report.
    pub(super) fn is_about(&self, report: &Report) -> bool {
        let Bounds { near_ns, .. } = *self.bounds;
        let ended_ns = self.life.ended_ns.unwrap_or(u64::MAX);
        self.life.born_ns < report.to_ns + near_ns
            && ended_ns >= report.from_ns.saturating_sub(near_ns)
    }

    /// Whether the row, which comes after the life, says of itself that the life's
    /// end was not seen, and that from before it on the figures may be wrong.
    pub(super) fn end_unseen(&self, report: &Report, row: &Flow) -> bool {
        let doubted_from_ns = report.to_ns.saturating_sub(row.uncertain_ns);
        let before_the_end = |ended_ns| doubted_from_ns <= ended_ns && ended_ns <= report.to_ns;
        let unseen = self.bounds.marks && row.ended && !row.exact;
        unseen && self.life.ended_ns.is_some_and(before_the_end)
    }

    /// One interval. Returns the error of the states' times, where they were compared.
    pub(super) fn interval(
        &mut self,
        report: &Report,
        rows: &[&Flow],
        outcome: &mut Outcome,
    ) -> Option<u64> {
        let Report { from_ns, to_ns, .. } = *report;
        let cell = self.ledger.truth(self.life, from_ns, to_ns);
        let (least, most) = self.limits(from_ns, to_ns);
        self.rows += rows.len();
        self.births_missed |= report.sum("births_missed").is_ok_and(|missed| missed > 0);
        outcome.count(rows, &cell);
        if most.uncertain {
            outcome.uncertain += usize::from(cell.uncertain);
            outcome.marked += usize::from(rows.iter().any(|row| !row.exact));
            self.partial = true;
            return None;
        }
        let marked = self.marked.iter().any(|span| span.from_ns < to_ns && span.to_ns > from_ns);
        self.partial |= marked;
        let possible = usize::from(least.qualifies())..=usize::from(most.qualifies());
        if !marked && !possible.contains(&rows.len()) {
            self.faults.push(format!("{} rows in {from_ns}..{to_ns}: {cell:?}", rows.len()));
        }
        let [row] = rows else { return None };
        let mut faults = Vec::new();
        if let Some(fault) = self.sum(row, report, &cell, &most, outcome) {
            // One whose birth was missed is known from its first event on, and so marked.
            if self.births_missed && !row.exact {
                faults.push(fault);
            } else {
                outcome.sum_faults.push(format!("{fault}: {row:?}\n{cell:?}"));
            }
        }
        let mut error_ns = None;
        if marked {
            outcome.marked += 1;
        } else {
            self.partial |= !row.exact;
            // A mark stays until the next clean spell, longer than the doubt here.
            if !row.exact && self.life.uncertain.is_empty() {
                faults.push("not exact, and nothing was hidden".to_owned());
            }
            self.changes += row.changes;
            self.repeated += row.repeated;
            outcome.add(row);
            let (largest_ns, sum_ns) = self.times(row, report, &cell, outcome);
            error_ns = Some(sum_ns);
            if largest_ns > self.bounds.largest_ns {
                faults.push(format!("off by {largest_ns} ns"));
            }
            faults.extend(counts((row.changes, row.repeated), &least, &most));
        }
        self.faults.extend(faults.into_iter().map(|span| format!("{span}: {row:?}\n{cell:?}")));
        error_ns
    }

    /// An interval in which it cannot be told from another flow.
    pub(super) fn leave_out(&mut self) {
        self.partial = true;
    }

    /// All intervals together: here an event at an inner boundary cannot hide.
    pub(super) fn whole(mut self, reports: &[Report], outcome: &mut Outcome) {
        outcome.flows += usize::from(self.rows > 0);
        if let [first, .., last] | [first @ last] = reports
            && !self.partial
        {
            let (least, most) = self.limits(first.from_ns, last.to_ns);
            let wrong = counts((self.changes, self.repeated), &least, &most);
            self.faults.extend(wrong.map(|span| format!("{span} in all")));
        }
        outcome.faulty_flows += usize::from(!self.faults.is_empty());
        let life = self.life;
        outcome.flow_faults.extend(self.faults.iter().map(|fault| format!("{fault}\n{life:?}")));
    }

    /// What a tool shows at least and at most whose clock readings come a moment later.
    fn limits(&self, from_ns: u64, to_ns: u64) -> (Cell, Cell) {
        let near_ns = self.bounds.near_ns;
        let narrow = (from_ns + near_ns, to_ns.saturating_sub(near_ns));
        let wide = (from_ns.saturating_sub(near_ns), to_ns + near_ns);
        (
            self.ledger.truth(&self.least, narrow.0, narrow.1),
            self.ledger.truth(self.life, wide.0, wide.1),
        )
    }

    /// What is wrong with the sum of all states.
    fn sum(
        &self,
        row: &Flow,
        report: &Report,
        cell: &Cell,
        most: &Cell,
        outcome: &mut Outcome,
    ) -> Option<String> {
        let whole_ns = report.to_ns - report.from_ns;
        let sum_ns: u64 = row.times_ns.iter().sum();
        // In emulation a program may read the clock so much later than the trace, at a
        // birth too.
        let late_ns = if self.bounds.marks { self.bounds.largest_ns } else { 0 };
        let settled = self.life.born_ns + late_ns <= report.from_ns
            && self.life.ended_ns.is_none_or(|ended_ns| ended_ns >= report.to_ns + late_ns);
        if settled && most.lived_ns == whole_ns + 2 * self.bounds.near_ns {
            outcome.conserved += usize::from(sum_ns == whole_ns);
            return (sum_ns != whole_ns)
                .then(|| format!("the states sum to {sum_ns} of {whole_ns} ns"));
        }
        // The truth's own clock reading at a birth and an end.
        let lived_ns = cell.lived_ns;
        (sum_ns.abs_diff(lived_ns) > self.bounds.largest_ns)
            .then(|| format!("the states sum to {sum_ns} ns of a life of {lived_ns}"))
    }

    /// The error of the state that is furthest from the truth, and of all together.
    fn times(&self, row: &Flow, report: &Report, cell: &Cell, outcome: &mut Outcome) -> (u64, u64) {
        let within = |at: &&u64| (report.from_ns..report.to_ns).contains(at);
        let edges = [Some(self.life.born_ns), self.life.ended_ns];
        let events = (cell.changes + edges.iter().flatten().filter(within).count()) as u64;
        let pairs = row.times_ns.iter().zip(cell.times_ns);
        let errors_ns = pairs.map(|(mine, truth)| mine.abs_diff(truth));
        let largest_ns = errors_ns.clone().max().unwrap_or(0);
        outcome.largest_error_ns = outcome.largest_error_ns.max(largest_ns);
        outcome.beyond_bound += usize::from(largest_ns > self.bounds.event_ns * events);
        outcome.events += events;
        (largest_ns, errors_ns.sum())
    }
}

/// From when the state may have become another than the tool thought, which is
/// before it knew, to the end of the interval in which it says so.
fn marked(reports: &[Report], life: &Life) -> Vec<Stretch> {
    let mut marked = Vec::new();
    for report in reports {
        for row in report.of(life.local, life.remote).iter().filter(|row| !row.exact) {
            let from_ns = report.from_ns.saturating_sub(row.uncertain_ns);
            marked.push(Stretch { from_ns, to_ns: report.to_ns });
        }
    }
    marked
}

/// What is wrong with the changes and the repeated RTOs that were seen.
fn counts(seen: (usize, usize), least: &Cell, most: &Cell) -> impl Iterator<Item = String> {
    let kinds = [
        ("changes", seen.0, least.changes, most.changes),
        ("repeated RTOs", seen.1, least.repeated, most.repeated),
    ];
    let wrong = kinds.into_iter().filter(|(_, seen, least, most)| !(least..=most).contains(&seen));
    wrong.map(|(what, seen, least, most)| format!("{seen} {what}, not {least} to {most}"))
}
