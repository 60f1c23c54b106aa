//! stdout, behind memory: a thread writes what is handed to it, so that nobody who reads
//! slowly holds up anything else. Not here: what is printed.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

use tcpcong_core::session::Backlog;
use tcpcong_live::{Waiter, Wake, leave_signals_to_others};

/// With so much waiting there is no point in another report, bytes.
const BEHIND: usize = 1 << 20;
/// With so much waiting what comes is dropped, bytes.
const WAITING_MOST: usize = 64 << 20;
/// So much is written at once, bytes: a pipe takes all of it or none (`PIPE_BUF`), so that
/// no line is torn.
const AT_ONCE: usize = 4096;
/// How long a remark waits for the data before it.
const SETTLING: Duration = Duration::from_millis(20);
/// Once a signal has asked for the end: a reader who takes less than so many bytes in so
/// long a time is waited for no longer, ...
const TAKEN_LEAST: usize = 50_000;
const PATIENCE: Duration = Duration::from_secs(1);
/// ... and nobody is for more times.
const PATIENCE_TIMES: u32 = 10;

/// What waits to be written.
#[derive(Debug, Default)]
struct Queue {
    bytes: VecDeque<u8>,
    dropped: Unwritten,
    failed: Option<io::Error>,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Readable when all is written, once it is closed.
    finished: EventFd,
}

/// What was printed and never got out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unwritten {
    /// Lines.
    pub lines: usize,
    /// Bytes.
    pub bytes: usize,
}

/// Where data is written. What is flushed goes out as one piece, or not at all.
#[derive(Debug)]
pub struct Spool {
    shared: Arc<Shared>,
    piece: Vec<u8>,
}

/// Tells how far behind a [`Spool`] is.
#[derive(Debug, Clone)]
pub struct SpoolBacklog(Arc<Shared>);

impl Spool {
    /// Writes to `to`.
    pub fn new(mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let finished = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let (queue, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { queue, changed, finished });
        let its = Arc::clone(&shared);
        // Not joined: it may be held up for ever.
        thread::Builder::new().name("tcpcong-out".to_owned()).spawn(move || {
            leave_signals_to_others();
            if let Err(error) = write_all(&its, &mut to) {
                let error = io::Error::new(error.kind(), format!("writing to stdout: {error}"));
                its.lock().failed = Some(error);
            }
            _ = its.finished.write(1);
        })?;
        Ok(Self { shared, piece: Vec::new() })
    }

    /// What tells how far behind it is.
    #[must_use]
    pub fn backlog(&self) -> SpoolBacklog {
        SpoolBacklog(Arc::clone(&self.shared))
    }

    fn waiting(&self) -> usize {
        self.shared.lock().bytes.len()
    }

    /// Waits until all is written, but not for long once a signal has asked for the end.
    /// Returns what was not.
    pub fn finish(mut self, waiter: &mut dyn Waiter, signalled: bool) -> io::Result<Unwritten> {
        self.flush()?;
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        let mut patience = signalled.then(|| Patience::new(self.waiting()));
        loop {
            let left = patience.as_ref().map_or(Duration::MAX, Patience::left);
            match waiter.wait(left, self.shared.finished.as_fd())? {
                Wake::Ready | Wake::ReaderGone => break,
                Wake::Signal => patience = Some(Patience::new(self.waiting())),
                Wake::Time => {}
            }
            let waiting = self.waiting();
            if patience.as_mut().is_some_and(|patience| patience.is_over(waiting)) {
                break;
            }
        }
        let mut queue = self.shared.lock();
        if let Some(error) = queue.failed.take() {
            return Err(error);
        }
        let mut unwritten = queue.dropped;
        let left = queue.bytes.make_contiguous();
        unwritten.add(left);
        Ok(unwritten)
    }
}

/// How long a reader is waited for.
struct Patience {
    /// What waited when the time began that runs now, bytes.
    waiting: usize,
    until: Instant,
    times: u32,
}

impl Patience {
    fn new(waiting: usize) -> Self {
        Self { waiting, until: Instant::now() + PATIENCE, times: 1 }
    }

    fn left(&self) -> Duration {
        self.until.duration_since(Instant::now())
    }

    /// Whether that is enough, now that so many bytes wait.
    fn is_over(&mut self, waiting: usize) -> bool {
        if !self.left().is_zero() {
            return false;
        }
        let is_slow = self.waiting.saturating_sub(waiting) < TAKEN_LEAST;
        *self = Self { times: self.times + 1, ..Self::new(waiting) };
        is_slow || self.times > PATIENCE_TIMES
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut queue = self.shared.lock();
        if let Some(error) = queue.failed.take() {
            return Err(error);
        }
        if queue.bytes.len() > WAITING_MOST {
            queue.dropped.add(&self.piece);
        } else {
            queue.bytes.extend(&self.piece);
        }
        drop(queue);
        self.piece.clear();
        self.shared.changed.notify_all();
        Ok(())
    }
}

