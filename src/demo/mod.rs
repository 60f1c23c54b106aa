//! The demo's stage: two network namespaces, a lossy router between them, traffic on it.
//! It does not trace; the stage is there so that a newcomer has something to trace.
//!
//! Everything hangs on descriptors and threads of this process: nothing is left
//! behind, however it ends.

pub mod cases;
mod ends;
mod pace;
pub mod pair;
mod running;
mod script;
mod sender;
mod sink;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use crate::path::PathError as StageError;
use crate::path::stop::{self, Stopper};
use crate::path::{Path, PathSpec};
use script::{LINK, LINK_BITS_PER_S, SCRIPT};

/// As a path has them where nobody says otherwise.
const SENDERS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 18, 1, 1), 7009);

/// A handshake takes 16 ms; so long it takes only if something is in the way.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A running stage. It stands until it is dropped; the drop ends and joins its
/// threads and aborts its connections, and the kernel removes the namespaces.
pub struct Stage {
    /// Taken by the drop.
    stopper: Option<Stopper>,
    threads: Vec<JoinHandle<()>>,
    path: Path,
    ecn: bool,
}

impl Stage {
    /// The server's port: the senders' remote port.
    pub const PORT: u16 = SERVER.port();

    /// Builds the namespaces, the router and the connections; returns when the
    /// first connection is established.
    ///
    /// Needs `CAP_SYS_ADMIN` and `CAP_NET_ADMIN`. The calling thread stays in
    /// its own namespace. Where `/proc/sys` is read-only, connections cannot be
    /// told to use ECN; the stage stands nevertheless and
    /// [`describe`](Self::describe) says so.
    pub fn raise() -> Result<Self, StageError> {
        let link = || script::script(&SCRIPT);
        let spec = PathSpec { name: "demo", ..PathSpec::new(link(), link()) };
        let path = Path::raise(PathSpec { near: SENDERS, far: *SERVER.ip(), ..spec })?;
        let ecn = path.enable_ecn().is_ok();
        let listener = path.far().run(|| sink::listen(SERVER))?;

        let (stopper, stop) = stop::stop_pair()
            .map_err(|error| StageError::refused("make a pipe for the demo's threads", error))?;
        // From here on an early return drops the stage, which ends the threads.
        let mut stage = Self { stopper: Some(stopper), threads: Vec::new(), path, ecn };
        let (accepted, first_accepted) = mpsc::channel();
        let stop_sink = stop.clone();
        stage.spawn("demo-sink", move || {
            sink::serve(&listener, &accepted, &stop_sink);
        })?;
        let senders =
            stage.path.near().spawn("demo-senders", move || sender::send(SERVER, &stop))?;
        stage.threads.push(senders);

        first_accepted
            .recv_timeout(CONNECT_TIMEOUT)
            .map_err(|_| StageError::NoConnection { waited: CONNECT_TIMEOUT })?;
        Ok(stage)
    }

    /// A few lines a person can read that says what was built: addresses, rate,
    /// delay, and what the router does.
    #[must_use]
    pub fn describe(&self) -> String {
        let ecn = if self.ecn {
            ""
        } else {
            "; /proc/sys is read-only here, so ECN stays off and its marks show nothing"
        };
        format!(
            "{} senders at {SENDERS} write to {SERVER}, each side in its own network namespace.\n\
             The router between them passes {} Mbit/s, {} ms each way, with a queue of {} kB.\n\
             In turn it {}; {:.1} s a round{ecn}.",
            pace::HABITS.len(),
            LINK_BITS_PER_S / 1_000_000,
            LINK.delay.as_millis(),
            LINK.queue_bytes / 1_000,
            script::summary(&SCRIPT),
            script::period(&SCRIPT).as_secs_f64(),
        )
    }

    fn spawn(
        &mut self,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), StageError> {
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map_err(|error| StageError::refused("start a thread", error))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.stopper.take());
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; there is nothing to add.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// The names of this process's threads that belong to a stage.
    fn stage_threads() -> Vec<String> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let mut names: Vec<String> = tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .map(|name| name.trim_end().to_owned())
            .filter(|name| name.starts_with("demo-"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_stage_rises_and_leaves_no_thread_behind() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root (the demo builds network namespaces)");
            return;
        }
        let own_namespace = || std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let before = own_namespace();
        let stage = Stage::raise().unwrap();
        assert_eq!(own_namespace(), before);
        assert_eq!(stage_threads(), ["demo-router", "demo-senders", "demo-sink"]);
        assert!(stage.describe().contains(&format!(":{}, ", Stage::PORT)));

        let dropped = Instant::now();
        drop(stage);
        assert!(dropped.elapsed() < Duration::from_secs(1));
        assert!(stage_threads().is_empty());
    }
}
