//! What the kernel side is told before it is loaded. Not here: the telling.

use super::way::Attach;
use crate::model::{AddressPrefix, Filter, Netns};

/// An inclusive range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// Every port, and sockets that have none yet.
    pub const ALL: Self = Self { first: 0, last: u16::MAX };
}

/// Which flows the kernel side keeps records of: what it knows of a flow from
/// its birth on, and what does not change in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Flows with another local port are left out.
    pub lports: PortRange,
    /// Flows with another remote port are left out.
    pub rports: PortRange,
    /// Flows with another local address are left out.
    pub laddr: Option<AddressPrefix>,
    /// Flows with another remote address are left out.
    pub raddr: Option<AddressPrefix>,
    /// Flows of network namespaces with another inode number are left out.
    pub netns: Option<u32>,
}

impl Selection {
    /// Every flow.
    pub const ALL: Self = Self {
        lports: PortRange::ALL,
        rports: PortRange::ALL,
        laddr: None,
        raddr: None,
        netns: None,
    };

    /// By these ports, and by what of the filter the kernel side can decide.
    #[must_use]
    pub fn new(lports: PortRange, rports: PortRange, filter: &Filter) -> Self {
        let netns = match filter.netns {
            Some(Netns::Inode(inode)) => Some(inode),
            Some(Netns::Name(_)) | None => None,
        };
        Self { lports, rports, laddr: filter.laddr, raddr: filter.raddr, netns }
    }
}

/// What the kernel side is told before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is set or not, whatever the others
pub struct Options {
    /// Which flows there are records of.
    pub selection: Selection,
    /// Flows that end without having left Open are handed over too.
    pub keep_quiet: bool,
    /// Ended spells are counted by length, in units of so many nanoseconds.
    pub histogram_unit_ns: Option<u64>,
    /// Room for flows; without it as much as the kernel gives cheaply.
    pub max_flows: Option<u32>,
    /// The ways that may be taken.
    pub attach: Attach,
    /// Have the verifier tell what each program took.
    pub verifier_statistics: bool,
    /// Whose each flow is is read: its cgroup, its congestion control, and the
    /// process that connects it.
    pub context: bool,
    /// Who holds a socket open will be asked.
    pub owners: bool,
    /// What came of each flow is measured.
    pub costs: bool,
    /// Each transition is told, with its cause.
    pub explain: bool,
    /// So are spells that end otherwise; with `explain` only.
    pub tell_spells: bool,
}

impl Default for Options {
    /// The old tool's table of all flows, in the best way that works.
    fn default() -> Self {
        Self {
            selection: Selection::ALL,
            keep_quiet: false,
            histogram_unit_ns: None,
            max_flows: None,
            attach: Attach::AUTO,
            verifier_statistics: false,
            context: false,
            owners: false,
            costs: false,
            explain: false,
            tell_spells: false,
        }
    }
}
