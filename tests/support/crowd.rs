//! Many idle connections through a lab's router, all of which change state at once when told.
//! Not what is measured meanwhile.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, listen, socket,
};

use super::lab::Lab;
use super::tool::pause;
use super::traffic::{Dial, disconnect};

/// Longer than the first retransmission timeout, 200 ms and the path's few.
const SILENCE: Duration = Duration::from_millis(500);
/// Most come back within a second; those whose retransmission was lost in the
/// rush double their timeout.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A listener each for so many connections: `listen()` takes no longer queue.
const QUEUE: usize = 4000;
pub(crate) const FIRST_PORT: u16 = 7000;
/// Descriptors besides the connections'.
const OTHER_DESCRIPTORS: usize = 500;

/// Connections, until they are dropped.
#[derive(Debug)]
pub(crate) struct Crowd<'a> {
    lab: &'a Lab,
    near_ends: Vec<TcpStream>,
    // The far ends wait here for ever, so that they need no descriptors.
    _listeners: Vec<OwnedFd>,
}

impl<'a> Crowd<'a> {
    pub(crate) fn gather(lab: &'a Lab, count: usize) -> Result<Self> {
        raise_descriptor_limit(count + OTHER_DESCRIPTORS)?;
        // A probe before the timeout would put it off.
        lab.client.sysctl("net.ipv4.tcp_early_retrans", "0")?;
        let (mut near_ends, mut listeners) = (Vec::with_capacity(count), Vec::new());
        for port in FIRST_PORT.. {
            let address = SocketAddr::from((lab.server_v4(), port));
            listeners.push(lab.in_server(|| queue(address))??);
            let dial = Dial::to(address).congestion_control("cubic");
            for _ in 0..QUEUE.min(count - near_ends.len()) {
                near_ends.push(dial.connect(&lab.client, Duration::from_secs(5))?);
            }
            if near_ends.len() == count {
                break;
            }
        }
        Ok(Self { lab, near_ends, _listeners: listeners })
    }

    /// Has every connection go from Open to Loss and back, and returns when all are back.
    pub(crate) fn stir(&mut self) -> Result<()> {
        self.lab.silence(true)?;
        for near in &mut self.near_ends {
            near.write_all(b"?").context("writing into the silence")?;
        }
        // Nothing tells from outside that a retransmission timer has fired.
        pause(SILENCE);
        self.lab.silence(false)?;
        let deadline = Instant::now() + TIMEOUT;
        while self.unacknowledged()? > 0 {
            ensure!(Instant::now() < deadline, "connections do not come back after a silence");
            pause(Duration::from_millis(100));
        }
        Ok(())
    }

    /// How many connections have something in their send queue.
    fn unacknowledged(&self) -> Result<usize> {
        let sockets = self.lab.client.run("ss", &["-tnH", "state", "established"])?;
        // Recv-Q, Send-Q, local and remote end.
        let waits = |line: &&str| line.split_whitespace().nth(1) != Some("0");
        Ok(sockets.lines().filter(waits).count())
    }
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        for near in &self.near_ends {
            // Whoever is gone already needs it no more.
            let _ = disconnect(near);
        }
    }
}

/// A listener that keeps connections which nobody takes.
pub(crate) fn queue(address: SocketAddr) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Inet, SockType::Stream, flags, SockProtocol::Tcp)?;
    bind(listener.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&listener, Backlog::new(i32::try_from(QUEUE)?)?)?;
    Ok(listener)
}

fn raise_descriptor_limit(to: usize) -> Result<()> {
    // The soft limit only: the hard one may not be ours to raise.
    let (pid, limit) = (std::process::id().to_string(), format!("--nofile={to}:"));
    let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    let status = status.context("running prlimit")?;
    ensure!(status.success(), "prlimit {limit} for this process: {status}");
    Ok(())
}
