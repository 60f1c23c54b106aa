//! The old tool's table: a row a flow, IPv4 first, then IPv6.
//! Widths, order and titles are the old tool's to the letter.

use std::io::{self, Write};

use super::{BANNER, Unit, head, trust};
use tcpcong_core::model::{IpVersion, Report, Row, Start, State, Summary};
use tcpcong_core::sink::{Output, Sink};

/// Prints reports as tables.
#[derive(Debug)]
pub struct TableView {
    unit: Unit,
    timestamp: bool,
}

impl TableView {
    /// Times in `unit`; the time of day above each report if `timestamp`.
    #[must_use]
    pub fn new(unit: Unit, timestamp: bool) -> Self {
        Self { unit, timestamp }
    }

    fn label(&self) -> &'static str {
        match self.unit {
            Unit::Milliseconds => "ms",
            Unit::Microseconds => "us",
        }
    }

    /// In the IPv4 table the titles of the two addresses touch, and in the IPv6
    /// table the titles are not all as wide as the columns: so in the old tool.
    fn titles(&self, version: IpVersion, data: &mut dyn Write) -> io::Result<()> {
        let endpoints = match version {
            IpVersion::Ipv4 => format!("{:<21}{:<21}", "LAddrPort", "RAddrPort"),
            IpVersion::Ipv6 => format!("{:<32} {:<32}", "LAddrPort6", "RAddrPort6"),
        };
        let [open, disorder, recovery, cwr, loss] =
            ["Open", "Dod", "Rcov", "Cwr", "Los"].map(|name| format!("{name}_{}", self.label()));
        writeln!(
            data,
            "{endpoints} {open:<7} {disorder:<6} {recovery:<7} {cwr:<7} {loss:<6} {:<5}",
            "Chgs"
        )
    }

    fn row(&self, row: &Row, version: IpVersion, data: &mut dyn Write) -> io::Result<()> {
        let endpoints = &row.connection.endpoints;
        let local = format!("{}/{}", endpoints.local_address(&row.names), endpoints.lport);
        let remote = format!("{}/{}", endpoints.remote_address(&row.names), endpoints.rport);
        let [open, disorder, recovery, cwr, loss] =
            [State::Open, State::Disorder, State::Recovery, State::Cwr, State::Loss]
                .map(|state| row.times[state] / self.unit.ns());
        let changes = row.changes;
        match version {
            IpVersion::Ipv4 => writeln!(
                data,
                "{local:<21} {remote:<21} {open:<7} {disorder:<6} {recovery:<7} {cwr:<7} \
                 {loss:<6} {changes:<5}"
            ),
            IpVersion::Ipv6 => writeln!(
                data,
                "{local:<32} {remote:<32} {open:<7} {disorder:<7} {recovery:<7} {cwr:<6} \
                 {loss:<6} {changes:<5}"
            ),
        }
    }
}

impl Sink for TableView {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        trust::at_start(start, out.remarks)?;
        writeln!(out.data, "{BANNER}")?;
        out.data.flush()
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        head(report, self.timestamp, out.data)?;
        for version in [IpVersion::Ipv4, IpVersion::Ipv6] {
            let mut rows = report
                .rows
                .iter()
                .filter(|row| row.connection.endpoints.version() == version)
                .peekable();
            if rows.peek().is_some() {
                self.titles(version, out.data)?;
            }
            for row in rows {
                self.row(row, version, out.data)?;
            }
        }
        out.data.flush()?;
        trust::at_report(report, out.remarks)
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        trust::at_end(start, summary, out.remarks)
    }
}
