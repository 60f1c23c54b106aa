//! What a source offers: entries, in the order of their times, and the clock that goes
//! with them. The live kernel is one, entries from memory are another ([`Replay`]), and
//! every sink works on each. Not here: the live kernel.

use std::collections::VecDeque;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

use crate::model::{Entry, Ledger, Lookups, Losses, Row, Start};

/// How far a source has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// All entries from before this instant have come, `CLOCK_MONOTONIC` nanoseconds.
    pub until_ns: u64,
    /// The interval ends no sooner than this: what it is to show was measured only then.
    pub not_before_ns: u64,
    /// There will be no more.
    pub end: Option<End>,
}

impl Reached {
    /// Where the interval ends that was to end when the wait does, if that has come.
    pub(crate) fn interval_end(&self, wait: Wait) -> Option<u64> {
        let to_ns = wait.until_ns?.max(self.not_before_ns);
        (self.until_ns >= to_ns).then_some(to_ns)
    }
}

/// What a source takes itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceCost {
    /// How long its programs have run in the kernel since the start, nanoseconds; nothing where
    /// nobody counts that.
    pub run_ns: Option<u64>,
    /// How often they have.
    pub runs: Option<u64>,
    /// How much of the log was in use at most since the last call, bytes.
    pub log_used_bytes: u64,
}

/// Why a source has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A signal asked for it.
    Signal,
    /// Nobody reads what is printed any more.
    ReaderGone,
    /// There is nothing more.
    Exhausted,
}

/// For how long a source may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// An interval ends then, `CLOCK_MONOTONIC` nanoseconds; without it there is no end
    /// in sight.
    pub until_ns: Option<u64>,
    /// Entries are wanted as soon as there are some.
    pub promptly: bool,
}

/// Takes entries, in the order of their times.
pub type TakeEntry<'t> = &'t mut dyn FnMut(Entry);

/// Where entries come from.
pub trait Source {
    /// Hands over the entries of what was there at the start. To be called once, before
    /// anything else.
    fn begin(&mut self, _: TakeEntry<'_>) -> Result<()> {
        Ok(())
    }

    /// How it began.
    fn start(&self) -> &Start;

    /// Hands over the next entries. Returns a second later at most, and when the interval
    /// has ended at the latest.
    fn next(&mut self, wait: Wait, take: TakeEntry<'_>) -> Result<Reached>;

    /// What the wall clock showed at `at_ns`, if neither clock was set or stood
    /// still since.
    fn wall(&self, at_ns: u64) -> Timestamp;

    /// What it could not see so far, apart from what entries tell of, and how many
    /// namespaces could not be entered when last tried.
    fn losses(&mut self) -> Result<(Losses, usize)>;

    /// It would help to look at all sockets again before long.
    fn look_again(&mut self) {}

    /// What it takes itself.
    fn cost(&mut self) -> SourceCost {
        SourceCost::default()
    }
}

/// Entries from memory, and a clock of their own, which goes on as far as it is asked to
/// wait, at once.
#[derive(Debug, Clone)]
pub struct Replay {
    start: Start,
    entries: VecDeque<Entry>,
    now_ns: u64,
    end: End,
    ends_ns: u64,
}

impl Replay {
    /// These entries, which are in the order of their times. It is exhausted after the last.
    #[must_use]
    pub fn new(start: Start, entries: impl Into<VecDeque<Entry>>) -> Self {
        let entries = entries.into();
        let ends_ns = entries.back().map_or(start.at_ns, |last| last.at_ns + 1);
        Self { now_ns: start.at_ns, start, entries, end: End::Exhausted, ends_ns }
    }

    /// The same, ending at this instant for this reason.
    #[must_use]
    pub fn ending(self, end: End, ends_ns: u64) -> Self {
        Self { end, ends_ns, ..self }
    }
}

impl Source for Replay {
    fn start(&self) -> &Start {
        &self.start
    }

    fn next(&mut self, wait: Wait, take: TakeEntry<'_>) -> Result<Reached> {
        // As long as a source may wait.
        let longest_ns = self.now_ns + 1_000_000_000;
        self.now_ns = wait.until_ns.unwrap_or(u64::MAX).min(longest_ns).min(self.ends_ns);
        while self.entries.front().is_some_and(|entry| entry.at_ns < self.now_ns) {
            self.entries.pop_front().into_iter().for_each(&mut *take);
        }
        let end = (self.now_ns == self.ends_ns).then_some(self.end);
        Ok(Reached { until_ns: self.now_ns, not_before_ns: 0, end })
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        let since = i64::try_from(at_ns.saturating_sub(self.start.at_ns)).unwrap_or(i64::MAX);
        self.start.at.saturating_add(SignedDuration::from_nanos(since)).unwrap_or(self.start.at)
    }

    fn losses(&mut self) -> Result<(Losses, usize)> {
        Ok((Losses::default(), 0))
    }
}

/// What finds whose the flows are. It stands beside the source.
pub trait Enrichment {
    /// Looks after what must not wait until somebody asks. To be called once a second
    /// at least; mostly it is called more often.
    fn maintain(&mut self, ledger: &Ledger) -> Result<()>;

    /// Fills in what is wanted of the rows, as far as it is known: the names, and the
    /// process that has the socket.
    fn identify(&mut self, rows: &mut [Row], lookups: Lookups, ledger: &Ledger) -> Result<()>;
}

/// What looks nothing up.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEnrichment;

impl Enrichment for NoEnrichment {
    fn maintain(&mut self, _: &Ledger) -> Result<()> {
        Ok(())
    }

    fn identify(&mut self, _: &mut [Row], _: Lookups, _: &Ledger) -> Result<()> {
        Ok(())
    }
}
