//! Checks the arguments of `record`. Not here: recording.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::Record;
use super::show::Filters;
use super::{UsageError, choice, config};
use tcpcong_core::model::{Condition, Filter};
use tcpcong_live::Options;

/// The smallest file that is rotated, and the largest, bytes.
const SIZE_LEAST: u64 = 4 << 10;
const SIZE_MOST: u64 = 1 << 50;
/// The shortest and the longest time that is kept in memory.
const HINDSIGHT: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(86_400)];

/// A run of `tcpcong record`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordConfig {
    /// The file; `-` is stdout.
    pub to: PathBuf,
    /// Whatever it held before may go.
    pub force: bool,
    /// What is written of it.
    pub extent: Extent,
    /// How long; without it there is no end.
    pub seconds: Option<u64>,
    /// Which connections.
    pub filter: Filter,
    /// What the kernel side is told.
    pub options: Options,
}

/// What of a recording is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Extent {
    /// All of it, in one file.
    All,
    /// The last of it, in several.
    Rotated {
        /// The size at which another one begins, bytes.
        bytes: u64,
        /// So many of those before are kept; without it all.
        keep: Option<u32>,
    },
    /// What came before a moment of interest.
    Hindsight {
        /// How long before.
        length: Duration,
        /// It is such a moment when this holds of a connection in a second.
        when: Option<Condition>,
    },
}

pub(super) fn record(args: Record) -> Result<RecordConfig, UsageError> {
    let extent = extent(&args)?;
    let Record { laddr, raddr, .. } = args;
    let filter = choice::filter(&args.ports, &Filters { laddr, raddr, ..Filters::default() })?;
    let options = args.kernel_side.with_all_figures(&filter)?;
    Ok(RecordConfig {
        to: args.to,
        force: args.force,
        extent,
        seconds: config::seconds(args.seconds.as_deref())?,
        options,
        filter,
    })
}

fn extent(args: &Record) -> Result<Extent, UsageError> {
    let said = |text: String| Err(UsageError(text));
    let is_stdout = args.to == Path::new("-");
    match (&args.max_size, &args.hindsight) {
        (Some(_), _) if is_stdout => said("--max-size: not with -o -, which is one file".into()),
        (_, Some(_)) if is_stdout => {
            said("--hindsight: not with -o -: what is written are files".into())
        }
        (None, Some(length)) => {
            let when = args.when.as_deref().map(Condition::parse).transpose();
            let given = args.when.as_deref().unwrap_or_default();
            let when = when.map_err(|why| UsageError(format!("--when '{given}': {why}")))?;
            Ok(Extent::Hindsight { length: hindsight(length)?, when })
        }
        (Some(size), None) => {
            let keep = args.keep.as_deref().map(|number| keep("--keep", number)).transpose()?;
            Ok(Extent::Rotated { bytes: max_size("--max-size", size)?, keep })
        }
        // clap refuses both.
        _ => Ok(Extent::All),
    }
}

/// The size at which another file begins, as an option says it.
pub(crate) fn max_size(option: &str, text: &str) -> Result<u64, UsageError> {
    config::bytes(text)
        .filter(|bytes| (SIZE_LEAST..=SIZE_MOST).contains(bytes))
        .ok_or_else(|| UsageError(format!("{option} {text}: not a size from 4K up, such as 100M")))
}

/// How many files of those before are kept, as an option says it.
pub(crate) fn keep(option: &str, text: &str) -> Result<u32, UsageError> {
    let number = config::whole(text).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or_else(|| {
        UsageError(format!("{option} {text}: not a whole number of files from 1 up"))
    })
}

pub(super) fn hindsight(text: &str) -> Result<Duration, UsageError> {
    let [least, most] = HINDSIGHT;
    let length = text.parse::<jiff::SignedDuration>().ok();
    let length = length.and_then(|length| Duration::try_from(length).ok());
    length.filter(|length| (least..=most).contains(length)).ok_or_else(|| {
        UsageError(format!("--hindsight {text}: not a time from 1s to 24h, such as 60s or 5m"))
    })
}
