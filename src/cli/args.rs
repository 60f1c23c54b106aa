//! The options as they are typed; `--help` and the man page come from here.
//! Values are still text: what they may be is checked in `config`.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};

use super::completions::Completions;
use super::demo::Demo;
use super::diff::Diff;
use super::export::Export;
use super::kernel_side::KernelSide;
use super::moment::Part;
use super::report::Report;
#[cfg(feature = "serve")]
use super::serve::Serve;
use super::show::{FILTERS, Filters, Ports, Show};
use super::top::Top;
use super::why::Why;

pub(super) const RECORDINGS: &str = "Recordings";
const EXTENT: &str = "Part of it";

const EXIT_CODES: &str = "\
Exit codes:
  0  done, also after Ctrl-C
  1  failed
  2  wrong usage
  3  this system cannot load or attach the programs";

const LEGEND: &str = "\
Columns:
  FROM, TO  the state before the transition and the state after it; both are
            Loss where the retransmission timer expired again
  SPELL_MS  how long the connection was in FROM; with ~ before it the
            beginning was not seen, so it was longer, or that is an
            estimate (--attach sample)
With -o wide also:
  CWND      congestion window, segments, before→after; ? is not known
  SSTHRESH  slow start threshold, segments, before→after; - is not known or
            without bound
  SRTT_MS   smoothed round-trip time
  INFL      segments in flight
  LOST      segments marked as lost
  RETR      segments retransmitted and not yet acknowledged";

const EXAMPLES: &str = "\
Examples:
  tcpcong                  times since the start, at Ctrl-C
  tcpcong 1 10             a report every second, 10 times
  tcpcong 0.5              a report every half second
  tcpcong -L 3000-3006 1   local ports 3000 to 3006 only
  tcpcong -R 443 1         remote port 443 only
  tcpcong -uT 1            microseconds, and the time of day
  tcpcong -d               how long the spells in each state were
  tcpcong --format json 1  JSON lines
  tcpcong --state loss 1   connections in Loss, usually after a timeout
  tcpcong --by prefix --sort loss --top 10 5
                           the ten remote networks with the most time in Loss
  tcpcong -o raddr,loss,comm 1
                           these columns only
  tcpcong --attach kprobe  by kprobes, whatever else the kernel has
  tcpcong top              a live screen, the worst connections first
  tcpcong record -o a.jsonl.zst
                           record all that happens, until Ctrl-C
  tcpcong --from a.jsonl.zst 1
                           the same reports of that
  tcpcong diff a.jsonl.zst b.jsonl.zst
                           how another recording differs from it
  tcpcong demo             connections over a lossy path that it makes itself
  tcpcong help trace       help on trace";

/// How long every TCP connection of this machine spends in each congestion
/// state.
///
/// Shows for each TCP connection how long it was in the congestion states Open,
/// Disorder (Dod), Recovery (Rcov), CWR (Cwr) and Loss (Los) in each interval,
/// and how often it changed (Chgs). Every moment of a connection's life is in
/// exactly one column. Connections that stayed in Open are not listed.
#[derive(Debug, Parser)]
#[command(
    name = "tcpcong",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    infer_long_args = true,
    allow_negative_numbers = true,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    max_term_width = 100
)]
pub struct Args {
    /// Something else than tracing.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to report, and how.
    #[command(flatten)]
    pub reports: Reports,
}

/// From where, and where to besides.
#[derive(Debug, Default, Group)]
pub struct Recordings {
    /// Read a recording instead of this machine's kernel; - is stdin
    #[arg(long, value_name = "FILE", help_heading = RECORDINGS)]
    pub from: Option<PathBuf>,
    /// With --from: this many times as fast as it was, 1 as it was [default: at once]
    #[arg(
        long,
        value_name = "TIMES",
        requires = "from",
        allow_hyphen_values = true,
        help_heading = RECORDINGS
    )]
    pub speed: Option<String>,
    /// Which part of it.
    #[command(flatten)]
    pub part: Part,
    /// Make a recording as well
    #[arg(long, value_name = "FILE", conflicts_with = "from", help_heading = RECORDINGS)]
    pub record: Option<PathBuf>,
}

/// What to report, and how.
#[derive(Debug, Group)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
pub struct Reports {
    /// Which ports.
    #[command(flatten)]
    pub ports: Ports,

    /// Print the time of day with each report
    #[arg(short = 'T', long)]
    pub timestamp: bool,

    /// Print histograms of how long connections stayed in each state
    #[arg(short = 'd', long = "dist")]
    pub dist: bool,

    /// Print times in microseconds instead of milliseconds
    #[arg(short = 'u', long)]
    pub microseconds: bool,

    /// Print the source of the BPF programs and exit
    #[arg(long)]
    pub ebpf: bool,

