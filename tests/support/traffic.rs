//! Makes connections of every kind a test wants, and sends through them.
//! Not the network, nor the receiving side: `lab` and `server` have those.

use std::ffi::OsString;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect, getsockopt,
    setsockopt, socket, sockopt,
};
use nix::{setsockopt_impl, sockopt_impl};

use super::netns::Netns;

sockopt_impl!(MaxPacingRate, SetOnly, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, u32);

/// An emulated machine's loss and load may cost several retransmissions of a SYN.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long an orderly close waits for the peer's own.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The order to stop and end in an orderly way.
const GRACEFUL: u8 = b'g';

/// How to connect.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    to: SocketAddr,
    from: Option<SocketAddr>,
    congestion_control: Option<String>,
    mapped: bool,
    send_buffer: Option<usize>,
    pacing_rate: Option<u32>,
    fast_open: bool,
}

/// How much to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So many, then an orderly close.
    Bytes(u64),
    UntilStopped,
}

/// How to end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Disconnect: data still unsent is thrown away, no orphan stays.
    Reset,
    /// Send what is left, say so, and wait for the peer to close too.
    Graceful,
}

/// A connection on which a thread of its own writes all it can.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// Kept open: hanging up is the order to reset.
    orders: Option<PipeWriter>,
    thread: Option<JoinHandle<io::Result<u64>>>,
}

impl Dial {
    pub(crate) fn to(to: SocketAddr) -> Self {
        Self {
            to,
            from: None,
            congestion_control: None,
            mapped: false,
            send_buffer: None,
            pacing_rate: None,
            fast_open: false,
        }
    }

    /// Binds the near end to an address and port first.
    pub(crate) fn from(mut self, address: IpAddr, port: u16) -> Self {
        self.from = Some(SocketAddr::new(address, port));
        self
    }

    /// As root in the namespace, any algorithm that is loaded, allowed or not.
    pub(crate) fn congestion_control(mut self, name: &str) -> Self {
        self.congestion_control = Some(name.to_owned());
        self
    }

    /// Reaches an IPv4 address through an `AF_INET6` socket, as `::ffff:a.b.c.d`.
    pub(crate) fn mapped(mut self) -> Self {
        self.mapped = true;
        self
    }

    /// No more than so many bytes fit between the application and the path, as the
    /// kernel counts them: it doubles what it is told for its own needs.
    pub(crate) fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// No faster than so many bytes a second, evenly.
    pub(crate) fn paced(mut self, bytes_per_second: u32) -> Self {
        self.pacing_rate = Some(bytes_per_second);
        self
    }

    /// Connecting returns at once: the SYN goes out with what is written first.
    pub(crate) fn fast_open(mut self) -> Self {
        self.fast_open = true;
        self
    }

    /// Connects from `netns`. To a silent peer, the error is `TimedOut`
    /// and the socket is closed in the midst of its handshake.
    pub(crate) fn connect(&self, netns: &Netns, timeout: Duration) -> Result<TcpStream> {
        let socket = netns.enter(|| self.prepare())??;
        let connected = self.handshake(socket.as_fd(), timeout);
        connected.with_context(|| format!("connecting to {}", self.to))?;
        Ok(TcpStream::from(socket))
    }

    fn prepare(&self) -> Result<OwnedFd> {
        let family = match self.end(self.to) {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // Asked for by number, as plain 0 may become MPTCP on some systems.
        let socket = socket(family, SockType::Stream, flags, SockProtocol::Tcp)?;
        if let Some(name) = &self.congestion_control {
            setsockopt(&socket, sockopt::TcpCongestion, &OsString::from(name))
                .with_context(|| format!("choosing the congestion control {name}"))?;
        }
        if let Some(bytes) = self.send_buffer {
            setsockopt(&socket, sockopt::SndBuf, &bytes)?;
        }
        if self.fast_open {
            setsockopt(&socket, sockopt::TcpFastOpenConnect, &true)
                .context("TCP_FASTOPEN_CONNECT")?;
        }
        if let Some(rate) = self.pacing_rate {
            setsockopt(&socket, MaxPacingRate, &rate)?;
        }
        if let Some(from) = self.from {
            setsockopt(&socket, sockopt::ReuseAddr, &true)?;
            bind(socket.as_raw_fd(), &SockaddrStorage::from(self.end(from)))
                .with_context(|| format!("binding to {from}"))?;
        }
        Ok(socket)
    }

    fn handshake(&self, socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(self.end(self.to))) {
            Err(Errno::EINPROGRESS) => {}
            other => return Ok(other?),
        }
        let mut polled = [PollFd::new(socket, PollFlags::POLLOUT)];
        if poll_for(&mut polled, timeout)? == 0 {
            return Err(ErrorKind::TimedOut.into());
        }
        match getsockopt(&socket, sockopt::SocketError)? {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// An end of the connection in the form that the socket's family wants.
    fn end(&self, address: SocketAddr) -> SocketAddr {
        match address.ip() {
            IpAddr::V4(ip) if self.mapped => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), address.port())
            }
            _ => address,
        }
    }
}

