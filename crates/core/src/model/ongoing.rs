//! A flow in the midst of its life, as far as a ledger must know it to go on with it: what
//! a recording tells first that begins in the midst of a run. Not here: how it came to that.

use super::cause::Window;
use super::ledger::Told;
use super::{Cause, Connection, FlowId, Name, State};

/// A flow that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ongoing {
    /// Which flow: its observed life began before.
    pub id: FlowId,
    /// Which connection it is.
    pub connection: Connection,
    /// The congestion control, as last seen.
    pub cc: Option<Name>,
    /// The state it is in.
    pub state: State,
    /// Since when, `CLOCK_MONOTONIC` nanoseconds.
    pub since_ns: u64,
    /// When it was last found to be in it.
    pub seen_ns: u64,
    /// Why the transition to it was made; nothing before the first one.
    pub cause: Option<Cause>,
    /// Its birth was not seen.
    pub found: bool,
    /// The present spell's beginning was not seen, or something was lost since.
    pub found_late: bool,
    /// When it had its last timeout, or else was born, `CLOCK_MONOTONIC` nanoseconds.
    pub last_rto_ns: u64,
    /// Its own account and counters as last told, and when that was, `CLOCK_MONOTONIC`
    /// nanoseconds.
    pub told: Option<(u64, Told)>,
    /// What the next transition's cause is told by.
    pub(super) window: Window,
}
