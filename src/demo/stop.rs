//! One signal that ends every thread of the stage, and the wait that hears it.
//! What is waited for, and what is done then, is each thread's own.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Held by the stage; dropping it tells every [`StopSignal`].
pub(super) struct Stopper {
    _writer: PipeWriter,
}

/// Held by each thread. A pipe whose last writer is gone polls as hung up, for
/// any number of readers and for ever: no byte to consume, no wake-up to lose.
#[derive(Clone)]
pub(super) struct StopSignal {
    reader: Arc<PipeReader>,
}

/// A descriptor, and what to wait for on it; errors and hang-ups are always
/// waited for.
pub(super) type Interest<'a> = (BorrowedFd<'a>, PollFlags);

/// Makes the two ends.
pub(super) fn stop_pair() -> io::Result<(Stopper, StopSignal)> {
    let (reader, writer) = io::pipe()?;
    let signal = StopSignal { reader: Arc::new(reader) };
    Ok((Stopper { _writer: writer }, signal))
}

impl StopSignal {
    /// Waits until an interest has something to report or `timeout` is over
    /// (`None`: no limit; rounded up to whole milliseconds, poll(2)'s unit).
    ///
    /// Returns for each interest, in order, whether it reported anything, or
    /// `None` when the thread has to end.
    pub(super) fn wait(
        &self,
        interests: &[Interest<'_>],
        timeout: Option<Duration>,
    ) -> Option<Vec<bool>> {
        let mut fds: Vec<PollFd<'_>> =
            interests.iter().map(|&(fd, flags)| PollFd::new(fd, flags)).collect();
        fds.push(PollFd::new(self.reader.as_fd(), PollFlags::POLLIN));

        match poll(&mut fds, poll_timeout(timeout)) {
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

fn poll_timeout(timeout: Option<Duration>) -> PollTimeout {
    timeout.map_or(PollTimeout::NONE, |timeout| {
        PollTimeout::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
    })
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
        let timeout = |nanos| poll_timeout(Some(Duration::from_nanos(nanos)));
        assert_eq!(timeout(0), PollTimeout::ZERO);
        assert_eq!(timeout(1), PollTimeout::from(1_u8));
        assert_eq!(timeout(2_000_000), PollTimeout::from(2_u8));
        assert_eq!(poll_timeout(None), PollTimeout::NONE);
    }
}
