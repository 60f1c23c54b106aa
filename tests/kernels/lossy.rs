//! Bulk traffic over paths that lose, reorder, mark or drop on their own.
//! Not what is done to the path while it flows: `waiting` has that.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::scenario::Scene;
use super::support::lab::Lab;
use super::support::netns::Netns;
use super::support::server::Server;
use super::support::tool::pause;
use super::support::traffic::{Amount, Dial, Ending, Sender, short_connections};

const SENDERS: usize = 6;
const TRAFFIC: Duration = Duration::from_secs(3);
/// What a scenario is for may take longer to come about, and no longer than this.
const TRAFFIC_MOST: Duration = Duration::from_secs(15);
/// Short connections: so many lines of so many.
const LINES: usize = 8;
const IN_LINE: usize = 40;
/// Enough for several segments, so that one that is lost is missed.
const SHORT_BYTES: usize = 30_000;

/// Senders that write all they can for a while.
struct Bulk {
    lab: Lab,
    server: Server,
    dial: Dial,
    /// They go on until the client's kernel has counted so many of these (`/proc/net/netstat`).
    until: Option<(&'static str, u64)>,
}

impl Bulk {
    /// Towards `address` of the lab's server.
    fn to(lab: Lab, address: IpAddr) -> Result<Self> {
        let server = Server::listen(&lab.server, (address, 0).into())?;
        let dial = Dial::to(server.address());
        Ok(Self { lab, server, dial, until: None })
    }
}

impl Scene for Bulk {
    fn play(&mut self) -> Result<()> {
        let start = |_| Sender::start(&self.lab.client, &self.dial, Amount::UntilStopped);
        let mut senders = (0..SENDERS).map(start).collect::<Result<Vec<_>>>()?;
        let begin = Instant::now();
        pause(TRAFFIC);
        if let Some((name, times)) = self.until {
            while self.lab.client.counter("netstat", name)? < times
                && begin.elapsed() < TRAFFIC_MOST
            {
                pause(Duration::from_millis(100));
            }
        }
        // Some lives end by a reset, some by a close, and some go on.
        senders.remove(0).stop(Ending::Reset)?;
        senders.remove(0).stop(Ending::Reset)?;
        // What it has written may take long to get through.
        thread::spawn(move || senders.remove(0).stop(Ending::Graceful));
        Ok(())
    }

    fn ends(&self) -> Vec<SocketAddr> {
        vec![self.server.address()]
    }

    fn client(&self) -> Option<&Netns> {
        Some(&self.lab.client)
    }
}

pub(crate) fn loss() -> Result<Box<dyn Scene>> {
    let lab = lossy_lab("loss")?;
    let address = lab.server_v4();
    Ok(Box::new(Bulk::to(lab, address)?))
}

pub(crate) fn ipv6() -> Result<Box<dyn Scene>> {
    let lab = lossy_lab("ipv6")?;
    let address = lab.server_v6();
    Ok(Box::new(Bulk::to(lab, address)?))
}

/// IPv4 through `AF_INET6` sockets.
pub(crate) fn mapped() -> Result<Box<dyn Scene>> {
    let lab = lossy_lab("mapped")?;
    let address = lab.server_v4();
    let bulk = Bulk::to(lab, address)?;
    Ok(Box::new(Bulk { dial: bulk.dial.clone().mapped(), ..bulk }))
}

pub(crate) fn jitter() -> Result<Box<dyn Scene>> {
    let lab = Lab::new("jitter")?;
    netem(&lab.router, "r1", "delay 5ms 4ms loss 10%")?;
    netem(&lab.router, "r0", "delay 5ms 4ms")?;
    let address = lab.server_v4();
    Ok(Box::new(Bulk::to(lab, address)?))
}

pub(crate) fn no_sack() -> Result<Box<dyn Scene>> {
    let lab = lossy_lab("nosack")?;
    lab.client.sysctl("net.ipv4.tcp_sack", "0")?;
    let address = lab.server_v4();
    Ok(Box::new(Bulk::to(lab, address)?))
}

pub(crate) fn ecn() -> Result<Box<dyn Scene>> {
    let lab = Lab::new("ecn")?;
    for netns in [&lab.client, &lab.server] {
        netns.sysctl("net.ipv4.tcp_ecn", "1")?;
    }
    // What netem would lose it marks where both ends understand it.
    netem(&lab.router, "r1", "delay 5ms loss 3% ecn")?;
    netem(&lab.router, "r0", "delay 5ms")?;
    let address = lab.server_v4();
    Ok(Box::new(Bulk::to(lab, address)?))
}

/// The sender's own device is the tight place.
pub(crate) fn local_drops() -> Result<Box<dyn Scene>> {
    let lab = Lab::new("local")?;
    netem(&lab.client, "c0", "delay 2ms rate 40mbit limit 10")?;
    let address = lab.server_v4();
    Ok(Box::new(Bulk::to(lab, address)?))
}

/// Half of the packets are held back, so that later ones overtake them. Nothing
/// is lost, but the first to be overtaken are taken for lost.
fn overtaking(name: &str) -> Result<Bulk> {
    let lab = Lab::new(name)?;
    netem(&lab.router, "r1", "delay 15ms reorder 50% 50%")?;
    netem(&lab.router, "r0", "delay 15ms")?;
    let address = lab.server_v4();
    let bulk = Bulk::to(lab, address)?;
    // One alone may be hidden from some.
    Ok(Bulk { until: Some(("TCPFullUndo", 5)), ..bulk })
}

pub(crate) fn overtaken() -> Result<Box<dyn Scene>> {
    Ok(Box::new(overtaking("overtaken")?))
}

/// Without timestamps a needless retransmission shows only once the receiver
/// reports the duplicate (RFC 2883).
pub(crate) fn overtaken_plain() -> Result<Box<dyn Scene>> {
    let bulk = overtaking("plain")?;
    bulk.lab.client.sysctl("net.ipv4.tcp_timestamps", "0")?;
    Ok(Box::new(bulk))
}

/// Short connections one after the other, in some lines side by side.
struct Churn(Bulk);

impl Scene for Churn {
    fn play(&mut self) -> Result<()> {
        let Bulk { lab, dial, .. } = &self.0;
        let line = || short_connections(&lab.client, dial, IN_LINE, SHORT_BYTES);
        thread::scope(|scope| {
            let lines: Vec<_> = (0..LINES).map(|_| scope.spawn(line)).collect();
            lines.into_iter().try_for_each(|line| line.join().map_err(|_| anyhow!("panicked"))?)
        })
    }

    fn ends(&self) -> Vec<SocketAddr> {
        self.0.ends()
    }
}

pub(crate) fn churn() -> Result<Box<dyn Scene>> {
    let lab = Lab::new("churn")?;
    netem(&lab.router, "r1", "delay 1ms loss 4%")?;
    let address = lab.server_v4();
    Ok(Box::new(Churn(Bulk::to(lab, address)?)))
}

fn lossy_lab(name: &str) -> Result<Lab> {
    let lab = Lab::new(name)?;
    netem(&lab.router, "r1", "delay 5ms loss 2%")?;
    netem(&lab.router, "r0", "delay 5ms")?;
    Ok(lab)
}

/// Has a device treat what it sends, as `tc`'s netem is told.
pub(crate) fn netem(netns: &Netns, device: &str, how: &str) -> Result<()> {
    let place = ["qdisc", "replace", "dev", device, "root", "netem"];
    let how: Vec<_> = how.split(' ').collect();
    netns.run("tc", &[&place[..], &how].concat()).map(drop)
}
