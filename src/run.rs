//! One run: waits for each interval's end, takes the snapshot, has it shown.
//! Knows neither libbpf nor formats.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;

use crate::cli::{Config, TransitionsConfig, WhyConfig};
use crate::interrupt::{Waiter, Wake};
use crate::model::{
    Fit, Ledger, LeftOut, OpenSpells, Report, Row, SpellLengths, SpellLog, Summary, Unseen, grouped,
};
use crate::source::Source;
use crate::view::{By, Output, Subject, TransitionsView, View, WhyView};
use crate::why::{Evidence, Watch};

/// How often a source is tended in long intervals.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// Runs until the configuration's pace is done, or a signal or the reader's leaving ends it.
pub fn run(
    source: &mut dyn Source,
    view: &mut dyn View,
    out: &mut Output<'_>,
    waiter: &mut dyn Waiter,
    config: &Config,
) -> Result<()> {
    let pace = config.pace;
    let mut ledger = Ledger::new(source.start().at_ns, config.list_quiet);
    let mut summary = Summary::default();
    let mut due_ns = source.start().at_ns;
    let mut log = config.options.explain.then(SpellLog::default);
    view.start(source.start(), out)?;
    loop {
        let end_ns = pace.interval.map(|interval| {
            due_ns += nanoseconds(interval);
            source.end_interval_at(due_ns)
        });
        let wake = wait_until(end_ns, source, waiter, log.as_mut())?;
        if wake == Wake::ReaderGone {
            return Ok(());
        }
        if wake == Wake::Signal {
            source.end_interval_at(0);
        }
        let snapshot = source.snapshot()?;
        // After a late report the next ones keep their distance.
        due_ns = due_ns.max(snapshot.at_ns);
        let mut report = ledger.report(snapshot);
        config.filter.sift(&mut report);
        source.identify(&mut report.rows, config.wanted)?;
        config.filter.sift_named(&mut report);
        if let Some(log) = &mut log {
            log.add(&source.transitions()?);
            log.give(&mut report);
        }
        config.arrangement.apply(&mut report);
        if let Some(unit_ns) = config.options.histogram_unit_ns.filter(|_| config.lengths_of_some())
        {
            count_lengths(&mut report, unit_ns);
        }
        summary.add(&report);
        view.report(&report, out)?;
        if wake == Wake::Signal || pace.outputs.is_some_and(|outputs| summary.reports >= outputs) {
            return Ok(view.end(source.start(), &summary, out)?);
        }
        source.tend()?;
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
    report.open_spells = OpenSpells::of(rows);
}

/// How long a transition waits to be printed, at most.
const PROMPTNESS: Duration = Duration::from_millis(50);

/// Prints each transition as it happens, until the time is over, or a signal or the
/// reader's leaving ends it.
pub fn run_transitions(
    source: &mut dyn Source,
    view: &mut TransitionsView,
    out: &mut Output<'_>,
    waiter: &mut dyn Waiter,
    config: &TransitionsConfig,
) -> Result<()> {
    let end_ns = config.seconds.map(|seconds| source.now_ns() + seconds * 1_000_000_000);
    let mut tended_ns = source.now_ns();
    let mut left_out = LeftOut::default();
    view.start(source.start(), out)?;
    loop {
        let wake = waiter.wait(PROMPTNESS)?;
        let now_ns = source.now_ns();
        view.keep_time(now_ns, source.wall(now_ns));
        let told = source.transitions()?;
        let mut rows: Vec<_> = told.transitions.iter().map(Row::of_transition).collect();
        source.identify(&mut rows, config.wanted)?;
        for (transition, row) in told.transitions.iter().zip(&rows) {
            match config.filter.judge_transition(transition, row) {
                Fit::Fits => view.transition(transition, row, out)?,
                fit => left_out.note(fit),
            }
        }
        view.untold(told.untold, now_ns, out)?;
        out.data.flush()?;
        if wake == Wake::ReaderGone {
            return Ok(());
        }
        if wake == Wake::Signal || end_ns.is_some_and(|end_ns| now_ns >= end_ns) {
            source.end_interval_at(0);
            let snapshot = source.snapshot()?;
            let unseen = Unseen::new(snapshot.blind, snapshot.namespaces_unreached, left_out);
            return Ok(view.end(source.start(), &unseen, out)?);
        }
        if now_ns - tended_ns >= nanoseconds(TEND_EVERY) {
            source.tend()?;
            source.forget_ended();
            tended_ns = now_ns;
        }
    }
}

/// Watches for a while, and has the verdicts printed, the most held up first.
pub fn run_why(
    source: &mut dyn Source,
    view: &WhyView,
    out: &mut Output<'_>,
    waiter: &mut dyn Waiter,
    config: &WhyConfig,
) -> Result<()> {
    let mut ledger = Ledger::new(source.start().at_ns, true);
    let mut watch = Watch::new(source.start().at_ns);
    let until_ns = source.start().at_ns + config.seconds * 1_000_000_000;
    let end_ns = source.end_interval_at(until_ns);
    let mut tended_ns = source.now_ns();
    view.start(source.start(), config.seconds, out)?;
    loop {
        let now_ns = source.now_ns();
        let left = Duration::from_nanos(end_ns.saturating_sub(now_ns));
        if left.is_zero() {
            break;
        }
        let wake = waiter.wait(left.min(PROMPTNESS))?;
        note_all(source, &mut watch)?;
        match wake {
            Wake::ReaderGone => return Ok(()),
            Wake::Signal => {
                source.end_interval_at(0);
                break;
            }
            Wake::Time if now_ns - tended_ns >= nanoseconds(TEND_EVERY) => {
                source.tend()?;
                tended_ns = now_ns;
            }
            Wake::Time => {}
        }
    }
    let snapshot = source.snapshot()?;
    note_all(source, &mut watch)?;
    let mut report = ledger.report(snapshot);
    config.filter.sift(&mut report);
    source.identify(&mut report.rows, config.wanted)?;
    config.filter.sift_named(&mut report);
    let unseen = Unseen::new(report.blind, report.namespaces_unreached, report.left_out);
    let mut found = judged(report.rows, &watch, config.arrangement.by.as_ref());
    found.sort_by_key(|(_, evidence)| std::cmp::Reverse(evidence.held_up_ns()));
    let in_all = found.len();
    found.truncate(config.arrangement.top.unwrap_or(usize::MAX));
    view.verdicts(&found, in_all, watch.untold, out)?;
    Ok(view.end(source.start(), in_all as u64, &unseen, out)?)
}

fn note_all(source: &mut dyn Source, watch: &mut Watch) -> Result<()> {
    let told = source.transitions()?;
    told.transitions.iter().for_each(|transition| watch.note(transition));
    watch.untold = told.untold;
    Ok(())
}

/// What there is a verdict on, with its evidence: each row, or each group.
fn judged(rows: Vec<Row>, watch: &Watch, by: Option<&By>) -> Vec<(Subject, Evidence)> {
    let Some(by) = by else {
        return rows.iter().map(|row| (Subject::of_row(row), watch.evidence(row))).collect();
    };
    grouped(rows, |row| by.of_row(row))
        .iter()
        .map(|group| {
            let evidence: Vec<_> = group.rows.iter().map(|row| watch.evidence(row)).collect();
            (Subject::of_group(group), Evidence::sum(&evidence))
        })
        .collect()
}

/// Waits for the interval's end, or for ever, tends the source meanwhile, and
/// takes down what it tells.
fn wait_until(
    end_ns: Option<u64>,
    source: &mut dyn Source,
    waiter: &mut dyn Waiter,
    mut log: Option<&mut SpellLog>,
) -> Result<Wake> {
    let most = if log.is_some() { PROMPTNESS } else { TEND_EVERY };
    let mut tended_ns = source.now_ns();
    loop {
        let now_ns = source.now_ns();
        let left =
            end_ns.map_or(TEND_EVERY, |end_ns| Duration::from_nanos(end_ns.saturating_sub(now_ns)));
        if left.is_zero() {
            return Ok(Wake::Time);
        }
        let wake = waiter.wait(left.min(most))?;
        if let Some(log) = log.as_deref_mut() {
            log.add(&source.transitions()?);
        }
        if wake != Wake::Time {
            return Ok(wake);
        }
        let now_ns = source.now_ns();
        let is_near = end_ns.is_some_and(|end_ns| end_ns <= now_ns);
        if !is_near && now_ns - tended_ns >= nanoseconds(TEND_EVERY) {
            source.tend()?;
            tended_ns = now_ns;
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
