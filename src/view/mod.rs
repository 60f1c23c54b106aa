//! Formats: each turns reports into text and knows nothing of where they come
//! from. Figures are printed here and nowhere else.

mod band;
mod colour;
mod columns;
mod csv;
mod diff;
mod export;
mod extras;
mod histogram;
mod json;
mod lines;
#[cfg(feature = "page")]
mod page;
mod record;
mod table;
mod transitions;
mod trust;
mod why;

use std::io::{self, Write};

pub(crate) use band::{BandCell, band, length, worst_of};
pub use colour::Colour;
pub use columns::ColumnsView;
pub use csv::CsvView;
pub use diff::DiffView;
pub use export::{ExportView, ExportedSpell, Exporter, Perfetto, SamplesCsv, SpellEnd, SpellsCsv};
pub use extras::{Extras, WithExtras};
pub use histogram::HistogramView;
pub use json::{JsonView, RunParams};
#[cfg(feature = "serve")]
pub(crate) use json::{print as print_json, print_sums, time as json_time};
#[cfg(feature = "page")]
pub use page::{Collected, LivesView, Page, VerdictsKept};
pub use record::RecordView;
pub use table::TableView;
pub use transitions::{Form, Style, TransitionsView};
pub(crate) use trust::{counted, in_a_sentence as trust_in_a_sentence};
#[cfg(feature = "serve")]
pub(crate) use why::print_verdict;
pub use why::{Paper, Subject, WhyForm, WhyStyle, WhyView};

use tcpcong_core::model::{Field, Report, Row, Value};

/// What the time columns count in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

impl Unit {
    /// As in a column's title.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
        }
    }

    /// Nanoseconds in one.
    #[must_use]
    pub fn ns(self) -> u64 {
        match self {
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
        }
    }
}

/// The line the old tool begins with.
const BANNER: &str = "Tracing tcp congestion control status duration... Hit Ctrl-C to end.";

/// A report's blank line, and the time of day where it is asked for.
fn head(report: &Report, timestamp: bool, data: &mut dyn Write) -> io::Result<()> {
    writeln!(data)?;
    if timestamp {
        let local = report.at.to_zoned(jiff::tz::TimeZone::system());
        writeln!(data, "{:<8}", local.strftime("%H:%M:%S"))?;
    }
    Ok(())
}

/// What a row has in a column, with its unit.
#[must_use]
pub fn in_words(field: &Field, row: &Row) -> String {
    match field.of_row(row) {
        Value::Is(is) => is.to_string(),
        Value::Count(number) => number.to_string(),
        Value::Time(ns) => format!("{:.1} ms", ns as f64 / 1e6),
        Value::Addr(addr) => addr.to_string(),
        Value::Prefix(prefix) => prefix.to_string(),
        Value::Text(text) => harmless(&text),
        Value::Nothing => "-".to_owned(),
    }
}

/// A name that somebody else chose, without what moves a cursor.
pub(crate) fn harmless(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "choice_tests.rs"]
mod choice_tests;

#[cfg(test)]
#[path = "session_tests.rs"]
mod session_tests;

#[cfg(test)]
#[path = "why/tests.rs"]
mod why_tests;
