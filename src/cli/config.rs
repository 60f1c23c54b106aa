//! Arguments become a configuration in which everything makes sense, or one
//! line that says what does not and what would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{Recordings, Reports, Transitions};
use super::kernel_side::KernelSide;
use super::moment::Range;
use super::{UsageError, choice};
use crate::view::{Colour, CsvView, Extras, Form, JsonView, Unit};
use tcpcong_core::model::{Arrangement, By, Field, Filter, Lookups, State, TransitionField};
use tcpcong_live::Options;

/// The shortest interval.
const INTERVAL_LEAST: Duration = Duration::from_millis(100);
/// The longest: the old tool's stand-in for "for ever", seconds.
const INTERVAL_MOST_S: f64 = 99_999_999.0;
/// The longest run of `trace`, `why` and `record`: as the longest interval.
pub(super) const TRACE_SECONDS_MOST: u64 = 99_999_999;
/// Times as fast: a day in a second, and a second in a day.
const SPEED_MOST: f64 = 86_400.0;
/// Longer than anybody watches.
const DEMO_SECONDS_MOST: u64 = 3600;

/// What reports look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The old tool's table.
    Table,
    /// A table of the columns asked for.
    Columns,
    /// The old tool's histograms.
    Histogram,
    /// JSON lines.
    Json,
    /// Comma-separated values.
    Csv,
}

/// When reports come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From one report to the next; without it there is one, at the end.
    pub interval: Option<Duration>,
    /// How many; without it there is no end.
    pub outputs: Option<u64>,
}

/// From where a run has its entries.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// From this machine's kernel.
    Kernel {
        /// A recording is made of them as well.
        record: Option<PathBuf>,
    },
    /// From a recording.
    Recording {
        /// Its file; `-` is stdin.
        file: PathBuf,
        /// So many times as fast as it was; without it as fast as can be.
        speed: Option<f64>,
        /// Which part of it.
        range: Range,
    },
}

impl Default for Origin {
    fn default() -> Self {
        Self::Kernel { record: None }
    }
}

/// A run, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// From where.
    pub origin: Origin,
    /// When reports come.
    pub pace: Pace,
    /// What they look like.
    pub format: Format,
    /// What times are printed in.
    pub unit: Unit,
    /// The time of day with each report.
    pub timestamp: bool,
    /// Whether there is colour.
    pub colour: Colour,
    /// Columns, in the formats that have any.
    pub columns: Vec<&'static Field>,
    /// Which rows stay.
    pub filter: Filter,
    /// How they are listed.
    pub arrangement: Arrangement,
    /// What stands below each report.
    pub extras: Extras,
    /// What must be looked up for all this.
    pub lookups: Lookups,
    /// Flows that stayed in Open have a row too.
    pub list_quiet: bool,
    /// Histograms take the place of rows, in units of so many nanoseconds.
    pub histogram_unit_ns: Option<u64>,
    /// What the kernel side is told.
    pub options: Options,
}

impl Config {
    /// Whether histograms are of some connections' spells, or of each group's: for these
    /// each spell is kept until the report.
    #[must_use]
    pub fn lengths_of_some(&self) -> bool {
        self.histogram_unit_ns.is_some() && needs_each(&self.filter, &self.arrangement)
    }
}

fn needs_each(filter: &Filter, arrangement: &Arrangement) -> bool {
    !filter.is_of_kernel() || arrangement.by.is_some()
}

