//! One transition as it happens: from which state to which, why, and what the
//! connection looked like. Not here: the sums of them, which `Tally` has.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Connection, FlowId, Name, PathFigures, State};

/// Why a transition was made. What tells them apart is in `cause`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// It could not be told.
    Unknown,
    /// The retransmission timer ran out (RFC 6298).
    Rto,
    /// It ran out again, in Loss.
    RtoRepeat,
    /// The handshake's timer ran out.
    SynTimeout,
    /// A packet was too big for the path (ICMP, or a probe of the kernel's own).
    Pmtu,
    /// Acknowledgements showed a loss (RFC 6675, RFC 8985).
    FastRetransmit,
    /// RACK's reordering timer ran out (RFC 8985).
    RackTimer,
    /// The peer echoed an ECN mark (RFC 3168).
    Ecn,
    /// A packet did not get into the local queue.
    LocalDrop,
    /// A tail loss probe had repaired a loss (RFC 8985).
    Tlp,
    /// Acknowledgements out of order, maybe of reordering alone.
    Reordering,
    /// What had been lost was acknowledged.
    Recovered,
    /// The window was restored: nothing had been lost. How it was found, if known.
    Undo(Option<UndoBy>),
    /// The peer did not take the data that came with the SYN (RFC 7413).
    TfoFail,
}

/// How the kernel found that it had retransmitted for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UndoBy {
    /// Duplicate SACKs (RFC 2883, RFC 3708).
    Dsack,
    /// Timestamps (the Eifel algorithm, RFC 3522).
    Timestamps,
    /// F-RTO (RFC 5682).
    FRto,
}

impl Cause {
    /// All that there are.
    pub const ALL: [Self; 17] = [
        Self::Unknown,
        Self::Rto,
        Self::RtoRepeat,
        Self::SynTimeout,
        Self::Pmtu,
        Self::FastRetransmit,
        Self::RackTimer,
        Self::Ecn,
        Self::LocalDrop,
        Self::Tlp,
        Self::Reordering,
        Self::Recovered,
        Self::Undo(None),
        Self::Undo(Some(UndoBy::Dsack)),
        Self::Undo(Some(UndoBy::Timestamps)),
        Self::Undo(Some(UndoBy::FRto)),
        Self::TfoFail,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Rto => "rto",
            Self::RtoRepeat => "rto-repeat",
            Self::SynTimeout => "syn-timeout",
            Self::Pmtu => "pmtu",
            Self::FastRetransmit => "fast-retransmit",
            Self::RackTimer => "rack-timer",
            Self::Ecn => "ecn",
            Self::LocalDrop => "local-drop",
            Self::Tlp => "tlp",
            Self::Reordering => "reordering",
            Self::Recovered => "recovered",
            Self::Undo(_) => "undo",
            Self::TfoFail => "tfo-fail",
        }
    }

    /// How an undo was found to be due.
    #[must_use]
    pub fn undo_by(self) -> Option<&'static str> {
        match self {
            Self::Undo(Some(UndoBy::Dsack)) => Some("dsack"),
            Self::Undo(Some(UndoBy::Timestamps)) => Some("timestamps"),
            Self::Undo(Some(UndoBy::FRto)) => Some("f-rto"),
            _ => None,
        }
    }
}

/// In a file as it is shown.
impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A cause that a later version knows is an unknown one.
impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let cause = Self::ALL.into_iter().find(|cause| cause.to_string() == text);
        Ok(cause.unwrap_or(Self::Unknown))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.undo_by() {
            Some(by) => write!(f, "{}:{by}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// A size before and after a transition, segments. What is not known, or is
/// without bound, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub before: Option<u32>,
    /// After.
    pub after: Option<u32>,
}

/// One transition, or Loss set again while in Loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// Which flow.
    pub id: FlowId,
    /// Which connection that is.
    pub connection: Connection,
    /// The congestion control.
    pub cc: Option<Name>,
    /// The state that was left.
    pub from: State,
    /// The state that was entered; the same where Loss was set again.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// How long the spell was that ended, or has been, if it goes on.
    pub spell_ns: u64,
    /// Whether that spell's beginning was seen.
    pub exact: bool,
    /// The congestion window.
    pub cwnd: Change,
    /// The slow start threshold.
    pub ssthresh: Change,
    /// The smoothed round-trip time, microseconds; 0 before the first.
    pub srtt_us: u32,
    /// Segments in flight, as the kernel estimates (`tcp_packets_in_flight()`).
    pub in_flight: u32,
    /// Of the segments on their way, those that were selectively acknowledged.
    pub sacked: u32,
    /// Segments that count as lost.
    pub lost: u32,
    /// Segments retransmitted and not yet acknowledged.
    pub retransmitted: u32,
    /// Of a timeout: for how long nothing had been acknowledged or sent, nanoseconds.
    pub waited_ns: Option<u64>,
    /// What the way to the peer was like, where that was told.
    pub path: Option<PathFigures>,
}
