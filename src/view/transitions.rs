//! Transitions one by one, a line each: a table for people, JSON or
//! comma-separated values for programs.
//! Not here: reports, which are sums.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::lines::{Column, Lines};
use super::{JsonView, RunParams, csv, json, trust};
use tcpcong_core::model::{
    Change, Coverage, FieldKind, Report, Row, Start, Summary, Transition, TransitionField, Value,
};
use tcpcong_core::sink::{Output, Sink, TransitionBatch};

/// Two clocks that are read one after the other are no farther apart by that.
const APART: SignedDuration = SignedDuration::from_millis(10);

/// For whom something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Aligned, with titles.
    Table,
    /// JSON lines.
    Json,
}

/// How transitions are printed, and what of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// What says most, aligned, with titles, in 80 columns.
    Table,
    /// All there is, aligned, with titles.
    Wide,
    /// These columns, aligned, with titles.
    Columns(Vec<TransitionField>),
    /// The same as comma-separated values.
    Csv(Vec<TransitionField>),
    /// The same as JSON lines.
    Json(Vec<TransitionField>),
}

impl Form {
    /// The fields that it shows of those that can be asked for.
    #[must_use]
    pub fn columns(&self) -> &[TransitionField] {
        match self {
            Self::Table | Self::Wide => &[],
            Self::Columns(columns) | Self::Csv(columns) | Self::Json(columns) => columns,
        }
    }
}

/// Prints transitions as they come.
#[derive(Debug)]
pub struct TransitionsView {
    form: Form,
    params: RunParams,
    lines: Lines,
    /// The wall clock's reading at the monotonic clock's zero.
    zero: Timestamp,
    printed: u64,
}

/// One transition as an object.
struct TransitionLine<'a> {
    time: &'a str,
    columns: &'a [TransitionField],
    transition: &'a Transition,
    row: &'a Row,
}

impl Serialize for TransitionLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(Some(self.columns.len() + 2))?;
        line.serialize_entry("type", "transition")?;
        line.serialize_entry("time", self.time)?;
        for column in self.columns {
            line.serialize_entry(&column.key(), &column.value(self.transition, self.row))?;
        }
        line.end()
    }
}

/// What is said beside them.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    End {
        transitions: u64,
        #[serde(flatten)]
        coverage: &'a Coverage,
        attach: &'a str,
        limitations: &'a [String],
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        estimated: bool,
    },
}

impl TransitionsView {
    /// In this form, for a run that was asked for so.
    #[must_use]
    pub fn new(form: Form, params: RunParams) -> Self {
        let zero = Timestamp::UNIX_EPOCH;
        Self { form, params, lines: Lines::default(), zero, printed: 0 }
    }

    /// Takes the wall clock's reading at `at_ns`: after a suspend, or where somebody has
    /// set it, it is another than one would think.
    fn keep_time(&mut self, at_ns: u64, wall: Timestamp) {
        let zero = wall - SignedDuration::from_nanos(at_ns.cast_signed());
        if zero.duration_since(self.zero).abs() > APART {
            self.zero = zero;
        }
    }

    /// The next one, and whose it is.
    fn transition(
        &mut self,
        transition: &Transition,
        row: &Row,
        out: &mut Output<'_>,
    ) -> io::Result<()> {
        self.printed += 1;
        let wall = self.wall(transition.at_ns);
        let time = json::time(wall);
        match &self.form {
            Form::Table => self.lines.line(&texts(&NARROW, transition, row, wall), out.data),
            Form::Wide => self.lines.line(&texts(&WIDE, transition, row, wall), out.data),
            Form::Columns(columns) => {
                let texts = columns.iter().map(|column| {
                    let about = if column.name() == "spell" { about(transition) } else { "" };
                    format!("{about}{}", column.shorten(text(column.value(transition, row))))
                });
                let texts: Vec<_> =
                    std::iter::once(of_day(wall, MICROSECONDS)).chain(texts).collect();
                self.lines.line(&texts, out.data)
            }
            Form::Csv(columns) => {
                let values = columns.iter().map(|column| csv::cell(column.value(transition, row)));
                let line = std::iter::once(time).chain(values).collect();
                csv::print(&[line], out.data)
            }
            Form::Json(columns) => {
                print(&TransitionLine { time: &time, columns, transition, row }, out.data)
            }
        }
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        self.zero + SignedDuration::from_nanos(at_ns.cast_signed())
    }
}

impl Sink for TransitionsView {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.keep_time(start.at_ns, start.at);
        if let Form::Json(_) = self.form {
            return JsonView::new(self.params.clone(), &[], false).started(start, out);
        }
        trust::at_start(start, out.remarks)?;
        match &self.form {
            Form::Csv(columns) => {
                let names = columns.iter().map(TransitionField::key);
                let names = std::iter::once("time".to_owned()).chain(names).collect();
                return csv::print(&[names], out.data);
            }
            Form::Columns(columns) => {
                let time = Column { title: "TIME".to_owned(), width: 15, right: false };
                let columns = columns.iter().map(|column| Column {
                    title: title(column),
                    width: usual_width(column),
                    right: column.kind().is_numeric(),
                });
                self.lines = Lines::new(std::iter::once(time).chain(columns).collect());
            }
            Form::Wide => self.lines = Lines::new(WIDE.iter().map(Column::from).collect()),
            Form::Table | Form::Json(_) => {
                self.lines = Lines::new(NARROW.iter().map(Column::from).collect());
            }
        }
        self.lines.titles(out.data)?;
        out.data.flush()
    }

    fn transitions(&mut self, batch: &TransitionBatch, out: &mut Output<'_>) -> io::Result<()> {
        self.keep_time(batch.now_ns, batch.wall);
        for (transition, row) in &batch.lines {
            self.transition(transition, row, out)?;
        }
        out.data.flush()
    }

    /// Of an interval it says what was lost.
    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        if report.gaps.is_empty() {
            return Ok(());
        }
        if let Form::Json(_) = self.form {
            json::gaps(report, out.data)?;
            return out.data.flush();
        }
        trust::gaps(report, out.remarks)
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        let coverage = &Coverage::of(summary);
        if let Form::Json(_) = self.form {
            let end = Line::End {
                transitions: self.printed,
                coverage,
                attach: &start.attach,
                limitations: &start.limitations,
                estimated: start.estimated,
            };
            print(&end, out.data)?;
        } else {
            let printed = (self.printed, "transition");
            trust::at_end_of_lines(start, printed, coverage, out.remarks)?;
        }
        out.data.flush()
    }
}

