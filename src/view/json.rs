//! JSON lines, schema 1: see docs/json.md, which lists every field.
//! A field may be added within a schema's version; none changes its meaning.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::{Subject, histogram::slot_bounds};
use tcpcong_core::model::{
    FIELDS, Field, Filter, Gap, Listed, Losses, OngoingSpells, RejectedMethod, Report,
    SpellLengths, Start, State, Summary, listed,
};
use tcpcong_core::sink::{Output, Sink};

pub(super) const SCHEMA: u32 = 1;

/// What the run was told, for its first line.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RunParams {
    /// From one report to the next, if it was said.
    pub interval_ns: Option<u64>,
    /// Which flows are wanted.
    pub filters: Filter,
    /// What flows are put together by.
    pub by: Option<String>,
    /// By which column lines are in order, after `-` if the largest is first.
    pub sort: Option<String>,
    /// How many lines a report has at most.
    pub top: Option<usize>,
}

/// Prints reports as JSON lines.
#[derive(Debug)]
pub struct JsonView {
    params: RunParams,
    columns: Vec<(String, &'static Field)>,
    histogram: bool,
}

impl JsonView {
    /// Flows or groups have these columns after the time and the interval.
    /// `histogram`: histograms take their place.
    #[must_use]
    pub fn new(params: RunParams, columns: &[&'static Field], histogram: bool) -> Self {
        let columns = columns.iter().map(|field| (field.key(), *field)).collect();
        Self { params, columns, histogram }
    }

    /// The columns that flows have unless told otherwise.
    #[must_use]
    pub fn default_columns() -> Vec<&'static Field> {
        FIELDS.iter().filter(|field| !field.on_request).collect()
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Start {
        schema: u32,
        tool: &'static str,
        version: &'static str,
        time: String,
        start_ns: u64,
        kernel: &'a str,
        attach: &'a str,
        attach_rejected: &'a [RejectedMethod],
        limitations: &'a [String],
        #[serde(flatten)]
        params: &'a RunParams,
        max_flows: u32,
        buffer_bytes: u64,
        namespaces: usize,
        namespaces_unreached: usize,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        estimated: bool,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        recorded_only: Vec<&'a String>,
    },
    Gap {
        time: String,
        from_ns: u64,
        to_ns: u64,
        entries_dropped: u64,
    },
    Histogram {
        time: &'a str,
        interval_ns: u64,
        #[serde(flatten)]
        key: serde_json::Map<String, serde_json::Value>,
        state: &'static str,
        unit_ns: u64,
        spells: Vec<Bucket>,
        ongoing_spells: u64,
        longest_ongoing_ns: u64,
    },
    Report {
        time: &'a str,
        interval_ns: u64,
        end_ns: u64,
        flows: usize,
        flows_shown: usize,
        flows_filtered_out: usize,
        flows_filtered_out_unknown: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        groups: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        groups_shown: Option<usize>,
        flows_alive: u64,
        flows_quiet: u64,
        flows_ended: u64,
        flows_ended_quiet: u64,
        open_ns: u64,
        disorder_ns: u64,
        cwr_ns: u64,
        recovery_ns: u64,
        loss_ns: u64,
        changes: u64,
        rtos: u64,
        repeated_rtos: u64,
        exact: bool,
        inexact_flows: u64,
        uncertain_ns: u64,
        #[serde(flatten)]
        losses: &'a Losses,
        namespaces_unreached: usize,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        estimated: bool,
    },
}

/// A flow or a group, with the columns that are asked for.
struct ListedLine<'a> {
    listed: Listed<'a>,
    time: &'a str,
    interval_ns: u64,
    columns: &'a [(String, &'static Field)],
}

impl Serialize for ListedLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(Some(self.columns.len() + 3))?;
        let kind = match self.listed {
            Listed::Row(_) => "flow",
            Listed::Group(_) => "group",
        };
        line.serialize_entry("type", kind)?;
        line.serialize_entry("time", self.time)?;
        line.serialize_entry("interval_ns", &self.interval_ns)?;
        for (key, field) in self.columns {
            line.serialize_entry(key, &self.listed.value(field))?;
        }
        line.end()
    }
}

/// Lengths of `low` to `high` units, both included.
#[derive(Serialize)]
struct Bucket {
    low: u64,
    high: u64,
    count: u64,
}

impl Sink for JsonView {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        // Where the same is asked for now, nothing is missing.
        let own = self.params.filters.options_of_kernel();
        let recorded_only = start.only.iter().filter(|option| !own.contains(option)).collect();
        let line = Line::Start {
            schema: SCHEMA,
            tool: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            time: time(start.at),
            start_ns: start.at_ns,
            kernel: &start.kernel,
            attach: &start.attach,
            attach_rejected: &start.attach_rejected,
            limitations: &start.limitations,
            params: &self.params,
            max_flows: start.max_flows,
            buffer_bytes: start.buffer_bytes,
            namespaces: start.namespaces,
            namespaces_unreached: start.namespaces_unreached,
            estimated: start.estimated,
            recorded_only,
        };
        print(&line, out.data)?;
        out.data.flush()
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        self.print_listed(report, out.data)?;
        print_sums(report, out.data)?;
        out.data.flush()
    }

    fn ended(&mut self, _: &Start, _: &Summary, _: &mut Output<'_>) -> io::Result<()> {
        // Every report has said what it could not see.
        Ok(())
    }
}

