//! What a source of snapshots offers, so that every view works on each: the
//! live kernel, a recording, a test's fake. Not here: any of them.

use jiff::Timestamp;

use crate::model::{Row, Snapshot, Start, Told};

/// What rows are to be told of their surroundings. What is not wanted is not
/// looked up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is wanted or not, whatever the others
pub struct Wanted {
    /// The process that has the socket.
    pub owners: bool,
    /// The cgroup's path, and what it says of who runs in it.
    pub cgroups: bool,
    /// The network namespace's name.
    pub netns: bool,
    /// What came of the flow. To be known before the source starts.
    pub costs: bool,
}

impl Wanted {
    /// Wants what `other` wants as well.
    pub fn add(&mut self, other: Self) {
        self.owners |= other.owners;
        self.cgroups |= other.cgroups;
        self.netns |= other.netns;
        self.costs |= other.costs;
    }
}

/// Hands over all flows at chosen instants.
pub trait Source {
    /// How it began.
    fn start(&self) -> &Start;

    /// The present, `CLOCK_MONOTONIC` nanoseconds.
    fn now_ns(&self) -> u64;

    /// What the wall clock showed at `at_ns`, if neither clock was set or stood
    /// still since.
    fn wall(&self, at_ns: u64) -> Timestamp;

    /// Sets the end of the present interval: at `at_ns`, or as soon after it as
    /// the source can. Returns the instant chosen. A later call replaces it.
    fn end_interval_at(&mut self, at_ns: u64) -> u64;

    /// Looks after what must not wait for the interval's end. To be called once
    /// a second at least.
    fn tend(&mut self) -> anyhow::Result<()>;

    /// Has no coming snapshot show the flows that have ended so far.
    fn forget_ended(&mut self);

    /// All flows as they stood at the interval's end, which has come; the next
    /// interval has no end yet.
    fn snapshot(&mut self) -> anyhow::Result<Snapshot>;

    /// The transitions since the last call, one by one, where the source tells
    /// them so.
    fn transitions(&mut self) -> anyhow::Result<Told>;

    /// Fills in whose the rows' flows are, as far as that is known: the names,
    /// and the process that has the socket.
    fn identify(&mut self, rows: &mut [Row], wanted: Wanted) -> anyhow::Result<()>;
}
