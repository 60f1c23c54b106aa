//! What the two ends of a case do: one connection, or attempts at one; who writes, who reads.
//! Not the path between them, nor which case it is.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect, getsockopt, listen,
    setsockopt, socket, sockopt,
};
use nix::{libc, setsockopt_impl, sockopt_impl};

use super::StageError;
use super::sender::ABORT_ON_CLOSE;
use crate::path::stop::StopSignal;

sockopt_impl!(MaxPacingRate, SetOnly, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, u32);

/// What is sent.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The end that connects.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// What it sends.
    pub sends: Sends,
    /// `SO_SNDBUF`; the kernel doubles it.
    pub buffer_bytes: Option<usize>,
}

/// What it sends.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Sends {
    /// All it can.
    All,
    /// No more than so much, evenly (`SO_MAX_PACING_RATE`).
    Paced { bytes_per_s: u32 },
    /// The same, for so long.
    For { time: Duration, bytes_per_s: u32 },
    /// So many bytes at a time, in turn, at once each, and a pause after each.
    Writes { bytes: &'static [usize], pause: Duration },
    /// Nothing: it asks each second whether the peer is still there, nine times at most.
    KeepAlive,
    /// It only tries to connect, again so long after an attempt has failed.
    Attempts { every: Duration },
}

/// The end that listens.
#[derive(Clone, Copy, Debug)]
pub struct Receiver {
    /// How it reads.
    pub reads: Reads,
    /// `SO_RCVBUF`; the kernel doubles it.
    pub buffer_bytes: Option<usize>,
}

/// How it reads.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Reads {
    /// All that comes, as it comes.
    All,
    /// No more than so much at a time, and a pause after each time.
    Bites { bytes: usize, pause: Duration },
    /// All that comes, for so long.
    For(Duration),
    /// Nobody listens.
    Nobody,
}

/// From where, to where, and with which congestion control.
#[derive(Clone, Debug)]
pub struct Dial {
    /// The near end.
    pub from: SocketAddrV4,
    /// The far end.
    pub to: SocketAddrV4,
    /// Of both.
    pub congestion_control: String,
}

impl Sender {
    /// Makes the connection from the calling thread's namespace; none in time is an error.
    pub(super) fn connect(&self, dial: &Dial, timeout: Duration) -> Result<TcpStream, StageError> {
        let refused = |errno| StageError::refused("connect to the far end", errno);
        let stream = self.begin(dial).map_err(refused)?;
        let mut polled = [nix::poll::PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
        let timeout_ms = nix::poll::PollTimeout::try_from(timeout);
        let ready = nix::poll::poll(&mut polled, timeout_ms.unwrap_or(nix::poll::PollTimeout::MAX));
        match (ready.map_err(refused)?, getsockopt(&stream, sockopt::SocketError)) {
            (0, _) => Err(StageError::NoConnection { waited: timeout }),
            (_, Ok(0)) => Ok(stream),
            (_, Ok(errno)) => Err(refused(Errno::from_raw(errno))),
            (_, Err(errno)) => Err(refused(errno)),
        }
    }

    /// Sends a SYN; does not wait for an answer.
    fn begin(&self, dial: &Dial) -> Result<TcpStream, Errno> {
        let fd = tcp_socket()?;
        setsockopt(&fd, sockopt::Linger, &ABORT_ON_CLOSE)?;
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        setsockopt(&fd, sockopt::TcpCongestion, &OsString::from(&dial.congestion_control))?;
        if let Some(bytes) = self.buffer_bytes {
            setsockopt(&fd, sockopt::SndBuf, &bytes)?;
        }
        match self.sends {
            Sends::Paced { bytes_per_s } | Sends::For { bytes_per_s, .. } => {
                setsockopt(&fd, MaxPacingRate, &bytes_per_s)?;
            }
            Sends::Writes { .. } => setsockopt(&fd, sockopt::TcpNoDelay, &true)?,
            Sends::KeepAlive => {
                setsockopt(&fd, sockopt::TcpKeepIdle, &1)?;
                setsockopt(&fd, sockopt::TcpKeepInterval, &1)?;
                setsockopt(&fd, sockopt::TcpKeepCount, &9)?;
                setsockopt(&fd, sockopt::KeepAlive, &true)?;
            }
            Sends::All | Sends::Attempts { .. } => {}
        }
        bind(fd.as_raw_fd(), &SockaddrIn::from(dial.from))?;
        match connect(fd.as_raw_fd(), &SockaddrIn::from(dial.to)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(TcpStream::from(fd)),
            Err(errno) => Err(errno),
        }
    }

    /// Tries to connect until told to stop, or until it has connected.
    pub(super) fn attempt(&self, dial: &Dial, every: Duration, stop: &StopSignal) {
        loop {
            // What fails at once has failed as well.
            if let Ok(stream) = self.begin(dial) {
                let interests = [(stream.as_fd(), PollFlags::POLLOUT)];
                if stop.wait(&interests, None).is_none() {
                    return;
                }
            }
            if stop.wait(&[], Some(every)).is_none() {
                return;
            }
        }
    }

    /// Writes until told to stop, or until the connection has broken.
    pub(super) fn write(&self, mut stream: TcpStream, stop: &StopSignal) {
        let started = Instant::now();
        let mut turns = 0;
        let mut left_bytes = 0;
        loop {
            let (flags, timeout) = match self.sends {
                Sends::Attempts { .. } | Sends::KeepAlive => (PollFlags::empty(), None),
                Sends::For { time, .. } if started.elapsed() >= time => (PollFlags::empty(), None),
                Sends::Writes { bytes, pause } if left_bytes == 0 => {
                    // Only a break is reported meanwhile.
                    let interests = [(stream.as_fd(), PollFlags::empty())];
                    match stop.wait(&interests, Some(pause)).as_deref() {
                        Some([false]) => {}
                        _ => return self.hold(stream, stop),
                    }
                    left_bytes = bytes[turns % bytes.len()];
                    turns += 1;
                    (PollFlags::POLLOUT, None)
                }
                Sends::For { time, .. } => {
                    (PollFlags::POLLOUT, Some(time.saturating_sub(started.elapsed())))
                }
                Sends::All | Sends::Paced { .. } | Sends::Writes { .. } => {
                    (PollFlags::POLLOUT, None)
                }
            };
            let interests = [(stream.as_fd(), flags)];
            let Some(ready) = stop.wait(&interests, timeout) else { return };
            if ready != [true] {
                continue;
            }
            if flags.is_empty() {
                return self.hold(stream, stop);
            }
            let most = match self.sends {
                Sends::Writes { .. } => left_bytes.min(ZEROS.len()),
                _ => ZEROS.len(),
            };
            match stream.write(&ZEROS[..most]) {
                Ok(bytes) => left_bytes = left_bytes.saturating_sub(bytes),
                Err(error) if is_passing(&error) => {}
                Err(_) => return self.hold(stream, stop),
            }
        }
    }

    /// Keeps what has broken, as nothing is to be made in its place.
    #[expect(clippy::unused_self, reason = "it is the end of what the sender does")]
    fn hold(&self, stream: TcpStream, stop: &StopSignal) {
        while stop.wait(&[], None).is_some() {}
        drop(stream);
    }
}

impl Receiver {
    /// Listens in the calling thread's namespace.
    pub(super) fn listen(&self, dial: &Dial) -> Result<TcpListener, StageError> {
        let listening = || -> Result<OwnedFd, Errno> {
            // What is accepted has its listener's.
            let fd = tcp_socket()?;
            let name = OsString::from(&dial.congestion_control);
            setsockopt(&fd, sockopt::TcpCongestion, &name)?;
            if let Some(bytes) = self.buffer_bytes {
                setsockopt(&fd, sockopt::RcvBuf, &bytes)?;
            }
            bind(fd.as_raw_fd(), &SockaddrIn::from(dial.to))?;
            listen(&fd, Backlog::new(16)?)?;
            Ok(fd)
        };
        let listening = listening().map_err(|errno| StageError::refused("listen on a port", errno));
        Ok(TcpListener::from(listening?))
    }

