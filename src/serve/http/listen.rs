//! Sockets that listen. Not who is let in.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv6V6Only, ReuseAddr};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 512;

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// At this port of all of the machine's addresses: of IPv4 and of IPv6, or of the one that
    /// the machine has.
    All(u16),
    /// At this address.
    At(SocketAddr),
}

impl Listen {
    fn addresses(self) -> Vec<SocketAddr> {
        match self {
            Self::All(port) => {
                let all: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
                all.map(|address| SocketAddr::new(address, port)).to_vec()
            }
            Self::At(address) => vec![address],
        }
    }

    /// Whether not both can be listened at.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let others = other.addresses();
        self.addresses().iter().any(|one| others.iter().any(|other| is_within(*one, *other)))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(port) => write!(formatter, ":{port}"),
            Self::At(address) => write!(formatter, "{address}"),
        }
    }
}

/// Whether one is the other or has it in it. The kernel chooses another port for each 0.
fn is_within(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0
        && one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (is_any || one == other)
}

/// Listens at each; the error is one line that names the address.
pub(super) fn bind_all(wanted: &[Listen]) -> io::Result<Vec<TcpListener>> {
    bind_each(wanted, bind_one)
}

fn bind_each<T>(
    wanted: &[Listen],
    bind: impl Fn(SocketAddr, bool) -> Result<T, Errno>,
) -> io::Result<Vec<T>> {
    let all: Vec<_> = wanted.iter().flat_map(|one| one.addresses()).collect();
    let mut bound = Vec::with_capacity(all.len());
    for one in wanted {
        let mut missing = None;
        let before = bound.len();
        for address in one.addresses() {
            // `[::]` takes IPv4 as well, unless that has a socket of its own.
            let alone = all.iter().any(|other| other.is_ipv4() && other.port() == address.port());
            match bind(address, alone) {
                Ok(listener) => bound.push(listener),
                Err(errno) if matches!(one, Listen::All(_)) && is_missing(errno) => {
                    missing = Some(refused(address, errno));
                }
                Err(errno) => return Err(refused(address, errno)),
            }
        }
        if let Some(error) = missing.filter(|_| bound.len() == before) {
            return Err(error);
        }
    }
    Ok(bound)
}

/// Whether the machine has no addresses of this family.
fn is_missing(errno: Errno) -> bool {
    matches!(errno, Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL)
}

fn bind_one(address: SocketAddr, only_ipv6: bool) -> Result<TcpListener, Errno> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Stream, flags, None)?;
    // A server that is started anew would wait for its connections' TIME_WAIT.
    setsockopt(&socket, ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&socket, Ipv6V6Only, &only_ipv6)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(TcpListener::from(socket))
}

fn refused(address: SocketAddr, errno: Errno) -> io::Error {
    let why = match errno {
        Errno::EADDRINUSE => {
            "another process listens there already; another --web.listen-address would be free"
        }
        Errno::EADDRNOTAVAIL => "this machine has no such address",
        Errno::EACCES => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE; a higher one does not"
        }
        Errno::EAFNOSUPPORT => "this machine has no IPv6; an IPv4 address would work",
        other => other.desc(),
    };
    io::Error::new(io::Error::from(errno).kind(), format!("cannot listen at {address}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Listen {
        Listen::At(address.parse().unwrap())
    }

    #[test]
    fn a_port_in_use_is_one_line_that_names_it() {
        let first = bind_all(&[at("127.0.0.1:0")]).unwrap();
        let address = first[0].local_addr().unwrap();
        let error = bind_all(&[Listen::At(address)]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen at {address}: another process listens there already; another \
                 --web.listen-address would be free"
            )
        );
    }

    #[test]
    fn an_address_of_another_machine_is_said_to_be_one() {
        let error = bind_all(&[at("192.0.2.1:0")]).unwrap_err();
        let said = "cannot listen at 192.0.2.1:0: this machine has no such address";
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn all_of_ipv4_and_all_of_ipv6_share_a_port() {
        let first = bind_all(&[at("0.0.0.0:0")]).unwrap();
        let port = first[0].local_addr().unwrap().port();
        drop(first);
        let both = [at(&format!("0.0.0.0:{port}")), at(&format!("[::]:{port}"))];
        assert_eq!(bind_all(&both).unwrap().len(), 2);
        assert_eq!(bind_all(&[Listen::All(port)]).unwrap().len(), 2);
    }

    #[test]
    fn all_addresses_are_those_of_ipv4_where_there_is_no_ipv6() {
        for errno in [Errno::EAFNOSUPPORT, Errno::EADDRNOTAVAIL] {
            let bind = |address: SocketAddr, _| {
                if address.is_ipv4() { Ok(address.to_string()) } else { Err(errno) }
            };
            assert_eq!(bind_each(&[Listen::All(1)], bind).unwrap(), ["0.0.0.0:1"]);
            // Who asks for them by their address is told.
            assert!(bind_each(&[at("0.0.0.0:1"), at("[::]:1")], bind).is_err());
            let error = bind_each(&[Listen::All(1)], |_, _| Err::<(), _>(errno)).unwrap_err();
            assert!(error.to_string().starts_with("cannot listen at [::]:1: "), "{error}");
        }
        let in_use = |address: SocketAddr, _| {
            if address.is_ipv4() { Ok(()) } else { Err(Errno::EADDRINUSE) }
        };
        assert!(bind_each(&[Listen::All(1)], in_use).is_err());
    }

    #[test]
    fn addresses_overlap_where_one_has_the_other_in_it() {
        for (one, other) in [
            (Listen::All(1), Listen::All(1)),
            (Listen::All(1), at("127.0.0.1:1")),
            (at("[::1]:1"), Listen::All(1)),
            (at("0.0.0.0:1"), at("127.0.0.1:1")),
            (at("[::1]:1"), at("[::1]:1")),
        ] {
            assert!(one.overlaps(other), "{one} {other}");
        }
        for (one, other) in [
            (Listen::All(1), Listen::All(2)),
            (at("127.0.0.1:1"), at("127.0.0.2:1")),
            (at("[::]:1"), at("127.0.0.1:1")),
            (at("127.0.0.1:0"), at("127.0.0.1:0")),
        ] {
            assert!(!one.overlaps(other), "{one} {other}");
        }
    }
}
