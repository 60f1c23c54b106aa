//! The thread that pushes: it takes a snapshot each interval, and sends what waits. Not here: what
//! a message is, nor how it is sent.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::client::Client;
use super::message::{Common, Message};
use super::outcome::Outcome;
use super::queue::Queue;
use super::trouble::Trouble;
use crate::serve::metrics::Snapshot;

/// The first push comes as soon as there are figures, so that it shows whether it works.
const FIRST: Duration = Duration::from_secs(1);
/// What is left at the end has this long.
const LAST: Duration = Duration::from_millis(1500);
/// From a failed push to the next attempt: this at first, and twice as long each time, up to the
/// interval, which counts as the nearest of these where it is shorter or longer.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSES_MOST: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];
/// A receiver may ask for more, and for no more than this.
const ASKED_MOST: Duration = Duration::from_secs(3600);

/// What the thread is told.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// The last snapshot, and when it was made.
    pub(super) latest: Option<(Arc<Snapshot>, SystemTime)>,
    /// No more will come.
    pub(super) is_over: bool,
}

impl Feed {
    fn at(&self) -> Option<SystemTime> {
        self.latest.as_ref().map(|(_, at)| *at)
    }
}

/// What became of the snapshots that were taken.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// What the two tasks share.
struct Waiting {
    queue: Mutex<Queue>,
    trouble: Mutex<Trouble>,
    counters: Arc<Counters>,
    /// One is being sent.
    is_sending: AtomicBool,
    is_over: AtomicBool,
    added: Notify,
    ending: Notify,
}

/// All that the thread needs.
pub(super) struct Run {
    pub(super) interval: Duration,
    pub(super) common: Common,
    pub(super) client: Client,
    pub(super) receiver: String,
    pub(super) feed: watch::Receiver<Feed>,
    pub(super) counters: Arc<Counters>,
}

impl Run {
    /// Pushes until there is no more, and what is left then.
    pub(super) async fn run(self) {
        let waiting = Arc::new(Waiting {
            queue: Mutex::default(),
            trouble: Mutex::new(Trouble::new(self.receiver)),
            counters: self.counters,
            is_sending: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            added: Notify::new(),
            ending: Notify::new(),
        });
        let [least, most] = PAUSES_MOST;
        let pause_most = self.interval.clamp(least, most);
        let sending = tokio::spawn(send_all(Arc::clone(&waiting), self.client, pause_most));
        take_each(self.interval, self.feed, &self.common, &waiting).await;
        waiting.end();
        _ = timeout(LAST, sending).await;
        waiting.give_up();
    }
}

async fn take_each(
    interval: Duration,
    mut feed: watch::Receiver<Feed>,
    common: &Common,
    waiting: &Waiting,
) {
    let mut next = Instant::now() + FIRST;
    let mut last_at = None;
    loop {
        // An error says that nobody is there who could say more.
        let over = async { _ = feed.wait_for(|feed| feed.is_over).await };
        let mut is_over = timeout_at(next, over).await.is_ok();
        if !is_over {
            // Nothing is sent twice: where this comes just before the next snapshot, it is that.
            let is_new = |feed: &Feed| feed.is_over || feed.at() != last_at;
            is_over = feed.wait_for(is_new).await.map_or(true, |feed| feed.is_over);
        }
        let latest = feed.borrow().latest.clone();
        if let Some((snapshot, at)) = latest.filter(|(_, at)| last_at != Some(*at)) {
            last_at = Some(at);
            waiting.add(common.message(&snapshot, at));
        }
        if is_over {
            return;
        }
        next = Instant::now().max(next + interval);
    }
}

async fn send_all(waiting: Arc<Waiting>, mut client: Client, pause_most: Duration) {
    let mut pause = PAUSE;
    let mut is_last_attempt = false;
    loop {
        let Some(message) = waiting.take() else {
            if waiting.is_over.load(Ordering::Relaxed) {
                return;
            }
            waiting.added.notified().await;
            continue;
        };
        match client.push(&message).await {
            Outcome::Sent => waiting.sent(),
            Outcome::Refused(why) => waiting.refused(&why),
            Outcome::Later(why, asked) => {
                waiting.put_back(message, &why);
                if is_last_attempt {
                    return;
                }
                let length = before_next(pause, asked);
                pause = pause_most.min(pause * 2);
                _ = timeout(length, waiting.ending.notified()).await;
                is_last_attempt = waiting.is_over.load(Ordering::Relaxed);
                continue;
            }
        }
        pause = PAUSE;
    }
}

/// What a receiver asks for counts where it is longer: it may ask for none at all.
fn before_next(pause: Duration, asked: Option<Duration>) -> Duration {
    varied(pause).max(asked.unwrap_or_default()).min(ASKED_MOST)
}

/// By a fifth, so that a fleet does not come back to its receiver all at once.
fn varied(length: Duration) -> Duration {
    length.mul_f64(0.8 + 0.4 * fastrand::f64())
}

impl Waiting {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, message: Message) {
        let dropped = self.queue().push(message);
        self.dropped(dropped);
        self.added.notify_one();
    }

    fn take(&self) -> Option<Message> {
        let message = self.queue().pop();
        self.is_sending.store(message.is_some(), Ordering::Relaxed);
        message
    }

    fn sent(&self) {
        self.is_sending.store(false, Ordering::Relaxed);
        self.counters.sent.fetch_add(1, Ordering::Relaxed);
        say(self.trouble().sent());
    }

    fn refused(&self, why: &str) {
        self.is_sending.store(false, Ordering::Relaxed);
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        say(self.trouble().refused(why));
    }

    fn put_back(&self, message: Message, why: &str) {
        self.is_sending.store(false, Ordering::Relaxed);
        say(self.trouble().waits(why));
        let is_dropped = self.queue().put_back(message);
        self.dropped(is_dropped.into());
    }

    fn dropped(&self, count: u64) {
        self.counters.dropped.fetch_add(count, Ordering::Relaxed);
        self.trouble().dropped(count);
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.added.notify_one();
        self.ending.notify_one();
    }

    fn give_up(&self) {
        let sending = u64::from(self.is_sending.load(Ordering::Relaxed));
        let left = self.queue().len() as u64 + sending;
        self.counters.dropped.fetch_add(left, Ordering::Relaxed);
        say(self.trouble().ended(left));
    }
}

fn say(line: Option<String>) {
    if let Some(line) = line {
        _ = writeln!(io::stderr(), "tcpcong: {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_but_not_for_none() {
        let seconds = Duration::from_secs;
        let own = seconds(8)..=seconds(12);
        for asked in [None, Some(Duration::ZERO), Some(seconds(1))] {
            let length = before_next(seconds(10), asked);
            assert!(own.contains(&length), "{asked:?}: {length:?}");
        }
        assert_eq!(before_next(seconds(10), Some(seconds(60))), seconds(60));
        assert_eq!(before_next(seconds(10), Some(seconds(9999))), ASKED_MOST);
    }
}
