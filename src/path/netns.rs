//! Anonymous network namespaces: made, entered, and gone with their last user.
//! It puts nothing into them: devices are `tun`'s, and sockets those of who uses the path.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use super::error::PathError;

/// A network namespace without a name.
///
/// Nothing is mounted under `/run/netns`, so the kernel removes it as soon as
/// no thread, socket, device or descriptor of this process refers to it, also
/// after a SIGKILL.
#[derive(Debug)]
pub struct NetNs {
    file: File,
}

impl NetNs {
    /// Makes a new, empty namespace; the calling thread stays where it is.
    pub(crate) fn create() -> Result<Self, PathError> {
        const TRIED: &str = "make a network namespace";
        // unshare(2) moves the calling thread only, so a thread that ends at
        // once is moved instead of the caller.
        let file = in_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
                // Answered by kernels without CONFIG_NET_NS.
                Errno::EINVAL => PathError::NoNamespaces { tried: TRIED, answer: errno.into() },
                other => PathError::refused(TRIED, other),
            })?;
            File::open("/proc/thread-self/ns/net")
                .map_err(|error| PathError::refused("open /proc/thread-self/ns/net", error))
        })?;
        Ok(Self { file })
    }

    /// Runs `job` on a thread inside the namespace and returns its result. Descriptors that
    /// it opens belong to the namespace wherever they are used later, and processes that it
    /// starts stay in it.
    pub fn run<T: Send>(
        &self,
        job: impl FnOnce() -> Result<T, PathError> + Send,
    ) -> Result<T, PathError> {
        in_own_thread(|| {
            self.enter_thread()?;
            job()
        })
    }

    /// The same, for what cannot fail as a path does.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, PathError> {
        self.run(|| Ok(work()))
    }

    /// Starts a thread that stays inside the namespace.
    pub fn spawn(
        &self,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, PathError> {
        let refused = |error| PathError::refused("start a thread", error);
        // From here the thread itself keeps the namespace.
        let own = Self { file: self.file.try_clone().map_err(refused)? };
        let (entered, has_entered) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let entry = own.enter_thread();
                drop(own);
                let inside = entry.is_ok();
                // A caller that has gone wants nothing run.
                if entered.send(entry).is_ok() && inside {
                    body();
                }
            })
            .map_err(refused)?;
        has_entered.recv().unwrap_or_else(|_| Err(refused(io::Error::other("it ended early"))))?;
        Ok(thread)
    }

    /// Sets a kernel parameter by its dotted name, as `net.ipv4.tcp_ecn`. `/proc/sys/net`
    /// shows the namespace of the thread that opens a file in it.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<(), PathError> {
        let path = PathBuf::from("/proc/sys").join(key.replace('.', "/"));
        self.enter(|| std::fs::write(&path, value))?
            .map_err(|error| PathError::refused("set a parameter under /proc/sys", error))
    }

    /// Where other threads and processes can open it, while this value lasts.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()))
    }

    /// Its inode number, as `/proc/PID/ns/net` shows it.
    pub fn inode(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    fn enter_thread(&self) -> Result<(), PathError> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| PathError::refused("enter a network namespace", errno))
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn in_own_thread<T: Send>(
    job: impl FnOnce() -> Result<T, PathError> + Send,
) -> Result<T, PathError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .spawn_scoped(scope, job)
            .map_err(|error| PathError::refused("start a thread", error))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
