//! One signal that ends every thread of a path, and the wait that hears it.
//! What is waited for, and what is done then, is each thread's own.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

/// Held by what started the threads; dropping it tells every [`StopSignal`].
pub(crate) struct Stopper {
    _writer: PipeWriter,
}

/// Held by each thread. A pipe whose last writer is gone polls as hung up, for
/// any number of readers and for ever: no byte to consume, no wake-up to lose.
#[derive(Clone)]
pub(crate) struct StopSignal {
    reader: Arc<PipeReader>,
}

/// A descriptor, and what to wait for on it; errors and hang-ups are always
/// waited for.
pub(crate) type Interest<'a> = (BorrowedFd<'a>, PollFlags);

/// Makes the two ends.
pub(crate) fn stop_pair() -> io::Result<(Stopper, StopSignal)> {
    let (reader, writer) = io::pipe()?;
    let signal = StopSignal { reader: Arc::new(reader) };
    Ok((Stopper { _writer: writer }, signal))
}

impl StopSignal {
    /// Waits until an interest has something to report or `timeout` is over
    /// (`None`: no limit), to the nanosecond, as far as the thread's timer slack goes.
    ///
    /// Returns for each interest, in order, whether it reported anything, or
    /// `None` when the thread has to end.
    pub(crate) fn wait(
        &self,
        interests: &[Interest<'_>],
        timeout: Option<Duration>,
    ) -> Option<Vec<bool>> {
        let mut fds: Vec<PollFd<'_>> =
            interests.iter().map(|&(fd, flags)| PollFd::new(fd, flags)).collect();
        fds.push(PollFd::new(self.reader.as_fd(), PollFlags::POLLIN));

        match ppoll(&mut fds, timeout.map(TimeSpec::from_duration), None) {
            // After a signal no descriptor reports anything: the caller looks
            // at its clock and waits again.
            Ok(_) | Err(Errno::EINTR) => {}
            // Out of memory or a broken argument: trying again would spin.
            Err(_) => return None,
        }
        let mut ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let stopped = ready.pop().unwrap_or(true);
        (!stopped).then_some(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_copy_hears_the_stop() {
        let (stopper, signal) = stop_pair().unwrap();
        let other = signal.clone();
        assert_eq!(signal.wait(&[], Some(Duration::ZERO)), Some(vec![]));
        drop(stopper);
        assert_eq!(signal.wait(&[], None), None);
        assert_eq!(other.wait(&[], None), None);
        assert_eq!(other.wait(&[], None), None);
    }

    #[test]
    fn readiness_comes_in_the_order_of_the_interests() {
        let (_stopper, signal) = stop_pair().unwrap();
        let (quiet, _open) = io::pipe().unwrap();
        let (hung_up, closed) = io::pipe().unwrap();
        drop(closed);
        let interests = [(quiet.as_fd(), PollFlags::POLLIN), (hung_up.as_fd(), PollFlags::empty())];
        assert_eq!(signal.wait(&interests, None), Some(vec![false, true]));
    }

    #[test]
    fn a_part_of_a_millisecond_is_waited_for() {
        let (_stopper, signal) = stop_pair().unwrap();
        let started = std::time::Instant::now();
        signal.wait(&[], Some(Duration::from_micros(300)));
        assert!(started.elapsed() >= Duration::from_micros(300));
    }
}
