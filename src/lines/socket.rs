//! Lines to a Unix or TCP socket that somebody listens on. Not here: when it is tried again.

use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};

use super::options::Target;
use super::receiver::{Receiver, SLOW};

/// Each address of a name is tried for so long.
const CONNECTING: Duration = Duration::from_secs(5);
/// A host that is gone without a word while nothing is under way to it is given up half a
/// minute later: it is asked after so many seconds, so often, and so many times. No
/// `TCP_USER_TIMEOUT` gives it up sooner while something is under way: that ends the connection
/// of a receiver that only pauses as well, which acknowledges probes and has its window closed
/// (tcp(7)).
const IDLE_S: u32 = 15;
const PROBES_EVERY_S: u32 = 5;
const PROBES: u32 = 3;

pub(super) struct SocketReceiver {
    to: Target,
    stream: Option<Stream>,
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl SocketReceiver {
    pub(super) fn new(to: Target) -> Self {
        Self { to, stream: None }
    }

    fn connect(&self) -> io::Result<Stream> {
        match &self.to {
            Target::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(SLOW))?;
                Ok(Stream::Unix(stream))
            }
            Target::Tcp(address) => tcp(address).map(Stream::Tcp),
            Target::Stdout | Target::File(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn write_on(stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
        stream.is_there()?;
        match stream {
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tcp(stream) => stream.write(bytes),
        }
    }
}

impl Receiver for SocketReceiver {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let written = Self::write_on(&mut stream, bytes);
        // What has failed is closed.
        let is_of_use = match &written {
            Ok(_) => true,
            Err(error) => is_slow(error),
        };
        self.stream = is_of_use.then_some(stream);
        written
    }
}

/// Whether it is to be asked again, and no more.
pub(super) fn is_slow(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn tcp(address: &str) -> io::Result<TcpStream> {
    let mut failed = None;
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECTING) {
            Ok(stream) => {
                stream.set_write_timeout(Some(SLOW))?;
                stream.set_nodelay(true)?;
                setsockopt(&stream, sockopt::TcpKeepIdle, &IDLE_S)?;
                setsockopt(&stream, sockopt::TcpKeepInterval, &PROBES_EVERY_S)?;
                setsockopt(&stream, sockopt::TcpKeepCount, &PROBES)?;
                setsockopt(&stream, sockopt::KeepAlive, &true)?;
                return Ok(stream);
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::Error::other("the name has no address")))
}

impl Stream {
    /// Whether somebody is there still: what is written after the peer has closed is lost,
    /// and no error before the next write says so. A TCP peer that will send no more is taken
    /// for one that has closed, as nothing tells the two apart.
    fn is_there(&self) -> io::Result<()> {
        let has_closed = match self {
            Self::Unix(stream) => {
                let mut fds = [PollFd::new(stream.as_fd(), PollFlags::empty())];
                poll(&mut fds, PollTimeout::ZERO)?;
                let closed = PollFlags::POLLHUP | PollFlags::POLLERR;
                fds[0].revents().is_some_and(|events| events.intersects(closed))
            }
            Self::Tcp(stream) => {
                // What it says is of no interest.
                let mut said = [0; 256];
                match recv(stream.as_raw_fd(), &mut said, MsgFlags::MSG_DONTWAIT) {
                    Ok(bytes) => bytes == 0,
                    Err(Errno::EAGAIN | Errno::EINTR) => false,
                    Err(errno) => return Err(errno.into()),
                }
            }
        };
        if has_closed {
            return Err(io::Error::other("the receiver has closed the connection"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use nix::sys::socket::getsockopt;

    use super::*;

    #[test]
    fn a_host_that_is_gone_is_noticed_and_one_that_pauses_keeps_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("a socket").to_string();
        let stream = tcp(&address).expect("a connection");
        assert_eq!(getsockopt(&stream, sockopt::KeepAlive), Ok(true));
        assert_eq!(getsockopt(&stream, sockopt::TcpUserTimeout), Ok(0));
    }
}
