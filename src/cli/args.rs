//! The options as they are typed; `--help` and the man page come from here.
//! Values are still text: what they may be is checked in `config`.

use clap::{Args as Group, Parser, Subcommand};

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
  tcpcong demo             a lossy path of its own making, traced for 10 s";

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
    max_term_width = 100
)]
pub struct Args {
    /// Something else than tracing.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to trace.
    #[command(flatten)]
    pub trace: Trace,
}

/// How to trace.
#[derive(Debug, Group)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
pub struct Trace {
    /// Local ports to show, one or an inclusive range (filtered in the kernel)
    #[arg(short = 'L', long = "localport", value_name = "PORT[-PORT]", allow_hyphen_values = true)]
    pub lport: Option<String>,

    /// Remote ports to show, one or an inclusive range (filtered in the kernel)
    #[arg(
        short = 'R',
        long = "remoteport",
        value_name = "PORT[-PORT]",
        allow_hyphen_values = true
    )]
    pub rport: Option<String>,

    /// Print the time of day with each report
    #[arg(short = 'T', long)]
    pub timestamp: bool,

    /// Show how long the spells in each state were, as histograms
    #[arg(short = 'd', long = "dist")]
    pub dist: bool,

    /// Print times in microseconds instead of milliseconds
    #[arg(short = 'u', long)]
    pub microseconds: bool,

    /// Print the kernel program's source and end
    #[arg(long)]
    pub ebpf: bool,

    /// Print a table for people, or JSON lines for programs
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = ["table", "json"])]
    pub format: String,

    /// List connections that stayed in Open as well
    #[arg(long)]
    pub all: bool,

    /// Room for so many connections at a time; what does not fit is counted
    #[arg(long, value_name = "N", default_value = "262144", allow_hyphen_values = true)]
    pub max_flows: String,

    /// Seconds from one report to the next, 0.1 or more [default: one report, at Ctrl-C]
    pub interval: Option<String>,

    /// Number of reports [default: until Ctrl-C]
    pub outputs: Option<String>,
}

/// What there is besides tracing this machine.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Trace connections over a lossy path, all of its own making
    ///
    /// Makes two network namespaces and a router between them that drops,
    /// reorders, marks and falls silent, sends TCP traffic through it, and
    /// shows the table every second. Needs root and /dev/net/tun. Nothing of it
    /// touches the machine's own network, and nothing stays.
    Demo {
        /// How long
        #[arg(long, value_name = "N", default_value = "10", allow_hyphen_values = true)]
        seconds: String,

        /// Print times in microseconds instead of milliseconds
        #[arg(short = 'u', long)]
        microseconds: bool,
    },
}
