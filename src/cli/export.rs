//! `tcpcong export`: its options as they are typed, and the configuration made of them.
//! Nothing here reads a recording.

use std::path::PathBuf;

use clap::Args as Group;

use super::moment::{Part, Range};
use super::show::{Filters, Ports};
use super::{UsageError, choice};
use tcpcong_core::model::Filter;

/// What to export, and where to.
#[derive(Debug, Group)]
pub struct Export {
    /// Recording to read; - is stdin
    pub file: PathBuf,
    /// Write a trace for Perfetto (ui.perfetto.dev), as NAME.pftrace; - is stdout
    #[arg(long, value_name = "FILE", help_heading = OUTPUTS)]
    pub perfetto: Option<PathBuf>,
    /// Write comma-separated values, a line for each spell; - is stdout
    #[arg(long, value_name = "FILE", help_heading = OUTPUTS)]
    pub csv: Option<PathBuf>,
    /// Write comma-separated values, a line each time that a socket was looked at; - is
    /// stdout
    #[arg(long, value_name = "FILE", help_heading = OUTPUTS)]
    pub csv_samples: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long, help_heading = OUTPUTS)]
    pub force: bool,
    /// Which ports.
    #[command(flatten)]
    pub ports: Ports,
    /// Which connections.
    #[command(flatten)]
    pub filters: Filters,
    /// Which part of it.
    #[command(flatten)]
    pub part: Part,
}

const OUTPUTS: &str = "Outputs";

/// A file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// A trace for Perfetto.
    Perfetto,
    /// A line for each spell.
    SpellsCsv,
    /// A line each time that a socket was looked at.
    SamplesCsv,
}

/// A run of `tcpcong export`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportConfig {
    /// The recording; `-` is stdin.
    pub file: PathBuf,
    /// What is written, and where to; `-`, once at most, is stdout.
    pub outputs: Vec<(ExportFormat, PathBuf)>,
    /// Whatever these held before may go.
    pub force: bool,
    /// Which connections.
    pub filter: Filter,
    /// Which part of it.
    pub range: Range,
}

pub(super) fn export(args: Export) -> Result<ExportConfig, UsageError> {
    let filter = choice::filter_of_whole(&args.ports, &args.filters, "export")?;
    let range = args.part.range()?;
    let outputs = [
        (ExportFormat::Perfetto, args.perfetto),
        (ExportFormat::SpellsCsv, args.csv),
        (ExportFormat::SamplesCsv, args.csv_samples),
    ];
    let outputs: Vec<_> =
        outputs.into_iter().filter_map(|(format, to)| Some((format, to?))).collect();
    if outputs.is_empty() {
        return Err(UsageError(
            "export: to what? --perfetto FILE, --csv FILE or --csv-samples FILE".to_owned(),
        ));
    }
    for (at, (_, to)) in outputs.iter().enumerate() {
        if outputs[..at].iter().any(|(_, before)| before == to) {
            let to = to.display();
            return Err(UsageError(format!("{to}: one file for two outputs; give each its own")));
        }
    }
    Ok(ExportConfig { file: args.file, outputs, force: args.force, filter, range })
}
