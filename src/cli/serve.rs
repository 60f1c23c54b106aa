//! `tcpcong serve`: its options as they are typed, and the checked configuration made of them.
//! Not here: its file, which is `serve_file`'s.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as Group;

use super::args::Recordings;
use super::kernel_side::KernelSide;
use super::otlp::Otlp;
use super::show::{FILTERS, Filters, Ports};
use super::{Origin, UsageError, choice, config, record};
use crate::lines::{Given, LineOptions};
use crate::serve::http::Listen;
use crate::serve::metrics::LabelBy;
use crate::serve::otlp::{OtlpConfig, OtlpError};
use tcpcong_core::model::Filter;
use tcpcong_live::Options;

const WEB: &str = "Web";
const LABEL: &str = "Label";
const LINES: &str = "Lines into an engine";

/// Values of the label that `--by` adds, where nobody says how many there may be.
const LIMIT: &str = "100";
/// With more a scrape takes longer than scrapers wait.
const LIMIT_MOST: u64 = 10_000;

pub(super) const EXAMPLES: &str = "\
Examples:
  tcpcong serve            metrics at http://127.0.0.1:10044/metrics
  tcpcong serve --by unit  the same for each systemd unit
  tcpcong serve --web.listen-address :10044 --web.config.file web.yml
                           for other machines, with TLS and passwords
  tcpcong serve --otlp.endpoint http://localhost:4317
                           pushed to an OpenTelemetry receiver as well
  tcpcong serve --config.file /etc/tcpcong/tcpcong.toml --check
                           whether the file is right";

/// What to serve, and where.
#[derive(Debug, Group)]
pub struct Serve {
    /// File with options as keys, in TOML, as `by = 'unit'`; what is given on the command line
    /// counts before it. SIGHUP has it checked, and what `web.config.file` names read again
    #[arg(long = "config.file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Say whether the options, and the files that they name, are right, and exit
    #[arg(long)]
    pub check: bool,
    /// Addresses to listen at; without an address all of the machine's
    #[arg(
        long = "web.listen-address",
        value_name = "[ADDR]:PORT,...",
        value_delimiter = ',',
        default_value = "127.0.0.1:10044",
        help_heading = WEB
    )]
    pub listen: Vec<String>,
    /// File with TLS, passwords and limits, as Prometheus' exporters read it
    #[arg(long = "web.config.file", value_name = "FILE", help_heading = WEB)]
    pub web_config: Option<PathBuf>,
    /// Seconds from one look at all connections to the next, 0.1 or more; times by state are
    /// told each second
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, default_value = "10")]
    pub interval: String,
    /// Add a label: cgroup, unit, pod, prefix[/N[/N]] (of the remote address), lport (ports that
    /// somebody listens at), cc or netns
    #[arg(long, value_name = "KEY", help_heading = LABEL)]
    pub by: Option<String>,
    /// At most so many values of it; all others are in the value `other`
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        default_value = LIMIT,
        help_heading = LABEL
    )]
    pub by_limit: String,
    /// Where metrics are pushed to.
    #[command(flatten)]
    pub otlp: Otlp,
    /// Keep the last so long in memory, 256 MiB at most, for /hindsight and /why; 0 keeps nothing
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "60s")]
    pub hindsight: String,
    /// Write what happens as JSON lines: a file, unix:PATH or tcp:HOST:PORT of who takes them, -
    /// for stdout
    #[arg(long = "lines.to", value_name = "WHERE", help_heading = LINES)]
    pub lines_to: Option<String>,
    /// Which lines, of flows, transitions, verdicts [default: all]
    #[arg(long = "lines.of", value_name = "KIND,...", requires = "lines_to", help_heading = LINES)]
    pub lines_of: Option<String>,
    /// So much waits in memory while nobody takes it [default: 64M]
    #[arg(
        long = "lines.spool",
        value_name = "SIZE",
        allow_hyphen_values = true,
        requires = "lines_to",
        help_heading = LINES
    )]
    pub lines_spool: Option<String>,
    /// The host's name in each line [default: its own]
    #[arg(long = "lines.host", value_name = "NAME", requires = "lines_to", help_heading = LINES)]
    pub lines_host: Option<String>,
    /// Begin another file at this size, as 100M; those before get a number
    #[arg(
        long = "lines.max-size",
        value_name = "SIZE",
        allow_hyphen_values = true,
        requires = "lines_to",
        help_heading = LINES
    )]
    pub lines_max_size: Option<String>,
    /// Keep only so many of those before [default: all]
    #[arg(
        long = "lines.keep",
        value_name = "N",
        allow_hyphen_values = true,
        requires = "lines_to",
        help_heading = LINES
    )]
    pub lines_keep: Option<String>,
    /// Which ports.
    #[command(flatten)]
    pub ports: Ports,
    /// Local addresses to follow, one or a prefix
    #[arg(long, value_name = "ADDR[/N]", help_heading = FILTERS)]
    pub laddr: Option<String>,
    /// Remote addresses to follow, one or a prefix
    #[arg(long, value_name = "ADDR[/N]", help_heading = FILTERS)]
    pub raddr: Option<String>,
    /// Connections of this network namespace, by its present name or its inode number
    #[arg(long, value_name = "NAME|INODE", help_heading = FILTERS)]
    pub netns: Option<String>,
    /// How.
    #[command(flatten)]
    pub kernel_side: KernelSide,
    /// From where.
    #[command(flatten)]
    pub recordings: Recordings,
}

