//! Verdicts in columns: JSON lines, comma-separated values, or a table. Not here: which
//! columns there are.

use std::io::{self, Write};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::listing::Listing;
use super::page::InDepth;
use crate::view::lines::{Column, Lines};
use crate::view::{csv, json};
use tcpcong_core::model::{FieldKind, Life, Value};
use tcpcong_core::why::{Finding, VerdictField, Verdicts};

/// What a line has before its columns.
const FIRST: [&str; 2] = ["time", "interval_ns"];

struct Object<'a> {
    columns: &'a [VerdictField],
    finding: &'a Finding,
    verdicts: &'a Verdicts,
    life: Option<&'a Life>,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("type", "verdict")?;
        line.serialize_entry("time", &json::time(self.verdicts.at))?;
        line.serialize_entry("interval_ns", &interval_ns(self.verdicts))?;
        for column in self.columns {
            line.serialize_entry(&column.key(), &column.value(self.finding))?;
        }
        if let Some(life) = self.life {
            let in_depth = InDepth::new(life, (self.verdicts.from_ns, self.verdicts.to_ns));
            line.serialize_entry("samples", &in_depth.samples)?;
            line.serialize_entry("spells", &in_depth.spells)?;
            line.serialize_entry("waits", &in_depth.waits)?;
        }
        line.end()
    }
}

fn interval_ns(verdicts: &Verdicts) -> u64 {
    verdicts.to_ns.saturating_sub(verdicts.from_ns)
}

/// One verdict as an object; in depth, where there is a life.
pub(super) fn object(
    columns: &[VerdictField],
    finding: &Finding,
    verdicts: &Verdicts,
    life: Option<&Life>,
    data: &mut dyn Write,
) -> io::Result<()> {
    json::print(&Object { columns, finding, verdicts, life }, data)
}

/// The columns' names, comma-separated.
pub(super) fn names(columns: &[VerdictField], data: &mut dyn Write) -> io::Result<()> {
    let names = columns.iter().map(VerdictField::key);
    csv::print(&[FIRST.map(str::to_owned).into_iter().chain(names).collect()], data)
}

/// Comma-separated values.
pub(super) fn lines(
    columns: &[VerdictField],
    listing: &Listing<'_>,
    verdicts: &Verdicts,
    data: &mut dyn Write,
) -> io::Result<()> {
    let first = [json::time(verdicts.at), interval_ns(verdicts).to_string()];
    let line = |finding: &&Finding| {
        let values = columns.iter().map(|column| csv::cell(column.value(finding)));
        first.iter().cloned().chain(values).collect()
    };
    csv::print(&listing.shown.iter().map(line).collect::<Vec<_>>(), data)
}

/// Aligned, with titles.
pub(super) fn table(
    columns: &[VerdictField],
    listing: &Listing<'_>,
    data: &mut dyn Write,
) -> io::Result<()> {
    let texts = |finding: &&Finding| -> Vec<String> {
        columns.iter().map(|column| column.shorten(text(column.value(finding)))).collect()
    };
    let rows: Vec<_> = listing.shown.iter().map(texts).collect();
    let widest = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let columns = columns.iter().enumerate().map(|(at, column)| Column {
        title: title(column),
        width: widest(at),
        right: column.kind().is_numeric(),
    });
    let mut lines = Lines::new(columns.collect());
    if rows.is_empty() {
        return Ok(());
    }
    lines.titles(data)?;
    rows.iter().try_for_each(|row| lines.line(row, data))
}

fn title(column: &VerdictField) -> String {
    format!("{}{}", column.title(), if column.kind() == FieldKind::Duration { "_ms" } else { "" })
}

fn text(value: Value) -> String {
    match value {
        Value::Time(ns) => format!("{:.3}", ns as f64 / 1e6),
        Value::Is(is) => (if is { "yes" } else { "no" }).to_owned(),
        Value::Nothing => "-".to_owned(),
        value => csv::cell(value),
    }
}
