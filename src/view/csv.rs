//! Comma-separated values, quoted as RFC 4180 has it, a line feed after each
//! line: one of names, then one for each row or group of each report.

use std::io::{self, Write};

use csv::WriterBuilder;

use super::{harmless, trust};
use tcpcong_core::model::{Field, Report, Start, Summary, Value, field, listed};
use tcpcong_core::sink::{Output, Sink};

/// What every line begins with.
const FIRST: [&str; 2] = ["time", "interval_ns"];
/// Columns unless told otherwise. What is new does not come in by itself, so
/// that a script that counts columns goes on working.
const COLUMNS: [&str; 20] = [
    "family",
    "laddr",
    "lport",
    "raddr",
    "rport",
    "netns",
    "cookie",
    "cc",
    "state",
    "open",
    "disorder",
    "cwr",
    "recovery",
    "loss",
    "changes",
    "rtos",
    "repeated_rtos",
    "exact",
    "uncertain",
    "ended",
];

/// Prints reports as comma-separated values.
#[derive(Debug)]
pub struct CsvView {
    columns: Vec<&'static Field>,
}

impl CsvView {
    /// With these columns after the time and the interval.
    #[must_use]
    pub fn new(columns: Vec<&'static Field>) -> Self {
        Self { columns }
    }

    /// The columns that rows have unless told otherwise.
    #[must_use]
    pub fn default_columns() -> Vec<&'static Field> {
        COLUMNS.iter().filter_map(|name| field(name)).collect()
    }
}

impl Sink for CsvView {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        trust::at_start(start, out.remarks)?;
        let names = self.columns.iter().map(|field| field.key());
        let first = FIRST.iter().map(|name| (*name).to_owned());
        print(&[first.chain(names).collect()], out.data)
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        let first = [super::json::time(report.at), report.interval_ns().to_string()];
        let mut lines = Vec::new();
        for listed in listed(report) {
            let values = self.columns.iter().map(|field| cell(listed.value(field)));
            lines.push(first.iter().cloned().chain(values).collect());
        }
        print(&lines, out.data)?;
        trust::at_report(report, out.remarks)
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        trust::at_end(start, summary, out.remarks)
    }
}

pub(super) fn cell(value: Value) -> String {
    match value {
        Value::Is(is) => is.to_string(),
        Value::Count(number) | Value::Time(number) => number.to_string(),
        Value::Addr(addr) => addr.to_string(),
        Value::Prefix(prefix) => prefix.to_string(),
        Value::Text(text) => harmless(&text),
        Value::Nothing => String::new(),
    }
}

/// Through memory, as the writer would hide what kind of error `data` has.
pub(super) fn print(lines: &[Vec<String>], data: &mut dyn Write) -> io::Result<()> {
    let mut text = WriterBuilder::new().from_writer(Vec::new());
    for line in lines {
        text.write_record(line)?;
    }
    data.write_all(&text.into_inner().map_err(csv::IntoInnerError::into_error)?)?;
    data.flush()
}
