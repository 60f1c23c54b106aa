//! Transitions one by one, a line each: a table for people, JSON or
//! comma-separated values for programs.
//! Not here: reports, which are sums.

use std::io::{self, Write};
use std::net::SocketAddr;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::field::Kind;
use super::lines::{Column, Lines};
use super::{Asked, JsonView, Output, Telling, View as _, csv, trust};
use crate::model::{Change, Row, Start, Transition, Unseen, Value};

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
    /// The usual columns, aligned, with titles.
    Table,
    /// These columns, aligned, with titles.
    Columns(Vec<Telling>),
    /// The same as comma-separated values.
    Csv(Vec<Telling>),
    /// The same as JSON lines.
    Json(Vec<Telling>),
}

/// Prints transitions as they come.
#[derive(Debug)]
pub struct TransitionsView {
    form: Form,
    asked: Asked,
    lines: Lines,
    /// The wall clock's reading at the monotonic clock's zero.
    zero: Timestamp,
    told: u64,
    untold: u64,
}

/// One transition as an object.
struct TransitionLine<'a> {
    time: &'a str,
    columns: &'a [Telling],
    it: &'a Transition,
    row: &'a Row,
}

impl Serialize for TransitionLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(Some(self.columns.len() + 2))?;
        line.serialize_entry("type", "transition")?;
        line.serialize_entry("time", self.time)?;
        for column in self.columns {
            line.serialize_entry(&column.key(), &column.value(self.it, self.row))?;
        }
        line.end()
    }
}

/// What is said beside them.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Untold {
        time: String,
        transitions: u64,
    },
    End {
        transitions: u64,
        untold: u64,
        #[serde(flatten)]
        unseen: &'a Unseen,
        attach: &'a str,
        cannot_see: &'a [String],
    },
}

impl TransitionsView {
    /// For a run that began as `start` says.
    #[must_use]
    pub fn new(form: Form, asked: Asked, start: &Start) -> Self {
        let zero = start.at - SignedDuration::from_nanos(start.at_ns.cast_signed());
        Self { form, asked, lines: Lines::default(), zero, told: 0, untold: 0 }
    }

    /// Takes the wall clock's reading at `at_ns`: after a suspend, or where somebody has
    /// set it, it is another than one would think.
    pub fn keep_time(&mut self, at_ns: u64, wall: Timestamp) {
        let zero = wall - SignedDuration::from_nanos(at_ns.cast_signed());
        if zero.duration_since(self.zero).abs() > APART {
            self.zero = zero;
        }
    }

    /// Before the first.
    pub fn start(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        if let Form::Json(_) = self.form {
            return JsonView::new(self.asked.clone(), &[], false).start(start, out);
        }
        trust::at_start(start, out.remarks)?;
        match &self.form {
            Form::Csv(columns) => {
                let names = columns.iter().map(Telling::key);
                let names = std::iter::once("time".to_owned()).chain(names).collect();
                return csv::print(&[names], out.data);
            }
            Form::Columns(columns) => {
                let time = Column { title: "TIME".to_owned(), width: 15, right: false };
                let columns = columns.iter().map(|column| Column {
                    title: title(column),
                    width: usual_width(column),
                    right: column.kind() != Kind::Text,
                });
                self.lines = Lines::new(std::iter::once(time).chain(columns).collect());
            }
            Form::Table | Form::Json(_) => {
                let columns = USUAL.map(|(title, width, right)| Column {
                    title: title.to_owned(),
                    width,
                    right,
                });
                self.lines = Lines::new(columns.into());
            }
        }
        self.lines.titles(out.data)?;
        out.data.flush()
    }

    /// The next one, and whose it is.
    pub fn transition(
        &mut self,
        it: &Transition,
        row: &Row,
        out: &mut Output<'_>,
    ) -> io::Result<()> {
        self.told += 1;
        let wall = self.wall(it.at_ns);
        let time = wall.to_string();
        match &self.form {
            Form::Table => self.lines.line(&usual(it, wall), out.data),
            Form::Columns(columns) => {
                let texts = columns.iter().map(|column| {
                    let about = if column.name() == "spell" { about(it) } else { "" };
                    format!("{about}{}", text(column.value(it, row)))
                });
                let texts: Vec<_> = std::iter::once(of_day(wall)).chain(texts).collect();
                self.lines.line(&texts, out.data)
            }
            Form::Csv(columns) => {
                let values = columns.iter().map(|column| csv::cell(column.value(it, row)));
                let line = std::iter::once(time).chain(values).collect();
                csv::print(&[line], out.data)
            }
            Form::Json(columns) => {
                print(&TransitionLine { time: &time, columns, it, row }, out.data)
            }
        }
    }

