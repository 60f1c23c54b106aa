//! What this process takes, as every exporter tells it. Not here: what its programs take in the
//! kernel, which the source knows.

use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::{SysconfVar, sysconf};

use super::metric::{Snapshot, Value};
use super::table;

/// Adds what is known of this process, which began `started` seconds after 1970.
pub(super) fn add(snapshot: &mut Snapshot, started: f64) {
    if let Some(seconds) = cpu_seconds() {
        snapshot.add(&table::PROCESS_CPU, Vec::new(), Value::Real(seconds));
    }
    if let Some(bytes) = resident_bytes() {
        snapshot.add(&table::PROCESS_MEMORY, Vec::new(), Value::Count(bytes));
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The folder that is being read is one of them.
        let count = (open.count() as u64).saturating_sub(1);
        snapshot.add(&table::PROCESS_FDS, Vec::new(), Value::Count(count));
    }
    snapshot.add(&table::PROCESS_START, Vec::new(), Value::Real(started));
}

fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn resident_bytes() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page_bytes).ok()?)
}
