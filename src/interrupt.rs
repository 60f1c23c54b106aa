//! What ends a wait: the time, a signal, or the reader of stdout going away.
//! What follows from it is the run's business.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tcpcong_live::{Waiter, Wake, poll_timeout};

/// The process's signals and its stdout.
#[derive(Debug)]
pub struct Interrupts {
    signals: UnixStream,
    writer: UnixStream,
}

impl Interrupts {
    /// From now on the first SIGINT, SIGTERM or SIGHUP is told by [`Waiter::wait`], and
    /// a second ends the process at once.
    pub fn register() -> io::Result<Self> {
        // Whoever has it ignored, as nohup(1) does, goes on without a terminal.
        Self::of((!is_ignored(SIGHUP)).then_some(SIGHUP))
    }

    /// The same of SIGINT and SIGTERM alone: SIGHUP means something else.
    #[cfg(feature = "serve")]
    pub fn register_but_hangup() -> io::Result<Self> {
        Self::of(None)
    }

    fn of(hangup: Option<i32>) -> io::Result<Self> {
        let (signals, writer) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
            // In this order: the first signal only arms the way out.
            signal_hook::flag::register_conditional_shutdown(
                signal,
                128 + signal,
                Arc::clone(&asked),
            )?;
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Self { signals, writer })
    }

    /// What is written to this asks for the end, as a signal does.
    pub fn ender(&self) -> io::Result<UnixStream> {
        self.writer.try_clone()
    }

    /// Tells the same to whoever waits for something else.
    pub fn asked(&self) -> io::Result<Asked> {
        self.signals.try_clone().map(Asked)
    }
}

/// Tells that a signal has asked for the end, and leaves it to others to take notice.
#[derive(Debug)]
pub struct Asked(UnixStream);

impl Asked {
    /// Waits until `input` can be read, or a signal asks for the end. Returns whether the
    /// first is so.
    pub fn wait_for(&self, input: BorrowedFd<'_>) -> io::Result<bool> {
        loop {
            let mut fds = [
                PollFd::new(self.0.as_fd(), PollFlags::POLLIN),
                PollFd::new(input, PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) => return Ok(!fds[0].any().unwrap_or(false)),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Whether a signal has asked for the end.
    pub fn has_come(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO)?;
        Ok(fds[0].any().unwrap_or(false))
    }
}

/// Whether this process was started with the signal ignored (proc(5), `SigIgn`).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

impl Interrupts {
    /// Waits as [`Waiter::wait`] does, whether or not anybody reads stdout.
    pub fn wait_for_signals(&mut self, time: Duration, ready: BorrowedFd<'_>) -> io::Result<Wake> {
        self.wait_with(time, ready, None)
    }

    fn wait_with(
        &mut self,
        time: Duration,
        ready: BorrowedFd<'_>,
        written: Option<BorrowedFd<'_>>,
    ) -> io::Result<Wake> {
        let mut fds = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(ready, PollFlags::POLLIN),
        ];
        // No event is asked for: errors are told in any case.
        fds.extend(written.map(|written| PollFd::new(written, PollFlags::empty())));
        match poll(&mut fds, poll_timeout(time)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let gone = fds.get(2).and_then(PollFd::revents);
        let gone =
            gone.is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP));
        let is_ready = fds[1].any().unwrap_or(false);
        let mut byte = [0];
        if (&self.signals).read(&mut byte).is_ok_and(|read| read > 0) {
            return Ok(Wake::Signal);
        }
        Ok(match (gone, is_ready) {
            (true, _) => Wake::ReaderGone,
            (_, true) => Wake::Ready,
            _ => Wake::Time,
        })
    }
}

impl Waiter for Interrupts {
    fn wait(&mut self, time: Duration, ready: BorrowedFd<'_>) -> io::Result<Wake> {
        self.wait_with(time, ready, Some(io::stdout().as_fd()))
    }
}
