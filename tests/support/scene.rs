//! Traffic of which a recording is worth making, and such a recording. Not here: what it
//! is held against.

use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::lab::Lab;
use super::server::Server;
use super::tool::{command, pause};
use super::traffic::{Amount, Dial, Ending, Sender};

/// Eight flows through a tight router; some end meanwhile, and others begin.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) server: Server,
}

impl Scene {
    pub(crate) fn set(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        lab.bottleneck("100mbit", "32k", "60k")?;
        let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
        Ok(Self { lab, server })
    }

    /// Sends for so many seconds.
    pub(crate) fn send(&self, seconds: f64) -> Result<()> {
        let start = |at: usize| {
            let cc = if at.is_multiple_of(2) { "cubic" } else { "reno" };
            let dial = Dial::to(self.server.address()).congestion_control(cc);
            Sender::start(&self.lab.client, &dial, Amount::UntilStopped)
        };
        let before = (0..4).map(start).collect::<Result<Vec<_>>>()?;
        pause(Duration::from_secs_f64(seconds / 2.0));
        let after = (4..8).map(start).collect::<Result<Vec<_>>>()?;
        for sender in before {
            sender.stop(Ending::Reset)?;
        }
        pause(Duration::from_secs_f64(seconds / 2.0));
        for sender in after {
            sender.stop(Ending::Reset)?;
        }
        Ok(())
    }

    /// Of the server.
    pub(crate) fn port(&self) -> String {
        self.server.address().port().to_string()
    }
}

/// A recording, `a.jsonl.zst`, of connections that were there before and ones that begin
/// and end meanwhile, over a tight router: it passes, then passes nothing, and passes again, each
/// for so many milliseconds. One connection is still there at the end.
pub(crate) fn recorded(name: &str, [passes, is_silent, passes_again]: [u64; 3]) -> Result<TempDir> {
    // A recording is of the whole machine: another test's connections are not to be in it.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::new(name)?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let start = |cc: &str| {
        let dial = Dial::to(server.address()).congestion_control(cc);
        Sender::start(&lab.client, &dial, Amount::UntilStopped)
    };
    let folder = TempDir::new()?;
    let before = [start("cubic")?, start("reno")?];
    let mut tool = command()
        .args(["record", "-o", "a.jsonl.zst"])
        .current_dir(&folder)
        .stderr(Stdio::null())
        .spawn()?;
    let file = folder.path().join("a.jsonl.zst");
    while !file.exists() {
        ensure!(tool.try_wait()?.is_none(), "it ended before it began");
        pause(Duration::from_millis(5));
    }
    let after = [start("cubic")?, start("reno")?, start("cubic")?];
    pause(Duration::from_millis(passes));
    lab.silence(true)?;
    pause(Duration::from_millis(is_silent));
    lab.silence(false)?;
    pause(Duration::from_millis(passes_again));
    let mut senders = before.into_iter().chain(after);
    let last = senders.next();
    senders.try_for_each(|sender| sender.stop(Ending::Reset).map(drop))?;
    kill(Pid::from_raw(i32::try_from(tool.id())?), Signal::SIGINT)?;
    ensure!(tool.wait()?.success(), "it failed");
    last.map(|sender| sender.stop(Ending::Reset)).transpose()?;
    Ok(folder)
}
