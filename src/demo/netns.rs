//! Anonymous network namespaces: made, entered, and gone with their last user.
//! It puts nothing into them; devices are `tun`'s, sockets `sender`'s and `sink`'s.

use std::fs::File;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use super::error::StageError;

/// A network namespace without a name.
///
/// Nothing is mounted under `/run/netns`, so the kernel removes it as soon as
/// no thread, socket, device or descriptor of this process refers to it, also
/// after a SIGKILL.
pub(super) struct NetNs {
    file: File,
}

impl NetNs {
    /// Makes a new, empty namespace; the calling thread stays where it is.
    pub(super) fn create() -> Result<Self, StageError> {
        const TRIED: &str = "make a network namespace";
        // unshare(2) moves the calling thread only, so a thread that ends at
        // once is moved instead of the caller.
        let file = in_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
                // Answered by kernels without CONFIG_NET_NS.
                Errno::EINVAL => StageError::NoNamespaces { tried: TRIED, answer: errno.into() },
                other => StageError::refused(TRIED, other),
            })?;
            File::open("/proc/thread-self/ns/net")
                .map_err(|error| StageError::refused("open /proc/thread-self/ns/net", error))
        })?;
        Ok(Self { file })
    }

    /// Runs `job` inside the namespace and returns its result. Descriptors
    /// that it opens belong to the namespace wherever they are used later.
    pub(super) fn run<T: Send>(
        &self,
        job: impl FnOnce() -> Result<T, StageError> + Send,
    ) -> Result<T, StageError> {
        in_own_thread(|| {
            self.enter()?;
            job()
        })
    }

    /// Starts a thread that stays inside the namespace.
    pub(super) fn spawn(
        self,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, StageError> {
        let (entered, has_entered) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let entry = self.enter();
                // From here the thread itself keeps the namespace.
                drop(self);
                let inside = entry.is_ok();
                if entered.send(entry).is_ok() && inside {
                    body();
                }
            })
            .map_err(|error| StageError::refused("start a thread", error))?;
        has_entered.recv().unwrap_or_else(|_| {
            Err(StageError::refused("start a thread", io::Error::other("it ended early")))
        })?;
        Ok(thread)
    }

    fn enter(&self) -> Result<(), StageError> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| StageError::refused("enter a network namespace", errno))
    }
}

fn in_own_thread<T: Send>(
    job: impl FnOnce() -> Result<T, StageError> + Send,
) -> Result<T, StageError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .spawn_scoped(scope, job)
            .map_err(|error| StageError::refused("start a thread", error))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
