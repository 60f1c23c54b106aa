//! One run: takes entries from a source, ends intervals, and hands sinks what came of
//! it. Knows neither libbpf nor formats, and no clock but the source's.

mod boundaries;
mod plan;
mod verdicts;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::Result;
use boundaries::Boundaries;
use verdicts::verdicts;

use crate::model::{
    Entry, FilteredOut, Ledger, LedgerOptions, Lookups, Losses, Match, OngoingSpells, Report, Row,
    SpellLengths, Summary,
};
use crate::sink::{Output, Sink, TransitionBatch};
use crate::source::{End, Enrichment, Reached, Source, Wait};
use crate::why::Watch;

pub use plan::{Plan, Product};

/// By so much a look may come before a watch's end, nanoseconds.
const EARLY_NS: u64 = 50_000_000;

/// Why a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The plan is done, or the source has nothing more.
    Done,
    /// A signal asked for the end.
    Interrupted,
    /// Nobody reads what is printed any more.
    ReaderGone,
}

/// Tells whether the output has fallen behind.
pub trait Backlog {
    /// Whether there is no point in another report yet.
    fn is_behind(&self) -> bool;
}

/// An output that takes everything at once.
impl Backlog for () {
    fn is_behind(&self) -> bool {
        false
    }
}

/// The parts that a run puts together.
pub struct Session<'a> {
    /// Where entries come from.
    pub source: &'a mut dyn Source,
    /// What finds whose the flows are.
    pub enrichment: &'a mut dyn Enrichment,
    /// Where things go.
    pub sink: &'a mut dyn Sink,
    /// Where they go from there.
    pub out: Output<'a>,
    /// How that gets on.
    pub backlog: &'a dyn Backlog,
}

/// How far a run has come.
struct Progress {
    ledger: Ledger,
    /// Entries from after the present interval's end.
    pending: Vec<Entry>,
    summary: Summary,
    /// What the source could not see, when last asked.
    losses: Losses,
    filtered_out: FilteredOut,
    watch: Watch,
    /// Up to when there were sums.
    summed_ns: u64,
}

