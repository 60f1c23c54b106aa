//! `TCP_INFO` of sockets that another part of this process has, found by their ends.
//! Not what it ought to be compared with: the tests know that.

use std::fs;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{SockaddrIn, getpeername, getsockname};

use super::truth::monotonic_ns;

/// A socket; it stays open as long as this value lasts.
pub(crate) struct Socket(OwnedFd);

/// What the kernel says of it (`struct tcp_info`, include/uapi/linux/tcp.h), as far as this
/// kernel's goes.
#[derive(Clone)]
pub(crate) struct Info {
    /// When, `CLOCK_MONOTONIC`: not later.
    pub(crate) at_ns: u64,
    bytes: Vec<u8>,
}

/// Where a figure is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    CaState,
    Unacked,
    Rtt,
    SndCwnd,
    BytesAcked,
    BytesReceived,
    NotsentBytes,
    MinRtt,
    DeliveryRate,
    RcvOoopack,
    RcvWnd,
    TotalRto,
    TotalRtoRecoveries,
    TotalRtoTime,
}

impl Figure {
    /// Offset and size.
    fn place(self) -> (usize, usize) {
        match self {
            Self::CaState => (1, 1),
            Self::Unacked => (24, 4),
            Self::Rtt => (68, 4),
            Self::SndCwnd => (80, 4),
            Self::BytesAcked => (120, 8),
            Self::BytesReceived => (128, 8),
            Self::NotsentBytes => (144, 4),
            Self::MinRtt => (148, 4),
            Self::DeliveryRate => (160, 8),
            Self::RcvOoopack => (224, 4),
            Self::RcvWnd => (232, 4),
            Self::TotalRto => (240, 2),
            Self::TotalRtoRecoveries => (242, 2),
            Self::TotalRtoTime => (244, 4),
        }
    }
}

impl Info {
    /// A figure of it; nothing if this kernel does not have it.
    pub(crate) fn has(&self, figure: Figure) -> Option<u64> {
        let (offset, size) = figure.place();
        let bytes = self.bytes.get(offset..offset + size)?;
        let mut number = [0; 8];
        // Little-endian ones: what else there is runs no tests.
        number[..size].copy_from_slice(bytes);
        Some(u64::from_le_bytes(number))
    }

    pub(crate) fn get(&self, figure: Figure) -> Result<u64> {
        self.has(figure).with_context(|| format!("this kernel's tcp_info has no {figure:?}"))
    }
}

impl Socket {
    /// The one between these ends.
    pub(crate) fn find(local: SocketAddrV4, remote: SocketAddrV4) -> Result<Self> {
        for entry in fs::read_dir("/proc/self/fd")? {
            let entry = entry?;
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            if !target.to_string_lossy().starts_with("socket:") {
                continue;
            }
            let Ok(socket) = duplicate(entry.file_name().to_string_lossy().parse()?) else {
                continue;
            };
            let number = socket.as_raw_fd();
            let (own, peer) = (getsockname(number), getpeername(number));
            if own == Ok(SockaddrIn::from(local)) && peer == Ok(SockaddrIn::from(remote)) {
                return Ok(Self(socket));
            }
        }
        anyhow::bail!("nobody here has a socket {local} > {remote}")
    }

    #[allow(unsafe_code, reason = "how much the kernel has is only told this way")]
    pub(crate) fn info(&self) -> Result<Info> {
        let at_ns = monotonic_ns()?;
        let mut bytes = vec![0_u8; 512];
        let mut length = libc::socklen_t::try_from(bytes.len())?;
        // SAFETY: both pointers are to memory of ours, of the length that is told.
        let outcome = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                bytes.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        Errno::result(outcome).context("TCP_INFO")?;
        bytes.truncate(usize::try_from(length)?);
        Ok(Info { at_ns, bytes })
    }

    /// Bytes that wait to be read, as `ss` shows them.
    #[allow(unsafe_code, reason = "there is no safe one")]
    pub(crate) fn unread(&self) -> Result<u64> {
        let mut bytes: libc::c_int = 0;
        // SAFETY: it writes an int.
        let outcome = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
        Errno::result(outcome).context("FIONREAD")?;
        Ok(u64::try_from(bytes)?)
    }
}

#[allow(unsafe_code, reason = "the descriptor is another part's")]
fn duplicate(number: RawFd) -> Result<OwnedFd> {
    // SAFETY: it is used for this one call, which fails if it has been closed meanwhile.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(borrowed.try_clone_to_owned()?)
}
