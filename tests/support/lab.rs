//! A small network of a test's own: a client, a router and a server, each in a namespace.
//! Not the traffic through it: `server` and `traffic` make that.

use std::fs::{File, create_dir_all};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use super::netns::{Netns, delete_stale};

/// One held lock file per lab: the kernel lets go of it however the process ends.
const LOCKS: &str = "/run/tcpcong-test-labs";
const PREFIX_LENGTH_V4: u8 = 25;
const PREFIX_LENGTH_V6: u8 = 64;
/// The nftables table in which the router's orders to drop or reject live.
const TABLE: &str = "tcpcong_test";

/// Client -- router -- server, with IPv4 and IPv6, until it is dropped.
///
/// Declare it before what runs in it: values are dropped in reverse order.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) client: Netns,
    pub(crate) router: Netns,
    pub(crate) server: Netns,
    index: u8,
    // Last, so that the number is free only when the namespaces are gone.
    _lock: Flock<File>,
}

/// One end of a veth pair.
struct Port<'a> {
    netns: &'a Netns,
    device: &'a str,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
}

impl Lab {
    /// Makes the network and waits until packets go through it. `name` shows in `ip netns`.
    ///
    /// No two labs of the machine have an address in common, as a trace of the
    /// whole machine tells them apart by nothing else.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let (index, lock) = take_index()?;
        let prefix = format!("tcpcong{index}-");
        delete_stale(&prefix)?;
        let netns = |role| Netns::new(&format!("{prefix}{name}-{role}"));
        let lab = Self {
            client: netns("client")?,
            router: netns("router")?,
            server: netns("server")?,
            index,
            _lock: lock,
        };
        lab.lay_cables()?;
        lab.wait_until_reachable(lab.server_v4())?;
        lab.wait_until_reachable(lab.server_v6())?;
        Ok(lab)
    }

    pub(crate) fn client_v4(&self) -> IpAddr {
        self.v4(2).into()
    }

    pub(crate) fn client_v6(&self) -> IpAddr {
        self.v6(1, 2).into()
    }

    pub(crate) fn server_v4(&self) -> IpAddr {
        self.v4(130).into()
    }

    pub(crate) fn server_v6(&self) -> IpAddr {
        self.v6(2, 2).into()
    }

    /// An address towards the server that nobody has, nor ever answers for.
    pub(crate) fn silent_v4(&self) -> Result<IpAddr> {
        let nobody = self.v4(200);
        // A neighbour entry of its own, or the router would say "unreachable".
        let address = nobody.to_string();
        let arguments = ["neigh", "replace", &address, "lladdr", "02:00:00:00:00:01", "dev", "r1"];
        self.router.run("ip", &arguments)?;
        Ok(nobody.into())
    }

    /// Has everybody know its neighbours for good: who asks a dark link for them finds
    /// nobody there, and says so to others.
    pub(crate) fn know_neighbours(&self) -> Result<()> {
        let cables = [
            (&self.client, "c0", self.v4(2), "r0", self.v4(1)),
            (&self.server, "s0", self.v4(130), "r1", self.v4(129)),
        ];
        for (host, device, address, of_router, gateway) in cables {
            remember(host, device, gateway, &link_address(&self.router, of_router)?)?;
            remember(&self.router, of_router, address, &link_address(host, device)?)?;
        }
        Ok(())
    }

    /// Runs `work` on a thread in the client's namespace.
    pub(crate) fn in_client<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.client.enter(work)
    }

    /// Runs `work` on a thread in the server's namespace.
    pub(crate) fn in_server<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.server.enter(work)
    }

    /// A tight place on the router, towards the server: Disorder, Recovery and
    /// Loss. The arguments are those of `tc`'s tbf, as `"100mbit", "32k", "60k"`.
    pub(crate) fn bottleneck(&self, rate: &str, burst: &str, limit: &str) -> Result<()> {
        token_bucket(&self.router, "r1", rate, burst, limit)
    }

    /// A tight place on the client's own device: drops in its own queue, so CWR.
    pub(crate) fn local_bottleneck(&self, rate: &str, burst: &str, limit: &str) -> Result<()> {
        token_bucket(&self.client, "c0", rate, burst, limit)
    }

    /// Drops everything that comes to the router, or nothing any more.
    pub(crate) fn silence(&self, on: bool) -> Result<()> {
        self.rule(on.then_some("drop"))
    }

    /// Has the router answer every TCP segment with a reset, so that each end
    /// that sends loses its connection; or no more.
    pub(crate) fn reject(&self, on: bool) -> Result<()> {
        self.rule(on.then_some("meta l4proto tcp reject with tcp reset"))
    }

    /// Has the router do this, an nft statement, with all that it forwards.
    pub(crate) fn forward(&self, statement: &str) -> Result<()> {
        self.rule(Some(statement))
    }

    /// Sets the one rule for all that the router forwards, in one step.
    fn rule(&self, verdict: Option<&str>) -> Result<()> {
        let chain = verdict.map_or(String::new(), |verdict| {
            format!("chain forward {{ type filter hook forward priority 0; {verdict}; }};")
        });
        // Made before it is deleted, as deleting what is not there is an error.
        let table = format!("table inet {TABLE}");
        let script = format!("add {table}; delete {table}; {table} {{ {chain} }};");
        self.router.run("nft", &[&script]).map(drop)
    }

    fn lay_cables(&self) -> Result<()> {
        let client = Port::new(&self.client, "c0", self.v4(2), self.v6(1, 2));
        let to_client = Port::new(&self.router, "r0", self.v4(1), self.v6(1, 1));
        let to_server = Port::new(&self.router, "r1", self.v4(129), self.v6(2, 1));
        let server = Port::new(&self.server, "s0", self.v4(130), self.v6(2, 2));
        for key in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
            self.router.sysctl(key, "1")?;
        }
        join(&client, &to_client)?;
        join(&server, &to_server)
    }

    /// Addresses below 128 are between client and router, the others between
    /// router and server.
    fn v4(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.index, host)
    }

    fn v6(&self, network: u16, host: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfd77, u16::from(self.index), 0, network, 0, 0, 0, host)
    }

    /// Sends datagrams to a closed port until "port unreachable" comes back:
    /// unlike a connection attempt, that makes no flow.
    fn wait_until_reachable(&self, to: IpAddr) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let any: SocketAddr = match to {
            IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        self.in_client(|| -> Result<()> {
            let socket = UdpSocket::bind(any)?;
            socket.set_read_timeout(Some(Duration::from_millis(50)))?;
            socket.connect((to, 9))?;
            while Instant::now() < deadline {
                // Sending may already return the answer to the one before.
                let answer = socket.send(b"?").and_then(|_| socket.recv(&mut [0; 8]));
                if answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
                    return Ok(());
                }
            }
            bail!("{to} does not answer the client")
        })?
    }
}