/// The last lines of a report: when entries were lost, and its sums with what could not be
/// seen.
pub(crate) fn print_sums(report: &Report, data: &mut dyn Write) -> io::Result<()> {
    gaps(report, data)?;
    print(&sums(report, &time(report.at)), data)
}

impl JsonView {
    /// A line for each flow, group or histogram of a report.
    pub(crate) fn print_listed(&self, report: &Report, data: &mut dyn Write) -> io::Result<()> {
        let time = time(report.at);
        match &report.spells {
            Some(_) if self.histogram && report.groups.is_some() => {
                let groups = report.groups.iter().flat_map(|groups| &groups.listed);
                for (group, spells) in groups.zip(&report.group_spells) {
                    let key = Subject::of_group(group).columns.into_iter().collect();
                    let open = OngoingSpells::of(group.rows.iter());
                    histograms(report, &key, spells, &open, &time, data)?;
                }
            }
            Some(spells) if self.histogram => {
                let open = &report.ongoing_spells;
                histograms(report, &serde_json::Map::new(), spells, open, &time, data)?;
            }
            _ => {
                for listed in listed(report) {
                    let (time, interval_ns) = (&*time, report.interval_ns());
                    let columns = &self.columns;
                    print(&ListedLine { listed, time, interval_ns, columns }, data)?;
                }
            }
        }
        Ok(())
    }
}

/// `key`: what the flows have in common, if they are a group.
fn histograms(
    report: &Report,
    key: &serde_json::Map<String, serde_json::Value>,
    spells: &SpellLengths,
    ongoing_spells: &[OngoingSpells; 5],
    time: &str,
    data: &mut dyn Write,
) -> io::Result<()> {
    for (state, open) in State::ALL.into_iter().zip(ongoing_spells) {
        let buckets = spells.of(state).iter().enumerate().filter(|(_, count)| **count > 0);
        let line = Line::Histogram {
            time,
            interval_ns: report.interval_ns(),
            key: key.clone(),
            state: state.name(),
            unit_ns: spells.unit_ns,
            spells: buckets
                .map(|(slot, count)| {
                    let (low, high) = slot_bounds(slot);
                    Bucket { low, high, count: *count }
                })
                .collect(),
            ongoing_spells: open.count,
            longest_ongoing_ns: open.longest_ns,
        };
        print(&line, data)?;
    }
    Ok(())
}

fn sums<'a>(report: &'a Report, time: &'a str) -> Line<'a> {
    let [open_ns, disorder_ns, cwr_ns, recovery_ns, loss_ns] = report.totals.times.0;
    Line::Report {
        time,
        interval_ns: report.interval_ns(),
        end_ns: report.to_ns,
        flows: report.flows,
        flows_shown: report.flows_listed(),
        flows_filtered_out: report.filtered_out.rows,
        flows_filtered_out_unknown: report.filtered_out.unknown,
        groups: report.groups.as_ref().map(|groups| groups.in_all),
        groups_shown: report.groups.as_ref().map(|groups| groups.listed.len()),
        flows_alive: report.flows_alive,
        flows_quiet: report.flows_quiet,
        flows_ended: report.flows_ended,
        flows_ended_quiet: report.flows_ended_quiet,
        open_ns,
        disorder_ns,
        cwr_ns,
        recovery_ns,
        loss_ns,
        changes: report.totals.changes,
        rtos: report.totals.rtos,
        repeated_rtos: report.totals.repeated_rtos,
        exact: report.is_exact(),
        inexact_flows: report.totals.inexact,
        uncertain_ns: report.totals.uncertain_ns,
        losses: &report.losses,
        namespaces_unreached: report.namespaces_unreached,
        estimated: report.estimated,
    }
}

/// RFC 3339, always with nine digits after the second, so that texts sort as times do.
pub(crate) fn time(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// When entries were lost, a line each.
pub(super) fn gaps(report: &Report, data: &mut dyn Write) -> io::Result<()> {
    for Gap { from_ns, to_ns, dropped } in report.gaps.iter().copied() {
        let time = time(report.wall(to_ns));
        print(&Line::Gap { time, from_ns, to_ns, entries_dropped: dropped }, data)?;
    }
    Ok(())
}

/// Prints a line.
pub(crate) fn print(line: &impl Serialize, data: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *data, line).map_err(io::Error::from)?;
    writeln!(data)
}
