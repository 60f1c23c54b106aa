//! What is written where, checked. Not here: writing.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::{bytes, keep, max_size};
use tcpcong_core::model::{Field, Lookups, field};

/// The room for lines in memory where nobody says, bytes.
const SPOOL: u64 = 64 << 20;
/// The least and the most of it, bytes.
const SPOOL_LEAST: u64 = 64 << 10;
const SPOOL_MOST: u64 = 64 << 30;
/// `struct sockaddr_un` (unix(7)), with the zero at its end.
const SOCKET_PATH_MOST: usize = 107;
/// As long as Linux lets a host's name be is 64; a DNS name may be longer.
const HOST_MOST: usize = 255;

/// What flows have beside what `--format json` gives unasked: what an engine's questions
/// need. The service looks at the sockets each interval anyway.
const MORE_OF_FLOWS: [&str; 14] = [
    "prefix",
    "busy",
    "rwnd_limited",
    "sndbuf_limited",
    "delivered",
    "retrans",
    "waited",
    "waited_loss",
    "acked_bytes",
    "received_bytes",
    "rate",
    "rtt",
    "rtt_min",
    "cwnd",
];

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// stdout.
    Stdout,
    /// A file.
    File(PathBuf),
    /// A Unix stream socket that somebody listens on.
    Unix(PathBuf),
    /// A TCP port: `HOST:PORT`, a name or an address, that of IPv6 in brackets.
    Tcp(String),
}

/// Which lines are written, beside those of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// A line for each connection in each interval.
    pub flows: bool,
    /// A line for each transition.
    pub transitions: bool,
    /// A line for each verdict that is not calm.
    pub verdicts: bool,
}

/// When another file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// No file is larger, bytes.
    pub bytes: u64,
    /// So many of those before are kept; without it all.
    pub keep: Option<u32>,
}

/// How lines are written, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineOptions {
    /// Where.
    pub to: Target,
    /// Which.
    pub of: Kinds,
    /// What each line has as `host`.
    pub host: String,
    /// So much waits in memory while nobody takes it, bytes.
    pub spool_bytes: u64,
    /// When another file begins; without it there is one.
    pub rotation: Option<Rotated>,
}

/// The same as a person wrote it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'g> {
    /// `--lines.to`.
    pub to: &'g str,
    /// `--lines.of`.
    pub of: Option<&'g str>,
    /// `--lines.spool`.
    pub spool: Option<&'g str>,
    /// `--lines.host`.
    pub host: Option<&'g str>,
    /// `--lines.max-size`.
    pub max_size: Option<&'g str>,
    /// `--lines.keep`.
    pub keep: Option<&'g str>,
}

impl LineOptions {
    /// Checks it. The error is one line that says what is wrong, and what would be right.
    pub fn parse(given: &Given<'_>) -> Result<Self, String> {
        let to = Target::parse(given.to)?;
        Ok(Self {
            of: given.of.map_or(Ok(Kinds::ALL), Kinds::parse)?,
            host: given.host.map_or_else(this_host, |host| checked_host(host, "--lines.host"))?,
            spool_bytes: given.spool.map_or(Ok(SPOOL), spool)?,
            rotation: rotation(given, &to)?,
            to,
        })
    }

    /// The columns that flows have.
    #[must_use]
    pub fn flow_columns() -> Vec<&'static Field> {
        let more = MORE_OF_FLOWS.iter().filter_map(|name| field(name));
        crate::view::JsonView::default_columns().into_iter().chain(more).collect()
    }

    /// What must be looked up for the lines.
    #[must_use]
    pub fn lookups(&self) -> Lookups {
        Lookups::ALL
    }
}

