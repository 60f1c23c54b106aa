//! TCP Fast Open whose handshake is lost: the socket is in Loss before it is established.
//! Not ordinary handshakes: `waiting` has those.

use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, connect, setsockopt, socket,
    sockopt,
};
use nix::unistd::write;

use super::lossy::netem;
use super::scenario::Scene;
use super::support::lab::Lab;
use super::support::server::{Counts, Server};
use super::support::tool::pause;

const CLIENTS: usize = 3;
/// A child's state becomes Loss when its SYN-ACK timer fires the second time,
/// after 1 + 2 s (`tcp_fastopen_synack_timer()` of `net/ipv4/tcp_timer.c`).
const UNTIL_LOSS: Duration = Duration::from_millis(3400);
/// The next SYN or SYN-ACK comes up to four seconds later.
const UNTIL_OPEN: Duration = Duration::from_secs(10);

struct FastOpen {
    lab: Lab,
    server: Server,
}

impl Scene for FastOpen {
    fn play(&mut self) -> Result<()> {
        // The server's answers are lost, the data in the SYN is not.
        netem(&self.lab.router, "r0", "loss 100%")?;
        let address = self.server.address();
        let clients = self.lab.in_client(|| {
            (0..CLIENTS).map(|_| connect_with_data(address)).collect::<Result<Vec<_>>>()
        })??;
        pause(UNTIL_LOSS);
        netem(&self.lab.router, "r0", "delay 5ms")?;
        // Closed only once the handshake is through, as the data tells.
        pause(Duration::from_millis(4200));
        drop(clients);
        let closed = |counts: &Counts| counts.closed == CLIENTS;
        self.server.wait_until(UNTIL_OPEN, closed).map(drop)
    }

    fn ends(&self) -> Vec<SocketAddr> {
        vec![self.server.address()]
    }
}

pub(crate) fn fastopen() -> Result<Box<dyn Scene>> {
    let lab = Lab::new("tfo")?;
    // Data in the SYN without a cookie, and for every listener:
    // `tcp_fastopen` of Documentation/networking/ip-sysctl.rst.
    lab.client.sysctl("net.ipv4.tcp_fastopen", "5")?;
    lab.server.sysctl("net.ipv4.tcp_fastopen", "1538")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    Ok(Box::new(FastOpen { lab, server }))
}

/// A connection whose first data goes with its SYN.
fn connect_with_data(to: SocketAddr) -> Result<std::os::fd::OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, SockProtocol::Tcp)?;
    setsockopt(&socket, sockopt::TcpFastOpenConnect, &true).context("TCP_FASTOPEN_CONNECT")?;
    // It returns at once: the SYN goes out with the data.
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    write(&socket, &[0; 1000]).context("writing into the SYN")?;
    Ok(socket)
}
