//! Which process has a socket, as far as /proc shows: of other users' processes it does so to
//! root alone. Not here: the choice between several, which `enrichment` makes.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use nix::unistd::{SysconfVar, sysconf};
use rustc_hash::FxHashMap;

use crate::enrichment::{Finder, OpenSocket};
use tcpcong_core::model::{Ledger, Lookups, Name, Process, Row};
use tcpcong_core::source::Enrichment;

/// The sockets that are known by the inode numbers of their files: what stands for the
/// kernel's address, and the cookie.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenInodes(Rc<RefCell<FxHashMap<u32, (u64, u64)>>>);

impl OpenInodes {
    /// The socket has this number in place of the one before; 0 is none.
    pub(super) fn set(&self, before: u32, now: u32, socket: (u64, u64)) {
        let mut inodes = self.0.borrow_mut();
        if before != 0 {
            inodes.remove(&before);
        }
        if now != 0 {
            inodes.insert(now, socket);
        }
    }

    fn get(&self, inode: u32) -> Option<(u64, u64)> {
        self.0.borrow().get(&inode).copied()
    }
}

/// What this machine tells of a flow's surroundings, without BPF.
#[derive(Debug)]
pub struct SampleLookups {
    /// Where owners are asked for.
    inodes: Option<OpenInodes>,
    finder: Finder,
}

impl SampleLookups {
    pub(super) fn new(inodes: Option<OpenInodes>) -> Self {
        Self { inodes, finder: Finder::default() }
    }
}

impl Enrichment for SampleLookups {
    fn maintain(&mut self, ledger: &Ledger) -> Result<()> {
        self.finder.keep_for(ledger);
        let Some(inodes) = &self.inodes else { return Ok(()) };
        self.finder.maintain(ledger, || Ok(open_sockets(inodes)))
    }

    fn identify(&mut self, rows: &mut [Row], lookups: Lookups, ledger: &Ledger) -> Result<()> {
        let open = || Ok(self.inodes.as_ref().map(open_sockets).unwrap_or_default());
        self.finder.identify(rows, lookups, ledger, open)
    }
}

/// Every process that may be looked at, with every TCP socket that it has and that is known.
fn open_sockets(inodes: &OpenInodes) -> Vec<OpenSocket> {
    let mut open = Vec::new();
    for folder in entries(Path::new("/proc")) {
        let name = folder.file_name().and_then(|name| name.to_str());
        let Some(pid) = name.and_then(|name| name.parse().ok()) else { continue };
        let mut sockets = entries(&folder.join("fd"))
            .filter_map(|file| inode(&fs::read_link(file).ok()?))
            .filter_map(|inode| inodes.get(inode))
            .peekable();
        if sockets.peek().is_none() {
            continue;
        }
        let comm = fs::read_to_string(folder.join("comm")).ok();
        let comm = comm.and_then(|comm| Name::from_text(comm.trim_end_matches('\n')));
        let process = Process { pid, comm };
        let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
        let started_ns = started_ns(&stat).unwrap_or(0);
        open.extend(sockets.map(|(socket, cookie)| OpenSocket {
            socket,
            cookie: Some(cookie),
            process,
            started_ns,
            listens: None,
        }));
    }
    open
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Of a link as `socket:[1234]`.
fn inode(link: &Path) -> Option<u32> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// When the process began, `CLOCK_BOOTTIME` nanoseconds (proc(5), `starttime`).
fn started_ns(stat: &str) -> Option<u64> {
    // A process may have any letter in its name.
    let (_, after_name) = stat.rsplit_once(')')?;
    let ticks: u64 = after_name.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let a_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    ticks.checked_mul(1_000_000_000 / a_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_goes_by_the_number_of_its_file() {
        assert_eq!(inode(Path::new("socket:[4567]")), Some(4567));
        for other in ["pipe:[4567]", "socket:[]", "/tmp/socket:[1]", "anon_inode:[eventpoll]"] {
            assert_eq!(inode(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn this_process_has_begun_before_now_whatever_its_name() {
        let stat = fs::read_to_string("/proc/self/stat").expect("this process");
        let began_ns = started_ns(&stat).expect("a time");
        assert!(began_ns <= crate::kernel::clock::boottime_ns());
        let (pid, rest) = stat.split_once(" (").expect("a name");
        let odd = format!("{pid} (a) 1 (b{rest}");
        assert_eq!(started_ns(&odd), Some(began_ns));
        assert_eq!(started_ns(""), None);
    }

    #[test]
    fn who_has_a_socket_open_is_found_by_its_number() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let link = {
            use std::os::fd::AsRawFd as _;
            fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("a link")
        };
        let inodes = OpenInodes::default();
        inodes.set(0, inode(&link).expect("a number"), (7, 8));
        let open = open_sockets(&inodes);
        let [OpenSocket { socket: 7, cookie: Some(8), process, .. }] = open[..] else {
            panic!("{open:?}")
        };
        assert_eq!(process.pid, std::process::id());
    }
}
