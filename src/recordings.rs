//! Recordings as files: opened, made, and replayed at a pace. What is in them is
//! `tcpcong_core::recording`'s.

use std::cell::RefCell;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal as _, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::eventfd::{EfdFlags, EventFd};
use thiserror::Error;

use crate::cli::Range;
use crate::interrupt::{Asked, Interrupts};
use crate::progress::Progress;
use tcpcong_core::model::{Losses, Start};
use tcpcong_core::recording::{Recording, RecordingError};
use tcpcong_core::session::Backlog;
use tcpcong_core::source::{End, Reached, Source, TakeEntry, Wait};
use tcpcong_live::{Waiter, Wake};

/// A file that was asked for is not what it should be.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct FileError(String);

impl FileError {
    /// With this to be said.
    #[must_use]
    pub fn new(said: String) -> Self {
        Self(said)
    }
}

/// Opens a recording; `-` is stdin. Nothing where a signal asks for the end before it has
/// begun. For work that may take long, how far it has come is shown on a terminal: `doing` is
/// what is being done, as "exporting".
pub fn open(
    file: &Path,
    doing: Option<&'static str>,
    interrupts: &Interrupts,
) -> Result<Option<Recording>> {
    let input = input(file, interrupts)?;
    let stderr = io::stderr();
    let input: Box<dyn Read> = match doing.filter(|_| stderr.is_terminal()) {
        None => Box::new(input),
        Some(doing) => {
            let size = input.file.metadata().ok().filter(Metadata::is_file).map(|file| file.len());
            Box::new(Progress::new(input, size, doing, stderr))
        }
    };
    match Recording::open(input) {
        Ok(recording) => Ok(Some(recording)),
        Err(_) if interrupts.asked()?.has_come()? => Ok(None),
        Err(error) => Err(said(file, &error).into()),
    }
}

fn input(file: &Path, interrupts: &Interrupts) -> Result<Input> {
    let opened = if file == Path::new("-") {
        io::stdin().as_fd().try_clone_to_owned().map(File::from)
    } else {
        // A named pipe that nobody writes to holds nothing up.
        OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(file)
    };
    Ok(Input { file: opened.map_err(|error| said(file, &error))?, asked: interrupts.asked()? })
}

fn said(file: &Path, error: &dyn std::fmt::Display) -> FileError {
    FileError(format!("{}: {error}", file.display()))
}

/// A file or a pipe. It ends when a signal asks for the end, however long the pipe is silent.
struct Input {
    file: File,
    asked: Asked,
}

