//! What ends a wait: the time, a signal, or the reader of stdout going away.
//! What follows from it is the run's business.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The time has come.
    Time,
    /// SIGINT or SIGTERM asked for the end.
    Signal,
    /// Nobody reads stdout any more.
    ReaderGone,
}

/// Waits that a signal cuts short.
pub trait Waiter {
    /// Waits for `time` at most.
    fn wait(&mut self, time: Duration) -> io::Result<Wake>;
}

/// The process's signals and its stdout.
#[derive(Debug)]
pub struct Interrupts {
    signals: UnixStream,
}

impl Interrupts {
    /// From now on the first SIGINT or SIGTERM is told by [`Waiter::wait`], and
    /// a second ends the process at once.
    pub fn register() -> io::Result<Self> {
        let (signals, writer) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal only arms the way out.
            signal_hook::flag::register_conditional_shutdown(
                signal,
                128 + signal,
                Arc::clone(&asked),
            )?;
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Self { signals })
    }
}

impl Waiter for Interrupts {
    fn wait(&mut self, time: Duration) -> io::Result<Wake> {
        let stdout = io::stdout();
        let mut fds = [
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            // No event is asked for: errors are told in any case.
            PollFd::new(stdout.as_fd(), PollFlags::empty()),
        ];
        // Rounded up, so that the time has come when the wait ends.
        let milliseconds = time.as_nanos().div_ceil(1_000_000).min(60_000);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let gone = fds[1]
            .revents()
            .is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP));
        let mut byte = [0];
        if (&self.signals).read(&mut byte).is_ok_and(|read| read > 0) {
            return Ok(Wake::Signal);
        }
        Ok(if gone { Wake::ReaderGone } else { Wake::Time })
    }
}