/// A run of `tcpcong serve`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ServeConfig {
    /// The command line that it was made of, to be read again with the file.
    pub line: Vec<OsString>,
    /// Nothing but checking is wanted.
    pub check: bool,
    /// From where.
    pub origin: Origin,
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// What says who may ask.
    pub web_config: Option<PathBuf>,
    /// From one report to the next.
    pub interval: Duration,
    /// What series are told apart by.
    pub label: LabelBy,
    /// How many values that may have.
    pub label_most: usize,
    /// Where metrics are pushed to, if they are.
    pub otlp: Option<OtlpConfig>,
    /// What is wrong where it is said how, and not where to.
    pub otlp_lack: Option<OtlpError>,
    /// So long is kept in memory, if anything is.
    pub hindsight: Option<Duration>,
    /// What is written as lines, and where, if anything is.
    pub lines: Option<LineOptions>,
    /// Which connections.
    pub filter: Filter,
    /// What the kernel side is told.
    pub options: Options,
}

pub(super) fn serve(args: Serve, line: Vec<OsString>) -> Result<ServeConfig, UsageError> {
    let lines = lines(&args)?;
    let Serve { laddr, raddr, netns, .. } = args;
    let filters = Filters { laddr, raddr, netns, ..Filters::default() };
    let filter = choice::filter(&args.ports, &filters)?;
    if args.recordings.from.is_some() && filter != Filter::default() {
        return Err(UsageError(
            "--from: not with -L, -R, --laddr, --raddr or --netns: what is served is all that was \
             recorded"
                .to_owned(),
        ));
    }
    let label = match args.by.as_deref() {
        None => LabelBy::Nothing,
        Some(by) => LabelBy::parse(by)
            .ok_or_else(|| UsageError(format!("--by {by}: not one of {}", LabelBy::NAMES)))?,
    };
    let options = args.kernel_side.with_all_figures(&filter)?;
    let (otlp, otlp_lack) = args.otlp.config()?;
    Ok(ServeConfig {
        line,
        check: args.check,
        origin: config::origin(&args.recordings, &args.kernel_side)?,
        listen: listen(&args.listen)?,
        web_config: args.web_config,
        interval: config::interval(&args.interval).map_err(|_| {
            let given = &args.interval;
            UsageError(format!("--interval {given}: not a number of seconds from 0.1 up"))
        })?,
        label,
        label_most: limit(&args.by_limit)?,
        otlp,
        otlp_lack,
        hindsight: match args.hindsight.as_str() {
            "0" | "0s" => None,
            length => Some(record::hindsight(length)?),
        },
        lines,
        options,
        filter,
    })
}

fn lines(args: &Serve) -> Result<Option<LineOptions>, UsageError> {
    let Some(to) = args.lines_to.as_deref() else { return Ok(None) };
    let given = Given {
        to,
        of: args.lines_of.as_deref(),
        spool: args.lines_spool.as_deref(),
        host: args.lines_host.as_deref(),
        max_size: args.lines_max_size.as_deref(),
        keep: args.lines_keep.as_deref(),
    };
    LineOptions::parse(&given).map(Some).map_err(UsageError)
}

/// Each where there is no other yet.
fn listen(texts: &[String]) -> Result<Vec<Listen>, UsageError> {
    let mut all: Vec<Listen> = Vec::with_capacity(texts.len());
    for text in texts {
        let next = address(text)?;
        if let Some(before) = all.iter().find(|before| before.overlaps(next)) {
            return Err(UsageError(format!(
                "--web.listen-address {text}: {before} is there as well, and both would listen at \
                 the same; leave one of them out"
            )));
        }
        all.push(next);
    }
    Ok(all)
}

/// An address with its port, or all addresses of the machine.
fn address(text: &str) -> Result<Listen, UsageError> {
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
        return Ok(Listen::All(port));
    }
    let text = text
        .strip_prefix("localhost:")
        .map_or_else(|| text.to_owned(), |port| format!("{}:{port}", Ipv4Addr::LOCALHOST));
    text.parse().map(Listen::At).map_err(|_| {
        UsageError(format!(
            "--web.listen-address {text}: not an address and port, such as 127.0.0.1:10044, \
             [::1]:10044 or :10044"
        ))
    })
}

fn limit(text: &str) -> Result<usize, UsageError> {
    config::whole(text)
        .filter(|most| (1..=LIMIT_MOST).contains(most))
        .and_then(|most| usize::try_from(most).ok())
        .ok_or_else(|| {
            UsageError(format!("--by-limit {text}: not a whole number from 1 to {LIMIT_MOST}"))
        })
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
