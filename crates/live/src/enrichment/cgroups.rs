//! Paths of cgroups by their number, found by walking the cgroup2 hierarchy.
//! What a path says is `workload`'s business.
//!
//! A socket's cgroup is the one in which it was made (an accepted one's is its
//! listener's: `kernel/cgroup/cgroup.c`, `cgroup_sk_alloc()`, `cgroup_sk_clone()`);
//! a process that is moved afterwards does not take its sockets along.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::cost_limiter::CostLimiter;
use super::workload::workload;
use tcpcong_core::model::Workload;

/// From one walk to the next, at least.
const WALK_LEAST: Duration = Duration::from_secs(1);

/// A cgroup that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cgroup {
    pub path: Arc<str>,
    pub workload: Option<Arc<Workload>>,
}

/// The cgroups by number. A number is never used again (`fs/kernfs/dir.c`,
/// `__kernfs_new_node()`), and a cgroup2 folder never renamed, so what was
/// found once stays right, also when the cgroup is gone.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    /// Those that were asked for; those that are not there have none.
    asked: HashMap<u64, Option<Cgroup>>,
    /// All that the last walk met.
    met: HashMap<u64, String>,
    limiter: CostLimiter,
}

impl Cgroups {
    /// The cgroup of this number, where the hierarchy shows it.
    pub(super) fn find(&mut self, id: u64) -> Option<&Cgroup> {
        if !self.asked.contains_key(&id) {
            let mut path = self.met.get(&id);
            if path.is_none() {
                if !self.limiter.is_due(WALK_LEAST) {
                    return None;
                }
                // Mounted nowhere: it may be some day.
                self.met = self.limiter.look(walk_all)?;
                path = self.met.get(&id);
            }
            let cgroup = path.map(|path| Cgroup {
                path: path.as_str().into(),
                workload: workload(path).map(Arc::new),
            });
            // It was there before its socket, so where it was not met it is
            // gone, or hidden from here.
            self.asked.insert(id, cgroup);
        }
        self.asked.get(&id)?.as_ref()
    }

    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    pub(super) fn retain(&mut self, wanted: impl Fn(u64) -> bool) {
        self.asked.retain(|id, _| wanted(*id));
    }
}

/// Where a cgroup2 hierarchy is mounted, and from which cgroup on.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    root: String,
    point: PathBuf,
}

/// Every cgroup's path by its number; nothing where no cgroup2 is mounted.
fn walk_all() -> Option<HashMap<u64, String>> {
    let mounts = fs::read("/proc/self/mountinfo").ok()?;
    mount(&mounts).map(|mount| walk(&mount))
}

/// Whether the hierarchy shows that there is no cgroup of this path.
pub(super) fn is_missing(path: &str) -> bool {
    let Ok(mounts) = fs::read("/proc/self/mountinfo") else { return false };
    let Some(Mount { root, point }) = mount(&mounts) else { return false };
    let below = path.strip_prefix(root.as_str()).map(|rest| rest.trim_start_matches('/'));
    below.is_some_and(|below| !point.join(below).is_dir())
}

/// The mount that shows most, of those in `/proc/PID/mountinfo` (proc(5)).
fn mount(mounts: &[u8]) -> Option<Mount> {
    let found = mounts.split(|byte| *byte == b'\n').filter_map(|line| {
        let fields: Vec<_> = line.split(|byte| *byte == b' ').collect();
        let optional_end = fields.iter().position(|field| field == b"-")?;
        let kind = fields.get(optional_end + 1)?;
        (*kind == b"cgroup2").then_some(())?;
        // Seen from a cgroup namespace, what is above its root goes by "/..".
        let root = String::from_utf8_lossy(&unescaped(fields.get(3)?)).into_owned();
        let root = if root == "/" || root.starts_with("/..") { String::new() } else { root };
        let point = std::ffi::OsString::from_vec(unescaped(fields.get(4)?)).into();
        Some(Mount { root, point })
    });
    found.min_by_key(|mount| mount.root.len())
}

/// Blanks and the like stand there as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                plain.push(byte);
                rest = &after[3..];
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

fn walk(mount: &Mount) -> HashMap<u64, String> {
    let mut met = HashMap::new();
    let mut ahead = vec![(mount.point.clone(), mount.root.clone())];
    if let Ok(root) = fs::metadata(&mount.point) {
        let path = if mount.root.is_empty() { "/".to_owned() } else { mount.root.clone() };
        met.insert(root.ino(), path);
    }
    while let Some((folder, path)) = ahead.pop() {
        // One that goes away in the meantime has nothing in it.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let name = entry.file_name();
            let path = format!("{path}/{}", name.to_string_lossy());
            met.insert(entry.ino(), path.clone());
            ahead.push((Path::join(&folder, name), path));
        }
    }
    met
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(mounts: &str) -> Option<(String, PathBuf)> {
        mount(mounts.as_bytes()).map(|mount| (mount.root, mount.point))
    }

    #[test]
    fn the_hierarchy_is_found_wherever_it_is_mounted() {
        let only =
            "29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(mounted(only), Some((String::new(), "/sys/fs/cgroup".into())));
        let beside_v1 = "35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                         41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(mounted(beside_v1), Some((String::new(), "/sys/fs/cgroup/unified".into())));
        let v1 = "35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        assert_eq!(mounted(v1), None);
    }

    #[test]
    fn the_mount_that_shows_most_is_taken() {
        let part_first = "50 22 0:26 /system.slice /mnt/a\\040part rw - cgroup2 cgroup2 rw\n";
        let part = ("/system.slice".to_owned(), "/mnt/a part".into());
        assert_eq!(mounted(part_first), Some(part));
        let whole = "29 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let whole_too = (String::new(), "/sys/fs/cgroup".into());
        assert_eq!(mounted(&format!("{part_first}{whole}")), Some(whole_too));
        // A container's view of the machine's own mount.
        let above = "29 22 0:26 /../../.. /host/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(mounted(above), Some((String::new(), "/host/cgroup".into())));
    }

    #[test]
    fn a_walk_knows_folders_by_their_inode_numbers() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("a.slice/b c.service");
        fs::create_dir_all(&inside).expect("folders");
        fs::write(inside.join("cgroup.procs"), "").expect("a file");
        let met = walk(&Mount { root: String::new(), point: folder.path().into() });
        let ino = |path: &Path| fs::metadata(path).expect("there").ino();
        assert_eq!(met.len(), 3);
        assert_eq!(met[&ino(folder.path())], "/");
        assert_eq!(met[&ino(&inside)], "/a.slice/b c.service");
        let below = walk(&Mount { root: "/x".into(), point: folder.path().into() });
        assert_eq!(below[&ino(folder.path())], "/x");
        assert_eq!(below[&ino(&inside)], "/x/a.slice/b c.service");
    }
}
