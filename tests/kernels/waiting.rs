//! Scenes in which something happens to a path while traffic flows, and timers decide.
//! Not paths that are bad all the time: `lossy` has those.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use super::lossy::netem;
use super::scenario::Scene;
use super::support::lab::Lab;
use super::support::netns::Netns;
use super::support::server::Server;
use super::support::tool::pause;
use super::support::traffic::{Amount, Dial, Ending, Sender};

const SECOND: Duration = Duration::from_secs(1);
const SENDERS: usize = 4;
/// A short queue, so that the timers are short too.
const GOOD: &str = "delay 5ms rate 20mbit limit 100";
const SILENT: &str = "loss 100%";
/// A first timer is some 200 ms on the good path.
const LATE: &str = "delay 900ms rate 20mbit limit 1000";
/// More than one connection has in flight.
const ENOUGH_BYTES: u64 = 1_000_000;
/// From the first SYN on: the second comes after one second, a third after
/// three, from 6.5 on after two.
const SYN_TIMEOUT: Duration = Duration::from_millis(3500);
/// The connections to nobody come from here on.
const FIRST_PORT: u16 = 34_567;

/// Bulk traffic over a path to which something happens.
struct Path {
    lab: Lab,
    server: Server,
    happens: fn(&Lab, &mut Server) -> Result<()>,
    /// Afterwards the connections still work.
    survive: bool,
}

impl Path {
    fn set(
        name: &str,
        survive: bool,
        happens: fn(&Lab, &mut Server) -> Result<()>,
    ) -> Result<Box<dyn Scene>> {
        Self::over(Lab::new(name)?, survive, happens)
    }

    fn over(
        lab: Lab,
        survive: bool,
        happens: fn(&Lab, &mut Server) -> Result<()>,
    ) -> Result<Box<dyn Scene>> {
        for device in ["r0", "r1"] {
            netem(&lab.router, device, GOOD)?;
        }
        let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
        Ok(Box::new(Self { lab, server, happens, survive }))
    }
}

impl Scene for Path {
    fn play(&mut self) -> Result<()> {
        let dial = Dial::to(self.server.address());
        let start = |_| Sender::start(&self.lab.client, &dial, Amount::UntilStopped);
        let senders = (0..SENDERS).map(start).collect::<Result<Vec<_>>>()?;
        pause(SECOND);
        (self.happens)(&self.lab, &mut self.server)?;
        for sender in senders {
            let survived = sender.stop(Ending::Reset).is_ok();
            ensure!(survived == self.survive, "a connection survived: {survived}");
        }
        Ok(())
    }

    fn ends(&self) -> Vec<SocketAddr> {
        vec![self.server.address()]
    }

    fn client(&self) -> Option<&Netns> {
        Some(&self.lab.client)
    }
}

/// Nothing gets through for three seconds.
pub(crate) fn silence() -> Result<Box<dyn Scene>> {
    Path::set("silence", true, |lab, server| {
        let path = |how| ["r0", "r1"].iter().try_for_each(|name| netem(&lab.router, name, how));
        path(SILENT)?;
        pause(3 * SECOND);
        let before = server.counts().read_bytes;
        path(GOOD)?;
        // The next timeout may be three seconds away.
        server.wait_until(10 * SECOND, |counts| counts.read_bytes > before + ENOUGH_BYTES)?;
        pause(SECOND / 2);
        Ok(())
    })
}

/// The peer resets connections whose data has not reached it for a while.
pub(crate) fn rst_in_loss() -> Result<Box<dyn Scene>> {
    Path::set("reset", false, |lab, server| {
        netem(&lab.router, "r1", SILENT)?;
        pause(2 * SECOND);
        ensure!(server.reset_all()? > 0, "no connection to reset");
        pause(SECOND / 2);
        Ok(())
    })
}

/// The router's far link becomes narrower, step by step: ICMP says so to the sender.
pub(crate) fn pmtu() -> Result<Box<dyn Scene>> {
    Path::set("pmtu", true, |lab, _| {
        for mtu in ["1400", "1200", "1000", "800"] {
            lab.router.run("ip", &["link", "set", "r1", "mtu", mtu])?;
            pause(SECOND);
        }
        // As it is Loss without a timeout.
        let (told, timeouts) = (
            lab.client.counter("snmp", "InDestUnreachs")?,
            lab.client.counter("netstat", "TCPTimeouts")?,
        );
        ensure!(told > timeouts, "{told} ICMP messages came, and {timeouts} timeouts");
        Ok(())
    })
}

/// What is on its way takes longer than the timers allow, and arrives.
pub(crate) fn late() -> Result<Box<dyn Scene>> {
    let lab = Lab::new("late")?;
    lab.client.sysctl("net.ipv4.tcp_timestamps", "0")?;
    Path::over(lab, true, |lab, _| {
        netem(&lab.router, "r1", LATE)?;
        pause(3 * SECOND);
        netem(&lab.router, "r1", GOOD)?;
        pause(2 * SECOND);
        Ok(())
    })
}

/// Connections to an address that never answers.
struct Nobody {
    lab: Lab,
    peer: SocketAddr,
}

impl Scene for Nobody {
    fn play(&mut self) -> Result<()> {
        let connect = |port| {
            let dial = Dial::to(self.peer).from(self.lab.client_v4(), port);
            dial.connect(&self.lab.client, SYN_TIMEOUT)
        };
        thread::scope(|scope| {
            let ports = (FIRST_PORT..).take(SENDERS);
            let trying: Vec<_> = ports.map(|port| scope.spawn(move || connect(port))).collect();
            for thread in trying {
                let connected = thread.join().map_err(|_| anyhow!("panicked"))?;
                ensure!(connected.is_err(), "somebody is at {}", self.peer);
            }
            Ok(())
        })
    }

    fn ends(&self) -> Vec<SocketAddr> {
        vec![self.peer]
    }

    fn client(&self) -> Option<&Netns> {
        Some(&self.lab.client)
    }
}

pub(crate) fn syn_timeout() -> Result<Box<dyn Scene>> {
    let lab = Lab::new("syn")?;
    let peer = SocketAddr::new(lab.silent_v4()?, 80);
    Ok(Box::new(Nobody { lab, peer }))
}