pub(super) fn reports(args: &Reports) -> Result<Config, UsageError> {
    let unit = if args.microseconds { Unit::Microseconds } else { Unit::Milliseconds };
    let (filter, arrangement) =
        (choice::filter(&args.ports, &args.show.filters)?, choice::arrangement(&args.show)?);
    let asked_for = choice::columns(&args.show)?;
    let extras = choice::extras(&args.show)?;
    if extras.any() && args.format == "csv" {
        return Err(UsageError(
            "--matrix and --spells come with a table or JSON, not with csv".to_owned(),
        ));
    }
    let lengths_of_some = args.dist && needs_each(&filter, &arrangement);
    let asks_for_open = filter.state.as_ref().is_some_and(|states| states.contains(&State::Open));
    let list_quiet = args.all || lengths_of_some || asks_for_open;
    let format = format(args, asked_for.is_some() || arrangement.by.is_some())?;
    let columns = match asked_for {
        Some(columns) => columns,
        None if args.dist => Vec::new(),
        None => default_columns(format, arrangement.by.as_ref()),
    };
    let lookups = choice::lookups(&filter, &arrangement, &columns);
    Ok(Config {
        origin: origin(&args.recordings, &args.kernel_side)?,
        pace: Pace {
            interval: args.interval.as_deref().map(interval).transpose()?,
            outputs: args.outputs.as_deref().map(outputs).transpose()?,
        },
        format,
        unit,
        timestamp: args.timestamp,
        colour: match args.show.color.as_str() {
            "always" => Colour::Always,
            "never" => Colour::Never,
            _ => Colour::Auto,
        },
        columns,
        extras,
        list_quiet,
        options: Options {
            figures: lookups.costs,
            costs: lookups.costs,
            owners: lookups.owners,
            ..args.kernel_side.options(&filter)?
        },
        histogram_unit_ns: args.dist.then(|| unit.ns()),
        filter,
        arrangement,
        lookups,
    })
}

/// A run of `tcpcong trace`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct TransitionsConfig {
    /// From where.
    pub origin: Origin,
    /// What they look like.
    pub form: Form,
    /// How long; without it there is no end.
    pub seconds: Option<u64>,
    /// Which are shown.
    pub filter: Filter,
    /// What must be looked up for that.
    pub lookups: Lookups,
    /// What the kernel side is told.
    pub options: Options,
}

pub(super) fn transitions(args: &Transitions) -> Result<TransitionsConfig, UsageError> {
    let seconds = seconds(args.seconds.as_deref())?;
    let filter = choice::filter(&args.ports, &args.filters)?;
    if filter.min_changes.is_some() {
        return Err(UsageError(
            "--min-changes: not with trace, whose lines are one each".to_owned(),
        ));
    }
    let is_wide = args.columns.as_deref() == Some("wide");
    let columns = choice::transition_columns(args.columns.as_ref().filter(|_| !is_wide))?;
    let mut lookups = choice::lookups_of(&filter);
    let form = match (args.format.as_str(), columns) {
        ("json", columns) => Form::Json(columns.unwrap_or_else(TransitionField::usual)),
        ("csv", columns) => Form::Csv(columns.unwrap_or_else(TransitionField::usual)),
        (_, Some(columns)) => Form::Columns(columns),
        (_, None) if is_wide => Form::Wide,
        (_, None) => Form::Table,
    };
    form.columns().iter().for_each(|column| lookups.add(column.lookups()));
    Ok(TransitionsConfig {
        origin: origin(&args.recordings, &args.kernel_side)?,
        form,
        seconds,
        options: Options {
            figures: true,
            owners: lookups.owners,
            ..args.kernel_side.options(&filter)?
        },
        filter,
        lookups,
    })
}

fn format(args: &Reports, has_columns: bool) -> Result<Format, UsageError> {
    let other = choice::not_for_histograms(&args.show);
    match (args.format.as_str(), args.dist, other) {
        ("csv", true, _) => {
            Err(UsageError("-d: histograms come as a table or as JSON, not as csv".to_owned()))
        }
        (_, true, Some(option)) => Err(UsageError(format!(
            "{option}: not with -d, whose histograms have no columns and are many with --by alone"
        ))),
        ("json", ..) => Ok(Format::Json),
        ("csv", ..) => Ok(Format::Csv),
        (_, true, None) => Ok(Format::Histogram),
        _ if has_columns => Ok(Format::Columns),
        _ => Ok(Format::Table),
    }
}

