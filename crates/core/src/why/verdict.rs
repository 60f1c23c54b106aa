//! Verdicts: what they are called, of which end they speak, and what to look at next. Not
//! here: when one holds, which `rules` has.

use std::fmt;

/// Who or what is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The peer's machine has said that nobody listens there.
    Refused,
    /// A router, or this machine, has said that there is no way.
    Unreachable,
    /// Nothing has answered the SYN.
    NotAnswered,
    /// Only timeouts, and nothing was acknowledged.
    BlackHole,
    /// Keep-alive probes went unanswered.
    PeerSilent,
    /// Only large segments were lost.
    PacketsTooBig,
    /// For a while nothing was answered.
    Outage,
    /// Timeouts, or losses, that were none.
    SpuriousTimeouts,
    /// Packets overtook each other.
    Reordering,
    /// Drops in this machine's own queue.
    LocalQueue,
    /// Losses that only timeouts repaired.
    TimeoutWaits,
    /// The path lost packets.
    PathLoss,
    /// The path marked packets.
    EcnMarking,
    /// The receiver's window was full.
    ReceiverWindow,
    /// The send buffer was too small.
    SendBuffer,
    /// Packets waited in a queue for several round trips.
    StandingQueue,
    /// The path carries no more.
    PathFull,
    /// This machine's application reads slowly.
    SlowReader,
    /// This machine's receive buffer is too small for the path.
    ReceiveBuffer,
    /// What came here had gaps.
    InboundLoss,
    /// The peer has stopped sending.
    SenderIdle,
    /// There was nothing to send.
    ApplicationIdle,
    /// Nothing held it up.
    Healthy,
}

/// Which end of the connection a verdict speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// This machine as the one that sends.
    Sending,
    /// This machine as the one that receives.
    Receiving,
    /// The connection as a whole.
    Both,
}

impl End {
    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Receiving => "receiving",
            Self::Both => "both",
        }
    }
}

impl Verdict {
    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::NotAnswered => "not answered",
            Self::BlackHole => "black hole",
            Self::PeerSilent => "peer silent",
            Self::PacketsTooBig => "packets too big",
            Self::Outage => "outage",
            Self::SpuriousTimeouts => "spurious timeouts",
            Self::Reordering => "reordering",
            Self::LocalQueue => "local queue",
            Self::TimeoutWaits => "waiting for timeouts",
            Self::PathLoss => "path loss",
            Self::EcnMarking => "ECN marking",
            Self::ReceiverWindow => "receiver window",
            Self::SendBuffer => "send buffer",
            Self::StandingQueue => "standing queue",
            Self::PathFull => "path full",
            Self::SlowReader => "slow reader",
            Self::ReceiveBuffer => "receive buffer",
            Self::InboundLoss => "inbound loss",
            Self::SenderIdle => "sender idle",
            Self::ApplicationIdle => "application idle",
            Self::Healthy => "healthy",
        }
    }

    /// Which end it speaks of.
    #[must_use]
    pub fn end(self) -> End {
        match self {
            Self::Refused
            | Self::Unreachable
            | Self::NotAnswered
            | Self::PeerSilent
            | Self::Healthy => End::Both,
            Self::SlowReader | Self::ReceiveBuffer | Self::InboundLoss | Self::SenderIdle => {
                End::Receiving
            }
            _ => End::Sending,
        }
    }

    /// Nothing is wrong: there was nothing to send, or nothing held it up.
    #[must_use]
    pub fn is_calm(self) -> bool {
        matches!(self, Self::ApplicationIdle | Self::Healthy)
    }

    /// What to look at next, a sentence; nothing where there is nothing to be done.
    #[must_use]
    pub fn next_step(self) -> Option<&'static str> {
        Some(match self {
            Self::Refused => "See whether the server runs and listens on that port and address.",
            Self::Unreachable => "Look at routes, and at firewalls that answer for the peer.",
            Self::NotAnswered => {
                "Look for a firewall that drops in silence, or see whether the address is right."
            }
            Self::BlackHole => {
                "Capture at the other end; where only large packets vanish, `ping -M do -s 1472` \
                 shows it."
            }
            Self::PeerSilent => "See whether the peer is alive; the kernel gives up by itself.",
            Self::PacketsTooBig => {
                "Find the smallest MTU by `tracepath`, let ICMP pass, or set \
                 net.ipv4.tcp_mtu_probing=1."
            }
            Self::Outage => "Look at what links and routers logged at that time.",
            Self::SpuriousTimeouts => {
                "Look for stalls longer than a round trip: wireless links, paused machines."
            }
            Self::Reordering => "Look for links that share one flow among them.",
            Self::LocalQueue => "Look at `tc -s qdisc` of the device that it leaves by.",
            Self::TimeoutWaits => {
                "Look for what drops the ends of bursts; pacing and RACK-TLP make waits shorter."
            }
            Self::PathLoss => "Find the link that drops; a loss-tolerant congestion control helps.",
            Self::EcnMarking => "Look at the queue that marks: it asks for less.",
            Self::ReceiverWindow => "Run `tcpcong why` at the peer: its reader or its buffer.",
            Self::SendBuffer => "Raise net.ipv4.tcp_wmem, or set no SO_SNDBUF.",
            Self::StandingQueue => {
                "Look for the queue at the narrowest link: it wants a shorter limit, or fq_codel."
            }
            Self::PathFull => "It is as fast as the path: see what else uses it.",
            Self::SlowReader => "Look at what the process that reads waits for.",
            Self::ReceiveBuffer => "Raise net.ipv4.tcp_rmem, or set no SO_RCVBUF.",
            Self::InboundLoss => "Run `tcpcong why` at the sender, which sees what was lost.",
            Self::SenderIdle => "Look at the sender: it has nothing to send, or does not send it.",
            Self::ApplicationIdle | Self::Healthy => return None,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How far a verdict can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// The watch was short, or much went unseen or is unknown.
    Low,
    /// The rule holds, by less than twice its threshold.
    Medium,
    /// It holds by twice its threshold or more.
    High,
}

impl Confidence {
    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}
