//! A comparison as JSON lines: see docs/json.md, which lists every field. Not here: tables.

use std::io::{self, Write};

use serde::Serialize;

use tcpcong_core::compare::{ALPHA, Compared, Comparison, Difference, Lengths, Recorded};
use tcpcong_core::model::{Cause, Filter, Losses, OngoingSpells, State};

use super::{DiffView, described};
use crate::view::{Subject, json};

type Columns = serde_json::Map<String, serde_json::Value>;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Start {
        schema: u32,
        tool: &'static str,
        version: &'static str,
        filters: &'a Filter,
        by: Option<&'a str>,
        alpha: f64,
    },
    Recording {
        side: &'static str,
        file: String,
        time: String,
        length_ns: u64,
        kernel: &'a str,
        attach: &'a str,
        limitations: &'a [String],
        connections: usize,
        flows: usize,
        flows_filtered_out: usize,
        flows_filtered_out_unknown: usize,
        open_ns: u64,
        disorder_ns: u64,
        cwr_ns: u64,
        recovery_ns: u64,
        loss_ns: u64,
        changes: u64,
        exact: bool,
        inexact_flows: u64,
        uncertain_ns: u64,
        #[serde(flatten)]
        losses: &'a Losses,
        namespaces_unreached: usize,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        estimated: bool,
    },
    Difference {
        #[serde(flatten)]
        key: Columns,
        measure: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'static str>,
        unit: &'static str,
        a: Option<f64>,
        b: Option<f64>,
        difference: Option<f64>,
        ratio: Option<f64>,
        connections_a: usize,
        connections_b: usize,
        delta: f64,
        effect: &'static str,
        p: Option<f64>,
        p_adjusted: Option<f64>,
        verdict: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        spells_a: Option<Spells>,
        #[serde(skip_serializing_if = "Option::is_none")]
        spells_b: Option<Spells>,
    },
    End {
        tests: usize,
        not_alike: Vec<String>,
    },
}

#[derive(Serialize)]
struct Spells {
    count: usize,
    median_ns: Option<u64>,
    p90_ns: Option<u64>,
    p99_ns: Option<u64>,
    longest_ns: Option<u64>,
    ongoing: u64,
    longest_ongoing_ns: u64,
}

impl Spells {
    fn new(lengths: Lengths, ongoing: OngoingSpells) -> Self {
        let Lengths { count, median_ns, p90_ns, p99_ns, longest_ns } = lengths;
        let OngoingSpells { count: ongoing, longest_ns: longest_ongoing_ns } = ongoing;
        Self { count, median_ns, p90_ns, p99_ns, longest_ns, ongoing, longest_ongoing_ns }
    }
}

pub(super) fn show(
    view: &DiffView,
    comparison: &Comparison,
    data: &mut dyn Write,
) -> io::Result<()> {
    let start = Line::Start {
        schema: json::SCHEMA,
        tool: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        filters: &view.filters,
        by: view.by.as_deref(),
        alpha: ALPHA,
    };
    json::print(&start, data)?;
    let recordings = comparison.recordings.iter().zip(&view.files);
    for (side, (recorded, file)) in ["a", "b"].into_iter().zip(recordings) {
        json::print(&recording(side, file.display().to_string(), recorded), data)?;
    }
    for group in &comparison.groups {
        for one in &group.differences {
            json::print(&difference(group, one), data)?;
        }
    }
    let not_alike = comparison.unlike.iter().map(described).collect();
    json::print(&Line::End { tests: comparison.tests, not_alike }, data)
}

fn recording<'a>(side: &'static str, file: String, recorded: &'a Recorded) -> Line<'a> {
    let [open_ns, disorder_ns, cwr_ns, recovery_ns, loss_ns] = recorded.times.0;
    let (start, summary) = (&recorded.start, &recorded.summary);
    Line::Recording {
        side,
        file,
        time: json::time(start.at),
        length_ns: recorded.length_ns,
        kernel: &start.kernel,
        attach: &start.attach,
        limitations: &start.limitations,
        connections: recorded.connections,
        flows: recorded.flows,
        flows_filtered_out: summary.filtered_out.rows,
        flows_filtered_out_unknown: summary.filtered_out.unknown,
        open_ns,
        disorder_ns,
        cwr_ns,
        recovery_ns,
        loss_ns,
        changes: summary.changes,
        exact: recorded.is_exact(),
        inexact_flows: recorded.inexact,
        uncertain_ns: summary.uncertain_ns,
        losses: &summary.losses,
        namespaces_unreached: summary.namespaces_unreached,
        estimated: start.estimated,
    }
}

fn difference(group: &Compared, one: &Difference) -> Line<'static> {
    let [a, b] = one.values;
    let [connections_a, connections_b] = one.connections;
    let spells = |side: usize| {
        let (lengths, state) = one.lengths.zip(one.measure.state())?;
        Some(Spells::new(lengths[side], group.sides[side].ongoing[state as usize]))
    };
    Line::Difference {
        key: Subject::of_key(&group.key).columns.into_iter().collect(),
        measure: one.measure.name(),
        state: one.measure.state().map(State::name),
        cause: one.measure.cause().map(Cause::name),
        unit: one.measure.unit().name(),
        a,
        b,
        difference: one.difference(),
        ratio: one.ratio(),
        connections_a,
        connections_b,
        delta: one.delta,
        effect: one.effect().map_or("mixed", |effect| effect.name()),
        p: one.p,
        p_adjusted: one.p_adjusted,
        verdict: one.verdict().name(),
        spells_a: spells(0),
        spells_b: spells(1),
    }
}
