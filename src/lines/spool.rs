//! Lines that wait in memory until they are written. While nobody takes them the oldest are
//! dropped and counted, and a line in their place says so: whoever comes back has what
//! happened last without a gap, and knows of the rest when it was and how much. Not here: who
//! takes them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::stamp::{Lines, Piece};
use crate::view::{json_time, print_json};

/// What a piece takes in memory beside its bytes.
const OVERHEAD: usize = size_of::<Piece>() + 16;
/// A receiver that takes nothing for so long is away, whatever it is that it does.
const QUIET: Duration = Duration::from_secs(10);
/// Once all is to be written: a receiver that takes nothing in so long a time is waited for
/// no longer, ...
const PATIENCE: Duration = Duration::from_secs(1);
/// ... and nobody is for longer than this.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(10);

/// How many lines there were so far.
#[derive(Debug, Default)]
pub struct LineCounters {
    written: AtomicU64,
    dropped: AtomicU64,
}

impl LineCounters {
    /// Lines that the system took: a receiver that ends may leave some of them unread.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Lines for which there was no room, or nobody at the end.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// How the receiver is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    /// It takes what comes.
    Well,
    /// It takes nothing, because of this.
    Away(String),
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// This is to be written.
    Write(Piece),
    /// The file is to be opened anew.
    Reopen,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Lines come.
    Open,
    /// No more come; those that are there are written.
    Closed,
    /// Nobody waits for those any more.
    Abandoned,
}

#[derive(Debug)]
struct Queue {
    pieces: VecDeque<Piece>,
    /// Of the pieces and of what is being written.
    bytes: usize,
    /// Lines before the first of the pieces that were dropped.
    missing: Option<(Lines, usize)>,
    /// Lines that are being written.
    under_way: u64,
    /// When something was taken last, or began to wait where nothing had.
    taken: Instant,
    reopen: bool,
    stage: Stage,
    /// The writer has ended.
    over: bool,
    health: Health,
    /// Nobody was told of it yet.
    is_news: bool,
}

/// What the session and the writer share.
#[derive(Debug)]
pub(super) struct Spool {
    queue: Mutex<Queue>,
    changed: Condvar,
    counters: Arc<LineCounters>,
    most_bytes: usize,
    host: String,
}

/// In place of lines that were dropped.
#[derive(Serialize)]
#[serde(tag = "type", rename = "dropped")]
struct Dropped<'a> {
    time: String,
    from_time: String,
    lines: u64,
    bytes: usize,
    first_line: u64,
    last_line: u64,
    host: &'a str,
    run: u64,
}

impl Spool {
    pub(super) fn new(host: &str, most_bytes: u64) -> Self {
        let queue = Queue {
            pieces: VecDeque::new(),
            bytes: 0,
            missing: None,
            under_way: 0,
            taken: Instant::now(),
            reopen: false,
            stage: Stage::Open,
            over: false,
            health: Health::Well,
            is_news: false,
        };
        Self {
            queue: Mutex::new(queue),
            changed: Condvar::new(),
            counters: Arc::default(),
            most_bytes: usize::try_from(most_bytes).unwrap_or(usize::MAX),
            host: host.to_owned(),
        }
    }

    pub(super) fn counters(&self) -> Arc<LineCounters> {
        Arc::clone(&self.counters)
    }

    /// Takes a piece over. Never waits for the receiver.
    pub(super) fn push(&self, piece: Piece) {
        let mut queue = self.lock();
        if queue.bytes == 0 {
            queue.taken = Instant::now();
        }
        let size = piece.bytes.len() + OVERHEAD;
        while queue.bytes + size > self.most_bytes {
            let Some(oldest) = queue.pieces.pop_front() else { break };
            queue.bytes -= oldest.bytes.len() + OVERHEAD;
            self.miss(&mut queue, &oldest);
        }
        if queue.bytes + size > self.most_bytes {
            self.miss(&mut queue, &piece);
        } else {
            queue.bytes += size;
            queue.pieces.push_back(piece);
        }
        drop(queue);
        self.changed.notify_all();
    }

    fn miss(&self, queue: &mut Queue, piece: &Piece) {
        self.counters.dropped.fetch_add(piece.lines.count, Ordering::Relaxed);
        let (lines, bytes) = queue.missing.get_or_insert((Lines { count: 0, ..piece.lines }, 0));
        lines.count += piece.lines.count;
        lines.to = piece.lines.to;
        *bytes += piece.bytes.len();
    }