impl Session<'_> {
    /// Runs until the plan is done, or the source ends.
    pub fn run(mut self, plan: &Plan) -> Result<Ending> {
        let (started_ns, max_flows, estimated, filtered) = {
            let start = self.source.start();
            let by_kernel = !start.only.is_empty() || !plan.filter.options_of_kernel().is_empty();
            // A source that samples sees both ends at once, and applies the filter itself.
            let filtered = by_kernel && !start.estimated;
            (start.at_ns, start.max_flows, start.estimated, filtered)
        };
        // Beside reports verdicts are of all flows, whichever are listed.
        let list_quiet = plan.ledger.list_quiet || plan.verdicts_every.is_some();
        let options = LedgerOptions { list_quiet, filtered, estimated, max_flows, ..plan.ledger };
        let mut progress = Progress {
            ledger: Ledger::new(started_ns, options),
            pending: Vec::new(),
            summary: Summary::default(),
            losses: Losses::default(),
            filtered_out: FilteredOut::default(),
            watch: Watch::new(started_ns),
            summed_ns: started_ns,
        };
        let mut boundaries = Boundaries::new(plan, started_ns);
        let mut next = boundaries.next();
        let Progress { ledger, pending, .. } = &mut progress;
        let end_ns = next.unwrap_or(u64::MAX);
        self.source.begin(&mut |entry| pass_on(entry, end_ns, ledger, pending))?;
        self.sink.started(self.source.start(), &mut self.out)?;
        loop {
            let boundary_ns = next.take().or_else(|| boundaries.next());
            let (to_ns, end) = self.follow(boundary_ns, plan, &mut progress)?;
            let is_last = end.is_some() || boundaries.are_over(to_ns);
            match end {
                Some(End::ReaderGone) => return Ok(Ending::ReaderGone),
                // What there is to report is reported as soon as it can be.
                None if !is_last && self.backlog.is_behind() => continue,
                _ => boundaries.passed(to_ns),
            }
            self.close(to_ns, is_last, plan, &mut progress)?;
            if let Some(interval) = self.sink.interval_wanted() {
                boundaries.interval_ns = Some(nanoseconds(interval));
            }
            let outputs = plan.outputs.filter(|_| plan.product == Product::Reports);
            if is_last || outputs.is_some_and(|outputs| progress.summary.reports >= outputs) {
                self.sink.ended(self.source.start(), &progress.summary, &mut self.out)?;
                let interrupted = end == Some(End::Signal);
                return Ok(if interrupted { Ending::Interrupted } else { Ending::Done });
            }
        }
    }

    /// Takes entries until the interval's end. Returns where it has ended, and why, if
    /// that is not where it should.
    fn follow(
        &mut self,
        boundary_ns: Option<u64>,
        plan: &Plan,
        progress: &mut Progress,
    ) -> Result<(u64, Option<End>)> {
        let wait = Wait { until_ns: boundary_ns, promptly: plan.product == Product::Transitions };
        let interval_end_ns = boundary_ns.unwrap_or(u64::MAX);
        loop {
            let Progress { ledger, pending, .. } = &mut *progress;
            let reached = self
                .source
                .next(wait, &mut |entry| pass_on(entry, interval_end_ns, ledger, pending))?;
            let Reached { until_ns, end, .. } = reached;
            let has_come = reached.interval_end(wait);
            // The last interval lasts until there is nothing more.
            let to_ns = has_come.filter(|_| end.is_none()).unwrap_or(until_ns);
            let later = pending.partition_point(|entry| entry.at_ns < to_ns);
            pending.drain(..later).for_each(|entry| ledger.apply(&entry));
            if progress.ledger.has_suspects() {
                self.source.look_again();
            }
            self.enrichment.maintain(&progress.ledger)?;
            self.take_transitions(until_ns, plan, progress)?;
            if end.is_some() || has_come.is_some() {
                return Ok((to_ns, end));
            }
            let are_due = plan.sums_every.is_some_and(|every| {
                until_ns.saturating_add(EARLY_NS) >= progress.summed_ns + nanoseconds(every)
            });
            if are_due {
                self.sum(until_ns, plan, progress)?;
            }
        }
    }

    fn take_transitions(
        &mut self,
        now_ns: u64,
        plan: &Plan,
        progress: &mut Progress,
    ) -> Result<()> {
        if plan.product != Product::Transitions {
            // They come with the interval's report.
            return Ok(());
        }
        let transitions = progress.ledger.take_transitions();
        let mut rows: Vec<_> = transitions.iter().map(Row::of_transition).collect();
        self.enrichment.identify(&mut rows, plan.lookups, &progress.ledger)?;
        let mut lines = Vec::with_capacity(transitions.len());
        for (transition, row) in transitions.into_iter().zip(rows) {
            match plan.filter.judge_transition(&transition, &row) {
                Match::Yes => lines.push((transition, row)),
                matched => progress.filtered_out.note(matched),
            }
        }
        let batch = TransitionBatch { now_ns, wall: self.source.wall(now_ns), lines };
        Ok(self.sink.transitions(&batch, &mut self.out)?)
    }

    /// Hands over what all flows add up to, where that is wanted.
    fn sum(&mut self, to_ns: u64, plan: &Plan, progress: &mut Progress) -> Result<()> {
        let Some(mut sums) = progress.ledger.take_sums(to_ns, self.source.wall(to_ns)) else {
            return Ok(());
        };
        progress.summed_ns = to_ns;
        sums.cost = self.source.cost();
        if plan.sums_lookups != Lookups::default() {
            let mut examples: Vec<_> = sums.by_key.iter().map(|one| one.example.clone()).collect();
            self.enrichment.identify(&mut examples, plan.sums_lookups, &progress.ledger)?;
            for (one, example) in sums.by_key.iter_mut().zip(examples) {
                one.example = example;
            }
        }
        Ok(self.sink.sums(&sums, &mut self.out)?)
    }

    /// Ends the interval, and hands over what came of it.
    fn close(
        &mut self,
        to_ns: u64,
        is_last: bool,
        plan: &Plan,
        progress: &mut Progress,
    ) -> Result<()> {
        self.sum(to_ns, plan, progress)?;
        let mut report = progress.ledger.close(to_ns, self.source.wall(to_ns));
        let (losses, namespaces_unreached) = self.source.losses()?;
        report.losses.add(&losses.since(&progress.losses));
        report.namespaces_unreached = namespaces_unreached;
        progress.losses = losses;
        match plan.product {
            Product::Transitions => {
                report.rows.clear();
                report.filtered_out = std::mem::take(&mut progress.filtered_out);
                progress.summary.add(&report);
                Ok(self.sink.interval(&report, &mut self.out)?)
            }
            Product::Reports => {
                report.transitions = progress.ledger.take_transitions();
                if plan.verdicts_every.is_some() {
                    progress.watch.add(&report);
                    if !plan.ledger.list_quiet {
                        report.leave_out_quiet();
                    }
                }
                self.select(&mut report, plan, progress)?;
                plan.arrangement.apply(&mut report);
                if let Some(unit_ns) = plan.lengths_of_rows {
                    count_lengths(&mut report, unit_ns);
                }
                progress.summary.add(&report);
                self.sink.interval(&report, &mut self.out)?;
                if is_judged(plan, progress, to_ns) || (is_last && plan.verdicts_every.is_some()) {
                    self.judge(&report, plan, progress)?;
                }
                Ok(())
            }
            Product::Verdicts => {
                report.transitions = progress.ledger.take_transitions();
                progress.watch.add(&report);
                if plan.each_look {
                    self.select(&mut report, plan, progress)?;
                    self.sink.interval(&report, &mut self.out)?;
                }
                // Left out is what is left out of the verdicts, not of each look at it.
                report.filtered_out = FilteredOut::default();
                if is_last || is_judged(plan, progress, to_ns) {
                    report.filtered_out = self.judge(&report, plan, progress)?;
                }
                progress.summary.add(&report);
                Ok(())
            }
        }
    }

    /// The verdicts on what was watched up to the report's end, where the next watch begins.
    /// Returns what filters left out.
    fn judge(
        &mut self,
        report: &Report,
        plan: &Plan,
        progress: &mut Progress,
    ) -> Result<FilteredOut> {
        let (from_ns, to_ns) = progress.watch.window();
        let mut whole = Report::of_nothing(report.at, from_ns, to_ns);
        whole.rows = progress.watch.rows().collect();
        self.select(&mut whole, plan, progress)?;
        let filtered_out = whole.filtered_out;
        let verdicts = verdicts(whole, &progress.watch, &plan.arrangement);
        self.sink.verdicts(&verdicts, &mut self.out)?;
        progress.summary.verdicts += verdicts.in_all;
        progress.watch.restart();
        Ok(filtered_out)
    }

    /// Leaves out the rows that are not wanted: first by what is known of them, then by
    /// what is looked up for those that remain.
    fn select(&mut self, report: &mut Report, plan: &Plan, progress: &Progress) -> Result<()> {
        plan.filter.apply(report);
        self.enrichment.identify(&mut report.rows, plan.lookups, &progress.ledger)?;
        plan.filter.apply_named(report);
        let Report { ended_spells, transitions, samples, .. } = report;
        if !(ended_spells.is_empty() && transitions.is_empty() && samples.is_empty()) {
            let ids: HashSet<_> = report.rows.iter().map(|row| row.id).collect();
            ended_spells.retain(|spell| ids.contains(&spell.id));
            transitions.retain(|transition| ids.contains(&transition.id));
            samples.retain(|sample| ids.contains(&sample.id));
        }
        Ok(())
    }
}