/// A column of the table: its title, how wide it is (it becomes wider with what comes),
/// whether it is a number's, and what is in it.
struct TableColumn {
    title: &'static str,
    width: usize,
    right: bool,
    text: fn(&Transition, &Row, Timestamp) -> String,
}

const fn column(
    (title, width, right): (&'static str, usize, bool),
    text: fn(&Transition, &Row, Timestamp) -> String,
) -> TableColumn {
    TableColumn { title, width, right, text }
}

const FROM: TableColumn =
    column(("FROM", 8, false), |transition, _, _| transition.from.name().to_owned());
const TO: TableColumn =
    column(("TO", 8, false), |transition, _, _| transition.to.name().to_owned());
const CAUSE: TableColumn =
    column(("CAUSE", 15, false), |transition, _, _| transition.cause.to_string());
const REMOTE: fn(&Transition, &Row, Timestamp) -> String =
    |transition, row, _| transition.connection.endpoints.remote(&row.names);
const SPELL: fn(&Transition, &Row, Timestamp) -> String =
    |transition, _, _| format!("{}{:.3}", about(transition), transition.spell_ns as f64 / 1e6);

/// As wide as a terminal of 80 columns, but for long addresses.
static NARROW: [TableColumn; 7] = [
    column(("TIME", 12, false), |_, _, wall| of_day(wall, "%H:%M:%S%.3f")),
    column(("LPORT", 5, true), |transition, _, _| {
        transition.connection.endpoints.lport.to_string()
    }),
    column(("RADDR:PORT", 18, false), REMOTE),
    FROM,
    TO,
    CAUSE,
    column(("SPELL_MS", 8, true), SPELL),
];

/// All there is.
static WIDE: [TableColumn; 13] = [
    column(("TIME", 15, false), |_, _, wall| of_day(wall, MICROSECONDS)),
    column(("LADDR:PORT", 21, false), |transition, row, _| {
        transition.connection.endpoints.local(&row.names)
    }),
    column(("RADDR:PORT", 21, false), REMOTE),
    FROM,
    TO,
    CAUSE,
    column(("SPELL_MS", 10, true), SPELL),
    column(("CWND", 11, true), |transition, _, _| change(transition.cwnd)),
    column(("SSTHRESH", 11, true), |transition, _, _| change(transition.ssthresh)),
    column(("SRTT_MS", 8, true), |transition, _, _| match transition.srtt_us {
        0 => "-".to_owned(),
        srtt_us => format!("{:.3}", f64::from(srtt_us) / 1e3),
    }),
    column(("INFL", 6, true), |transition, _, _| transition.in_flight.to_string()),
    column(("LOST", 5, true), |transition, _, _| transition.lost.to_string()),
    column(("RETR", 5, true), |transition, _, _| transition.retransmitted.to_string()),
];

impl From<&TableColumn> for Column {
    fn from(&TableColumn { title, width, right, .. }: &TableColumn) -> Self {
        Self { title: title.to_owned(), width, right }
    }
}

fn texts(
    columns: &[TableColumn],
    transition: &Transition,
    row: &Row,
    wall: Timestamp,
) -> Vec<String> {
    columns.iter().map(|column| (column.text)(transition, row, wall)).collect()
}

/// What stands before a spell's length whose beginning was not seen, or is estimated.
fn about(transition: &Transition) -> &'static str {
    if transition.exact { "" } else { "~" }
}

const MICROSECONDS: &str = "%H:%M:%S%.6f";

fn of_day(wall: Timestamp, format: &str) -> String {
    wall.to_zoned(TimeZone::system()).strftime(format).to_string()
}

fn title(column: &TransitionField) -> String {
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

/// Of what mostly comes, characters.
fn usual_width(column: &TransitionField) -> usize {
    match (column.kind(), column.name()) {
        (FieldKind::Duration, "at") => 15,
        (FieldKind::Duration, _) | (FieldKind::NumericLabel, "netns") => 10,
        (FieldKind::NumericLabel | FieldKind::Counter | FieldKind::Gauge, _) => 6,
        (FieldKind::Label, "family" | "from" | "to" | "exact" | "cc") => 8,
        (FieldKind::Label, _) => 15,
    }
}

fn change(of: Change) -> String {
    let known = |size: Option<u32>| size.map_or("?".to_owned(), |size| size.to_string());
    if of.before.is_none() && of.after.is_none() {
        return "-".to_owned();
    }
    format!("{}→{}", known(of.before), known(of.after))
}

fn print(line: &impl Serialize, data: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *data, line)?;
    writeln!(data)
}
