//! `tcpcong why`: its options, and the checked configuration made of them. Not here: what is
//! done with it.

use std::time::Duration;

use clap::Args as Group;

use super::args::Recordings;
use super::config::{TRACE_SECONDS_MOST, origin, seconds, whole};
use super::kernel_side::KernelSide;
use super::show::{Filters, Ports};
use super::{Origin, UsageError, choice};
use crate::view::{WhyForm, WhyStyle};
use tcpcong_core::model::{Arrangement, By, EndpointFilter, Filter, Lookups};
use tcpcong_core::why::VerdictField;
use tcpcong_live::Options;

/// How long a watch is where nobody says.
const SECONDS: u64 = 10;
/// A number alone that is larger is more likely a process than a time.
const BARE_SECONDS_MOST: u64 = 3600;

pub(super) const EXAMPLES: &str = "\
Examples:
  tcpcong why              watch for 10 seconds, then say what holds connections up
  tcpcong why 5            for 5 seconds
  tcpcong why 10.0.0.1:443 one connection in depth, by the address and port of either end
  tcpcong why :443 5       the connections of port 443
  tcpcong why pid:1234     the connections of one process
  tcpcong why --pid 1234   the same as a list
  tcpcong why --by prefix --top 5
                           the five remote networks that were held up most
  tcpcong why -o laddr,lport,raddr,rport,verdict,held_up
                           these columns only
  tcpcong why --follow     a line whenever a verdict has changed, until Ctrl-C";

/// What to watch for verdicts.
#[derive(Debug, Group)]
pub struct Why {
    /// What to show in depth.
    #[arg(
        value_name = "ADDR:PORT|pid:N",
        help = "What to show in depth: a connection by either end, as 10.0.0.1:443, \
                [2001:db8::1]:443 or :443; or a process, as pid:1234. A number alone is SECONDS"
    )]
    pub subject: Option<String>,
    /// How long, as --seconds
    #[arg(value_name = "SECONDS")]
    pub words: Option<String>,
    /// Which ports.
    #[command(flatten)]
    pub ports: Ports,
    /// How long [default: 10; with --from all of it]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub seconds: Option<String>,
    /// Judge again and again, each time so long, until Ctrl-C; print a line for each verdict
    /// that is new or has changed
    #[arg(long)]
    pub follow: bool,
    /// List idle and healthy connections as well
    #[arg(long)]
    pub all: bool,
    /// Print text for people, or JSON lines or comma-separated values for programs
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        value_parser = ["table", "json", "csv"]
    )]
    pub format: String,
    /// Columns to show, in this order, in any format; "-o help" lists them
    #[arg(short = 'o', long, value_name = "COLUMN,...")]
    pub columns: Option<String>,
    /// Order by a column: numbers largest first, texts from A to Z; +COLUMN smallest
    /// first, -COLUMN largest first [default: those that were held up most first]
    #[arg(long, value_name = "[+|-]COLUMN", allow_hyphen_values = true)]
    pub sort: Option<String>,
    /// How.
    #[command(flatten)]
    pub kernel_side: KernelSide,
    /// Which connections.
    #[command(flatten)]
    pub filters: Filters,
    /// One verdict for each group of connections; keys are as without `why`
    #[arg(long, value_name = "KEY")]
    pub by: Option<String>,
    /// Print only the first N; in depth, so many pages [default: 3]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub top: Option<String>,
    /// From where.
    #[command(flatten)]
    pub recordings: Recordings,
}

/// A run of `tcpcong why`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct WhyConfig {
    /// From where.
    pub origin: Origin,
    /// What of the verdicts is printed, and how.
    pub style: WhyStyle,
    /// How long the watch is; without it as long as the recording, or until Ctrl-C.
    pub duration: Option<Duration>,
    /// Verdicts so often, each of that time alone.
    pub every: Option<Duration>,
    /// So many seconds were a number alone, which may have been meant as a process.
    pub bare_seconds: Option<u64>,
    /// Which rows are judged.
    pub filter: Filter,
    /// Of what there is a verdict.
    pub arrangement: Arrangement,
    /// What must be looked up for all this.
    pub lookups: Lookups,
    /// What the kernel side is told.
    pub options: Options,
}

/// Whom the words of the command line name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    End(EndpointFilter),
    Process(u32),
}

pub(super) fn why(args: &Why) -> Result<WhyConfig, UsageError> {
    let (subject, bare) = words(args)?;
    let given = seconds(args.seconds.as_deref())?.or(bare);
    let is_live = args.recordings.from.is_none();
    let seconds = given.or((is_live || args.follow).then_some(SECONDS));
    let mut filter = choice::filter(&args.ports, &args.filters)?;
    let page = subject.map(|subject| name(subject, &mut filter)).transpose()?;
    let by = choice::by(args.by.as_ref())?;
    let style = style(args, page, by.as_ref().map(By::key), &filter)?;
    let arrangement = Arrangement { by, top: None, order: None };
    let mut lookups = choice::lookups(&filter, &arrangement, &[]);
    lookups.add(Lookups { owners: true, costs: true, ..Lookups::default() });
    let order = style.order.iter().map(|order| order.field);
    style
        .form
        .columns()
        .iter()
        .copied()
        .chain(order)
        .for_each(|field| lookups.add(field.lookups()));
    let duration = seconds.map(Duration::from_secs);
    Ok(WhyConfig {
        origin: origin(&args.recordings, &args.kernel_side)?,
        style: WhyStyle { seconds: seconds.filter(|_| is_live), ..style },
        duration: duration.filter(|_| !args.follow),
        every: duration.filter(|_| args.follow),
        bare_seconds: bare.filter(|_| subject.is_none() && is_live),
        options: args.kernel_side.with_all_figures(&filter)?,
        filter,
        arrangement,
        lookups,
    })
}

