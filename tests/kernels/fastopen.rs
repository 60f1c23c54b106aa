//! TCP Fast Open whose handshake is lost: the socket is in Loss before it is established.
//! Not ordinary handshakes: `waiting` has those.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::lossy::netem;
use super::scenario::Scene;
use super::support::lab::Lab;
use super::support::netns::Netns;
use super::support::server::{Counts, Server};
use super::support::tool::pause;
use super::support::traffic::Dial;

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
        let dial = Dial::to(self.server.address()).fast_open();
        let connect = |_| -> Result<_> {
            let mut stream = dial.connect(&self.lab.client, UNTIL_OPEN)?;
            stream.write_all(&[0; 1000]).context("writing into the SYN")?;
            Ok(stream)
        };
        let clients = (0..CLIENTS).map(connect).collect::<Result<Vec<_>>>()?;
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

/// Data in the SYN, which the server knows nothing of.
struct Refused {
    lab: Lab,
    server: Server,
}

impl Scene for Refused {
    fn play(&mut self) -> Result<()> {
        let dial = Dial::to(self.server.address()).fast_open();
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut stream = dial.connect(&self.lab.client, UNTIL_OPEN)?;
            stream.write_all(&[0; 1000]).context("writing into the SYN")?;
            clients.push(stream);
        }
        let all_read = |counts: &Counts| counts.read_bytes >= 1000 * CLIENTS as u64;
        self.server.wait_until(UNTIL_OPEN, all_read).map(drop)
    }

    fn ends(&self) -> Vec<SocketAddr> {
        vec![self.server.address()]
    }

    fn client(&self) -> Option<&Netns> {
        Some(&self.lab.client)
    }
}

pub(crate) fn refused() -> Result<Box<dyn Scene>> {
    let lab = Lab::new("notfo")?;
    lab.client.sysctl("net.ipv4.tcp_fastopen", "5")?;
    lab.server.sysctl("net.ipv4.tcp_fastopen", "0")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    Ok(Box::new(Refused { lab, server }))
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