impl Target {
    fn parse(text: &str) -> Result<Self, String> {
        let refused = |why: &str| Err(format!("--lines.to {text}: {why}"));
        if text == "-" {
            return Ok(Self::Stdout);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.len() {
                0 => refused("no path of a socket, such as unix:/run/vector/tcpcong.sock"),
                1..=SOCKET_PATH_MOST => Ok(Self::Unix(path.into())),
                _ => refused("a socket's path has 107 bytes at most"),
            };
        }
        if let Some(address) = text.strip_prefix("tcp:") {
            if is_address(address) {
                return Ok(Self::Tcp(address.to_owned()));
            }
            return refused("not tcp:HOST:PORT, such as tcp:127.0.0.1:5170 or tcp:[::1]:5170");
        }
        // A file may be called so, but nobody who wrote this meant one.
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        let others = ["udp", "http", "https", "tls", "file", "unixgram"];
        if scheme.is_some_and(|scheme| others.contains(&scheme)) || text.is_empty() {
            return refused("not one of -, a file's path, unix:PATH and tcp:HOST:PORT");
        }
        if Path::new(text).is_dir() || text.ends_with('/') {
            return refused("it is a folder; name a file in it");
        }
        Ok(Self::File(text.into()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => formatter.write_str("stdout"),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Tcp(address) => write!(formatter, "tcp:{address}"),
        }
    }
}

impl Kinds {
    /// All that there are.
    pub const ALL: Self = Self { flows: true, transitions: true, verdicts: true };
    /// None of them.
    pub const NONE: Self = Self { flows: false, transitions: false, verdicts: false };

    fn parse(text: &str) -> Result<Self, String> {
        let mut of = Self { flows: false, transitions: false, verdicts: false };
        for word in text.split(',') {
            match word.trim() {
                "flows" => of.flows = true,
                "transitions" => of.transitions = true,
                "verdicts" => of.verdicts = true,
                other => {
                    return Err(format!(
                        "--lines.of {text}: '{other}' is none of flows, transitions and verdicts"
                    ));
                }
            }
        }
        Ok(of)
    }
}

/// A name or an address, and a port.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = if let Some(address) = bare {
        address.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        let is_of_name = |letter: char| letter.is_alphanumeric() || "-._".contains(letter);
        !host.is_empty() && host.chars().all(is_of_name)
    };
    is_port && is_host
}

fn spool(text: &str) -> Result<u64, String> {
    bytes(text)
        .filter(|bytes| (SPOOL_LEAST..=SPOOL_MOST).contains(bytes))
        .ok_or_else(|| format!("--lines.spool {text}: not a size from 64K to 64G, such as 64M"))
}

fn rotation(given: &Given<'_>, to: &Target) -> Result<Option<Rotated>, String> {
    let is_file = matches!(to, Target::File(_));
    let of_files = [("--lines.max-size", given.max_size), ("--lines.keep", given.keep)];
    if let Some((option, _)) = of_files.iter().find(|(_, given)| given.is_some() && !is_file) {
        return Err(format!("{option}: only where --lines.to is a file"));
    }
    let said = |error: crate::cli::UsageError| error.to_string();
    match (given.max_size, given.keep) {
        (None, Some(_)) => {
            Err("--lines.keep: only with --lines.max-size, which says when a file ends".to_owned())
        }
        (None, None) => Ok(None),
        (Some(size), number) => {
            let number = number.map(|number| keep("--lines.keep", number)).transpose();
            let bytes = max_size("--lines.max-size", size).map_err(said)?;
            Ok(Some(Rotated { bytes, keep: number.map_err(said)? }))
        }
    }
}

fn checked_host(host: &str, from: &str) -> Result<String, String> {
    let is_name = !host.is_empty() && host.len() <= HOST_MOST && !host.contains(char::is_control);
    if is_name {
        return Ok(host.to_owned());
    }
    Err(format!("{from} {host:?}: not a name of 1 to {HOST_MOST} bytes, such as web-1"))
}

