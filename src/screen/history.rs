//! The last intervals, kept so that one can step back through them. Not here: which of
//! them is shown, and how.

use std::collections::{HashMap, VecDeque};

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use tcpcong_core::model::{FlowId, Life, Report, Row, Sample, StateTimes, Timelines};
use tcpcong_core::why::{Judgement, Watch, judge};

/// So many intervals are kept at most, ...
const MAX_INTERVALS: usize = 600;
/// ... and no more rows, transitions, spells and samples in all than this, but for the last
/// interval's: some 100 MB.
const MAX_KEPT: usize = 400_000;
/// A flow that was not quiet so many intervals ago is still of interest.
const RECENT: usize = 10;

/// An interval that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) report: Report,
    /// Where in the report each flow's row is.
    at: FxHashMap<FlowId, usize>,
    /// The last of each flow's samples.
    samples: FxHashMap<FlowId, Sample>,
    /// The flows that were not quiet.
    not_quiet: Vec<FlowId>,
}

impl Kept {
    fn new(report: Report) -> Self {
        let mut at = HashMap::with_capacity_and_hasher(report.rows.len(), FxBuildHasher);
        at.extend(report.rows.iter().enumerate().map(|(at, row)| (row.id, at)));
        let samples = report.samples.iter().map(|sample| (sample.id, *sample)).collect();
        let not_quiet = report.rows.iter().filter(|row| !row.is_quiet()).map(|row| row.id);
        Self { at, samples, not_quiet: not_quiet.collect(), report }
    }

    /// The flow's row.
    pub(super) fn row(&self, id: FlowId) -> Option<&Row> {
        self.at.get(&id).map(|at| &self.report.rows[*at])
    }
}

fn size(report: &Report) -> usize {
    let Report { rows, transitions, ended_spells, samples, .. } = report;
    rows.len() + transitions.len() + ended_spells.len() + samples.len()
}

/// The last intervals. Each has a number, which it keeps.
#[derive(Debug, Default)]
pub(super) struct History {
    kept: VecDeque<Kept>,
    /// The number of the first that is kept.
    first: u64,
    /// Rows and all else in them.
    size: usize,
}

impl History {
    /// Keeps one more, and no longer what there is no room for.
    pub(super) fn add(&mut self, report: Report) {
        self.size += size(&report);
        self.kept.push_back(Kept::new(report));
        while self.kept.len() > 1 && (self.kept.len() > MAX_INTERVALS || self.size > MAX_KEPT) {
            self.size -= self.kept.pop_front().map_or(0, |kept| size(&kept.report));
            self.first += 1;
        }
    }

    /// The number of the first one, and of the last one, where there is any.
    pub(super) fn range(&self) -> Option<(u64, u64)> {
        let count = self.kept.len() as u64;
        (count > 0).then(|| (self.first, self.first + count - 1))
    }

    pub(super) fn get(&self, number: u64) -> Option<&Kept> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.kept.get(at)
    }

    /// Those up to this one, the last first.
    pub(super) fn back_from(&self, number: u64) -> impl Iterator<Item = &Kept> {
        let count = (number + 1).saturating_sub(self.first);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.kept.len());
        self.kept.range(..count).rev()
    }

    /// Flows that were not quiet in this interval or shortly before.
    pub(super) fn of_interest(&self, number: u64) -> FxHashSet<FlowId> {
        let recent = self.back_from(number).take(RECENT);
        recent.flat_map(|kept| kept.not_quiet.iter().copied()).collect()
    }

    /// What the flow's socket looked like at the interval's end, as last told.
    pub(super) fn sample(&self, id: FlowId, number: u64) -> Option<&Sample> {
        self.back_from(number).take(RECENT).find_map(|kept| kept.samples.get(&id))
    }

    /// The flows' times together in each of the last intervals, the last one first; nothing
    /// where none was there.
    pub(super) fn band(
        &self,
        ids: &[FlowId],
        number: u64,
    ) -> impl Iterator<Item = Option<StateTimes>> {
        self.back_from(number).map(|kept| {
            let mut sum = None;
            for row in ids.iter().filter_map(|id| kept.row(*id)) {
                sum.get_or_insert_with(StateTimes::default).add(&row.times);
            }
            sum
        })
    }

    /// The flow's life in the intervals up to this one.
    pub(super) fn life(&self, id: FlowId, number: u64) -> Option<Life> {
        let mut timelines = Timelines::default();
        let mut kept: Vec<_> = self.back_from(number).collect();
        kept.reverse();
        for kept in kept {
            timelines.add(&of_flow(kept, id));
        }
        timelines.into_lives().into_iter().next()
    }

    /// The verdict on a flow over the intervals up to this one.
    pub(super) fn verdict(&self, id: FlowId, number: u64) -> Option<Judgement> {
        let mut watch = Watch::new(self.kept.front()?.report.from_ns);
        let mut kept: Vec<_> = self.back_from(number).collect();
        kept.reverse();
        for kept in kept {
            watch.dropped += kept.report.losses.entries_dropped;
            watch.add(&of_flow(kept, id));
        }
        let row = watch.rows().next()?;
        Some(judge(&watch.evidence(&row)))
    }
}

/// The interval as if it were of this flow alone.
fn of_flow(kept: &Kept, id: FlowId) -> Report {
    let Report { at, from_ns, to_ns, .. } = kept.report;
    let mut report = Report::of_nothing(at, from_ns, to_ns);
    report.rows.extend(kept.row(id).cloned());
    report.ended_spells.extend(kept.report.ended_spells.iter().filter(|spell| spell.id == id));
    report.transitions.extend(kept.report.transitions.iter().filter(|one| one.id == id));
    report.samples.extend(kept.report.samples.iter().filter(|sample| sample.id == id));
    report
}
