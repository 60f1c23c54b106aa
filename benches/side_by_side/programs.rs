//! What the BPF programs and maps of one process have cost so far, from `/proc/PID/fdinfo`.
//! By process, as other runs of the same tool have programs of the same names.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Sub;

use anyhow::{Context as _, Result};
use libbpf_rs::query::ProgInfoIter;

/// A program's runs while the kernel was timing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Runs {
    pub(crate) count: u64,
    pub(crate) time_ns: u64,
}

impl Runs {
    pub(crate) fn ns_each(&self) -> f64 {
        self.time_ns as f64 / self.count as f64
    }
}

impl Sub for Runs {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { count: self.count - before.count, time_ns: self.time_ns - before.time_ns }
    }
}

/// The programs that `pid` holds, by name; names end after 15 letters.
pub(crate) fn of(pid: u32) -> Result<BTreeMap<String, Runs>> {
    let mut by_id = BTreeMap::new();
    for info in descriptors(pid)? {
        // Links tell their program's id as well, but not its runs.
        if let (Some(id), Some(count)) = (field(&info, "prog_id:"), field(&info, "run_cnt:")) {
            let time_ns = field(&info, "run_time_ns:").context("no run_time_ns")?;
            by_id.insert(id, Runs { count, time_ns });
        }
    }
    let names = ProgInfoIter::default().filter_map(|program| {
        let runs = by_id.get(&u64::from(program.id))?;
        Some((program.name.to_string_lossy().into_owned(), *runs))
    });
    Ok(names.collect())
}

/// The memory in the kernel of all maps that `pid` holds, in MB.
pub(crate) fn map_memory_mb(pid: u32) -> Result<f64> {
    let mut by_id = BTreeMap::new();
    for info in descriptors(pid)? {
        if let (Some(id), Some(bytes)) = (field(&info, "map_id:"), field(&info, "memlock:")) {
            by_id.insert(id, bytes);
        }
    }
    Ok(by_id.values().sum::<u64>() as f64 / 1e6)
}

fn descriptors(pid: u32) -> Result<Vec<String>> {
    let path = format!("/proc/{pid}/fdinfo");
    let entries = fs::read_dir(&path).with_context(|| format!("reading {path}"))?;
    // One that was closed in between held nothing that lasts.
    Ok(entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect())
}

fn field(info: &str, name: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}
