//! Connections that are there before the tools: in Loss, in Open, and in the midst of traffic.
//! Not when the tools start: `guest` has stages set before that.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;

use super::lossy::netem;
use super::scenario::Scene;
use super::support::lab::Lab;
use super::support::server::{Counts, Server};
use super::support::tool::pause;
use super::support::traffic::{Amount, Dial, Ending, Sender};

const OF_EACH: usize = 3;
/// Until the first retransmission timers, and some more, have fired.
const UNTIL_LOSS: Duration = Duration::from_millis(1500);
/// Several reports of one second.
const IN_LOSS: Duration = Duration::from_millis(2500);
const UNTIL_OPEN: Duration = Duration::from_secs(20);
/// More than all of them have in flight.
const ENOUGH_BYTES: u64 = 1_000_000;

struct Seeding {
    lab: Lab,
    /// IPv4, to which nothing gets through at first, and IPv6.
    servers: [Server; 2],
    silenced: Vec<Sender>,
    lively: Vec<Sender>,
    /// They never send, so they stay in Open: no row.
    _idle: Vec<TcpStream>,
}

impl Scene for Seeding {
    fn play(&mut self) -> Result<()> {
        pause(IN_LOSS);
        let before = self.servers[0].counts().read_bytes;
        // Another loss would have Recovery follow where Open is wanted.
        netem(&self.lab.router, "r1", "delay 5ms")?;
        blackhole(&self.lab, "del")?;
        // The next timeout of those that have had many is far away.
        let enough = |counts: &Counts| counts.read_bytes > before + ENOUGH_BYTES;
        self.servers[0].wait_until(UNTIL_OPEN, enough)?;
        pause(UNTIL_LOSS / 3);
        // Of each, one ends while it is traced.
        for senders in [&mut self.silenced, &mut self.lively] {
            senders.remove(0).stop(Ending::Reset)?;
        }
        Ok(())
    }

    fn ends(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::address).collect()
    }
}

pub(crate) fn seeding() -> Result<Box<dyn Scene>> {
    let lab = Lab::new("seeds")?;
    netem(&lab.router, "r1", "delay 5ms loss 1%")?;
    netem(&lab.router, "r0", "delay 5ms")?;
    let listen = |address| Server::listen(&lab.server, (address, 0).into());
    let servers = [listen(lab.server_v4())?, listen(lab.server_v6())?];
    let dials = servers.each_ref().map(|server| Dial::to(server.address()));
    let start = |dial: &Dial| -> Result<Vec<_>> {
        let start = |_| Sender::start(&lab.client, dial, Amount::UntilStopped);
        (0..OF_EACH).map(start).collect()
    };
    let connect = |dial: &Dial| dial.connect(&lab.client, Duration::from_secs(5));
    let idle = dials.iter().map(connect).collect::<Result<Vec<_>>>()?;
    let (silenced, lively) = (start(&dials[0])?, start(&dials[1])?);
    pause(UNTIL_LOSS / 3);
    blackhole(&lab, "add")?;
    pause(UNTIL_LOSS);
    Ok(Box::new(Seeding { lab, servers, silenced, lively, _idle: idle }))
}

/// Has the router drop what goes to the server by IPv4, without a word, or no more.
fn blackhole(lab: &Lab, order: &str) -> Result<()> {
    let to = lab.server_v4().to_string();
    lab.router.run("ip", &["route", order, "blackhole", &to]).map(drop)
}
