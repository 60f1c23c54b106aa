//! The options of `tcpcong diff`, and the checked configuration made of them. Not here:
//! what is compared.

use std::path::{Path, PathBuf};

use clap::Args as Group;

use super::moment::{Part, Range};
use super::show::{Filters, Ports};
use super::{UsageError, choice};
use crate::view::Style;
use tcpcong_core::model::{Arrangement, By, Filter, Lookups};

/// What to compare.
#[derive(Debug, Group)]
pub struct Diff {
    /// The recording to compare with; - is stdin
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The recording of which is said how it differs from A
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// Print tables for people, or JSON lines for programs
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = ["table", "json"])]
    pub format: String,
    /// Compare each group of connections with the same group of the other recording; keys
    /// are as without `diff`
    #[arg(long, value_name = "KEY")]
    pub by: Option<String>,
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

/// A run of `tcpcong diff`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DiffConfig {
    /// A and B; `-` is stdin.
    pub files: [PathBuf; 2],
    /// What it looks like.
    pub style: Style,
    /// Which connections are compared.
    pub filter: Filter,
    /// They are compared in groups.
    pub by: Option<By>,
    /// What must be looked up for that.
    pub lookups: Lookups,
    /// Which part of each recording.
    pub range: Range,
}

pub(super) fn diff(args: Diff) -> Result<DiffConfig, UsageError> {
    let filter = choice::filter(&args.ports, &args.filters)?;
    let by = choice::by(args.by.as_ref())?;
    let files = [args.a, args.b];
    if files.iter().all(|file| file == Path::new("-")) {
        return Err(UsageError(
            "diff - -: stdin can be one of the two recordings, not both".to_owned(),
        ));
    }
    let arrangement = Arrangement { by, ..Arrangement::default() };
    Ok(DiffConfig {
        files,
        style: if args.format == "json" { Style::Json } else { Style::Table },
        lookups: Lookups { costs: true, ..choice::lookups(&filter, &arrangement, &[]) },
        filter,
        by: arrangement.by,
        range: args.part.range()?,
    })
}