impl Read for Input {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.asked.wait_for(self.file.as_fd())? {
                return Ok(0);
            }
            match self.file.read(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

/// Leaves of the recording this part alone.
pub fn cut(file: &Path, recording: &mut Recording, range: Range) -> Result<()> {
    let refused = |why: &str| FileError(format!("{}: {why}", file.display()));
    let (began, began_ns) = (recording.start().at, recording.start().at_ns);
    let since = range.since.map_or(began, |since| since.of(began).max(began));
    let until = range.until.map(|until| until.of(began));
    if until.is_some_and(|until| until <= began) {
        let began = began.to_zoned(TimeZone::system()).strftime("%F %T%.3f%:z");
        return Err(refused(&format!("it begins at {began}, and --until is not after that")).into());
    }
    if until.is_some_and(|until| until <= since) {
        return Err(refused("--until is not after --since").into());
    }
    let at_ns = |at: Timestamp| {
        let after = at.duration_since(began).as_nanos();
        u64::try_from(i128::from(began_ns) + after).unwrap_or(u64::MAX)
    };
    recording.begin_at(at_ns(since)).map_err(|error| named(file, error))?;
    if let Some(until) = until {
        recording.end_at(at_ns(until));
    }
    Ok(())
}

/// A file for a recording: it is made, or written over, no sooner than there is something
/// to write.
#[derive(Clone)]
pub struct NewFile {
    path: PathBuf,
    force: bool,
    made: Rc<RefCell<Option<Made>>>,
}

enum Made {
    Stdout,
    /// A file, and its size.
    File(File, u64),
    /// Writing to it has failed: nothing may follow.
    Broken,
}

impl NewFile {
    /// One that is not there yet, or may be written over; `-` is stdout.
    pub fn new(path: &Path, force: bool) -> Result<Self, FileError> {
        let file = Self { path: path.to_owned(), force, made: Rc::default() };
        if !file.is_stdout() && !force && path.symlink_metadata().is_ok() {
            return Err(file.said(&ErrorKind::AlreadyExists.into()));
        }
        Ok(file)
    }

    fn is_stdout(&self) -> bool {
        self.path == Path::new("-")
    }

    /// That it may be made, as it is not the file that is read.
    pub fn is_apart_from(&self, read: &Path) -> Result<(), FileError> {
        let known = |path: &Path| path.metadata().ok().map(|file| (file.dev(), file.ino()));
        if !self.is_stdout() && known(read).is_some_and(|read| known(&self.path) == Some(read)) {
            let path = self.path.display();
            return Err(FileError(format!("{path}: it is the recording; take another name")));
        }
        Ok(())
    }

    /// Makes it.
    pub fn make(&self) -> Result<(), FileError> {
        let made = if self.is_stdout() {
            Made::Stdout
        } else {
            Made::File(self.open().map_err(|error| self.said(&error))?, 0)
        };
        *self.made.borrow_mut() = Some(made);
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).create_new(!self.force);
        // A named pipe that nobody reads is an error, and holds nothing up.
        let file = options.custom_flags(OFlag::O_NONBLOCK.bits()).open(&self.path)?;
        let flags = OFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GETFL)?);
        fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
        Ok(file)
    }

    fn broken_off(&self, error: &io::Error, size: u64) -> io::Error {
        let path = self.path.display();
        let said = if size > 0 {
            format!("{path}: {error}; it ends with what was written before")
        } else {
            // An empty file would be in the way, and tell nothing.
            _ = fs::remove_file(&self.path);
            format!("{path}: {error}; nothing of it was written")
        };
        io::Error::new(error.kind(), said)
    }

    fn said(&self, error: &io::Error) -> FileError {
        let path = self.path.display();
        FileError(match error.kind() {
            _ if self.path.is_dir() => format!("{path}: it is a folder; name a file"),
            ErrorKind::AlreadyExists => format!(
                "{path}: there is such a file; take another name, or --force with the commands that have it"
            ),
            _ => format!("{path}: {error}"),
        })
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let made = &mut *self.made.borrow_mut();
        match made {
            Some(Made::Stdout) => io::stdout().write(bytes),
            Some(Made::File(file, size)) => {
                if let Err(error) = file.write_all(bytes) {
                    // Of a frame that is not whole nothing can be read.
                    let size = *size;
                    _ = file.set_len(size);
                    *made = Some(Made::Broken);
                    return Err(self.broken_off(&error, size));
                }
                *size += bytes.len() as u64;
                Ok(bytes.len())
            }
            Some(Made::Broken) => Err(io::Error::other("something before could not be written")),
            None => Err(io::Error::other("the file is not made yet")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_stdout() { io::stdout().flush() } else { Ok(()) }
    }
}

/// What went wrong in a replay, with the file's name where it is the file.
#[must_use]
pub fn named(file: &Path, error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<RecordingError>() {
        Ok(error) => FileError(format!("{}: {error}", file.display())).into(),
        Err(error) => error,
    }
}

/// Says what of a recording could not be read, unless it was not read to its end.
pub fn say_damage(file: &Path, recording: &Recording, is_all_read: bool, to: &mut dyn Write) {
    let damage = recording.damage();
    let file = file.display();
    if is_all_read && recording.has_ended() && !recording.was_stopped() {
        _ = writeln!(
            to,
            "tcpcong: {file}: it has no end: the recording was broken off, or goes on"
        );
    }
    if damage.damaged > 0 {
        let bytes = damage.damaged;
        _ = writeln!(to, "tcpcong: {file}: {bytes} bytes are damaged, and were skipped");
    }
    if recording.lines_out_of_place() > 0 {
        let lines = recording.lines_out_of_place();
        _ = writeln!(
            to,
            "tcpcong: {file}: {lines} lines are more than a day from those before them, and were \
             skipped"
        );
    }
    if is_all_read && damage.cut_off > 0 {
        let bytes = damage.cut_off;
        _ = writeln!(to, "tcpcong: {file}: it is cut off: the last {bytes} bytes tell nothing");
    }
}

/// A slow reader of stdout is looked after so often.
const READER_WAIT: Duration = Duration::from_millis(5);

/// A recording that is replayed while signals are heeded, at a pace, and no faster than
/// what comes of it is read.
pub struct Attended<'a> {
    recording: &'a mut Recording,
    waiter: &'a mut dyn Waiter,
    backlog: &'a dyn Backlog,
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
        backlog: &'a dyn Backlog,
        speed: Option<f64>,
    ) -> Result<Self> {
        let nothing = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).context("making an eventfd")?;
        Ok(Self { recording, waiter, backlog, nothing, speed, began: Instant::now() })
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
            let pace = due.map_or(Duration::ZERO, |due| due.duration_since(Instant::now()));
            let reader = if self.backlog.is_behind() { READER_WAIT } else { Duration::ZERO };
            let left = pace.max(reader);
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
