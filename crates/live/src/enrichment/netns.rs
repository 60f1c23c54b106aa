//! Names of network namespaces by their inode numbers. Not here: entering them.
//!
//! The machine's own is `host`. Others go by their names under `/run/netns` and
//! `/run/docker/netns`, and one without a name by the process in it that has the
//! lowest id, as `pid:1234(nginx)`, the id being the one that this process's
//! `/proc` shows.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::cost_limiter::CostLimiter;
use crate::nsfiles::{self, NAMED};
use tcpcong_core::model::Name;

/// The machine's own namespace's number since Linux 6.18
/// (`include/uapi/linux/nsfs.h`, `NET_NS_INIT_INO`); before, no namespace's.
const FIRST_NETNS: u32 = 0xEFFF_FFF9;
/// The first pid namespace's number (the same file, `PID_NS_INIT_INO`).
pub(super) const FIRST_PIDNS: u32 = 0xEFFF_FFFC;

/// From one look to the next, at least.
const LOOK_LEAST: Duration = Duration::from_secs(1);
/// Numbers are used again, and names change: look again after so long.
const REFRESH: Duration = Duration::from_secs(10);

/// The names of namespaces.
#[derive(Debug, Default)]
pub(super) struct NamespaceNames {
    /// Of all namespaces that the last look met.
    met: HashMap<u32, Arc<str>>,
    /// Those given out: of a namespace that is gone, its last.
    given: HashMap<u32, Arc<str>>,
    limiter: CostLimiter,
}

impl NamespaceNames {
    /// The name of the namespace of this number, where it has or had one.
    pub(super) fn find(&mut self, inode: u32) -> Option<Arc<str>> {
        let unknown = !self.met.contains_key(&inode) && !self.given.contains_key(&inode);
        if self.limiter.is_due(if unknown { LOOK_LEAST } else { REFRESH }) {
            self.met = self.limiter.look(look);
        }
        if let Some(name) = self.met.get(&inode) {
            self.given.insert(inode, name.clone());
        }
        self.given.get(&inode).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.given.len()
    }

    pub(super) fn retain(&mut self, wanted: impl Fn(u32) -> bool) {
        self.given.retain(|inode, _| wanted(*inode));
    }
}

/// The number of the namespace that has this name now.
pub(super) fn numbered(name: &str) -> Option<u32> {
    look().into_iter().find(|(_, known)| **known == *name).map(|(inode, _)| inode)
}

/// Every namespace that shows, with the best of its names.
fn look() -> HashMap<u32, Arc<str>> {
    let mut names = HashMap::from([(FIRST_NETNS, "host".into())]);
    if let Some(inode) = host() {
        names.insert(inode, "host".into());
    }
    for folder in NAMED {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(inode) = nsfiles::number(&entry.path()) else { continue };
            names.entry(inode).or_insert_with(|| entry.file_name().to_string_lossy().into());
        }
    }
    for (pid, inode) in namespaces_of_processes() {
        names.entry(inode).or_insert_with(|| by_process(pid).into());
    }
    names
}

/// The machine's own namespace: that of PID 1, where this process sees the
/// machine's own PID 1.
fn host() -> Option<u32> {
    let number = |file: &str| nsfiles::number(Path::new(file)).ok();
    if number("/proc/self/ns/pid")? != FIRST_PIDNS {
        return None;
    }
    number("/proc/1/ns/net").or_else(|| {
        let devices = |process: &str| nsfiles::devices(Path::new(process)).ok();
        let same = devices("/proc/1")? == devices("/proc/self")?;
        same.then(|| number("/proc/self/ns/net"))?
    })
}

fn by_process(pid: u32) -> String {
    let mut bytes = [0; 16];
    let comm = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let comm = comm.strip_suffix(b"\n").unwrap_or(&comm);
    for (byte, with) in bytes.iter_mut().zip(comm) {
        *byte = *with;
    }
    Name::new(bytes).map_or_else(|| format!("pid:{pid}"), |comm| format!("pid:{pid}({comm})"))
}

/// Each process whose namespace may be looked at, the lowest id first, with that
/// namespace's number.
pub(super) fn namespaces_of_processes() -> impl Iterator<Item = (u32, u32)> {
    let number = |pid: u32| nsfiles::number(Path::new(&format!("/proc/{pid}/ns/net"))).ok();
    pids().into_iter().filter_map(move |pid| Some((pid, number(pid)?)))
}

/// The processes, the lowest id first.
fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<_> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_of_this_process_has_a_name() {
        let own = nsfiles::number(Path::new("/proc/self/ns/net")).expect("a number");
        let name = NamespaceNames::default().find(own).expect("a name");
        if let Some(host) = host() {
            assert_eq!(host == own, &*name == "host");
        }
    }

    #[test]
    fn a_process_is_named_as_it_calls_itself() {
        let pid = std::process::id();
        let comm = fs::read_to_string("/proc/self/comm").expect("a name");
        assert_eq!(by_process(pid), format!("pid:{pid}({})", comm.trim_end()));
        assert!(pids().is_sorted() && pids().contains(&pid));
    }

    #[test]
    fn a_namespace_that_is_gone_keeps_its_name_as_long_as_it_is_wanted() {
        let mut names = NamespaceNames::default();
        assert_eq!(names.find(7), None);
        names.given.insert(7, "gone".into());
        assert_eq!(names.find(7).as_deref(), Some("gone"));
        names.retain(|inode| inode != 7);
        assert_eq!((names.find(7), names.len()), (None, 0));
    }
}