/// Whom the words name, and how long they say that the watch is.
fn words(args: &Why) -> Result<(Option<Subject>, Option<u64>), UsageError> {
    let (subject, more) = (args.subject.as_deref(), args.words.as_deref());
    let Some(first) = subject else { return Ok((None, None)) };
    let (subject, time) = match (first, more) {
        ("pid", Some(pid)) => (Some(process(pid)?), None),
        ("pid", None) => {
            return Err(UsageError("why pid: its number is missing, as pid:1234".to_owned()));
        }
        _ => match first.strip_prefix("pid:") {
            Some(pid) => (Some(process(pid)?), more),
            None if whole(first).is_some() => match more {
                None => (None, subject),
                Some(more) if whole(more).is_some() => {
                    let text = "a number alone is how long the watch is";
                    return Err(UsageError(format!(
                        "why {first} {more}: {text}; a process is pid:{first}"
                    )));
                }
                // The other way round.
                Some(more) => match more.strip_prefix("pid:") {
                    Some(pid) => (Some(process(pid)?), subject),
                    None => (Some(Subject::End(end(more)?)), subject),
                },
            },
            None => (Some(Subject::End(end(first)?)), more),
        },
    };
    let time = time.map(|text| bare_seconds(text, subject.is_some())).transpose()?;
    if let (Some(time), Some(option)) = (time, &args.seconds) {
        return Err(UsageError(format!(
            "why {time} --seconds {option}: both say how long the watch is; one is enough"
        )));
    }
    Ok((subject, time))
}

fn process(text: &str) -> Result<Subject, UsageError> {
    let pid = whole(text).and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| UsageError(format!("pid {text}: not a process id")));
    pid.map(Subject::Process)
}

fn end(text: &str) -> Result<EndpointFilter, UsageError> {
    text.parse().map_err(|_| {
        UsageError(format!(
            "why {text}: not seconds, nor a connection's end such as 10.0.0.1:443, \
             [2001:db8::1]:443 or :443, nor a process such as pid:1234"
        ))
    })
}

/// How long, where there is no option that says what the number is.
fn bare_seconds(text: &str, is_second: bool) -> Result<u64, UsageError> {
    let seconds = whole(text).filter(|seconds| (1..=TRACE_SECONDS_MOST).contains(seconds));
    match seconds {
        Some(seconds) if is_second || seconds <= BARE_SECONDS_MOST => Ok(seconds),
        Some(_) => Err(UsageError(format!(
            "why {text}: is that a process or a time? A process is pid:{text}, so long a watch \
             is --seconds {text}"
        ))),
        None => Err(UsageError(format!(
            "why {text}: not a whole number of seconds from 1 to {TRACE_SECONDS_MOST}"
        ))),
    }
}

/// Has the filter let nothing else pass. Returns what it is called.
fn name(subject: Subject, filter: &mut Filter) -> Result<String, UsageError> {
    match subject {
        Subject::End(end) => {
            filter.endpoint = Some(end);
            Ok(end.to_string())
        }
        Subject::Process(pid) if filter.pid.is_none_or(|asked| asked == pid) => {
            filter.pid = Some(pid);
            Ok(format!("process {pid}"))
        }
        Subject::Process(pid) => {
            Err(UsageError(format!("why pid:{pid}: --pid names another process; one is enough")))
        }
    }
}

fn style(
    args: &Why,
    page: Option<String>,
    key: Option<&[&'static tcpcong_core::model::Field]>,
    filter: &Filter,
) -> Result<WhyStyle, UsageError> {
    let columns = choice::verdict_columns(args.columns.as_ref())?;
    let order = choice::verdict_order(args.sort.as_ref())?;
    let is_page = page.is_some() && !args.follow;
    let text_only = |what: &str| {
        Err(UsageError(format!(
            "{what}: not where one connection or process is shown in depth; -L, -R, --laddr, \
             --raddr and --pid choose without that"
        )))
    };
    // What is shown in depth is put together of each second, of which these would choose.
    let refused = [
        ("--by", key.is_some()),
        ("--state", filter.state.is_some()),
        ("--min-time", filter.min_time_ns.is_some()),
        ("--min-changes", filter.min_changes.is_some()),
    ];
    if let Some((option, _)) = refused.iter().find(|(_, is_given)| is_page && *is_given) {
        return text_only(option);
    }
    let form = match (args.format.as_str(), columns) {
        ("json", columns) => WhyForm::Json(columns.unwrap_or_else(|| VerdictField::of_object(key))),
        ("csv", _) if is_page => return text_only("--format csv"),
        ("csv", columns) => WhyForm::Csv(columns.unwrap_or_else(|| VerdictField::usual(key))),
        (_, Some(_)) if is_page => return text_only("-o"),
        (_, Some(_)) if args.follow => {
            return Err(UsageError(
                "-o: with --follow only with --format csv or json: a line of text has what has \
                 changed"
                    .to_owned(),
            ));
        }
        (_, Some(columns)) => WhyForm::Columns(columns),
        (_, None) => WhyForm::Text,
    };
    Ok(WhyStyle {
        form,
        order,
        top: choice::top(args.top.as_ref())?,
        all: args.all,
        named: *filter != Filter::default(),
        page,
        follow: args.follow,
        seconds: None,
    })
}

#[cfg(test)]
#[path = "why_tests.rs"]
mod tests;