impl SpoolBacklog {
    /// Waits until all is written, but not for long: where one terminal shows data and
    /// remarks, they are in order.
    pub fn settle(&self) {
        let queue = self.0.lock();
        let waits = |queue: &mut Queue| !queue.bytes.is_empty();
        drop(self.0.changed.wait_timeout_while(queue, SETTLING, waits));
    }
}

impl Backlog for SpoolBacklog {
    fn is_behind(&self) -> bool {
        self.0.lock().bytes.len() > BEHIND
    }
}

impl Unwritten {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.lines += bytes.split(|byte| *byte == b'\n').count() - 1;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_all(shared: &Shared, to: &mut impl Write) -> io::Result<()> {
    let mut piece = Vec::with_capacity(AT_ONCE);
    loop {
        let waits = |queue: &mut Queue| queue.bytes.is_empty() && !queue.closed;
        let queue = shared.lock();
        let queue = shared.changed.wait_while(queue, waits).unwrap_or_else(PoisonError::into_inner);
        if queue.bytes.is_empty() {
            return Ok(());
        }
        let whole_lines = whole_lines(&queue.bytes);
        piece.clear();
        piece.extend(queue.bytes.iter().take(whole_lines));
        drop(queue);
        to.write_all(&piece)?;
        to.flush()?;
        // Only now: what is being written is not written.
        shared.lock().bytes.drain(..whole_lines);
        shared.changed.notify_all();
    }
}

/// As many bytes as fit at once, to the end of a line if there is one among them.
fn whole_lines(bytes: &VecDeque<u8>) -> usize {
    let most = bytes.len().min(AT_ONCE);
    bytes.range(..most).rposition(|byte| *byte == b'\n').map_or(most, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use std::io::PipeReader;
    use std::os::fd::BorrowedFd;
    use std::sync::mpsc::{Sender, channel};

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    /// Waits for the time and for what is to be read, and for nothing else.
    struct Plain;

    impl Waiter for Plain {
        fn wait(&mut self, time: Duration, ready: BorrowedFd<'_>) -> io::Result<Wake> {
            let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(ready, PollFlags::POLLIN)];
            poll(&mut fds, timeout)?;
            Ok(if fds[0].any() == Some(true) { Wake::Ready } else { Wake::Time })
        }
    }

    fn spool() -> (PipeReader, Spool) {
        let (reader, writer) = io::pipe().expect("a pipe");
        (reader, Spool::new(writer).expect("a thread"))
    }

    const LINE: &str = "0123456789012345678901234567890123456789\n";

    /// Notes each write.
    struct Writes(Sender<Vec<u8>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_comes_out_in_order_and_lines_whole() {
        let (sender, writes) = channel();
        let mut spool = Spool::new(Writes(sender)).expect("a thread");
        let lines: Vec<_> = (0..5000).map(|line| format!("{line} {LINE}")).collect();
        let expected = lines.concat();
        for line in expected.split_inclusive('\n') {
            spool.write_all(line.as_bytes()).expect("memory");
            spool.flush().expect("memory");
        }
        assert_eq!(spool.finish(&mut Plain, false).expect("a reader"), Unwritten::default());
        let writes: Vec<_> = writes.iter().collect();
        let fits = |write: &Vec<u8>| write.len() <= AT_ONCE && write.ends_with(b"\n");
        assert!(writes.iter().all(fits));
        assert_eq!(writes.concat(), expected.as_bytes());
    }

    #[test]
    fn a_reader_that_reads_nothing_holds_up_nobody_and_what_is_left_is_counted() {
        let (_reader, mut spool) = spool();
        let backlog = spool.backlog();
        assert!(!backlog.is_behind());
        let lines = 100_000;
        for _ in 0..lines {
            spool.write_all(LINE.as_bytes()).expect("memory");
        }
        spool.flush().expect("memory");
        assert!(backlog.is_behind());
        let unwritten = spool.finish(&mut Plain, true).expect("no error");
        assert_eq!(unwritten.bytes, unwritten.lines * LINE.len());
        // A pipe holds some of it.
        assert!(unwritten.lines < lines && unwritten.lines > lines / 2, "{unwritten:?}");
    }

    #[test]
    fn what_comes_when_too_much_waits_is_dropped_as_a_whole_and_counted() {
        let (reader, mut spool) = spool();
        let piece = vec![b'x'; WAITING_MOST + BEHIND];
        spool.write_all(&piece).expect("memory");
        spool.flush().expect("memory");
        spool.write_all(b"one\ntwo\n").expect("memory");
        spool.flush().expect("memory");
        let dropped = spool.shared.lock().dropped;
        assert_eq!(dropped, Unwritten { lines: 2, bytes: 8 });
        drop(reader);
    }

    #[test]
    fn a_reader_that_has_gone_is_an_error() {
        let (reader, mut spool) = spool();
        drop(reader);
        spool.write_all(LINE.as_bytes()).expect("memory");
        let error = spool.finish(&mut Plain, false).expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
