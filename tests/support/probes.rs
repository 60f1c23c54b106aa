//! Trace events of a test's own at kernel functions: kprobe events of tracefs.
//! Not where they are recorded: an `Instance` records them like any other event.
//!
//! Arguments are fetched from registers by name, so what is probed here is for
//! x86-64 alone.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::instance::{TRACEFS, is_stale, mount_tracefs, own_name};

/// Events under one group name, until they are dropped.
///
/// Declare them before the instance that records them: an event in use stays.
#[derive(Debug)]
pub(crate) struct Probes {
    group: String,
    names: Vec<String>,
}

impl Probes {
    pub(crate) fn new() -> Result<Self> {
        mount_tracefs()?;
        remove_stale()?;
        Ok(Self { group: own_name(), names: Vec::new() })
    }

    /// Makes one: `kind` is `p` for a function's entry and `r` for its return,
    /// `rest` the function and what to fetch. Returns the event's full name.
    pub(crate) fn add(&mut self, kind: char, rest: &str) -> Result<String> {
        // `kprobe_profile` has the second part alone.
        let full = format!("{0}/{0}_{1}", self.group, self.names.len());
        command(&format!("{kind}:{full} {rest}"))?;
        self.names.push(full.clone());
        Ok(full)
    }
}

impl Probes {
    /// How often the kernel skipped one of them, because on that CPU it was in
    /// the midst of any kprobe's handler.
    pub(crate) fn missed(&self) -> Result<u64> {
        let path = Path::new(TRACEFS).join("kprobe_profile");
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let mut missed = 0;
        // As `NAME HITS MISSES`.
        for line in text.lines().filter(|line| line.trim().starts_with(&self.group)) {
            let last = line.split_whitespace().last().context("an empty line")?;
            missed += last.parse::<u64>().with_context(|| format!("in {line:?}"))?;
        }
        Ok(missed)
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        for name in &self.names {
            // Best effort: the next start sweeps up what stays.
            let _ = command(&format!("-:{name}"));
        }
    }
}

/// Takes away what a killed test left behind.
fn remove_stale() -> Result<()> {
    let path = Path::new(TRACEFS).join("kprobe_events");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    // As `p:GROUP/NAME FUNCTION ...`.
    let names = text.lines().filter_map(|line| line.split([':', ' ']).nth(1));
    for name in names.filter(|name| name.split('/').next().is_some_and(is_stale)) {
        let _ = command(&format!("-:{name}"));
    }
    Ok(())
}

fn command(line: &str) -> Result<()> {
    let path = Path::new(TRACEFS).join("kprobe_events");
    // Without "append" the kernel takes all probes of the machine away first.
    let file = OpenOptions::new().append(true).open(&path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .with_context(|| format!("writing {line} to {}", path.display()))
}