/// Whether the watch has lasted as long as it is to.
fn is_judged(plan: &Plan, progress: &Progress, to_ns: u64) -> bool {
    let (since_ns, _) = progress.watch.window();
    plan.verdicts_every
        .is_some_and(|every| to_ns.saturating_add(EARLY_NS) >= since_ns + nanoseconds(every))
}

/// Applies an entry, or keeps it, if it is from after the interval's end.
fn pass_on(entry: Entry, end_ns: u64, ledger: &mut Ledger, pending: &mut Vec<Entry>) {
    if entry.at_ns < end_ns && pending.is_empty() {
        ledger.apply(&entry);
    } else {
        pending.push(entry);
    }
}

/// Histograms of the rows' spells, and of each listed group's.
fn count_lengths(report: &mut Report, unit_ns: u64) {
    let spells = &report.ended_spells;
    let groups = report.groups.iter().flat_map(|groups| &groups.listed);
    let mut group_of = HashMap::new();
    let mut lengths = Vec::new();
    for (index, group) in groups.enumerate() {
        group_of.extend(group.rows.iter().map(|row| (row.id, index)));
        lengths.push(SpellLengths::none(unit_ns));
    }
    for spell in spells {
        if let Some(index) = group_of.get(&spell.id) {
            lengths[*index].count(spell);
        }
    }
    report.group_spells = lengths;
    report.spells = Some(SpellLengths::of_spells(unit_ns, spells.iter()));
    let groups = report.groups.iter().flat_map(|groups| &groups.listed);
    let rows = report.rows.iter().chain(groups.flat_map(|group| &group.rows));
    report.ongoing_spells = OngoingSpells::of(rows);
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
