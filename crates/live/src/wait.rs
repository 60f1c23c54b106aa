//! Waiting, as far as the live source needs it: for a time, or for what is there sooner.
//! Not here: what asks for the end, which is whoever's who runs a session.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The time has come.
    Time,
    /// SIGINT, SIGTERM or SIGHUP asked for the end.
    Signal,
    /// Nobody reads stdout any more.
    ReaderGone,
    /// What was waited for besides is there.
    Ready,
}

/// Waits that a signal cuts short.
pub trait Waiter {
    /// Waits for `time` at most, and no longer than until `ready` can be read.
    fn wait(&mut self, time: Duration, ready: BorrowedFd<'_>) -> io::Result<Wake>;
}

/// Waits and is never interrupted: for runs that end by their duration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uninterrupted;

impl Waiter for Uninterrupted {
    fn wait(&mut self, time: Duration, ready: BorrowedFd<'_>) -> io::Result<Wake> {
        let mut ready = [PollFd::new(ready, PollFlags::POLLIN)];
        match poll(&mut ready, poll_timeout(time)) {
            Ok(0) | Err(Errno::EINTR) => Ok(Wake::Time),
            Ok(_) => Ok(Wake::Ready),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// So long, a minute at most, rounded up, so that the time has come when the wait ends.
#[must_use]
pub fn poll_timeout(time: Duration) -> PollTimeout {
    let milliseconds = time.as_nanos().div_ceil(1_000_000).min(60_000);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

/// Has other threads take this process's signals: two at once, each on a thread of its own,
/// would both be the first.
pub fn leave_signals_to_others() {
    // It fails for no set that there is.
    _ = SigSet::all().thread_block();
}
