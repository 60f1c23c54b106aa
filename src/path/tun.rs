//! A TUN device with its address, by the classic ioctls; the path's one unsafe module.
//! It moves no packets; the router reads and writes the descriptor.

#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::error::PathError;

/// The device's name; each namespace holds one, so the name can be the same.
pub(crate) const DEVICE: &str = "demo0";

/// Packets that wait until the router reads them; a busy machine may keep it for a while.
const QUEUE_PACKETS: libc::c_int = 10_000;

nix::ioctl_write_ptr_bad!(tun_set_iff, libc::TUNSETIFF, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_address, libc::SIOCSIFADDR, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_netmask, libc::SIOCSIFNETMASK, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_mtu, libc::SIOCSIFMTU, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_queue, libc::SIOCSIFTXQLEN, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);

/// Makes a TUN device in the calling thread's namespace, gives it `address`
/// and brings it up. The netmask is the only route: `netmask` must cover the
/// other end. The device lives as long as the returned descriptor, which reads
/// and writes one bare IP packet a call and never blocks.
pub(crate) fn open(
    address: Ipv4Addr,
    netmask: Ipv4Addr,
    mtu_bytes: u16,
) -> Result<File, PathError> {
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")
        .map_err(cannot_open)?;

    let mut request = request();
    request.ifr_ifru.ifru_flags = short_flags(libc::IFF_TUN | libc::IFF_NO_PI);
    // SAFETY: `device` is open and TUNSETIFF reads one ifreq, which `request` is.
    unsafe { tun_set_iff(device.as_raw_fd(), &raw const request) }
        .map_err(|errno| PathError::refused("make a TUN device", errno))?;

    configure(address, netmask, mtu_bytes)?;
    Ok(device)
}

/// Without a driver the node is missing (ENOENT), or it is there and leads
/// nowhere (ENODEV, ENXIO); a container's device policy answers EPERM, also to
/// root.
fn cannot_open(answer: io::Error) -> PathError {
    match answer.raw_os_error() {
        Some(libc::EACCES) => PathError::refused("open /dev/net/tun", answer),
        _ => PathError::NoTun { answer },
    }
}

fn configure(address: Ipv4Addr, netmask: Ipv4Addr, mtu_bytes: u16) -> Result<(), PathError> {
    // Interface ioctls go to any socket of the namespace.
    let any: OwnedFd =
        socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
            .map_err(|errno| PathError::refused("open a socket", errno))?;
    let any = any.as_raw_fd();
    let mut request = request();

    request.ifr_ifru.ifru_addr = socket_address(address);
    // SAFETY: `any` is open for the whole function and SIOCSIFADDR reads one
    // ifreq, whose address member was just set.
    unsafe { set_address(any, &raw const request) }
        .map_err(|errno| PathError::refused("give the TUN device an address", errno))?;

    request.ifr_ifru.ifru_netmask = socket_address(netmask);
    // SAFETY: as above, with SIOCSIFNETMASK and the netmask member.
    unsafe { set_netmask(any, &raw const request) }
        .map_err(|errno| PathError::refused("give the TUN device a netmask", errno))?;

    request.ifr_ifru.ifru_mtu = libc::c_int::from(mtu_bytes);
    // SAFETY: as above, with SIOCSIFMTU and the MTU member.
    unsafe { set_mtu(any, &raw const request) }
        .map_err(|errno| PathError::refused("set the TUN device's MTU", errno))?;

    request.ifr_ifru.ifru_metric = QUEUE_PACKETS;
    // SAFETY: as above, with SIOCSIFTXQLEN and the queue's length, which the kernel reads
    // where ifru_metric is (`ifr_qlen` is `ifru_ivalue`, an int at the same place).
    unsafe { set_queue(any, &raw const request) }
        .map_err(|errno| PathError::refused("set the length of the TUN device's queue", errno))?;

    request.ifr_ifru.ifru_flags = short_flags(libc::IFF_UP | libc::IFF_RUNNING);
    // SAFETY: as above, with SIOCSIFFLAGS and the flags member.
    unsafe { set_flags(any, &raw const request) }
        .map_err(|errno| PathError::refused("bring the TUN device up", errno))?;
    Ok(())
}

/// A request about [`DEVICE`], with nothing else set.
fn request() -> libc::ifreq {
    // SAFETY: ifreq is a C struct of a byte array and a union of integers,
    // byte arrays and a pointer that is never followed here; zero is a valid
    // value of each.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    write_bytes(&mut request.ifr_name, DEVICE.as_bytes());
    request
}

/// The layout of `sockaddr_in` inside a plain `sockaddr`: two bytes of port,
/// which stay zero, then the address in network order.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut plain = libc::sockaddr { sa_family: AF_INET, sa_data: [0; 14] };
    write_bytes(&mut plain.sa_data[2..], &address.octets());
    plain
}

// Both constants are c_int in libc and short in the kernel's structs.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
const AF_INET: libc::sa_family_t = libc::AF_INET as libc::sa_family_t;

#[allow(clippy::cast_possible_truncation)]
const fn short_flags(flags: libc::c_int) -> libc::c_short {
    flags as libc::c_short
}

/// `c_char` is signed on some architectures and unsigned on others.
fn write_bytes(to: &mut [libc::c_char], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_lies_where_sockaddr_in_has_it() {
        let plain = socket_address(Ipv4Addr::new(198, 18, 0, 1));
        let bytes: Vec<u8> = plain.sa_data.iter().map(|c| c.to_ne_bytes()[0]).collect();
        assert_eq!(bytes[..8], [0, 0, 198, 18, 0, 1, 0, 0]);
        assert_eq!(i32::from(plain.sa_family), libc::AF_INET);
    }

    #[test]
    fn the_device_name_leaves_room_for_its_end() {
        assert!(DEVICE.len() < libc::IFNAMSIZ);
    }
}
