//! What is to be looked up of rows, beside what entries tell. Not here: the looking.

/// What rows are to be told of their surroundings. What is not wanted is not
/// looked up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is wanted or not, whatever the others
pub struct Lookups {
    /// The process that has the socket.
    pub owners: bool,
    /// The cgroup's path, and what it says of who runs in it.
    pub cgroups: bool,
    /// The network namespace's name.
    pub netns: bool,
    /// What came of the flow. To be known before the source starts.
    pub costs: bool,
}

impl Lookups {
    /// All that there is.
    pub const ALL: Self = Self { owners: true, cgroups: true, netns: true, costs: true };

    /// Wants what `other` wants as well.
    pub fn add(&mut self, other: Self) {
        self.owners |= other.owners;
        self.cgroups |= other.cgroups;
        self.netns |= other.netns;
        self.costs |= other.costs;
    }
}
