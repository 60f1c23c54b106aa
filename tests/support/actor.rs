//! Processes other than the test's own, with one connection each, that do as they are told.
//! Not the tool: `tool` runs that.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{Backlog, SockaddrStorage, bind, connect, listen};

use super::netns::Netns;

/// The test of this name in the same file calls [`act`] and is ignored otherwise.
const TEST: &str = "actor";
/// What an actor is told by its environment: its part, an address, a cgroup.
const PART: &str = "TCPCONG_TEST_PART";
const ADDRESS: &str = "TCPCONG_TEST_ADDRESS";
const CGROUP: &str = "TCPCONG_TEST_CGROUP";
/// How an actor's lines begin, wherever the test harness puts them.
const SAYS: &str = "actor says ";

/// A process that ends with this value; its heirs end with the connection. It goes by the
/// name of its part: `acceptor` and `listener` say where they listen, the latter never accepts;
/// `connector` says from where it connected; `mptcp-` before it makes it MPTCP.
pub(crate) struct Actor {
    child: Child,
    orders: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Actor {
    /// To be called on a thread in the namespace where it is to act.
    pub(crate) fn start(part: &str, address: SocketAddr, cgroup: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--exact", TEST, "--ignored", "--nocapture"]);
        command.env(PART, part).env(ADDRESS, address.to_string());
        if let Some(cgroup) = cgroup {
            command.env(CGROUP, cgroup);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no stdout")?);
        let orders = child.stdin.take().context("no stdin")?;
        Ok(Self { child, orders, lines })
    }

    pub(crate) fn within(
        netns: &Netns,
        part: &str,
        to: SocketAddr,
        cgroup: Option<&Path>,
    ) -> Result<Self> {
        netns.enter(|| Self::start(part, to, cgroup))?
    }

    pub(crate) fn pid(&self) -> u64 {
        self.child.id().into()
    }

    /// What it says next.
    pub(crate) fn says<T: FromStr>(&mut self) -> Result<T> {
        let mut line = String::new();
        while self.lines.read_line(&mut line)? > 0 {
            if let Some((_, said)) = line.split_once(SAYS) {
                return said.trim().parse().ok().with_context(|| format!("it says {said}"));
            }
            line.clear();
        }
        bail!("an actor has ended before its time")
    }

    pub(crate) fn order(&mut self, order: &str) -> Result<()> {
        Ok(writeln!(self.orders, "{order}")?)
    }

    /// Starts a process, `cat`, that has the socket as well, and returns its id.
    pub(crate) fn bequeath(&mut self) -> Result<u64> {
        self.order("bequeath")?;
        self.says()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // It may wait for a connection that never comes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an actor does; nothing in a process that is none.
pub(crate) fn act() -> Result<()> {
    let Ok(part) = std::env::var(PART) else { return Ok(()) };
    if let Some(cgroup) = std::env::var_os(CGROUP) {
        fs::write(Path::new(&cgroup).join("cgroup.procs"), "0").context("entering the cgroup")?;
    }
    fs::write("/proc/self/comm", &part)?;
    let address: SocketAddr = std::env::var(ADDRESS)?.parse()?;
    let is_mptcp = part.starts_with("mptcp");
    let mut listener = None;
    let mut socket = None;
    if part.ends_with("connector") {
        let connected = TcpStream::from(unconnected(address, is_mptcp)?);
        connect(connected.as_raw_fd(), &SockaddrStorage::from(address))?;
        println!("{SAYS}{}", connected.local_addr()?);
        socket = Some(connected);
    } else {
        let unbound = unconnected(address, is_mptcp)?;
        bind(unbound.as_raw_fd(), &SockaddrStorage::from(address))?;
        listen(&unbound, Backlog::new(16)?)?;
        let listening = TcpListener::from(unbound);
        println!("{SAYS}{}", listening.local_addr()?);
        if part.ends_with("acceptor") {
            socket = Some(listening.accept()?.0);
        } else {
            listener = Some(listening);
        }
    }
    let mut heirs = Vec::new();
    for order in std::io::stdin().lines() {
        match (order?.as_str(), &socket) {
            ("bequeath", Some(socket)) => {
                let socket = OwnedFd::from(socket.try_clone()?);
                // It reads what never comes, and ends with a complaint.
                let mut heir = Command::new("cat");
                heir.stdin(socket).stdout(Stdio::null()).stderr(Stdio::null());
                heirs.push(heir.spawn()?);
                println!("{SAYS}{}", heirs[heirs.len() - 1].id());
            }
            ("close", Some(_)) => socket = None,
            (order, _) => bail!("the order {order}"),
        }
    }
    drop(listener);
    Ok(())
}

/// A socket for TCP, or for MPTCP, whose number nix(3) has no name for.
#[allow(unsafe_code)]
fn unconnected(address: SocketAddr, is_mptcp: bool) -> Result<OwnedFd> {
    const IPPROTO_MPTCP: i32 = 262;
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let protocol = if is_mptcp { IPPROTO_MPTCP } else { libc::IPPROTO_TCP };
    // SAFETY: takes numbers, returns a new descriptor or an error.
    let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, protocol) };
    Errno::result(fd).context("making a socket")?;
    // SAFETY: it is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
