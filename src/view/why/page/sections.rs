//! The sections of a page, each a few lines: figures over time, states, causes, waits, the
//! kernel's own. Not here: the verdict above them.

use std::collections::HashMap;

use super::super::{Paper, wrap};
use super::figures::figures;
use super::receiving::receiving;
use super::reductions::reductions;
use super::series::{Series, rate_unit};
use super::waits::{Wait, waits};
use crate::view::{BandCell, band, counted, length};
use tcpcong_core::model::{Cause, Life, Sample, Spell, State};
use tcpcong_core::why::Evidence;

/// A title, and lines beside and below it.
pub(super) struct Section {
    /// Whether a blank line comes before it.
    pub(super) is_apart: bool,
    pub(super) title: &'static str,
    pub(super) lines: Vec<String>,
}

/// What stands before a line: the indentation and the title.
const BEFORE: usize = 14;
/// More letters than this in a row tell no more.
const CELLS_MOST: usize = 100;
/// So many timeouts have a line each.
const WAITS: usize = 20;

/// Of a life between two instants.
pub(super) fn all(
    life: &Life,
    evidence: &Evidence,
    span: (u64, u64),
    paper: Paper,
) -> Vec<Section> {
    let width = paper.width.saturating_sub(BEFORE).max(10);
    let drawing = Drawing { life, span, width, cells: width.min(CELLS_MOST), paper };
    let mut sections = drawing.figures();
    sections.push(drawing.states());
    sections.push(spells(life, span, width));
    sections.extend(causes(life, span, width));
    sections.extend(timeouts(&waits(life, span), span.0));
    sections.extend(reductions(evidence, width));
    sections.extend(receiving(life, width));
    let own = figures(life);
    if !own.is_empty() {
        sections.push(Section {
            is_apart: true,
            title: "kernel",
            lines: wrap::words(&own.join(" "), width),
        });
    }
    sections
}

struct Drawing<'l> {
    life: &'l Life,
    span: (u64, u64),
    /// Letters beside a title, ...
    width: usize,
    /// ... and in a drawing.
    cells: usize,
    paper: Paper,
}

impl Drawing<'_> {
    fn figures(&self) -> Vec<Section> {
        let &Self { life, span, cells, .. } = self;
        let mut sections = Vec::new();
        let mut add = |title, series: Series, (unit, one): (&str, f64)| {
            let lines = vec![series.in_words(unit, one), series.drawn(self.paper)];
            let is_apart = sections.is_empty();
            sections.push(Section { is_apart, title, lines });
        };
        let rate = |of: fn(&Sample) -> Option<u64>| Series::rate(life, span, cells, of);
        let received = rate(received_bits).filter(|rate| rate.most() > 0.0);
        match acked_bits_of_segment(life, span) {
            Some(bits) => {
                if let Some(sent) = rate(delivered).map(|rate| rate.times(bits)) {
                    let unit = rate_unit(sent.most());
                    add("delivered", sent, unit);
                }
            }
            None => {
                if let Some(sent) = rate(delivered).filter(|rate| rate.most() > 0.0) {
                    add("delivered", sent, ("segments/s", 1.0));
                }
            }
        }
        if let Some(received) = received {
            let unit = rate_unit(received.most());
            add("received", received, unit);
        }
        if let Some(rtt) = Series::gauge(life, span, cells, |one| one.srtt_us.map(f64::from)) {
            add("srtt", rtt, ("ms", 1e3));
        }
        if let Some(cwnd) = Series::gauge(life, span, cells, |one| Some(f64::from(one.cwnd))) {
            add("cwnd", cwnd, ("segments", 1.0));
        }
        sections
    }

    fn states(&self) -> Section {
        let &Self { life, span, cells, .. } = self;
        let letters = band(&life.spells, span, cells).into_iter();
        let letters: String = letters.map(|cell| cell.map_or(' ', BandCell::letter)).collect();
        let cell_ns = (span.1 - span.0.min(span.1)) / (cells as u64).max(1);
        let names = State::ALL.map(|state| format!("{}={}", state.letter(), state.title()));
        let scale = format!(
            "a letter is {}, small if less than half of it was that: {}",
            length(cell_ns),
            names.join(" ")
        );
        let lines = std::iter::once(letters).chain(wrap::words(&scale, self.width)).collect();
        Section { is_apart: false, title: "states", lines }
    }
}

