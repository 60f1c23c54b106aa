//! Two recordings side by side: tables for people, JSON lines for programs. Not here: what
//! is compared, and how a difference is told from chance.

mod json;
mod tables;

use std::io;
use std::path::PathBuf;

use tcpcong_core::compare::{Comparison, Recorded, Unlike};
use tcpcong_core::model::{Filter, Name};
use tcpcong_core::sink::Output;

use super::{Style, trust};

/// What the two recordings are called.
const SIDES: [char; 2] = ['A', 'B'];

/// Prints a comparison.
#[derive(Debug)]
pub struct DiffView {
    style: Style,
    files: [PathBuf; 2],
    filters: Filter,
    by: Option<String>,
}

impl DiffView {
    /// In `style`, of recordings in these files, of which these connections were asked for.
    #[must_use]
    pub fn new(style: Style, files: [PathBuf; 2], filters: Filter, by: Option<String>) -> Self {
        Self { style, files, filters, by }
    }

    /// Prints it.
    pub fn show(&self, comparison: &Comparison, out: &mut Output<'_>) -> io::Result<()> {
        match self.style {
            Style::Json => json::show(self, comparison, out.data)?,
            Style::Table => {
                tables::show(self, comparison, out.data)?;
                out.data.flush()?;
                for (side, recorded) in SIDES.into_iter().zip(&comparison.recordings) {
                    trust::of_recording(side, recorded, out.remarks)?;
                }
                for unlike in &comparison.unlike {
                    writeln!(out.remarks, "tcpcong: not alike: {}", described(unlike))?;
                }
            }
        }
        out.data.flush()
    }
}

/// In what the recordings are not alike, in words.
fn described(unlike: &Unlike) -> String {
    let between = |what: &str, [a, b]: [String; 2]| format!("{what}: A {a}, B {b}");
    match unlike {
        Unlike::Kernels(kernels) => between("the kernels", kernels.clone()),
        Unlike::Methods(methods) => between("how transitions were learned", methods.clone()),
        Unlike::Limitations(limitations) => {
            let listed = |all: &Vec<String>| match &all[..] {
                [] => "nothing".to_owned(),
                some => some.join("; "),
            };
            between("what was not seen", limitations.each_ref().map(listed))
        }
        Unlike::Lengths(lengths) => {
            between("the lengths", lengths.map(|ns| format!("{:.1} s", ns as f64 / 1e9)))
        }
        Unlike::CongestionControls(controls) => {
            let listed = |all: &Vec<_>| {
                let names: Vec<_> = all.iter().map(|name| control(*name)).collect();
                if names.is_empty() { "none".to_owned() } else { names.join(" ") }
            };
            between("the congestion controls", controls.each_ref().map(listed))
        }
    }
}

fn control(name: Option<Name>) -> String {
    name.map_or("unknown".to_owned(), |name| name.to_string())
}

/// What a recording is, in a line.
fn summary(recorded: &Recorded) -> String {
    let seconds = recorded.length_ns as f64 / 1e9;
    let controls = recorded.congestion_controls.keys().map(|name| control(*name));
    let controls: Vec<_> = controls.collect();
    let connections = trust::counted(recorded.connections as u64, "connection");
    let mut text = format!("{seconds:.1} s, {connections}");
    if !controls.is_empty() {
        text.extend([" (", &controls.join(" "), ")"]);
    }
    text + ", Linux " + &recorded.start.kernel
}