/// As uname(2) gives it.
fn this_host() -> Result<String, String> {
    let file = "/proc/sys/kernel/hostname";
    let name = fs::read_to_string(file)
        .map_err(|error| format!("{file}: {error}; --lines.host says which host this is"))?;
    checked_host(name.trim_end_matches('\n'), "the host's name,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(text: &str) -> Result<Target, String> {
        LineOptions::parse(&Given { to: text, ..Given::default() }).map(|options| options.to)
    }

    #[test]
    fn lines_go_to_stdout_a_file_or_a_socket() {
        assert_eq!(to("-"), Ok(Target::Stdout));
        assert_eq!(to("/var/log/lines.jsonl"), Ok(Target::File("/var/log/lines.jsonl".into())));
        assert_eq!(to("unix:/run/x.sock"), Ok(Target::Unix("/run/x.sock".into())));
        for address in ["127.0.0.1:5170", "[::1]:5170", "vector.internal:9000"] {
            assert_eq!(to(&format!("tcp:{address}")), Ok(Target::Tcp(address.to_owned())));
        }
    }

    #[test]
    fn what_is_not_right_is_said_in_one_line() {
        let rotated = Given { to: "a.jsonl", max_size: Some("1M"), ..Given::default() };
        let long = format!("unix:/{}", "x".repeat(107));
        let wrong = [
            (Given { to: "", ..rotated }, "--lines.to : not one of -, "),
            (Given { to: "unix:", ..rotated }, "--lines.to unix:: no path of a socket"),
            (Given { to: &long, ..rotated }, "--lines.to unix:/xxx"),
            (Given { to: "tcp:5170", ..rotated }, "--lines.to tcp:5170: not tcp:HOST:PORT"),
            (Given { to: "tcp:a:0", ..rotated }, "--lines.to tcp:a:0: not tcp:HOST:PORT"),
            (Given { to: "tcp:::1:5170", ..rotated }, "--lines.to tcp:::1:5170: not tcp:HOST"),
            (Given { to: "udp:a:1", ..rotated }, "--lines.to udp:a:1: not one of -"),
            (Given { to: "/tmp", ..rotated }, "--lines.to /tmp: it is a folder"),
            (Given { of: Some("flow"), ..rotated }, "--lines.of flow: 'flow' is none of flows,"),
            (Given { spool: Some("1K"), ..rotated }, "--lines.spool 1K: not a size from 64K"),
            (Given { host: Some(""), ..rotated }, "--lines.host \"\": not a name of 1 to 255"),
            (Given { host: Some("a\nb"), ..rotated }, "--lines.host \"a\\nb\": not a name"),
            (Given { max_size: Some("1"), ..rotated }, "--lines.max-size 1: not a size from 4K"),
            (Given { keep: Some("0"), ..rotated }, "--lines.keep 0: not a whole number of files"),
            (Given { max_size: None, keep: Some("3"), ..rotated }, "--lines.keep: only with"),
            (Given { to: "-", ..rotated }, "--lines.max-size: only where --lines.to is a file"),
        ];
        for (given, begins) in wrong {
            let said = LineOptions::parse(&given).expect_err(begins);
            assert!(said.starts_with(begins) && !said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn what_is_not_said_is_all_kinds_this_host_and_64_mib() {
        let options = LineOptions::parse(&Given { to: "-", ..Given::default() }).expect("right");
        assert_eq!((options.of, options.spool_bytes), (Kinds::ALL, 64 << 20));
        let name = nix::sys::utsname::uname().expect("a name").nodename().to_owned();
        assert_eq!(options.host, name.to_string_lossy());
        let some = Given { to: "-", of: Some("flows, verdicts"), ..Given::default() };
        let of = LineOptions::parse(&some).expect("right").of;
        assert_eq!(of, Kinds { flows: true, transitions: false, verdicts: true });
    }

    #[test]
    fn flows_have_each_column_once() {
        let columns = LineOptions::flow_columns();
        let mut keys: Vec<_> = columns.iter().map(|field| field.key()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), columns.len());
        assert!(MORE_OF_FLOWS.iter().all(|name| field(name).is_some()));
    }
}
