//! The sockets of one network namespace, as the kernel lists them. Not here: which namespace
//! that is (that of the thread which opens this), nor what became of a socket.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

use super::answer::{Sighting, SocketKey};
use super::netlink::{DONE, DUMP_INTERRUPTED, ERROR, find, list, list_listening, messages};
use crate::kernel::clock::monotonic_ns;

/// The kernel fills 32 KiB at most (`netlink_recvmsg()`, `net/netlink/af_netlink.c`).
const BUFFER: usize = 64 << 10;

/// When something was looked at: it was between these instants, `CLOCK_MONOTONIC` nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

/// Asks the kernel of one namespace's sockets.
#[derive(Debug)]
pub(super) struct DiagSocket {
    socket: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

impl DiagSocket {
    /// In the calling thread's namespace, from where it may be taken anywhere.
    pub(super) fn open() -> io::Result<Self> {
        let (flags, protocol) = (SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag);
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        Ok(Self { socket, buffer: vec![0; BUFFER], sequence: 0 })
    }

    /// Hands over every socket that has figures. Returns whether it was interrupted: then not
    /// all may have come, and some more than once.
    pub(super) fn list(&mut self, take: &mut dyn FnMut(&Sighting<'_>, Looked)) -> io::Result<bool> {
        self.dump(list, &mut |body, looked| {
            if let Some(sighting) = Sighting::decode(body) {
                take(&sighting, looked);
            }
        })
    }

    /// The ports at which somebody listens.
    pub(super) fn listening(&mut self) -> io::Result<BTreeSet<u16>> {
        let mut ports = BTreeSet::new();
        // Where it was interrupted the next time tells.
        self.dump(list_listening, &mut |body, _| {
            // `struct inet_diag_msg`: four bytes, then the source port, as on the wire.
            if let Some([high, low]) = body.get(4..6) {
                ports.insert(u16::from_be_bytes([*high, *low]));
            }
        })?;
        Ok(ports)
    }

    fn dump(
        &mut self,
        request: fn(u32) -> Vec<u8>,
        take: &mut dyn FnMut(&[u8], Looked),
    ) -> io::Result<bool> {
        let mut from_ns = monotonic_ns();
        let sequence = self.ask(request)?;
        let mut interrupted = false;
        loop {
            // The kernel writes one part of the list when it is asked, and each of the
            // others when the one before is read.
            let looked = Looked { from_ns, to_ns: monotonic_ns() };
            from_ns = looked.to_ns;
            let read = self.read()?;
            let answer = self.buffer.get(..read).unwrap_or_default();
            for message in messages(answer).filter(|message| message.sequence == sequence) {
                interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.kind {
                    DONE | ERROR if message.errno() != 0 => {
                        return Err(io::Error::from_raw_os_error(message.errno()));
                    }
                    DONE | ERROR => return Ok(interrupted),
                    _ => {}
                }
                take(message.body, looked);
            }
        }
    }

    /// Whether the socket is there, and no mini-socket.
    pub(super) fn is_there(&mut self, key: &SocketKey) -> io::Result<bool> {
        let sequence = self.ask(|sequence| find(sequence, key.family, &key.id))?;
        loop {
            let read = self.read()?;
            let answer = self.buffer.get(..read).unwrap_or_default();
            let mut own = messages(answer).filter(|message| message.sequence == sequence);
            if let Some(message) = own.next() {
                // One that is gone is an error: ENOENT, or ESTALE of another with these ends.
                let is_error = matches!(message.kind, DONE | ERROR);
                return Ok(!is_error && Sighting::decode(message.body).is_some());
            }
        }
    }

    fn ask(&mut self, request: impl FnOnce(u32) -> Vec<u8>) -> io::Result<u32> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request(self.sequence);
        loop {
            match send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty()) {
                Ok(_) => return Ok(self.sequence),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                // Its real length: the rest is lost.
                Ok(read) if read > self.buffer.len() => return Err(Errno::EMSGSIZE.into()),
                Ok(read) => return Ok(read),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