/// What is shown where nobody says what.
fn default_columns(format: Format, by: Option<&By>) -> Vec<&'static Field> {
    match (by, format) {
        (Some(by), _) => by.columns(),
        (None, Format::Json) => JsonView::default_columns(),
        (None, Format::Csv) => CsvView::default_columns(),
        (None, Format::Table | Format::Columns | Format::Histogram) => Vec::new(),
    }
}

/// From where, given the kernel's options.
pub(super) fn origin(given: &Recordings, kernel_side: &KernelSide) -> Result<Origin, UsageError> {
    if given.record.as_deref() == Some(Path::new("-")) {
        return Err(UsageError(
            "--record -: stdout has what is shown; `tcpcong record -o -` writes there".to_owned(),
        ));
    }
    let Some(file) = given.from.clone() else {
        let of_recordings = [("--since", &given.part.since), ("--until", &given.part.until)];
        if let Some((option, _)) = of_recordings.iter().find(|(_, given)| given.is_some()) {
            return Err(UsageError(format!("{option}: only with --from, of a recording")));
        }
        return Ok(Origin::Kernel { record: given.record.clone() });
    };
    if let Some(option) = kernel_side.given() {
        return Err(UsageError(format!(
            "{option}: not with --from, which asks no kernel for anything"
        )));
    }
    let speed = given.speed.as_deref().map(|text| {
        let speed =
            text.parse().ok().filter(|speed: &f64| (1.0 / SPEED_MOST..=SPEED_MOST).contains(speed));
        speed
            .ok_or_else(|| UsageError(format!("--speed {text}: not a number such as 1, 10 or 0.5")))
    });
    let range = given.part.range()?;
    Ok(Origin::Recording { file, speed: speed.transpose()?, range })
}

/// How long, of a text if there is one.
pub(super) fn seconds(text: Option<&str>) -> Result<Option<u64>, UsageError> {
    let checked = |text: &str| {
        whole(text).filter(|seconds| (1..=TRACE_SECONDS_MOST).contains(seconds)).ok_or_else(|| {
            UsageError(format!(
                "--seconds {text}: not a whole number of seconds from 1 to {TRACE_SECONDS_MOST}"
            ))
        })
    };
    text.map(checked).transpose()
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
        origin: Origin::default(),
        pace: Pace { interval: Some(Duration::from_secs(1)), outputs: Some(seconds) },
        format: Format::Table,
        unit,
        timestamp: false,
        colour: Colour::Never,
        columns: Vec::new(),
        filter: Filter::default(),
        arrangement: Arrangement::default(),
        lookups: Lookups::default(),
        extras: Extras::default(),
        list_quiet: false,
        histogram_unit_ns: None,
        options: Options { max_flows: Some(1024), ..Options::default() },
    })
}

pub(super) fn interval(text: &str) -> Result<Duration, UsageError> {
    text.parse()
        .ok()
        .filter(|seconds: &f64| (0.0..=INTERVAL_MOST_S).contains(seconds))
        .map(Duration::from_secs_f64)
        .filter(|interval| *interval >= INTERVAL_LEAST)
        .ok_or_else(|| {
            UsageError(if super::definition().find_subcommand(text).is_some() {
                format!("{text}: put it first, and its own options after it")
            } else {
                format!("interval {text}: not a number of seconds from 0.1 to {INTERVAL_MOST_S}")
            })
        })
}

fn outputs(text: &str) -> Result<u64, UsageError> {
    whole(text).filter(|outputs| *outputs > 0).ok_or_else(|| {
        UsageError(format!("outputs {text}: not a whole number of reports from 1 up"))
    })
}

/// A number of bytes, maybe with a unit.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    whole(number).and_then(|number| number.checked_mul(unit))
}

/// A number in digits alone: no sign, no blank.
pub(super) fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