    /// `untold`: so many could not be told, since the start.
    pub fn untold(&mut self, untold: u64, now_ns: u64, out: &mut Output<'_>) -> io::Result<()> {
        let more = untold.saturating_sub(self.untold);
        if more == 0 {
            return Ok(());
        }
        self.untold = untold;
        if let Form::Json(_) = self.form {
            let time = self.wall(now_ns).to_string();
            return print(&Line::Untold { time, transitions: more }, out.data);
        }
        writeln!(
            out.remarks,
            "tcpcong: {more} transitions could not be told here: they came too fast"
        )
    }

    /// After the last.
    pub fn end(&self, start: &Start, unseen: &Unseen, out: &mut Output<'_>) -> io::Result<()> {
        if let Form::Json(_) = self.form {
            let end = Line::End {
                transitions: self.told,
                untold: self.untold,
                unseen,
                attach: &start.attach,
                cannot_see: &start.cannot_see,
            };
            print(&end, out.data)?;
        } else {
            let told = (self.told, "transition");
            trust::at_end_of_lines(start, told, unseen, out.remarks)?;
        }
        out.data.flush()
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        self.zero + SignedDuration::from_nanos(at_ns.cast_signed())
    }
}

/// The usual columns: title, width, and whether it is a number's.
const USUAL: [(&str, usize, bool); 13] = [
    ("TIME", 15, false),
    ("LADDR:PORT", 21, false),
    ("RADDR:PORT", 21, false),
    ("FROM", 8, false),
    ("TO", 8, false),
    ("CAUSE", 15, false),
    ("SPELL_MS", 10, true),
    ("CWND", 11, true),
    ("SSTHRESH", 11, true),
    ("SRTT_MS", 8, true),
    ("INFL", 6, true),
    ("LOST", 5, true),
    ("RETR", 5, true),
];

fn usual(it: &Transition, wall: Timestamp) -> [String; 13] {
    let end = |address, port| SocketAddr::new(address, port).to_string();
    let srtt = if it.srtt_us == 0 {
        "-".to_owned()
    } else {
        format!("{:.3}", f64::from(it.srtt_us) / 1e3)
    };
    [
        of_day(wall),
        end(it.ends.laddr, it.ends.lport),
        end(it.ends.raddr, it.ends.rport),
        it.from.name().to_owned(),
        it.to.name().to_owned(),
        it.cause.to_string(),
        format!("{}{:.3}", about(it), it.spell_ns as f64 / 1e6),
        change(it.cwnd),
        change(it.ssthresh),
        srtt,
        it.in_flight.to_string(),
        it.lost.to_string(),
        it.retransmitted.to_string(),
    ]
}

/// What stands before a spell's length whose beginning was not seen.
fn about(it: &Transition) -> &'static str {
    if it.exact { "" } else { "~" }
}

fn of_day(wall: Timestamp) -> String {
    wall.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.6f").to_string()
}

fn title(column: &Telling) -> String {
    format!("{}{}", column.title(), if column.kind() == Kind::Time { "_ms" } else { "" })
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
fn usual_width(column: &Telling) -> usize {
    match (column.kind(), column.name()) {
        (Kind::Time, "at") => 15,
        (Kind::Time, _) | (Kind::Count, "netns") => 10,
        (Kind::Count, _) => 6,
        (Kind::Text, "family" | "from" | "to" | "exact" | "cc") => 8,
        (Kind::Text, _) => 15,
    }
}

fn change(of: Change) -> String {
    let known = |size: Option<u32>| size.map_or("-".to_owned(), |size| size.to_string());
    format!("{}>{}", known(of.before), known(of.after))
}

fn print(line: &impl Serialize, data: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *data, line)?;
    writeln!(data)
}
