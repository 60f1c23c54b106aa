//! Sockets that listen. Not who is let in.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv6V6Only, ReuseAddr};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 512;

/// Listens at each address; the error is one line that names the address.
pub(super) fn bind_all(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let bound = addresses.iter().map(|address| {
        // `[::]` takes IPv4 as well, unless that has a socket of its own.
        let alone = addresses.iter().any(|other| other.is_ipv4() && other.port() == address.port());
        bind_one(*address, alone).map_err(|errno| refused(*address, errno))
    });
    bound.collect()
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

    #[test]
    fn a_port_in_use_is_one_line_that_names_it() {
        let first = bind_all(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = first[0].local_addr().unwrap();
        let error = bind_all(&[address]).unwrap_err();
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
        let error = bind_all(&["192.0.2.1:0".parse().unwrap()]).unwrap_err();
        let said = "cannot listen at 192.0.2.1:0: this machine has no such address";
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn all_of_ipv4_and_all_of_ipv6_share_a_port() {
        let first = bind_all(&["0.0.0.0:0".parse().unwrap()]).unwrap();
        let port = first[0].local_addr().unwrap().port();
        drop(first);
        let both = [format!("0.0.0.0:{port}"), format!("[::]:{port}")];
        let both = both.map(|address| address.parse().unwrap());
        assert_eq!(bind_all(&both).unwrap().len(), 2);
    }
}
