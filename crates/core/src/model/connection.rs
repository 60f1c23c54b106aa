//! Which connection it is: its identity, both ends, and its owner. Not here: what became
//! of it, nor how its owner is found.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Name;

/// A flow's identity: one life of one socket. Two sockets with the same
/// addresses, in time or in two namespaces, are two flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId {
    /// The kernel's address of the socket.
    pub socket: u64,
    /// When the observed life began, `CLOCK_MONOTONIC` nanoseconds.
    pub born_ns: u64,
}

/// What travels: IPv4 for an `AF_INET6` socket with an IPv4-mapped peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// Both ends of a connection. IPv4-mapped addresses are IPv4 here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// This machine's address.
    pub laddr: IpAddr,
    /// This machine's port; 0 while a connecting socket has none yet.
    pub lport: u16,
    /// The peer's address.
    pub raddr: IpAddr,
    /// The peer's port.
    pub rport: u16,
    /// Index of the interface that link-local addresses are on (RFC 4007); 0 where there
    /// are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub zone: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands it over so
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Endpoints {
    /// Of a connection of which nothing but the ports is known.
    #[must_use]
    pub fn unspecified(lport: u16, rport: u16) -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { laddr: nowhere, lport, raddr: nowhere, rport, zone: 0 }
    }

    /// What travels between them.
    #[must_use]
    pub fn version(&self) -> IpVersion {
        if self.raddr.is_ipv4() { IpVersion::Ipv4 } else { IpVersion::Ipv6 }
    }

    /// This machine's address; a link-local one with its interface, as `fe80::1%eth0`, or
    /// with that one's index where `names` has no name for it.
    #[must_use]
    pub fn local_address(&self, names: &Names) -> String {
        self.with_zone(self.laddr, names)
    }

    /// The same of the peer's address.
    #[must_use]
    pub fn remote_address(&self, names: &Names) -> String {
        self.with_zone(self.raddr, names)
    }

    /// This machine's address and port, as `10.1.0.1:40000` or `[fe80::1%eth0]:443`.
    #[must_use]
    pub fn local(&self, names: &Names) -> String {
        with_port(&self.local_address(names), self.laddr, self.lport)
    }

    /// The peer's address and port.
    #[must_use]
    pub fn remote(&self, names: &Names) -> String {
        with_port(&self.remote_address(names), self.raddr, self.rport)
    }

    fn with_zone(&self, address: IpAddr, names: &Names) -> String {
        match &names.interface {
            _ if self.zone == 0 || !is_link_local(address) => address.to_string(),
            Some(name) => format!("{address}%{name}"),
            None => format!("{address}%{}", self.zone),
        }
    }
}

/// Whether it means something on one interface alone (RFC 4291, 2.5.6).
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn with_port(text: &str, address: IpAddr, port: u16) -> String {
    if address.is_ipv6() { format!("[{text}]:{port}") } else { format!("{text}:{port}") }
}

impl fmt::Display for Endpoints {
    /// As `10.1.0.1:40000 > 10.2.0.1:443`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Names::default();
        write!(f, "{} > {}", self.local(&names), self.remote(&names))
    }
}

/// Which connection, as this machine's end of it shows. Entries, rows, transitions and
/// verdicts all have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Between whom.
    pub endpoints: Endpoints,
    /// Inode number of its network namespace; 0 where that is not known.
    pub netns: u32,
    /// The kernel's socket cookie, where it is known.
    pub cookie: Option<u64>,
    /// Whose it is.
    pub owner: Owner,
}

impl Connection {
    /// One of which nothing but the ports is known.
    #[must_use]
    pub fn unspecified(lport: u16, rport: u16) -> Self {
        let endpoints = Endpoints::unspecified(lport, rport);
        Self { endpoints, netns: 0, cookie: None, owner: Owner::default() }
    }

    /// Whether both ends are the connection's own: a client has no local port at first, and
    /// of an accepted one nothing but the ports may be known.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let Endpoints { lport, raddr, rport, .. } = self.endpoints;
        lport != 0 && rport != 0 && !raddr.is_unspecified()
    }
}

/// Who has a connection. All that is unknown is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The socket's cgroup: its kernfs id, the inode number of its folder.
    pub cgroup: Option<u64>,
    /// The process that has the socket, connected it, or listens where it was accepted.
    pub process: Option<Process>,
}

/// A process, at the time when it was found to have the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// Its id, in the first pid namespace.
    pub pid: u32,
    /// The name of its first thread.
    pub comm: Option<Name>,
}

/// What a cgroup's path says of who runs in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Workload {
    /// The systemd unit, as `nginx.service`.
    pub unit: Option<String>,
    /// The container's id.
    pub container: Option<String>,
    /// The Kubernetes pod's uid, or the id of Podman's pod.
    pub pod: Option<String>,
}

/// Names for what has a number. All that is unknown is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The network namespace's.
    pub netns: Option<Arc<str>>,
    /// The cgroup's path below the root of the hierarchy, `/` first.
    pub cgroup: Option<Arc<str>>,
    /// What that path says.
    pub workload: Option<Arc<Workload>>,
    /// The interface's that link-local addresses are on.
    pub interface: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_have_their_interface() {
        let mut endpoints = Endpoints {
            laddr: "fe80::1".parse().expect("an address"),
            zone: 3,
            ..Endpoints::unspecified(40_000, 443)
        };
        endpoints.raddr = "2001:db8::1".parse().expect("an address");
        assert_eq!(endpoints.to_string(), "[fe80::1%3]:40000 > [2001:db8::1]:443");
        let names = Names { interface: Some("eth0".into()), ..Names::default() };
        assert_eq!(endpoints.local_address(&names), "fe80::1%eth0");
        endpoints.zone = 0;
        assert_eq!(endpoints.local_address(&names), "fe80::1", "an interface that nobody told");
        endpoints.raddr = Ipv4Addr::LOCALHOST.into();
        assert_eq!(endpoints.remote(&names), "127.0.0.1:443");
    }
}
