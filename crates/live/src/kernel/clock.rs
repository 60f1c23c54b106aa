//! The kernel's clocks, as this process reads them.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_getres, clock_gettime};

/// `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns()`.
pub(crate) fn monotonic_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::CLOCK_MONOTONIC))
}

/// `CLOCK_BOOTTIME`, by which the kernel notes when a process began; it counts suspends.
pub(crate) fn boottime_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::CLOCK_BOOTTIME))
}

/// The kernel's tick (`TICK_NSEC`), which is what its coarse clocks go by.
pub(crate) fn tick_ns() -> u64 {
    nanoseconds(clock_getres(ClockId::CLOCK_MONOTONIC_COARSE))
}

/// The clocks are always there; were one not, time would stand still.
fn nanoseconds(time: nix::Result<TimeSpec>) -> u64 {
    let time = time.map_or(Duration::ZERO, Duration::from);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
