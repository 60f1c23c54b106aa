//! A thread that does nothing but empty the log, so that nobody who is slow keeps it from
//! that: what it has taken waits in memory. Not here: what becomes of it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::transport::{Drained, Transport, Undecoded};
use crate::wait::leave_signals_to_others;

/// How long an entry waits where each is wanted at once.
const PROMPTNESS: Duration = Duration::from_millis(50);
/// It is emptied when it is this full: what is taken at once stays in the CPU's cache.
const FILL_WANTED: f64 = 1.0 / 16.0;
/// As good as empty.
const FILL_LEAST: f64 = 1e-6;
/// Where it fills fast it is emptied so many times as often, at most.
const RUSH: u32 = 16;
/// So many entries wait in memory, at most: some 100 MB. With more the log is left alone,
/// and what it cannot hold is a gap.
const WAITING_MOST: usize = 1 << 19;
/// So many wait before whoever takes them is woken.
const WAITING_FEW: usize = 1 << 10;
/// Longer than the log waits for what is being written.
const ANSWER_MOST: Duration = Duration::from_secs(30);

/// What the thread and its owner share.
struct Shared {
    state: Mutex<State>,
    /// The owner wants something.
    asked: Condvar,
    /// The thread has done something.
    done: Condvar,
    /// Readable when entries wait.
    waiting: EventFd,
}

#[derive(Default)]
struct State {
    /// In the order of their times.
    entries: Undecoded,
    /// All from before this instant have come.
    until_ns: u64,
    /// The owner waits for all from before this instant.
    wanted_ns: u64,
    /// Every entry is wanted at once.
    promptly: bool,
    /// How full the log was at most, since somebody asked.
    fill: f64,
    stop: bool,
    failed: Option<anyhow::Error>,
}

/// The thread.
pub(super) struct Collector {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// Starts it. `open` is called by the thread, as what it makes may not leave it.
    pub(super) fn start<T: Transport>(
        started_ns: u64,
        open: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<Self> {
        let waiting = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State { until_ns: started_ns, ..State::default() }),
            asked: Condvar::new(),
            done: Condvar::new(),
            waiting,
        });
        let its = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("tcpcong-log".to_owned())
            .spawn(move || {
                leave_signals_to_others();
                if let Err(error) = open().and_then(|mut transport| collect(&its, &mut transport)) {
                    its.lock().failed = Some(error);
                    its.done.notify_all();
                    _ = its.waiting.write(1);
                }
            })
            .context("starting the thread that empties the log")?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Readable when entries wait to be taken.
    pub(super) fn waiting(&self) -> BorrowedFd<'_> {
        self.shared.waiting.as_fd()
    }

    /// Whether every entry is wanted at once, or many together.
    pub(super) fn be_prompt(&self, promptly: bool) {
        self.shared.lock().promptly = promptly;
    }

    /// How full the log was at most when it was emptied, since the last call: 1 is full.
    pub(super) fn take_fill(&self) -> f64 {
        std::mem::take(&mut self.shared.lock().fill)
    }

    /// Adds what has come. Returns the instant from before which all has.
    pub(super) fn take(&self, into: &mut Undecoded) -> Result<u64> {
        let mut state = self.shared.lock();
        self.shared.hand_over(&mut state, into)
    }

    /// The same, once all from before `wanted_ns` has come, which lies in the past.
    pub(super) fn take_until(&self, wanted_ns: u64, into: &mut Undecoded) -> Result<u64> {
        let mut state = self.shared.lock();
        state.wanted_ns = state.wanted_ns.max(wanted_ns);
        self.shared.asked.notify_one();
        let (mut state, outcome) = self
            .shared
            .done
            .wait_timeout_while(state, ANSWER_MOST, |state| {
                state.until_ns < wanted_ns && state.failed.is_none()
            })
            .unwrap_or_else(PoisonError::into_inner);
        anyhow::ensure!(!outcome.timed_out(), "the log was not emptied within {ANSWER_MOST:?}");
        self.shared.hand_over(&mut state, into)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.asked.notify_one();
        if let Some(thread) = self.thread.take() {
            // If it has panicked it has said so.
            _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, state: &mut State, into: &mut Undecoded) -> Result<u64> {
        if let Some(error) = state.failed.take() {
            state.failed = Some(anyhow!("the log cannot be read any more"));
            return Err(error);
        }
        // Read, it is no longer readable.
        _ = self.waiting.read();
        into.append_until(&mut state.entries, u64::MAX);
        Ok(state.until_ns)
    }
}

fn collect(shared: &Shared, transport: &mut impl Transport) -> Result<()> {
    let mut fresh = Undecoded::default();
    let mut pause = transport.patience();
    let mut drained_ns = shared.lock().until_ns;
    loop {
        let state = shared.lock();
        let most = if state.promptly { pause.min(PROMPTNESS) } else { pause };
        let idle = |state: &mut State| !state.stop && state.wanted_ns <= state.until_ns;
        let (state, _) = shared
            .asked
            .wait_timeout_while(state, most, idle)
            .unwrap_or_else(PoisonError::into_inner);
        if state.stop {
            return Ok(());
        }
        let is_full = state.entries.len() >= WAITING_MOST && state.wanted_ns <= state.until_ns;
        drop(state);
        if is_full {
            continue;
        }
        let Drained { until_ns, fill } = transport.drain(&mut fresh)?;
        fresh.sort();
        let mut state = shared.lock();
        // Later ones may have others before them that are not out yet.
        state.entries.append_until(&mut fresh, until_ns);
        state.until_ns = until_ns;
        state.fill = state.fill.max(fill);
        let few = if state.promptly { 1 } else { WAITING_FEW };
        if state.entries.len() >= few {
            _ = shared.waiting.write(1);
        }
        shared.done.notify_all();
        // As long as it takes to fill so far, at the pace of late.
        let passed = Duration::from_nanos(until_ns - std::mem::replace(&mut drained_ns, until_ns));
        let patience = transport.patience();
        pause = passed.mul_f64(FILL_WANTED / fill.max(FILL_LEAST)).clamp(patience / RUSH, patience);
    }
}
