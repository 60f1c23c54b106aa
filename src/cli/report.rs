//! The options of `tcpcong report`, as they are typed and checked. Not here: what the page has.

use std::path::{Path, PathBuf};

use clap::Args as Group;

use super::moment::{Part, Range};
use super::show::{Filters, Ports};
use super::{UsageError, choice};
use tcpcong_core::model::Filter;

/// So many connections are in a page where nobody says how many.
const TOP: usize = 1000;

/// What to make a page of.
#[derive(Debug, Group)]
pub struct Report {
    /// Recording to read, as `tcpcong record` makes it
    #[arg(value_name = "FILE")]
    pub from: PathBuf,
    /// Page to write, as NAME.html; - is stdout
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub to: PathBuf,
    /// Second recording to set beside the first one, on the same axis: time since each began
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Show only the N connections of each recording that were longest outside Open; sums are
    /// of all [default: 1000]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub top: Option<String>,
    /// Which ports.
    #[command(flatten)]
    pub ports: Ports,
    /// Which connections.
    #[command(flatten)]
    pub filters: Filters,
    /// Which part of each.
    #[command(flatten)]
    pub part: Part,
}

/// A run of `tcpcong report`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportConfig {
    /// The recordings, one or two.
    pub from: Vec<PathBuf>,
    /// The page; `-` is stdout.
    pub to: PathBuf,
    /// Whatever it held before may go.
    pub force: bool,
    /// So many connections of each recording are in it.
    pub top: usize,
    /// Which connections.
    pub filter: Filter,
    /// Which part of each.
    pub range: Range,
}

pub(super) fn checked(args: Report) -> Result<ReportConfig, UsageError> {
    let Report { from, against, .. } = args;
    let from: Vec<_> = std::iter::once(from).chain(against).collect();
    if from.iter().any(|file| file == Path::new("-")) {
        return Err(UsageError(
            "report -: the recording is read twice, so it must be a file; `cat > FILE` makes one"
                .to_owned(),
        ));
    }
    Ok(ReportConfig {
        from,
        to: args.to,
        force: args.force,
        top: choice::top(args.top.as_ref())?.unwrap_or(TOP),
        filter: choice::filter_of_whole(&args.ports, &args.filters, "report")?,
        range: args.part.range()?,
    })
}
