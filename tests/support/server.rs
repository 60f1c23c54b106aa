//! A server that takes every connection and throws away what it reads.
//! Not the sending side: `traffic` has that.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use super::netns::Netns;
use super::tool::pause;
use super::traffic::disconnect;

/// The order to reset all connections; hanging up is the order to end.
const RESET: u8 = b'r';

/// What a server has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) accepted: usize,
    /// Connections that ended, whoever ended them.
    pub(crate) closed: usize,
    pub(crate) read_bytes: u64,
}

/// How a server reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appetite {
    /// All that comes, as it comes.
    All,
    /// No more than so many bytes at a time and a pause after each time, out of
    /// receive buffers of the same size.
    Bites(usize, Duration),
}

/// A listener and its connections, until it is dropped: then all are reset.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    orders: Option<UnixStream>,
    tally: Arc<Tally>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Tally {
    counts: Mutex<Counts>,
    changed: Condvar,
}

impl Server {
    /// Listens in `netns`; port 0 lets the kernel choose.
    pub(crate) fn listen(netns: &Netns, address: SocketAddr) -> Result<Self> {
        Self::reading(netns, address, Appetite::All)
    }

    /// The same, for a server that reads as `appetite` has it.
    pub(crate) fn reading(netns: &Netns, address: SocketAddr, appetite: Appetite) -> Result<Self> {
        let listener = netns
            .enter(|| TcpListener::bind(address))?
            .with_context(|| format!("listening on {address}"))?;
        listener.set_nonblocking(true)?;
        if let Appetite::Bites(bytes, _) = appetite {
            // What is accepted has its listener's.
            setsockopt(&listener, sockopt::RcvBuf, &bytes)?;
        }
        let address = listener.local_addr()?;
        let (orders, far_end) = UnixStream::pair()?;
        let tally = Arc::new(Tally::default());
        let desk = Desk {
            listener,
            appetite,
            orders: far_end,
            connections: Vec::new(),
            tally: Arc::clone(&tally),
        };
        Ok(Self {
            address,
            orders: Some(orders),
            tally,
            thread: Some(std::thread::spawn(move || desk.serve())),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.tally.lock()
    }

    /// Waits until `enough` holds; an error when `timeout` passes before.
    pub(crate) fn wait_until(
        &self,
        timeout: Duration,
        enough: impl Fn(&Counts) -> bool,
    ) -> Result<Counts> {
        let waiting = self
            .tally
            .changed
            .wait_timeout_while(self.tally.lock(), timeout, |counts| !enough(counts));
        let (counts, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        ensure!(enough(&counts), "after {timeout:?} the server has seen only {counts:?}");
        Ok(*counts)
    }

    /// Resets all connections that are there, and returns how many.
    pub(crate) fn reset_all(&mut self) -> Result<u32> {
        let orders = self.orders.as_mut().context("the server has ended")?;
        orders.write_all(&[RESET])?;
        let mut answer = [0; 4];
        orders.read_exact(&mut answer).context("the server's answer")?;
        Ok(u32::from_ne_bytes(answer))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed already.
            let _ = thread.join();
        }
    }
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// What the server's thread works with.
struct Desk {
    listener: TcpListener,
    appetite: Appetite,
    orders: UnixStream,
    connections: Vec<TcpStream>,
    tally: Arc<Tally>,
}

impl Desk {
    fn serve(mut self) {
        let mut buffer = vec![0; 256 * 1024];
        if let Appetite::Bites(bytes, _) = self.appetite {
            buffer.truncate(bytes);
        }
        loop {
            let ready = match self.wait() {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(errno) => panic!("polling the server's sockets: {errno}"),
            };
            if ready[0] && !self.obey() {
                break;
            }
            // Backwards, as connections that end make the last one take their place.
            // An order to reset may have left fewer than were polled.
            for index in (0..self.connections.len()).rev() {
                if ready[index + 2] && !self.read(index, &mut buffer) {
                    self.connections.swap_remove(index);
                    self.tally.note(|counts| counts.closed += 1);
                }
            }
            if ready[1] {
                self.accept();
            }
            if let Appetite::Bites(_, time) = self.appetite {
                pause(time);
            }
        }
        self.reset_all();
    }

    /// Waits for orders, the listener or a connection, and says which are ready.
    fn wait(&self) -> Result<Vec<bool>, Errno> {
        let first = [self.orders.as_fd(), self.listener.as_fd()];
        let all =
            first.into_iter().chain(self.connections.iter().map(|connection| connection.as_fd()));
        let mut polled: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        poll(&mut polled, PollTimeout::NONE)?;
        Ok(polled.iter().map(|fd| fd.any().unwrap_or(true)).collect())
    }

    /// Carries out one order; false when there will be no more.
    fn obey(&mut self) -> bool {
        let mut order = [0];
        if !matches!(self.orders.read(&mut order), Ok(1)) {
            return false;
        }
        let count = u32::try_from(self.reset_all()).unwrap_or(u32::MAX);
        self.orders.write_all(&count.to_ne_bytes()).is_ok()
    }

    fn reset_all(&mut self) -> usize {
        let count = self.connections.len();
        for connection in self.connections.drain(..) {
            // One that the peer has reset already needs it no more.
            let _ = disconnect(&connection);
        }
        self.tally.note(|counts| counts.closed += count);
        count
    }

    /// Reads once; false when the connection has ended.
    fn read(&mut self, index: usize, buffer: &mut [u8]) -> bool {
        match self.connections[index].read(buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.tally.note(|counts| counts.read_bytes += length as u64);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// Takes all connections that wait. One that was reset while it waited is an error of
    /// its own, not the listener's.
    fn accept(&mut self) {
        while let Ok((connection, _)) = self.listener.accept() {
            if connection.set_nonblocking(true).is_ok() {
                self.connections.push(connection);
                self.tally.note(|counts| counts.accepted += 1);
            }
        }
    }
}
