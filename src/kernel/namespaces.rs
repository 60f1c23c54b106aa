//! Every network namespace that this process can find and enter.
//! What is done in one is the caller's business.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

/// The namespace of the process itself.
pub(super) const OWN: &str = "/proc/self/ns/net";
/// Where named namespaces are kept: ip-netns(8)'s and Docker's folders.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// The namespaces found, and whether some thread would not show its own.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    /// A path that leads to each, by inode number.
    pub paths: BTreeMap<u32, PathBuf>,
    /// Some thread's namespace could not be looked at: it may be one more.
    pub hidden: bool,
}

impl Namespaces {
    /// Looks through the processes and the named namespaces.
    pub(super) fn find() -> Self {
        let mut found = Self::default();
        let mut silent = Vec::new();
        found.note(PathBuf::from(OWN));
        for process in entries(Path::new("/proc")) {
            let numbered =
                process.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit());
            if !numbered {
                continue;
            }
            // A thread may be in another namespace than its process.
            for thread in entries(&process.join("task")) {
                if !found.note(thread.join("ns/net")) {
                    silent.push(thread);
                }
            }
        }
        for path in NAMED.iter().flat_map(|folder| entries(Path::new(folder))) {
            found.hidden |= !found.note(path);
        }
        found.hidden |= silent.iter().any(|thread| !found.shares_one(thread));
        found
    }

    /// False where permission is denied.
    fn note(&mut self, path: PathBuf) -> bool {
        match fs::metadata(&path) {
            Ok(meta) => {
                // The kernel's inode numbers of namespaces have 32 bits.
                if let Ok(inode) = u32::try_from(meta.ino()) {
                    self.paths.entry(inode).or_insert(path);
                }
                true
            }
            // A thread that is gone has no namespace to miss.
            Err(error) => error.kind() != io::ErrorKind::PermissionDenied,
        }
    }

    /// Whether a thread that does not show its namespace has one of those found.
    /// Each namespace has files of its own under /proc/PID/net, which show.
    fn shares_one(&self, thread: &Path) -> bool {
        let file = |thread: &Path| fs::metadata(thread.join("net/dev")).map(|meta| meta.ino());
        let Ok(its) = file(thread) else { return false };
        self.paths
            .values()
            .filter(|path| path.starts_with("/proc"))
            .filter_map(|path| path.parent()?.parent())
            .any(|other| file(other).is_ok_and(|others| others == its))
    }
}

/// Takes the calling thread into the namespace at `path`. It should be a thread
/// that ends afterwards.
pub(super) fn enter(path: &Path) -> io::Result<()> {
    setns(File::open(path)?, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}
