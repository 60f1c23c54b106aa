//! Every network namespace that this process can find and enter.
//! What is done in one is the caller's business.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use crate::nsfiles;

/// The namespace of the process itself.
const OWN: &str = "/proc/self/ns/net";

/// A namespace, held open: whoever led to it may go away.
#[derive(Debug)]
pub(crate) struct Namespace {
    file: File,
    path: PathBuf,
}

/// The namespaces found, by inode number, and what stayed unknown.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    /// Those that could be opened.
    pub open: BTreeMap<u32, Namespace>,
    /// Those that are there, but could not be.
    pub closed: BTreeSet<u32>,
    /// The process's own is not among them: there is no /proc.
    pub own_missing: bool,
    /// Some thread's namespace could not be looked at: it may be one more.
    pub hidden: bool,
    /// Too many files were open to look everywhere: what was not found may be there.
    pub cut_short: bool,
}

impl Namespaces {
    /// Looks through the processes and the named namespaces.
    pub(crate) fn find() -> Self {
        let mut found = Self::default();
        let mut silent = Vec::new();
        found.note(PathBuf::from(OWN));
        found.own_missing = found.open.is_empty();
        for process in found.entries(Path::new("/proc")) {
            let numbered =
                process.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit());
            if !numbered {
                continue;
            }
            // A thread may be in another namespace than its process.
            for thread in found.entries(&process.join("task")) {
                if !found.note(thread.join("ns/net")) {
                    silent.push(thread);
                }
            }
        }
        // Without /proc there is no telling of others, nor of one's own.
        found.hidden |= found.open.is_empty();
        for folder in nsfiles::NAMED {
            for path in found.entries(Path::new(folder)) {
                found.hidden |= !found.note(path);
            }
        }
        found.hidden |= found.cut_short || silent.iter().any(|thread| !found.shares_one(thread));
        found
    }

    /// What is in a folder; nothing where there is none.
    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder);
        self.cut_short |= entries.as_ref().is_err_and(too_many_open);
        entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }

    /// False where permission to look is denied.
    fn note(&mut self, path: PathBuf) -> bool {
        let inode = match nsfiles::number(&path) {
            Ok(inode) => inode,
            // A thread that is gone has no namespace to miss.
            Err(error) => return error.kind() != io::ErrorKind::PermissionDenied,
        };
        if self.open.contains_key(&inode) {
            return true;
        }
        match File::open(&path) {
            // A name whose mount is not to be seen here is a plain file.
            Ok(file) if fstatfs(&file).is_ok_and(|stat| stat.filesystem_type() != NSFS_MAGIC) => {}
            Ok(file) => {
                // What is behind the path may have changed in between.
                let opened = file.metadata().map(|meta| meta.ino());
                if opened.is_ok_and(|opened| opened == u64::from(inode)) {
                    self.closed.remove(&inode);
                    self.open.insert(inode, Namespace { file, path });
                }
            }
            Err(error) if is_there(&error) => {
                self.closed.insert(inode);
            }
            Err(_) => {}
        }
        true
    }

    /// Whether a thread that does not show its namespace has one of those found.
    fn shares_one(&self, thread: &Path) -> bool {
        let Ok(its) = nsfiles::devices(thread) else { return false };
        self.open
            .values()
            .filter(|namespace| namespace.path.starts_with("/proc"))
            .filter_map(|namespace| namespace.path.parent()?.parent())
            .any(|other| nsfiles::devices(other).is_ok_and(|others| others == its))
    }
}

/// Whether a file that could not be opened is there: permission was denied, or too many are open.
fn is_there(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied || too_many_open(error)
}

fn too_many_open(error: &io::Error) -> bool {
    [Errno::EMFILE, Errno::ENFILE].iter().any(|full| error.raw_os_error() == Some(*full as i32))
}

impl Namespace {
    /// Whether this process is in it: even going nowhere would need `CAP_SYS_ADMIN`.
    pub(crate) fn is_own(&self) -> bool {
        self.path == Path::new(OWN)
    }

    /// Takes the calling thread into the namespace. It should be a thread that ends
    /// afterwards.
    pub(crate) fn enter(&self) -> io::Result<()> {
        setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
    }
}