impl Sender {
    /// Connects from `netns` and begins to write.
    pub(crate) fn start(netns: &Netns, dial: &Dial, amount: Amount) -> Result<Self> {
        let stream = dial.connect(netns, CONNECT_TIMEOUT)?;
        let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
        let (far_end, orders) = pipe()?;
        Ok(Self {
            local,
            remote,
            orders: Some(orders),
            thread: Some(std::thread::spawn(move || send(stream, amount, far_end))),
        })
    }

    /// Stops writing, ends the connection and returns the number of bytes written.
    ///
    /// An error if the connection had broken before.
    pub(crate) fn stop(mut self, ending: Ending) -> Result<u64> {
        if let (Ending::Graceful, Some(orders)) = (ending, &mut self.orders) {
            // A thread that has come to its end no longer reads.
            let _ = orders.write(&[GRACEFUL]);
        }
        // A reset, unless there was the other order before.
        drop(self.orders.take());
        self.join()
    }

    /// Waits until its [`Amount::Bytes`] are sent and the connection is closed.
    pub(crate) fn wait(mut self) -> Result<u64> {
        self.join()
    }

    fn join(&mut self) -> Result<u64> {
        let thread = self.thread.take().context("this sender has been waited for")?;
        let written = thread.join().map_err(|_| anyhow!("a sender's thread panicked"))?;
        written.with_context(|| format!("sending from {} to {}", self.local, self.remote))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        drop(self.orders.take());
        // How it ended matters to nobody who lets it drop.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Throws away what is unsent and resets the connection, so that no orphan goes on
/// retransmitting; the socket stays (connect(2), "dissolved"). Unlike a close with
/// linger 0 it does so at once, even where a process that another test is just
/// starting still holds a copy of the descriptor.
#[allow(unsafe_code, reason = "nix has no address without a family")]
pub(crate) fn disconnect(stream: &TcpStream) -> io::Result<()> {
    let nobody = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
    let length = u32::try_from(size_of_val(&nobody)).unwrap_or(u32::MAX);
    // SAFETY: the address is as long as is said, and lives until the call returns.
    let result = unsafe { libc::connect(stream.as_raw_fd(), &raw const nobody, length) };
    Ok(Errno::result(result).map(drop)?)
}

/// Makes `count` connections, one after the other; each sends `bytes` and closes.
pub(crate) fn short_connections(
    netns: &Netns,
    dial: &Dial,
    count: usize,
    bytes: usize,
) -> Result<()> {
    let payload = vec![0; bytes];
    let one = || -> Result<()> {
        let socket = dial.prepare()?;
        dial.handshake(socket.as_fd(), CLOSE_TIMEOUT)?;
        let mut stream = TcpStream::from(socket);
        stream.set_nonblocking(false)?;
        stream.write_all(&payload)?;
        Ok(close_gracefully(stream)?)
    };
    netns.enter(|| {
        (0..count).try_for_each(|number| {
            one().with_context(|| format!("short connection {number} of {count}"))
        })
    })?
}

/// A sender's thread: writes, listening for orders, and ends the connection.
fn send(mut stream: TcpStream, amount: Amount, mut orders: PipeReader) -> io::Result<u64> {
    let buffer = vec![0; 64 * 1024];
    let total = match amount {
        Amount::Bytes(bytes) => bytes,
        Amount::UntilStopped => u64::MAX,
    };
    let mut written = 0;
    while written < total {
        if wait_for_room_or_order(&stream, &orders)? {
            if matches!(orders.read(&mut [0]), Ok(1)) {
                break;
            }
            disconnect(&stream)?;
            return Ok(written);
        }
        let next =
            usize::try_from(total - written).map_or(buffer.len(), |left| left.min(buffer.len()));
        match stream.write(&buffer[..next]) {
            Ok(length) => written += length as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    close_gracefully(stream)?;
    Ok(written)
}

/// Waits until the stream takes more, or an order is there: then it is true.
fn wait_for_room_or_order(stream: &TcpStream, orders: &PipeReader) -> io::Result<bool> {
    let mut polled = [
        PollFd::new(stream.as_fd(), PollFlags::POLLOUT),
        PollFd::new(orders.as_fd(), PollFlags::POLLIN),
    ];
    while poll_for(&mut polled, Duration::from_secs(3600))? == 0 {}
    Ok(polled[1].any().unwrap_or(true))
}

/// Says that no more comes and waits for the peer to say so too; resets when it does not.
fn close_gracefully(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    let mut rest = [0; 4096];
    loop {
        let mut polled = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
        if poll_for(&mut polled, deadline.saturating_duration_since(Instant::now()))? == 0 {
            disconnect(&stream)?;
            return Err(ErrorKind::TimedOut.into());
        }
        if stream.read(&mut rest)? == 0 {
            return Ok(());
        }
    }
}

/// Polls again when a signal comes, so that only time or readiness end it.
fn poll_for(polled: &mut [PollFd<'_>], timeout: Duration) -> io::Result<i32> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(polled, left) {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}
