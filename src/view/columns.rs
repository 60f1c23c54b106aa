//! The table with columns that the person chose, or of groups: as wide as what
//! is in it. Not here: the old tool's table, whose widths are fixed.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{BANNER, Unit, harmless, head, trust};
use tcpcong_core::model::{Concern, Field, FieldKind, Report, Start, Summary, Value, listed};
use tcpcong_core::sink::{Output, Sink};

/// Prints reports as tables of chosen columns.
#[derive(Debug)]
pub struct ColumnsView {
    columns: Vec<&'static Field>,
    unit: Unit,
    timestamp: bool,
    colour: bool,
}

/// One column of one report.
struct Column {
    title: String,
    width: usize,
    cells: Vec<Cell>,
    right: bool,
}

struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    fn shown(&self) -> (&str, Style) {
        (&self.text, self.style)
    }
}

impl ColumnsView {
    /// With these columns, times in `unit`; the time of day above each report if
    /// `timestamp`.
    #[must_use]
    pub fn new(columns: Vec<&'static Field>, unit: Unit, timestamp: bool, colour: bool) -> Self {
        Self { columns, unit, timestamp, colour }
    }

    fn column(&self, field: &Field, report: &Report) -> Column {
        let unit = match (field.kind, self.unit) {
            (FieldKind::Duration, Unit::Milliseconds) => "_ms",
            (FieldKind::Duration, Unit::Microseconds) => "_us",
            _ => "",
        };
        let mut right = field.kind.is_numeric();
        let mut cells = Vec::new();
        for listed in listed(report) {
            let value = listed.value(field);
            right |= matches!(value, Value::Count(_) | Value::Time(_));
            let warns = self.colour && value.amount() > 0;
            let concern = field.concern.filter(|_| warns);
            let style = Style::new().fg_color(concern.map(|concern| colour_of(concern).into()));
            cells.push(Cell { text: field.shorten(self.text(value)), style });
        }
        let title = format!("{}{unit}", field.title);
        let texts = cells.iter().map(|cell| &cell.text).chain([&title]);
        let width = texts.map(|text| text.chars().count()).max().unwrap_or(0);
        Column { title, width, cells, right }
    }

    fn text(&self, value: Value) -> String {
        match value {
            Value::Is(is) => (if is { "yes" } else { "no" }).to_owned(),
            Value::Count(number) => number.to_string(),
            Value::Time(ns) => (ns / self.unit.ns()).to_string(),
            Value::Addr(addr) => addr.to_string(),
            Value::Prefix(prefix) => prefix.to_string(),
            Value::Text(text) => harmless(&text),
            Value::Nothing => "-".to_owned(),
        }
    }
}

impl Sink for ColumnsView {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        trust::at_start(start, out.remarks)?;
        writeln!(out.data, "{BANNER}")?;
        out.data.flush()
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        head(report, self.timestamp, out.data)?;
        let columns: Vec<_> = self.columns.iter().map(|field| self.column(field, report)).collect();
        let lines = columns.first().map_or(0, |column| column.cells.len());
        if lines > 0 {
            let bold = if self.colour { Style::new().bold() } else { Style::new() };
            print(&columns, |column| (&*column.title, bold), out.data)?;
        }
        for line in 0..lines {
            print(&columns, |column| column.cells[line].shown(), out.data)?;
        }
        out.data.flush()?;
        trust::at_report(report, out.remarks)
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        trust::at_end(start, summary, out.remarks)
    }
}

fn colour_of(concern: Concern) -> AnsiColor {
    match concern {
        Concern::Warning => AnsiColor::Yellow,
        Concern::Alarm => AnsiColor::Red,
    }
}

/// One line, two blanks between columns and none at its end.
fn print<'c>(
    columns: &'c [Column],
    cell: impl Fn(&'c Column) -> (&'c str, Style),
    data: &mut dyn Write,
) -> io::Result<()> {
    for (at, column) in columns.iter().enumerate() {
        let last = at + 1 == columns.len();
        let (text, style) = cell(column);
        let blanks = " ".repeat(column.width - text.chars().count());
        let (before, after) = if column.right { (&*blanks, "") } else { ("", &*blanks) };
        write!(data, "{before}{style}{text}{style:#}")?;
        if !last {
            write!(data, "{after}  ")?;
        }
    }
    writeln!(data)
}
