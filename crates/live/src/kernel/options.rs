//! What the kernel side is told before it is loaded. Not here: the telling.

use std::time::Duration;

use super::method::Attach;
use tcpcong_core::model::{AddressPrefix, Filter, Netns, PortRange};

/// Which flows the kernel side tells of: by what it knows of a flow from
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

    /// What of the filter the kernel side can decide.
    #[must_use]
    pub fn of(filter: &Filter) -> Self {
        Self {
            lports: filter.lport.unwrap_or(PortRange::ALL),
            rports: filter.rport.unwrap_or(PortRange::ALL),
            laddr: filter.laddr,
            raddr: filter.raddr,
            netns: match filter.netns {
                Some(Netns::Inode(inode)) => Some(inode),
                Some(Netns::Name(_)) | None => None,
            },
        }
    }
}

/// What the kernel side is told before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is set or not, whatever the others
pub struct Options {
    /// Which flows it tells of.
    pub selection: Selection,
    /// Room for living flows; without it as much as there is memory, or, where each
    /// socket must be watched (`:callers`), as much as the kernel gives cheaply.
    pub max_flows: Option<u32>,
    /// Room in the kernel for entries that were not read yet, bytes, all CPUs together.
    pub buffer_bytes: u64,
    /// The ways that may be taken.
    pub attach: Attach,
    /// With `Attach::SAMPLE`: sockets are looked at so often.
    pub sample_every: Duration,
    /// Say how it attached; have the verifier tell what each program took.
    pub verbose: bool,
    /// Entries come with all figures: causes and costs take them.
    pub figures: bool,
    /// What came of each flow is asked for: all are looked at when an interval ends.
    pub costs: bool,
    /// Who holds a socket open will be asked.
    pub owners: bool,
}

impl Options {
    /// The room for entries unless told otherwise, bytes.
    pub const BUFFER_BYTES: u64 = 8 << 20;
    /// How often sockets are looked at unless told otherwise.
    pub const SAMPLE_EVERY: Duration = Duration::from_millis(100);
}

impl Default for Options {
    /// The old tool's table of all flows, in the best way that works.
    fn default() -> Self {
        Self {
            selection: Selection::ALL,
            max_flows: None,
            buffer_bytes: Self::BUFFER_BYTES,
            attach: Attach::AUTO,
            sample_every: Self::SAMPLE_EVERY,
            verbose: false,
            figures: false,
            costs: false,
            owners: false,
        }
    }
}
