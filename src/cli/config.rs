//! Arguments become a configuration in which everything makes sense, or one
//! line that says what does not and what would.

use std::time::Duration;

use super::UsageError;
use super::args::Trace;
use crate::kernel::{Options, PortRange};
use crate::view::Unit;

/// The shortest interval.
const INTERVAL_LEAST: Duration = Duration::from_millis(100);
/// The longest: the old tool's stand-in for "for ever", seconds.
const INTERVAL_MOST_S: f64 = 99_999_999.0;
/// More room would need more than 8 GiB of kernel memory once filled.
const MAX_FLOWS_MOST: u32 = 1 << 25;
/// Longer than anybody watches.
const DEMO_SECONDS_MOST: u64 = 3600;

/// What reports look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The old tool's table.
    Table,
    /// The old tool's histograms.
    Histogram,
    /// JSON lines.
    Json,
}

/// When reports come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From one report to the next; without it there is one, at the end.
    pub interval: Option<Duration>,
    /// How many; without it there is no end.
    pub outputs: Option<u64>,
}

/// A run, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// When reports come.
    pub pace: Pace,
    /// What they look like.
    pub format: Format,
    /// What times are printed in.
    pub unit: Unit,
    /// The time of day with each report.
    pub timestamp: bool,
    /// Flows that stayed in Open have a row too.
    pub list_quiet: bool,
    /// What the kernel side is told.
    pub options: Options,
}

pub(super) fn trace(args: &Trace) -> Result<Config, UsageError> {
    let unit = if args.microseconds { Unit::Microseconds } else { Unit::Milliseconds };
    let format = match (args.format.as_str(), args.dist) {
        ("json", _) => Format::Json,
        (_, true) => Format::Histogram,
        (_, false) => Format::Table,
    };
    Ok(Config {
        pace: Pace {
            interval: args.interval.as_deref().map(interval).transpose()?,
            outputs: args.outputs.as_deref().map(outputs).transpose()?,
        },
        format,
        unit,
        timestamp: args.timestamp,
        list_quiet: args.all,
        options: Options {
            lports: ports("-L", args.lport.as_deref())?,
            rports: ports("-R", args.rport.as_deref())?,
            keep_quiet: args.all,
            histogram_unit_ns: args.dist.then(|| unit.ns()),
            max_flows: max_flows(&args.max_flows)?,
        },
    })
}

pub(super) fn demo(seconds: &str, microseconds: bool) -> Result<Config, UsageError> {
    let seconds =
        whole(seconds).filter(|n| (1..=DEMO_SECONDS_MOST).contains(n)).ok_or_else(|| {
            UsageError(format!(
                "--seconds {seconds}: not a whole number of seconds from 1 to {DEMO_SECONDS_MOST}"
            ))
        })?;
    let unit = if microseconds { Unit::Microseconds } else { Unit::Milliseconds };
    Ok(Config {
        pace: Pace { interval: Some(Duration::from_secs(1)), outputs: Some(seconds) },
        format: Format::Table,
        unit,
        timestamp: false,
        list_quiet: false,
        options: Options {
            lports: PortRange::ALL,
            rports: PortRange::ALL,
            keep_quiet: false,
            histogram_unit_ns: None,
            max_flows: 1024,
        },
    })
}

/// One port, or an inclusive range; one given backwards is turned round.
fn ports(option: &str, text: Option<&str>) -> Result<PortRange, UsageError> {
    let Some(text) = text else { return Ok(PortRange::ALL) };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (port(first), port(last)) {
        (Some(first), Some(last)) => {
            Ok(PortRange { first: first.min(last), last: first.max(last) })
        }
        _ => Err(UsageError(format!(
            "{option} {text}: not a port from 1 to 65535 or a range of them such as 3000-3006"
        ))),
    }
}

fn port(text: &str) -> Option<u16> {
    whole(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

fn interval(text: &str) -> Result<Duration, UsageError> {
    text.parse()
        .ok()
        .filter(|seconds: &f64| (0.0..=INTERVAL_MOST_S).contains(seconds))
        .map(Duration::from_secs_f64)
        .filter(|interval| *interval >= INTERVAL_LEAST)
        .ok_or_else(|| {
            UsageError(format!(
                "interval {text}: not a number of seconds from 0.1 to {INTERVAL_MOST_S}"
            ))
        })
}

fn outputs(text: &str) -> Result<u64, UsageError> {
    whole(text).filter(|outputs| *outputs > 0).ok_or_else(|| {
        UsageError(format!("outputs {text}: not a whole number of reports from 1 up"))
    })
}

fn max_flows(text: &str) -> Result<u32, UsageError> {
    whole(text)
        .and_then(|flows| u32::try_from(flows).ok())
        .filter(|flows| (1..=MAX_FLOWS_MOST).contains(flows))
        .ok_or_else(|| {
            UsageError(format!(
                "--max-flows {text}: not a whole number of connections from 1 to {MAX_FLOWS_MOST}"
            ))
        })
}

/// A number in digits alone: no sign, no blank.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
