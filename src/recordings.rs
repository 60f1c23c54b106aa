//! Recordings as files: opened, made, and replayed at a pace. What is in them is
//! `tcpcong_core::recording`'s.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use nix::sys::eventfd::{EfdFlags, EventFd};
use thiserror::Error;

use tcpcong_core::model::{Losses, Start};
use tcpcong_core::recording::{Damage, Recording};
use tcpcong_core::source::{End, Reached, Source, TakeEntry, Wait};
use tcpcong_live::{Waiter, Wake};

/// A file that was asked for is not what it should be.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct FileError(String);

/// Opens a recording; `-` is stdin.
pub fn open(file: &Path) -> Result<Recording> {
    let said = |error: &dyn std::fmt::Display| FileError(format!("{}: {error}", file.display()));
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(|error| said(&error))?)
    };
    Recording::open(input).map_err(|error| said(&error).into())
}

/// Makes a file for a recording, which is not there yet, or may be written over; `-` is
/// stdout.
pub fn create(file: &Path, force: bool) -> Result<Box<dyn Write>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).create_new(!force);
    let made = options.open(file).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => FileError(format!(
            "{}: there is such a file; take another name, or `tcpcong record --force`",
            file.display()
        )),
        _ => FileError(format!("{}: {error}", file.display())),
    });
    Ok(Box::new(made?))
}

/// Says what of a recording could not be read.
pub fn say_damage(file: &Path, damage: Damage, to: &mut dyn Write) {
    let file = file.display();
    if damage.damaged > 0 {
        let bytes = damage.damaged;
        _ = writeln!(to, "tcpcong: {file}: {bytes} bytes are damaged, and were skipped");
    }
    if damage.cut_off > 0 {
        let bytes = damage.cut_off;
        _ = writeln!(to, "tcpcong: {file}: it is cut off: the last {bytes} bytes tell nothing");
    }
}

/// A recording that is replayed while signals are heeded, and at a pace.
pub struct Attended<'a> {
    recording: &'a mut Recording,
    waiter: &'a mut dyn Waiter,
    /// Is never readable.
    nothing: EventFd,
    /// So many times as fast as it was, ...
    speed: Option<f64>,
    /// ... from this instant on.
    began: Instant,
}

impl<'a> Attended<'a> {
    /// Without a speed it goes as fast as it can.
    pub fn new(
        recording: &'a mut Recording,
        waiter: &'a mut dyn Waiter,
        speed: Option<f64>,
    ) -> Result<Self> {
        let nothing = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).context("making an eventfd")?;
        Ok(Self { recording, waiter, nothing, speed, began: Instant::now() })
    }

    /// When what was at `at_ns` is to be shown.
    fn due(&self, at_ns: u64) -> Option<Instant> {
        let since = Duration::from_nanos(at_ns.saturating_sub(self.recording.start().at_ns));
        Some(self.began + since.div_f64(self.speed?))
    }
}

impl Source for Attended<'_> {
    fn begin(&mut self, take: TakeEntry<'_>) -> Result<()> {
        self.recording.begin(take)
    }

    fn start(&self) -> &Start {
        self.recording.start()
    }

    fn next(&mut self, wait: Wait, take: TakeEntry<'_>) -> Result<Reached> {
        let reached = self.recording.next(wait, take)?;
        let due = self.due(reached.until_ns);
        loop {
            let left = due.map_or(Duration::ZERO, |due| due.duration_since(Instant::now()));
            let end = match self.waiter.wait(left, self.nothing.as_fd())? {
                Wake::Signal => Some(End::Signal),
                Wake::ReaderGone => Some(End::ReaderGone),
                Wake::Time | Wake::Ready if !left.is_zero() => continue,
                Wake::Time | Wake::Ready => None,
            };
            return Ok(Reached { end: end.or(reached.end), ..reached });
        }
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        self.recording.wall(at_ns)
    }

    fn losses(&mut self) -> Result<(Losses, usize)> {
        self.recording.losses()
    }
}