impl<'a> Port<'a> {
    fn new(netns: &'a Netns, device: &'a str, v4: Ipv4Addr, v6: Ipv6Addr) -> Self {
        Self { netns, device, v4, v6 }
    }

    fn set_up(&self) -> Result<()> {
        // Link-local addresses too: neighbours are asked for from them, and
        // looking for duplicates first takes two seconds.
        self.netns.sysctl(&format!("net.ipv6.conf.{}.accept_dad", self.device), "0")?;
        let v4 = format!("{}/{PREFIX_LENGTH_V4}", self.v4);
        let v6 = format!("{}/{PREFIX_LENGTH_V6}", self.v6);
        let device = self.device;
        self.netns.run("ip", &["address", "add", &v4, "dev", device])?;
        self.netns.run("ip", &["address", "add", &v6, "dev", device, "nodad"])?;
        self.netns.run("ip", &["link", "set", device, "up"]).map(drop)
    }
}

/// Lays a veth pair between a host and the router, which becomes the host's way out.
fn join(host: &Port<'_>, router: &Port<'_>) -> Result<()> {
    let far = [router.device, "netns", router.netns.name()];
    let pair = ["link", "add", host.device, "type", "veth", "peer", "name"];
    host.netns.run("ip", &[&pair[..], &far].concat())?;
    router.set_up()?;
    host.set_up()?;
    let (via_v4, via_v6) = (router.v4.to_string(), router.v6.to_string());
    host.netns.run("ip", &["route", "add", "default", "via", &via_v4])?;
    host.netns.run("ip", &["route", "add", "default", "via", &via_v6]).map(drop)
}

/// The device's own, as `02:00:00:00:00:01`.
fn link_address(netns: &Netns, device: &str) -> Result<String> {
    let shown = netns.run("ip", &["-o", "link", "show", device])?;
    let mut words = shown.split_whitespace().skip_while(|word| *word != "link/ether");
    words.nth(1).map(ToOwned::to_owned).with_context(|| format!("no link/ether: {shown}"))
}

fn remember(netns: &Netns, device: &str, address: Ipv4Addr, link: &str) -> Result<()> {
    let address = address.to_string();
    netns.run("ip", &["neigh", "replace", &address, "lladdr", link, "dev", device]).map(drop)
}

fn token_bucket(netns: &Netns, device: &str, rate: &str, burst: &str, limit: &str) -> Result<()> {
    let place = ["qdisc", "replace", "dev", device, "root", "tbf"];
    let shape = ["rate", rate, "burst", burst, "limit", limit];
    netns.run("tc", &[place, shape].concat()).map(drop)
}

/// The lowest number that no lab of this machine holds.
fn take_index() -> Result<(u8, Flock<File>)> {
    create_dir_all(LOCKS).with_context(|| format!("making {LOCKS}"))?;
    for index in 0..=u8::MAX {
        let path = format!("{LOCKS}/{index}");
        let file = File::create(&path).with_context(|| format!("making {path}"))?;
        if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            return Ok((index, lock));
        }
    }
    bail!("all lab numbers are held by processes that run")
}
