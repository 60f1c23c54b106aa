//! Takes entries out of the kernel (`bpf/log.h`): by a log for each CPU, or by a ring
//! buffer. Not here: when, nor what becomes of them.

mod log;
mod ring;
mod undecoded;

use std::time::Duration;

use anyhow::Result;

pub(super) use log::{CpuLogs, Room};
pub(super) use ring::Ring;
pub(super) use undecoded::Undecoded;

/// Two clocks of the kernel's that tell the same time are no farther apart
/// (`ktime_get_mono_fast_ns()`, kernel/time/timekeeping.c), nanoseconds.
pub(super) const CLOCKS_APART_NS: u64 = 50_000;
/// An entry that is reserved and not written is waited for no longer: the CPU on which it
/// is written may have been taken away.
const UNWRITTEN_MOST_NS: u64 = 10_000_000_000;

/// How far a transport was emptied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drained {
    /// All entries from before this instant are out, `CLOCK_MONOTONIC` nanoseconds.
    pub until_ns: u64,
    /// It was this full: 0 empty, 1 full.
    pub fill: f64,
}

/// A way out of the kernel.
pub(super) trait Transport {
    /// Takes all entries that are there, in no order, and adds them to `into`; those that
    /// were lost as gaps.
    fn drain(&mut self, into: &mut Undecoded) -> Result<Drained>;

    /// How long it may be left alone: it does not fill meanwhile, even in a storm.
    fn patience(&self) -> Duration;
}

/// In a storm a CPU makes no more, lines a second.
const STORM_LINES: f64 = 600_000.0;
/// From time to time it is emptied in any case.
const PATIENCE_MOST: Duration = Duration::from_millis(200);

fn patience(lines: u64) -> Duration {
    Duration::from_secs_f64(lines as f64 / STORM_LINES).min(PATIENCE_MOST)
}
