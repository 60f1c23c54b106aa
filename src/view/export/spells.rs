//! Spells as comma-separated values, a line each. Not here: how a run comes apart into
//! spells. docs/export.md describes the columns.

use std::io::{self, BufWriter, Write};

use csv::{Writer, WriterBuilder};

use super::{ExportedSpell, Exporter};
use crate::view::csv::cell;
use crate::view::json::time;
use tcpcong_core::model::{
    Beginning, Cause, Change, Field, IDENTITY, Report, Row, State, Value, field,
};

/// What is of the spell; whose it is comes after these.
const COLUMNS: [&str; 17] = [
    "flow",
    "time",
    "from_ns",
    "to_ns",
    "spell_ns",
    "state",
    "beginning",
    "cause",
    "undo_by",
    "ended_by",
    "next",
    "exact",
    "cwnd_before",
    "cwnd_after",
    "ssthresh_before",
    "ssthresh_after",
    "srtt_us",
];

/// Writes them.
pub struct SpellsCsv {
    lines: Lines,
    whose: Vec<&'static Field>,
}

impl SpellsCsv {
    /// To this file, where the names of the columns come first.
    pub fn new(to: Box<dyn Write>) -> io::Result<Self> {
        let whose = identity();
        let mut lines = Lines::new(to);
        let names = COLUMNS.iter().map(|name| (*name).to_owned());
        lines.write(names.chain(whose.iter().map(|field| field.key())))?;
        Ok(Self { lines, whose })
    }
}

impl Exporter for SpellsCsv {
    fn spell(&mut self, exported: &ExportedSpell<'_>) -> io::Result<()> {
        let ExportedSpell { flow, row, spell, began, end, exact, from } = exported;
        let cause = spell.beginning.cause();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let [cwnd_before, cwnd_after] = sizes(began.map(|began| began.cwnd));
        let [ssthresh_before, ssthresh_after] = sizes(began.map(|began| began.ssthresh));
        let srtt_us = began.map(|began| began.srtt_us).filter(|srtt_us| *srtt_us != 0);
        let of_spell = [
            flow.to_string(),
            time(*from),
            spell.from_ns.to_string(),
            spell.to_ns.to_string(),
            spell.length_ns().to_string(),
            spell.state.to_string(),
            beginning(spell.beginning).to_owned(),
            text(cause.map(Cause::name)),
            text(cause.and_then(Cause::undo_by)),
            end.name().to_owned(),
            text(end.next().map(State::name)),
            exact.to_string(),
            cwnd_before,
            cwnd_after,
            ssthresh_before,
            ssthresh_after,
            number(srtt_us),
        ];
        self.lines.write(of_spell.into_iter().chain(whose(&self.whose, row)))
    }

    fn interval(&mut self, _: &Report) -> io::Result<()> {
        self.lines.flush()
    }

    fn ended(&mut self, _: u64, _: &str) -> io::Result<()> {
        self.lines.flush()
    }
}

/// How a spell began, in a word.
pub(super) fn beginning(beginning: Beginning) -> &'static str {
    match beginning {
        Beginning::Birth => "birth",
        Beginning::Transition(_) => "transition",
        Beginning::Unseen => "unseen",
    }
}

fn sizes(change: Option<Change>) -> [String; 2] {
    let Change { before, after } = change.unwrap_or(Change { before: None, after: None });
    [number(before), number(after)]
}

/// A number, or nothing where it is not known.
pub(super) fn number(number: Option<u32>) -> String {
    cell(Value::count(number))
}

/// The columns that say whose a line is.
pub(super) fn identity() -> Vec<&'static Field> {
    IDENTITY.iter().filter_map(|name| field(name)).collect()
}

pub(super) fn whose(columns: &[&'static Field], row: &Row) -> impl Iterator<Item = String> {
    columns.iter().map(|field| cell(field.of_row(row)))
}

/// Lines of a file.
pub(super) struct Lines(Writer<BufWriter<Box<dyn Write>>>);

impl Lines {
    pub(super) fn new(to: Box<dyn Write>) -> Self {
        Self(WriterBuilder::new().from_writer(BufWriter::new(to)))
    }

    pub(super) fn write(&mut self, cells: impl Iterator<Item = String>) -> io::Result<()> {
        let line: Vec<_> = cells.collect();
        // The writer's own conversion hides what kind of error it is.
        self.0.write_record(line).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        })
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
