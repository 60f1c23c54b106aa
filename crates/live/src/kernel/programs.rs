//! The programs at work: for as long as this is kept they are attached, and what the kernel
//! counts of their runs. Not here: what they tell, nor how they are attached.

use std::fs;

use anyhow::Result;
use libbpf_rs::query::{LinkTypeInfo, PerfEventLinkInfo, PerfEventType};
use libbpf_rs::{Link, Object, ProgramImpl};

use super::method;
use super::raw::{self, SharedVars};

/// The programs, and what attaches them.
pub(super) struct Programs {
    pub(super) object: Object,
    pub(super) links: Vec<Link>,
}

impl Programs {
    /// How often the kernel has skipped a program for good; nothing where it does not tell.
    pub(super) fn recursion_misses(&self, shared: &SharedVars) -> Result<Option<u64>> {
        let mut skipped = 0;
        for program in self.object.progs().filter(ProgramImpl::autoload) {
            if method::is_second(&program.name().to_string_lossy()) {
                continue;
            }
            match raw::program_runs(&program)?.recursion_misses {
                Some(misses) => skipped += misses,
                None => return Ok(None),
            }
        }
        let skipped = skipped.saturating_sub(shared.runs_rescued());
        // Before 6.7 these are not told, as `limitations` says.
        Ok(Some(skipped + self.links.iter().filter_map(probe_misses).sum::<u64>()))
    }

    /// How long the programs have run, nanoseconds, and how often; nothing where the kernel does
    /// not count that.
    pub(super) fn runs(&self) -> Option<(u64, u64)> {
        let enabled = fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled").ok()?;
        if enabled.trim() != "1" {
            return None;
        }
        let programs = self.object.progs().filter(ProgramImpl::autoload);
        let runs: Option<Vec<_>> =
            programs.map(|program| raw::program_runs(&program).ok()).collect();
        Some(runs?.iter().fold((0, 0), |(ns, runs), one| (ns + one.run_ns, runs + one.runs)))
    }
}

/// How often the kernel has passed over a kprobe, or a kretprobe, before it came
/// to the program: another probe was being handled, or no instance was free.
fn probe_misses(link: &Link) -> Option<u64> {
    match link.info().ok()?.info {
        LinkTypeInfo::PerfEvent(PerfEventLinkInfo {
            event_type: PerfEventType::Kprobe { missed, .. },
            ..
        }) => Some(missed),
        _ => None,
    }
}