    /// Accepts one connection, says so, and reads until told to stop.
    pub(super) fn serve(
        &self,
        listener: &TcpListener,
        accepted: &mpsc::Sender<()>,
        stop: &StopSignal,
    ) {
        let mut stream = loop {
            let interests = [(listener.as_fd(), PollFlags::POLLIN)];
            if stop.wait(&interests, None).is_none() {
                return;
            }
            if let Ok((stream, _)) = listener.accept() {
                break stream;
            }
        };
        let is_set_up = stream.set_nonblocking(true).is_ok()
            && setsockopt(&stream, sockopt::Linger, &ABORT_ON_CLOSE).is_ok();
        if is_set_up && accepted.send(()).is_ok() {
            self.read(&mut stream, stop);
        }
    }

    fn read(&self, stream: &mut TcpStream, stop: &StopSignal) {
        let started = Instant::now();
        let mut buffer = vec![0; 256 * 1024];
        if let Reads::Bites { bytes, .. } = self.reads {
            buffer.truncate(bytes);
        }
        let mut is_open = true;
        loop {
            let left = match self.reads {
                Reads::For(time) => Some(time.saturating_sub(started.elapsed())),
                Reads::All | Reads::Bites { .. } | Reads::Nobody => None,
            };
            let has_appetite = is_open && left != Some(Duration::ZERO);
            let ready = if has_appetite {
                stop.wait(&[(stream.as_fd(), PollFlags::POLLIN)], left)
            } else {
                stop.wait(&[], None)
            };
            match ready.as_deref() {
                None => return,
                Some([true]) => {}
                Some(_) => continue,
            }
            is_open = match stream.read(&mut buffer) {
                Ok(bytes) => bytes > 0,
                Err(error) => is_passing(&error),
            };
            if let Reads::Bites { pause, .. } = self.reads
                && stop.wait(&[], Some(pause)).is_none()
            {
                return;
            }
        }
    }
}

/// Whether the kernel has this congestion control for connections of ours: what it answers
/// where not.
pub(super) fn try_congestion_control(name: &str) -> Result<(), Errno> {
    setsockopt(&tcp_socket()?, sockopt::TcpCongestion, &OsString::from(name))
}

fn tcp_socket() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Inet, SockType::Stream, flags, None)
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
