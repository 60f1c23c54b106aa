//! Which connections there are, and who goes when there are too many. Not how long one may
//! take.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::pace::{Pace, Phase};
use super::{HttpCounters, Rejection};

/// A client that means well sends a request's head at once; after this, it makes room for
/// others.
const UNHURRIED: Duration = Duration::from_secs(1);
/// One that reads takes an answer well within this.
const UNREAD: Duration = Duration::from_secs(3);

/// The connections that are open.
pub(super) struct Admission {
    most: usize,
    counters: Arc<HttpCounters>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last: u64,
    paces: BTreeMap<u64, Arc<Pace>>,
}

impl Admission {
    pub(super) fn new(most: usize, counters: Arc<HttpCounters>) -> Arc<Self> {
        Arc::new(Self { most, counters, open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in, in the place of another if it must be; none where all others are
    /// being answered.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Admitted> {
        if self.open().paces.len() >= self.most && !self.make_room() {
            self.counters.count_rejection(Rejection::Limit);
            return None;
        }
        let mut open = self.open();
        open.last += 1;
        let (number, pace) = (open.last, Arc::new(Pace::new()));
        open.paces.insert(number, Arc::clone(&pace));
        self.counters.set_open(open.paces.len());
        drop(open);
        Some(Admitted { admission: Arc::clone(self), number, pace })
    }

    /// Closes the connection that has been idle for longest, or else the one whose request
    /// has been coming for longest, or whose answer has been taken for longest. Whether there
    /// was one.
    pub(super) fn make_room(&self) -> bool {
        self.close_one(Open::least_busy)
    }

    /// Closes the connection whose client has left its answer unread for longest. Whether
    /// there was one.
    pub(super) fn make_memory(&self) -> bool {
        self.close_one(Open::least_read)
    }

    fn close_one(&self, which: impl FnOnce(&Open, Instant) -> Option<u64>) -> bool {
        let mut open = self.open();
        let Some(number) = which(&open, Instant::now()) else { return false };
        if let Some(pace) = open.paces.remove(&number) {
            pace.evict();
            self.counters.count_rejection(Rejection::Limit);
            self.counters.set_open(open.paces.len());
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open().paces.is_empty()
    }
}

impl Open {
    fn least_busy(&self, now: Instant) -> Option<u64> {
        self.first(|phase, since| match phase {
            Phase::Idle => Some((0, since)),
            Phase::New | Phase::Head if now - since >= UNHURRIED => Some((1, since)),
            Phase::Sending if now - since >= UNREAD => Some((2, since)),
            _ => None,
        })
    }

    fn least_read(&self, now: Instant) -> Option<u64> {
        self.first(|phase, since| {
            (phase == Phase::Sending && now - since >= UNREAD).then_some((0, since))
        })
    }

    /// The connection of the least rank that there is.
    fn first(&self, rank: impl Fn(Phase, Instant) -> Option<(u8, Instant)>) -> Option<u64> {
        let ranked = self.paces.iter().filter_map(|(number, pace)| {
            let (phase, since) = pace.phase();
            Some((rank(phase, since)?, *number))
        });
        ranked.min().map(|(_, number)| number)
    }
}

/// A connection that was let in, until this value goes.
pub(super) struct Admitted {
    admission: Arc<Admission>,
    number: u64,
    pub(super) pace: Arc<Pace>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.open();
        open.paces.remove(&self.number);
        self.admission.counters.set_open(open.paces.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(most: usize) -> (Arc<Admission>, Vec<Admitted>, Arc<HttpCounters>) {
        let counters = Arc::new(HttpCounters::new());
        let admission = Admission::new(most, Arc::clone(&counters));
        let admitted = (0..most).map(|_| admission.admit().unwrap()).collect();
        (admission, admitted, counters)
    }

    #[test]
    fn a_connection_too_many_is_refused_while_all_others_are_busy() {
        let (admission, admitted, counters) = full(2);
        for one in &admitted {
            one.pace.asks();
        }
        let later = Instant::now() + 60 * UNHURRIED;
        assert_eq!(admission.open().least_busy(later), None);
        assert!(!admission.make_memory());
        assert!(admission.admit().is_none());
        assert_eq!((counters.open(), counters.rejected(Rejection::Limit)), (2, 1));
        drop(admitted);
        assert!(admission.is_empty());
        assert!(admission.admit().is_some());
    }

    #[test]
    fn a_silent_connection_makes_room_after_a_second() {
        let (admission, admitted, _) = full(2);
        assert!(admission.admit().is_none());
        let later = Instant::now() + UNHURRIED;
        assert_eq!(admission.open().least_busy(later), Some(admitted[0].number));
    }
    #[test]
    fn an_answer_that_nobody_reads_makes_room_after_those_that_ask_nothing() {
        let (admission, admitted, _) = full(2);
        admitted[0].pace.asks();
        admitted[0].pace.is_answered();
        let begin = Instant::now();
        assert_eq!(admission.open().least_read(begin + UNHURRIED), None);
        assert_eq!(admission.open().least_read(begin + UNREAD), Some(admitted[0].number));
        assert_eq!(admission.open().least_busy(begin + UNREAD), Some(admitted[1].number));
        admitted[1].pace.asks();
        assert_eq!(admission.open().least_busy(begin + UNREAD), Some(admitted[0].number));
    }
}
