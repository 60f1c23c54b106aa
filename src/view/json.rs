//! JSON lines, schema 1: see docs/json.md, which lists every field.
//! A field may be added within a schema's version; none changes its meaning.

use std::io::{self, Write};

use serde::Serialize;

use super::{Output, View, histogram::slot_bounds};
use crate::model::{Blind, IpVersion, Report, Row, SpellLengths, Start, State, Summary};

const SCHEMA: u32 = 1;

/// What the run was told, for its first line.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Filters {
    /// First and last local port, where they are filtered.
    pub lport: Option<[u16; 2]>,
    /// First and last remote port, where they are filtered.
    pub rport: Option<[u16; 2]>,
}

/// Prints reports as JSON lines.
#[derive(Debug)]
pub struct JsonView {
    interval_ns: Option<u64>,
    filters: Filters,
    histogram: bool,
}

impl JsonView {
    /// `interval_ns`: the one asked for, if any. `histogram`: histograms take
    /// the place of flows.
    #[must_use]
    pub fn new(interval_ns: Option<u64>, filters: Filters, histogram: bool) -> Self {
        Self { interval_ns, filters, histogram }
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
        interval_ns: Option<u64>,
        filters: Filters,
        max_flows: u32,
        namespaces: usize,
        namespaces_unreached: usize,
    },
    Flow {
        time: &'a str,
        interval_ns: u64,
        family: &'static str,
        laddr: String,
        lport: u16,
        raddr: String,
        rport: u16,
        netns: u32,
        cookie: Option<u64>,
        state: &'static str,
        open_ns: u64,
        disorder_ns: u64,
        cwr_ns: u64,
        recovery_ns: u64,
        loss_ns: u64,
        changes: u32,
        repeated_rtos: u32,
        spell_ns: u64,
        exact: bool,
        doubtful_ns: u64,
        ended: bool,
    },
    Histogram {
        time: &'a str,
        interval_ns: u64,
        state: &'static str,
        unit_ns: u64,
        spells: Vec<Bucket>,
        open_spells: u64,
        longest_open_ns: u64,
    },
    Report {
        time: &'a str,
        interval_ns: u64,
        end_ns: u64,
        flows: usize,
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
        repeated_rtos: u64,
        exact: bool,
        inexact_flows: u64,
        doubtful_ns: u64,
        #[serde(flatten)]
        blind: &'a Blind,
        namespaces_unreached: usize,
    },
}

/// Lengths of `low` to `high` units, both included.
#[derive(Serialize)]
struct Bucket {
    low: u64,
    high: u64,
    count: u64,
}

impl View for JsonView {
    fn start(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        let line = Line::Start {
            schema: SCHEMA,
            tool: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            time: start.at.to_string(),
            start_ns: start.at_ns,
            kernel: &start.kernel,
            attach: &start.attach,
            interval_ns: self.interval_ns,
            filters: self.filters,
            max_flows: start.max_flows,
            namespaces: start.namespaces,
            namespaces_unreached: start.namespaces_unreached,
        };
        print(&line, out.data)?;
        out.data.flush()
    }

    fn report(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        let time = report.at.to_string();
        match &report.spells {
            Some(spells) if self.histogram => histograms(report, spells, &time, out.data)?,
            _ => {
                for row in &report.rows {
                    print(&flow(row, report, &time), out.data)?;
                }
            }
        }
        print(&sums(report, &time), out.data)?;
        out.data.flush()
    }

    fn end(&mut self, _: &Summary, _: &mut Output<'_>) -> io::Result<()> {
        // Every report has said what it could not see.
        Ok(())
    }
}

fn flow<'a>(row: &Row, report: &Report, time: &'a str) -> Line<'a> {
    let [open_ns, disorder_ns, cwr_ns, recovery_ns, loss_ns] = row.times.0;
    Line::Flow {
        time,
        interval_ns: report.interval_ns(),
        family: match row.ends.version() {
            IpVersion::Ipv4 => "ipv4",
            IpVersion::Ipv6 => "ipv6",
        },
        laddr: row.ends.laddr.to_string(),
        lport: row.ends.lport,
        raddr: row.ends.raddr.to_string(),
        rport: row.ends.rport,
        netns: row.netns,
        cookie: row.cookie,
        state: row.state.name(),
        open_ns,
        disorder_ns,
        cwr_ns,
        recovery_ns,
        loss_ns,
        changes: row.changes,
        repeated_rtos: row.repeated_rtos,
        spell_ns: row.spell_ns,
        exact: row.exact,
        doubtful_ns: row.doubtful_ns,
        ended: row.ended,
    }
}

fn histograms(
    report: &Report,
    spells: &SpellLengths,
    time: &str,
    data: &mut dyn Write,
) -> io::Result<()> {
    for (state, open) in State::ALL.into_iter().zip(report.open_spells) {
        let buckets = spells.of(state).iter().enumerate().filter(|(_, count)| **count > 0);
        let line = Line::Histogram {
            time,
            interval_ns: report.interval_ns(),
            state: state.name(),
            unit_ns: spells.unit_ns,
            spells: buckets
                .map(|(slot, count)| {
                    let (low, high) = slot_bounds(slot);
                    Bucket { low, high, count: *count }
                })
                .collect(),
            open_spells: open.count,
            longest_open_ns: open.longest_ns,
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
        flows: report.rows.len(),
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
        repeated_rtos: report.totals.repeated_rtos,
        exact: report.is_exact(),
        inexact_flows: report.totals.inexact,
        doubtful_ns: report.totals.doubtful_ns,
        blind: &report.blind,
        namespaces_unreached: report.namespaces_unreached,
    }
}

fn print(line: &Line<'_>, data: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *data, line).map_err(io::Error::from)?;
    writeln!(data)
}
