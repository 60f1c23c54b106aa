//! The kernel's own account of a socket, which `TCP_INFO` gives. Not here: what the tool shows
//! of it.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::libc;
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, sockopt_impl};

use super::tool::pause;

/// The beginning of `struct tcp_info` (include/uapi/linux/tcp.h), as far as it is the
/// same since 4.18.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(unreachable_pub, reason = "as public as the macro makes the option")]
pub struct Info {
    bytes: [u8; 8],
    until_unacked: [u32; 4],
    unacked: u32,
    until_total_retrans: [u32; 18],
    total_retrans: u32,
    until_segs_out: [u64; 4],
    segs: [u32; 2],
    notsent_bytes: u32,
    until_delivery_rate: [u32; 3],
    delivery_rate: u64,
    busy_us: u64,
    rwnd_limited_us: u64,
    sndbuf_limited_us: u64,
    delivered: u32,
    delivered_ce: u32,
}

sockopt_impl!(
    /// The option that reads it.
    TcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    Info
);

/// The kernel's account of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Busy, and of that limited by the receiver's window and by the send buffer.
    pub(crate) times_ns: [u64; 3],
    /// Segments delivered, and retransmitted.
    pub(crate) counts: [u64; 2],
}

impl Account {
    pub(crate) const NOTHING: Self = Self { times_ns: [0; 3], counts: [0; 2] };

    pub(crate) fn of(stream: &TcpStream) -> Result<Self> {
        let info = getsockopt(stream, TcpInfo)?;
        let times_us = [info.busy_us, info.rwnd_limited_us, info.sndbuf_limited_us];
        Ok(Self {
            times_ns: times_us.map(|us| us * 1000),
            counts: [info.delivered, info.total_retrans].map(u64::from),
        })
    }

    pub(crate) fn since(mut self, earlier: Self) -> Self {
        self.times_ns.iter_mut().zip(earlier.times_ns).for_each(|(now, then)| *now -= then);
        self.counts.iter_mut().zip(earlier.counts).for_each(|(now, then)| *now -= then);
        self
    }
}

/// Waits until all that was written is acknowledged: no clock of the account runs then.
pub(crate) fn until_acknowledged(stream: &TcpStream) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let info = getsockopt(stream, TcpInfo)?;
        if info.unacked == 0 && info.notsent_bytes == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not all is acknowledged");
        pause(Duration::from_millis(5));
    }
}