    /// Waits until there is something to do; nothing once all is done.
    pub(super) fn next(&self) -> Option<Order> {
        let waits = |queue: &mut Queue| {
            let is_idle = queue.pieces.is_empty() && queue.missing.is_none();
            is_idle && queue.stage == Stage::Open && !queue.reopen
        };
        let queue = self.lock();
        let mut queue =
            self.changed.wait_while(queue, waits).unwrap_or_else(PoisonError::into_inner);
        if queue.stage == Stage::Abandoned {
            return None;
        }
        if std::mem::take(&mut queue.reopen) {
            return Some(Order::Reopen);
        }
        let piece = match queue.missing.take() {
            Some((lines, bytes)) => {
                let piece = self.notice(lines, bytes);
                queue.bytes += piece.bytes.len() + OVERHEAD;
                piece
            }
            None => queue.pieces.pop_front()?,
        };
        queue.under_way = piece.lines.count;
        Some(Order::Write(piece))
    }

    /// The line that says which are missing. It has no number, as it counts for none.
    fn notice(&self, lines: Lines, bytes: usize) -> Piece {
        let Lines { run, first, count, from, to } = lines;
        let dropped = Dropped {
            time: json_time(to),
            from_time: json_time(from),
            lines: count,
            bytes,
            first_line: first,
            last_line: first + count - 1,
            host: &self.host,
            run,
        };
        let mut text = Vec::new();
        // Memory takes everything.
        _ = print_json(&dropped, &mut text);
        Piece { bytes: text.into(), lines: Lines { count: 0, ..lines } }
    }

    /// So many lines of what is under way were written.
    pub(super) fn wrote(&self, lines: u64) {
        let mut queue = self.lock();
        let counted = lines.min(queue.under_way);
        queue.under_way -= counted;
        queue.taken = Instant::now();
        self.counters.written.fetch_add(counted, Ordering::Relaxed);
        report(&mut queue, Health::Well);
    }

    /// All of it was.
    pub(super) fn is_done_with(&self, piece: &Piece) {
        let mut queue = self.lock();
        queue.bytes -= piece.bytes.len() + OVERHEAD;
        drop(queue);
        self.changed.notify_all();
    }

    /// The receiver takes nothing. Waits for so long, or until there is a reason to try again.
    pub(super) fn away(&self, why: String, wait: Duration) {
        let mut queue = self.lock();
        report(&mut queue, Health::Away(why));
        let stage = queue.stage;
        // Nobody waits for long at the end.
        let wait = if stage == Stage::Open { wait } else { wait.min(PATIENCE / 10) };
        let waits = |queue: &mut Queue| !queue.reopen && queue.stage == stage;
        drop(self.changed.wait_timeout_while(queue, wait, waits));
    }

    /// How the receiver is, if that is another than when this was asked before.
    pub(super) fn news(&self) -> Option<Health> {
        let mut queue = self.lock();
        // Whoever writes may be held up, and cannot say so.
        if queue.bytes > 0 && queue.taken.elapsed() >= QUIET && queue.health == Health::Well {
            let said = format!("it has taken nothing for {} s", QUIET.as_secs());
            report(&mut queue, Health::Away(said));
        }
        std::mem::take(&mut queue.is_news).then(|| queue.health.clone())
    }

    /// Whether what is under way is to be given up.
    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().stage == Stage::Abandoned
    }

    /// Whether the file is to be opened anew; says so once.
    pub(super) fn take_reopen(&self) -> bool {
        std::mem::take(&mut self.lock().reopen)
    }

    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
        self.changed.notify_all();
    }

    /// The writer has ended.
    pub(super) fn is_over(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    /// There is nothing more to come.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        if queue.stage == Stage::Open {
            queue.stage = Stage::Closed;
        }
        drop(queue);
        self.changed.notify_all();
    }

    /// Waits until all is written, but not for long where nobody takes it. Returns how many
    /// lines were not, and counts them as dropped.
    pub(super) fn finish(&self) -> u64 {
        self.close();
        let began = Instant::now();
        let mut queue = self.lock();
        while !queue.over && began.elapsed() < PATIENCE_IN_ALL {
            let before = (queue.bytes, queue.under_way);
            let waits = |queue: &mut Queue| !queue.over && (queue.bytes, queue.under_way) == before;
            let (after, waited) = self
                .changed
                .wait_timeout_while(queue, PATIENCE, waits)
                .unwrap_or_else(PoisonError::into_inner);
            queue = after;
            if waited.timed_out() {
                break;
            }
        }
        queue.stage = Stage::Abandoned;
        let waiting: u64 = queue.pieces.drain(..).map(|piece| piece.lines.count).sum();
        let unwritten = waiting + std::mem::take(&mut queue.under_way);
        drop(queue);
        self.counters.dropped.fetch_add(unwritten, Ordering::Relaxed);
        self.changed.notify_all();
        unwritten
    }

    /// Memory that is taken, bytes.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn report(queue: &mut Queue, health: Health) {
    let is_away = |health: &Health| matches!(health, Health::Away(_));
    queue.is_news |= is_away(&queue.health) != is_away(&health);
    queue.health = health;
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