    /// Print a table for people, or JSON lines or comma-separated values for
    /// programs
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        value_parser = ["table", "json", "csv"]
    )]
    pub format: String,

    /// List connections that stayed in Open as well
    #[arg(long)]
    pub all: bool,

    /// How.
    #[command(flatten)]
    pub kernel_side: KernelSide,

    /// What is shown.
    #[command(flatten)]
    pub show: Show,
    /// From where.
    #[command(flatten)]
    pub recordings: Recordings,

    /// Seconds from one report to the next, 0.1 or more [default: one report, at Ctrl-C]
    pub interval: Option<String>,

    /// Number of reports [default: until Ctrl-C]
    pub outputs: Option<String>,
}

/// How to trace transitions one by one.
#[derive(Debug, Group)]
pub struct Transitions {
    /// Which ports.
    #[command(flatten)]
    pub ports: Ports,
    /// How long [default: until Ctrl-C]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub seconds: Option<String>,
    /// Print a table for people, or JSON lines or comma-separated values for programs
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        value_parser = ["table", "json", "csv"]
    )]
    pub format: String,
    /// Columns to show after the time, in this order, in any format; "wide" for a table
    /// with sizes and addresses; "-o help" lists them
    #[arg(short = 'o', long, value_name = "COLUMN,...")]
    pub columns: Option<String>,
    /// How.
    #[command(flatten)]
    pub kernel_side: KernelSide,
    /// Which lines.
    #[command(flatten)]
    pub filters: Filters,
    /// From where.
    #[command(flatten)]
    pub recordings: Recordings,
}

/// What to record.
#[derive(Debug, Group)]
pub struct Record {
    /// File to write, as NAME.jsonl.zst; - is stdout
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub to: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Begin another file at this size, as 100M; those before get a number, NAME.1.jsonl.zst the
    /// last one
    #[arg(
        long,
        value_name = "SIZE",
        allow_hyphen_values = true,
        conflicts_with = "hindsight",
        help_heading = EXTENT
    )]
    pub max_size: Option<String>,
    /// With --max-size: keep only so many of those before [default: all]
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        requires = "max_size",
        help_heading = EXTENT
    )]
    pub keep: Option<String>,
    /// Write nothing but the last so long, as 60s, from memory: at SIGUSR1, and --when
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = EXTENT)]
    pub hindsight: Option<String>,
    /// With --hindsight: write it also when this holds of a connection in a second, as 'loss >
    /// 500ms and comm = nginx'; columns are those of -o, compared by > >= < <= = !=
    #[arg(
        long,
        value_name = "CONDITION",
        allow_hyphen_values = true,
        requires = "hindsight",
        help_heading = EXTENT
    )]
    pub when: Option<String>,
    /// How long [default: until Ctrl-C]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub seconds: Option<String>,
    /// Which ports.
    #[command(flatten)]
    pub ports: Ports,
    /// Local addresses to record, one or a prefix
    #[arg(long, value_name = "ADDR[/N]", help_heading = FILTERS)]
    pub laddr: Option<String>,
    /// Remote addresses to record, one or a prefix
    #[arg(long, value_name = "ADDR[/N]", help_heading = FILTERS)]
    pub raddr: Option<String>,
    /// How.
    #[command(flatten)]
    pub kernel_side: KernelSide,
}

