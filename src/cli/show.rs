//! The options that choose what is shown, as they are typed: rows, columns,
//! groups, order. Values are still text: `choice` checks them.

use clap::Args as Group;

pub(super) const FILTERS: &str = "Filters";
const SHOWN: &str = "Columns, groups and order";

/// Which connections, by port.
#[derive(Debug, Default, Group)]
pub struct Ports {
    /// Local ports to show, one or an inclusive range (filtered in the kernel)
    #[arg(
        short = 'L',
        long = "localport",
        value_name = "PORT[-PORT]",
        allow_hyphen_values = true,
        help_heading = FILTERS
    )]
    pub lport: Option<String>,

    /// Remote ports to show, one or an inclusive range (filtered in the kernel)
    #[arg(
        short = 'R',
        long = "remoteport",
        value_name = "PORT[-PORT]",
        allow_hyphen_values = true,
        help_heading = FILTERS
    )]
    pub rport: Option<String>,
}

/// Which rows.
#[derive(Debug, Default, Group)]
pub struct Filters {
    /// Local addresses to show, one or a prefix (filtered in the kernel)
    #[arg(long, value_name = "ADDR[/N]", help_heading = FILTERS)]
    pub laddr: Option<String>,

    /// Remote addresses to show, one or a prefix (filtered in the kernel)
    #[arg(long, value_name = "ADDR[/N]", help_heading = FILTERS)]
    pub raddr: Option<String>,

    /// Connections that spent time in one of these states in the interval, or
    /// are in one at its end: open (as with --all), disorder, cwr, recovery, loss
    /// (filtered afterwards)
    #[arg(long, value_name = "STATE[,STATE]", help_heading = FILTERS)]
    pub state: Option<String>,

    /// Connections that spent at least this long outside Open in the interval,
    /// or with --state in those states: 50ms, 1s, 500us (filtered afterwards)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = FILTERS)]
    pub min_time: Option<String>,

    /// Connections that made at least so many transitions in the interval
    /// (filtered afterwards)
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = FILTERS)]
    pub min_changes: Option<String>,

    /// Connections of this process (filtered afterwards)
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = FILTERS)]
    pub pid: Option<String>,

    /// Connections of processes of this name, compared by its first 15
    /// bytes (filtered afterwards)
    #[arg(long, value_name = "NAME", help_heading = FILTERS)]
    pub comm: Option<String>,

    /// Connections with this congestion control (filtered afterwards,
    /// as it may change in mid-life)
    #[arg(long, value_name = "NAME", help_heading = FILTERS)]
    pub cc: Option<String>,

    /// Connections of this cgroup and of those below it, as
    /// /system.slice/nginx.service (filtered afterwards, as a unit that is
    /// restarted has a new cgroup of the same path)
    #[arg(long, value_name = "PATH", help_heading = FILTERS)]
    pub cgroup: Option<String>,

    /// Connections of this network namespace, by its present name or its inode
    /// number (filtered in the kernel)
    #[arg(long, value_name = "NAME|INODE", help_heading = FILTERS)]
    pub netns: Option<String>,
}

/// Which rows, and what of them.
#[derive(Debug, Default, Group)]
pub struct Show {
    /// Which rows.
    #[command(flatten)]
    pub filters: Filters,

    /// Columns to show, in this order, in any format; "-o help" lists them
    #[arg(short = 'o', long, value_name = "COLUMN,...", help_heading = SHOWN)]
    pub columns: Option<String>,

    /// Group connections by a key: raddr, laddr, prefix[/N[/N]] (of the remote
    /// address, by default /24 of IPv4 and /64 of IPv6), lport, rport, cgroup,
    /// unit, container, pod, process, cc or netns
    #[arg(long, value_name = "KEY", help_heading = SHOWN)]
    pub by: Option<String>,

    /// Order by a column: numbers largest first, texts from A to Z; +COLUMN smallest
    /// first, -COLUMN largest first
    #[arg(long, value_name = "[+|-]COLUMN", allow_hyphen_values = true, help_heading = SHOWN)]
    pub sort: Option<String>,

    /// List only the first N connections or groups of each report
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = SHOWN)]
    pub top: Option<String>,

    /// Print below each report how often each state followed each other one
    #[arg(long, help_heading = SHOWN)]
    pub matrix: bool,

    /// Print below each report the N longest spells outside Open, ongoing ones
    /// included
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = SHOWN)]
    pub spells: Option<String>,

    /// Colour in the tables of -o and --by
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        value_parser = ["auto", "always", "never"],
        help_heading = SHOWN
    )]
    pub color: String,
}
