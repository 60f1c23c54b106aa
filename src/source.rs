//! What a source of snapshots offers, so that every view works on each: the
//! live kernel, a recording, a test's fake. Not here: any of them.

use crate::model::{Snapshot, Start};

/// Hands over all flows at chosen instants.
pub trait Source {
    /// How it began.
    fn start(&self) -> &Start;

    /// The present, `CLOCK_MONOTONIC` nanoseconds.
    fn now_ns(&self) -> u64;

    /// Sets the end of the present interval: at `at_ns`, or as soon after it as
    /// the source can. Returns the instant chosen. A later call replaces it.
    fn end_interval_at(&mut self, at_ns: u64) -> u64;

    /// Looks after what must not wait for the interval's end. To be called once
    /// a second at least.
    fn tend(&mut self) -> anyhow::Result<()>;

    /// All flows as they stood at the interval's end, which has come; the next
    /// interval has no end yet.
    fn snapshot(&mut self) -> anyhow::Result<Snapshot>;
}
