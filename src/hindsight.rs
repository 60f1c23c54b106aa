//! `record --hindsight`: writes what is kept in memory when somebody asks for it, or when a
//! condition holds. Not here: what is kept, which is the recorder's.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use signal_hook::consts::SIGUSR1;

use tcpcong_core::model::{Condition, Names, Report, Row, Start, Summary};
use tcpcong_core::recording::{Hindsight, Recorder, WrittenHindsight};
use tcpcong_core::sink::{Output, Sink};

use crate::recordings::NewFile;
use crate::rotation::numbered;
use crate::view::RecordView;

/// Waits for the moment.
pub struct Lookout {
    hindsight: Hindsight,
    recorder: Recorder,
    view: RecordView,
    path: PathBuf,
    force: bool,
    when: Option<Condition>,
    length: Duration,
    /// SIGUSR1 has come.
    asked: Arc<AtomicBool>,
    /// So many files were written, some could not be, and when the condition held last.
    files: u32,
    has_failed: bool,
    held_ns: Option<u64>,
}

impl Lookout {
    /// From now on SIGUSR1 asks for a file. Files are written to `path` and, when there is
    /// more than one, to such with a number.
    pub fn new(
        (path, force): (&Path, bool),
        length: Duration,
        when: Option<Condition>,
        tick_ns: u64,
    ) -> Result<Self> {
        NewFile::new(path, force)?;
        let asked = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGUSR1, Arc::clone(&asked))?;
        let hindsight = Hindsight::new(length);
        let recorder = hindsight.recorder(tick_ns)?;
        let view = RecordView::new(recorder.clone(), false);
        let (path, files) = (path.to_owned(), 0);
        Ok(Self {
            hindsight,
            recorder,
            view,
            path,
            force,
            when,
            length,
            asked,
            files,
            has_failed: false,
            held_ns: None,
        })
    }

    /// What keeps it.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// The connection of which the condition holds, at most once in so long a time as is
    /// kept.
    fn held<'r>(&mut self, report: &'r Report) -> Option<&'r Row> {
        let when = self.when.as_ref()?;
        let length_ns = u64::try_from(self.length.as_nanos()).unwrap_or(u64::MAX);
        if self.held_ns.is_some_and(|held_ns| report.to_ns < held_ns.saturating_add(length_ns)) {
            return None;
        }
        let row = report.rows.iter().find(|row| when.holds(row))?;
        self.held_ns = Some(report.to_ns);
        Some(row)
    }

    /// Writes what is kept, and says why. What cannot be written is said, and the run goes
    /// on.
    fn write(&mut self, why: &str, out: &mut Output<'_>) -> io::Result<()> {
        let (path, file) = self.next_file();
        let write = || -> Result<WrittenHindsight> {
            file.make()?;
            self.hindsight.write(&self.recorder, Box::new(file.clone()))
        };
        match write() {
            Ok(WrittenHindsight { length, is_short, bytes }) => {
                self.files += 1;
                let (seconds, kilobytes) = (length.as_secs_f64(), bytes.div_ceil(1000));
                let short = if is_short { "; no more found room in memory" } else { "" };
                writeln!(
                    out.remarks,
                    "tcpcong: {}: the last {seconds:.1} s, {kilobytes} kB, as {why}{short}",
                    path.display()
                )
            }
            Err(error) => {
                self.has_failed = true;
                writeln!(out.remarks, "tcpcong: {error:#}: not all that was kept is written")
            }
        }
    }

    /// The first name that is free.
    fn next_file(&self) -> (PathBuf, NewFile) {
        let names = std::iter::once(self.path.clone())
            .chain((2..).map(|number| numbered(&self.path, number)));
        let mut names = names.skip(usize::try_from(self.files).unwrap_or(usize::MAX));
        loop {
            let path = names.next().unwrap_or_else(|| self.path.clone());
            if let Ok(file) = NewFile::new(&path, self.force) {
                return (path, file);
            }
        }
    }
}

impl Sink for Lookout {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.view.started(start, out)?;
        let seconds = self.length.as_secs_f64();
        let when = self.when.as_ref().map(|when| format!(" or when {when}"));
        writeln!(
            out.remarks,
            "tcpcong: the last {seconds} s are kept in memory, and written at SIGUSR1 (kill -USR1 \
             {}){}",
            std::process::id(),
            when.unwrap_or_default()
        )
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        self.view.interval(report, out)?;
        if self.asked.swap(false, Ordering::SeqCst) {
            self.write("SIGUSR1 asked for it", out)?;
        }
        if let Some(row) = self.held(report) {
            let why = self.when.as_ref().map(|when| why(when, row)).unwrap_or_default();
            self.write(&why, out)?;
        }
        Ok(())
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        self.view.ended(start, summary, out)?;
        if self.has_failed {
            return Err(io::Error::other("not all that was asked for was written"));
        }
        if self.files > 0 {
            return Ok(());
        }
        let when = self.when.as_ref().map(|when| format!(", and never was {when}"));
        writeln!(
            out.remarks,
            "tcpcong: nothing was written: no SIGUSR1 came{}",
            when.unwrap_or_default()
        )
    }
}

/// Which connection it was, and what its columns were.
fn why(when: &Condition, row: &Row) -> String {
    let columns: Vec<_> = when
        .fields()
        .map(|field| format!("{} {}", field.name, crate::view::in_words(field, row)))
        .collect();
    let (local, remote) = {
        let endpoints = row.connection.endpoints;
        (endpoints.local(&Names::default()), endpoints.remote(&Names::default()))
    };
    format!("{when}: {local} > {remote} had {}", columns.join(", "))
}