/// What there is besides tracing this machine.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show each transition as it happens, with its cause
    ///
    /// One line for each transition, and for each further retransmission timeout
    /// in Loss: from which state to which, the cause, how long the connection was
    /// in the state that it left; with -o wide also the congestion window and slow start threshold before and after
    /// (segments), the smoothed round-trip time, and the segments in flight, lost
    /// and retransmitted. Lines that come too fast to be printed are dropped and
    /// counted. Filters apply to each line.
    #[command(
        mut_arg("min_changes", |arg| arg.hide(true)),
        mut_arg("state", |arg| arg.help(
            "Transitions from or to one of these states: open, disorder, cwr, recovery, loss \
             (filtered afterwards)"
        )),
        mut_arg("min_time", |arg| arg.help(
            "Transitions that ended a spell of at least this length: 50ms, 1s, 500us (filtered \
             afterwards)"
        )),
        after_help = LEGEND
    )]
    Trace(Box<Transitions>),
    /// Watch for a while, then say what holds connections up, the worst first
    ///
    /// Each connection, or group of them with --by, gets a verdict, such as path full, path
    /// loss, receiver window, slow reader or outage; because of what; what it rests on and how
    /// far it can be relied on; and what to look at next. Those that nothing holds up are
    /// summed up in a line. One connection or process that is named is shown in depth.
    /// docs/why.md has the rules.
    #[command(
        after_help = super::why::EXAMPLES,
        mut_arg("state", |arg| arg.help(
            "Connections that spent time in one of these states meanwhile, or are in one at the \
             end: open, disorder, cwr, recovery, loss (filtered afterwards)"
        )),
        mut_arg("min_time", |arg| arg.help(
            "Connections that spent at least this long outside Open meanwhile, or with --state in \
             those states: 50ms, 1s, 500us (filtered afterwards)"
        )),
        mut_arg("min_changes", |arg| arg.help(
            "Connections that made at least so many transitions meanwhile (filtered afterwards)"
        ))
    )]
    Why(Box<Why>),
    /// Look at connections live: the worst first, each with its states as a band
    ///
    /// A screen of the connections that are not quiet, every second: a bar of the time in
    /// each state, the state now and for how long, window and round-trip time, and a band of
    /// the last intervals. Enter opens one: its life, charts, its last transitions with their
    /// causes, the verdict on it. Space freezes the screen; the arrows then step back through
    /// the last intervals. ? shows the keys. docs/top.md has all of it.
    Top(Box<Top>),
    /// Record all that happens in a file, to be looked at later and elsewhere
    ///
    /// The file has every transition with all its figures, every birth and end, and whose
    /// the connections are, as JSON lines in zstd frames: `tcpcong --from FILE`, `tcpcong
    /// trace --from FILE` and `tcpcong why --from FILE` read it, with any interval, filter,
    /// group and format, and so does what reads JSON lines. It can be read while it is
    /// written. docs/recording.md describes it.
    Record(Box<Record>),
    /// Make a page of a recording, to be looked at in a browser
    ///
    /// The page shows each connection's life as a band of its states, with causes and figures,
    /// charts of its windows and round-trip time, how long spells were, and a verdict on each
    /// connection. It is one file that is complete in itself: it asks nothing of any network,
    /// and can be sent to others.
    #[command(
        mut_arg("min_changes", |arg| arg.hide(true)),
        mut_arg("state", |arg| arg.hide(true)),
        mut_arg("min_time", |arg| arg.hide(true))
    )]
    Report(Box<Report>),
    /// Serve metrics for Prometheus, for as long as it runs
    ///
    /// Times by congestion state, transitions with their causes, lengths of spells, what was
    /// sent and what could not be seen, in Prometheus' formats: docs/metrics.md lists all.
    /// /flows, /why and /hindsight lead from there to the connection, for clients on this
    /// machine and for those that authenticate. Runs until SIGTERM or Ctrl-C.
    #[cfg(feature = "serve")]
    #[command(after_help = super::serve::EXAMPLES)]
    Serve(Box<Serve>),
    /// Compare two recordings: how B differs from A, and whether that may be chance
    ///
    /// Time in each state, rates of transitions, timeouts and causes, lengths of spells,
    /// what was sent, windows and round-trip times: what each is in A and in B, how large
    /// the difference is, and how often chance alone would make as large a one. docs/diff.md
    /// says what each figure means.
    #[command(
        mut_arg("state", |arg| arg.help(
            "Connections that spent time in one of these states, or are in one at the end: open, \
             disorder, cwr, recovery, loss"
        )),
        mut_arg("min_time", |arg| arg.help(
            "Connections that spent at least this long outside Open, or with --state in those \
             states: 50ms, 1s, 500us"
        )),
        mut_arg("min_changes", |arg| arg.help(
            "Connections that made at least so many transitions"
        ))
    )]
    Diff(Box<Diff>),
    /// Write what a recording has as a Perfetto trace or as comma-separated values
    ///
    /// A Perfetto trace has a track for each connection, grouped by process or remote host,
    /// a slice for each spell with its cause, and counters for the congestion window, slow
    /// start threshold, round-trip time and rate: open it in ui.perfetto.dev. Comma-separated
    /// values have a line for each spell, or for each time that a socket was looked at.
    /// docs/export.md describes both.
    #[command(
        mut_arg("min_changes", |arg| arg.hide(true)),
        mut_arg("state", |arg| arg.hide(true)),
        mut_arg("min_time", |arg| arg.hide(true))
    )]
    Export(Box<Export>),
    /// Trace connections over a lossy path that it makes itself
    ///
    /// Makes two network namespaces and a router between them that drops, reorders
    /// and ECN-marks packets and at times drops everything, sends TCP traffic through
    /// it, and shows the table every second; with --case, one connection to which one thing
    /// happens, and the verdicts on both its ends. Needs root and /dev/net/tun. Nothing of it
    /// touches the machine's own network, and nothing of it is left behind.
    Demo(Demo),
    /// Print a script that has a shell complete options and commands
    ///
    /// bash, for this shell alone: `source <(tcpcong completions bash)`; for good, with
    /// bash-completion: write it to /usr/share/bash-completion/completions/tcpcong. zsh: write
    /// it to a file `_tcpcong` in a folder of $fpath. fish: write it to
    /// ~/.config/fish/completions/tcpcong.fish.
    Completions(Completions),
}