/// How many bits a segment had that was delivered, on average. Bytes are acknowledged in
/// leaps, after a hole has been filled; segments count as they arrive.
fn acked_bits_of_segment(life: &Life, (from_ns, to_ns): (u64, u64)) -> Option<f64> {
    let known = |sample: &Sample| Some((sample.path?.bytes_acked, sample.account?[0]));
    let within = |sample: &&Sample| (from_ns..=to_ns).contains(&sample.at_ns);
    let mut known = life.samples.iter().filter(within).filter_map(known);
    let (first, last) = (known.next()?, known.next_back()?);
    let bits = last.0.saturating_sub(first.0).saturating_mul(8);
    let segments = last.1.wrapping_sub(first.1);
    (segments > 0).then(|| bits as f64 / f64::from(segments))
}

fn received_bits(sample: &Sample) -> Option<u64> {
    Some(sample.receiving?.bytes_received.saturating_mul(8))
}

fn delivered(sample: &Sample) -> Option<u64> {
    sample.account.map(|[delivered, _]| delivered.into())
}

/// How long a spell was in the watch.
fn inside_ns(spell: &Spell, (from_ns, to_ns): (u64, u64)) -> u64 {
    spell.to_ns.min(to_ns).saturating_sub(spell.from_ns.max(from_ns))
}

fn spells(life: &Life, span: (u64, u64), width: usize) -> Section {
    let inside = |state: State| {
        let spells = life.spells.iter().filter(move |spell| spell.state == state);
        let spells = spells.filter(move |spell| spell.to_ns > span.0 && spell.from_ns <= span.1);
        spells.map(move |spell| (spell, inside_ns(spell, span)))
    };
    let total_ns: u64 = State::ALL.into_iter().flat_map(inside).map(|(_, ns)| ns).sum();
    let mut lines = vec![format!(
        "{:<9} {:>7} {:>8} {:>7} {:>8}",
        "STATE", "TIME", "SHARE", "SPELLS", "LONGEST"
    )];
    for state in State::ALL {
        let (count, ns) = (inside(state).count(), inside(state).map(|(_, ns)| ns).sum::<u64>());
        let longest_ns = inside(state).map(|(_, ns)| ns).max().unwrap_or(0);
        if count > 0 {
            let share = 100.0 * ns as f64 / total_ns.max(1) as f64;
            lines.push(format!(
                "{:<9} {:>7} {share:>6.1} % {count:>7} {:>8}",
                state.title(),
                length(ns),
                length(longest_ns)
            ));
        }
    }
    let outside = State::ALL.into_iter().filter(|state| *state != State::Open).flat_map(inside);
    if let Some((spell, ns)) = outside.max_by_key(|(_, ns)| *ns) {
        let cause = spell.beginning.cause().map_or(String::new(), |cause| format!(", by {cause}"));
        let longest = format!(
            "the longest outside Open: {} in {}, {}{cause}",
            length(ns),
            spell.state.title(),
            since(spell.from_ns, span.0)
        );
        lines.extend(wrap::words(&longest, width));
    }
    Section { is_apart: true, title: "spells", lines }
}

/// Seconds since the beginning of the watch.
fn seconds(at_ns: u64, from_ns: u64) -> String {
    format!("{:.3} s", at_ns.saturating_sub(from_ns) as f64 / 1e9)
}

fn since(at_ns: u64, from_ns: u64) -> String {
    if at_ns < from_ns {
        return "since before the watch".to_owned();
    }
    format!("from {} on", seconds(at_ns, from_ns))
}

fn causes(life: &Life, (from_ns, to_ns): (u64, u64), width: usize) -> Option<Section> {
    let mut counts: HashMap<Cause, u64> = HashMap::new();
    let told = life.transitions.iter().filter(|one| (from_ns..=to_ns).contains(&one.at_ns));
    told.for_each(|one| *counts.entry(one.cause).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(cause, count)| (std::cmp::Reverse(*count), *cause));
    let counts = counts.iter().map(|(cause, count)| format!("{count} {cause}"));
    let lines = wrap::facts(counts, width);
    (!lines.is_empty()).then_some(Section { is_apart: true, title: "causes", lines })
}

fn timeouts(waits: &[Wait], from_ns: u64) -> Option<Section> {
    if waits.is_empty() {
        return None;
    }
    let mut lines =
        vec![format!("{:>10}  {:<8} {:>8} {:>8}  {}", "AT", "FROM", "WAITED", "LOSS", "ENDED BY")];
    for wait in waits.iter().take(WAITS) {
        lines.push(format!(
            "{:>10}  {:<8} {:>8} {:>8}  {}",
            seconds(wait.at_ns, from_ns),
            wait.from,
            wait.waited_ns.map_or("-".to_owned(), length),
            length(wait.loss_ns),
            wait.ended_by.as_deref().unwrap_or("it goes on"),
        ));
    }
    let others = waits.len().saturating_sub(WAITS);
    if others > 0 {
        let others = counted(others as u64, "timeout");
        lines.push(format!("and {others} more, which `tcpcong trace` shows"));
    }
    Some(Section { is_apart: true, title: "waits", lines })
}
