//! What a scenario is, and all there are.
//! Not what each does: the files named after their kind have that.

use std::net::SocketAddr;

use anyhow::{Result, bail};

use super::support::ledger::{CWR, DISORDER, LOSS, Life, OPEN, RECOVERY};
use super::support::netns::Netns;
use super::{fastopen, lossy, nested, seeding, waiting};

/// Connections in a network of their own, ready to play.
pub(crate) trait Scene: Send {
    /// Makes the traffic, while the tools trace.
    fn play(&mut self) -> Result<()>;

    /// A flow is this scene's when one of its ends is among these.
    fn ends(&self) -> Vec<SocketAddr>;

    /// The namespace with the clients of all its connections, and nobody else.
    fn client(&self) -> Option<&Netns> {
        None
    }

    /// How many calls interrupted one for another socket, where that is what it is for.
    fn nested(&self) -> Option<usize> {
        None
    }

    /// What is to be known of how it went.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The wave whose threads share one CPU, and wait for each other.
const CROWDED: u8 = 3;

/// Something that has to be in the truth, or the scenario has shown nothing.
pub(crate) struct Want {
    pub(crate) what: &'static str,
    pub(crate) is_there: fn(&[&Life]) -> bool,
}

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Those of a wave play at once, one wave after the other; those of none
    /// mostly wait, and play all the while.
    pub(crate) wave: Option<u8>,
    pub(crate) wants: &'static [Want],
    /// Sets the stage, before the tools start.
    pub(crate) set: fn() -> Result<Box<dyn Scene>>,
}

const DISORDER_SEEN: Want = Want { what: "Disorder", is_there: |lives| has(lives, DISORDER) };
const CWR_SEEN: Want = Want { what: "CWR", is_there: |lives| has(lives, CWR) };
const RECOVERY_SEEN: Want = Want { what: "Recovery", is_there: |lives| has(lives, RECOVERY) };
const LOSS_SEEN: Want = Want { what: "Loss", is_there: |lives| has(lives, LOSS) };
const REPEATED: Want = Want {
    what: "a repeated RTO",
    is_there: |lives| lives.iter().any(|life| !life.repeated_ns.is_empty()),
};
const ENDED_IN_LOSS: Want = Want {
    what: "an end in Loss",
    is_there: |lives| lives.iter().any(|life| ended(life) && last_state(life) == LOSS),
};
const LEFT_LOSS: Want =
    Want { what: "Open after Loss", is_there: |lives| lives.iter().any(|life| left_loss(life)) };
const LEFT_LOSS_AT_BOTH_ENDS: Want = Want {
    what: "Open after Loss at both ends of a connection",
    is_there: |lives| {
        let left: Vec<_> = lives.iter().filter(|life| left_loss(life)).collect();
        left.iter().any(|one| left.iter().any(|other| one.local == other.remote))
    },
};

const ALL: &[Scenario] = &[
    Scenario {
        name: "loss",
        what: "2 % of the data lost",
        wave: Some(1),
        wants: LOSSY,
        set: lossy::loss,
    },
    Scenario {
        name: "ipv6",
        what: "the same over IPv6",
        wave: Some(1),
        wants: LOSSY,
        set: lossy::ipv6,
    },
    Scenario {
        name: "mapped",
        what: "the same, IPv4 through `AF_INET6` sockets",
        wave: Some(1),
        wants: LOSSY,
        set: lossy::mapped,
    },
    Scenario {
        name: "churn",
        what: "320 short connections over a path that loses 4 %",
        wave: Some(1),
        wants: LOSSY,
        set: lossy::churn,
    },
    Scenario {
        name: "jitter",
        what: "10 % lost, and reordered by jitter",
        wave: Some(2),
        wants: LOSSY,
        set: lossy::jitter,
    },
    Scenario {
        name: "ecn",
        what: "3 % of the data marked where it would be lost",
        wave: Some(2),
        wants: &[CWR_SEEN],
        set: lossy::ecn,
    },
    Scenario {
        name: "local-drops",
        what: "drops in the sender's own queue",
        wave: Some(2),
        wants: &[CWR_SEEN],
        set: lossy::local_drops,
    },
    Scenario {
        name: "nested",
        what: "all on one CPU, in both directions, so that one socket's events interrupt another's",
        wave: Some(CROWDED),
        wants: LOSSY,
        set: nested::nested,
    },
    Scenario {
        name: "silence",
        what: "nothing gets through for three seconds: repeated timeouts",
        wave: None,
        wants: &[LOSS_SEEN, REPEATED, LEFT_LOSS],
        set: waiting::silence,
    },
    Scenario {
        name: "rst-in-loss",
        what: "the peer resets connections that are in Loss",
        wave: None,
        wants: &[ENDED_IN_LOSS],
        set: waiting::rst_in_loss,
    },
    Scenario {
        name: "syn-timeout",
        what: "connections to an address that does not answer",
        wave: None,
        wants: &[ENDED_IN_LOSS, REPEATED],
        set: waiting::syn_timeout,
    },
    Scenario {
        name: "tfo",
        what: "TCP Fast Open with the SYN-ACK lost: Loss in the handshake, on both sides",
        wave: None,
        wants: &[LEFT_LOSS_AT_BOTH_ENDS],
        set: fastopen::fastopen,
    },
    Scenario {
        name: "pmtu",
        what: "the path's MTU falls, step by step: ICMP sets Loss",
        wave: None,
        wants: &[LOSS_SEEN],
        set: waiting::pmtu,
    },
    Scenario {
        name: "seeding",
        what: "connections from before the start, in Loss, in Open and in traffic",
        wave: None,
        wants: &[LOSS_SEEN, LEFT_LOSS],
        set: seeding::seeding,
    },
];
const LOSSY: &[Want] = &[DISORDER_SEEN, RECOVERY_SEEN];

impl Scenario {
    /// Whether its threads wait for each other, in the midst of the kernel too.
    pub(crate) fn is_crowded(&self) -> bool {
        self.wave == Some(CROWDED)
    }
}

/// All names, in the order of the table.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|scenario| scenario.name)
}

/// Each name, and what it is.
pub(crate) fn descriptions() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|scenario| (scenario.name, scenario.what))
}

/// The scenarios of these names, in the order of the table; all for no name.
pub(crate) fn chosen(names: &[&str]) -> Result<Vec<&'static Scenario>> {
    if let Some(unknown) =
        names.iter().find(|name| ALL.iter().all(|scenario| scenario.name != **name))
    {
        let known: Vec<_> = self::names().collect();
        bail!("no scenario {unknown}; there are {}", known.join(", "));
    }
    Ok(ALL.iter().filter(|scenario| names.is_empty() || names.contains(&scenario.name)).collect())
}

fn has(lives: &[&Life], state: u8) -> bool {
    lives.iter().flat_map(|life| &life.spells).any(|spell| spell.state == state)
}

fn left_loss(life: &Life) -> bool {
    life.spells.windows(2).any(|pair| pair[0].state == LOSS && pair[1].state == OPEN)
}

fn ended(life: &Life) -> bool {
    life.ended_ns.is_some()
}

fn last_state(life: &Life) -> u8 {
    life.spells.last().map_or(OPEN, |spell| spell.state)
}
