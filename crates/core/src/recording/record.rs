//! Writes a recording of what passes from a source and its enrichment to a session. Not here:
//! how they pass, which `source` and `enrichment` say.

mod enrichment;
mod source;

use std::cell::{Ref, RefCell, RefMut};
use std::io::{self, Write};
use std::rc::Rc;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::VERSION;
use super::again::{Grouping, LastSeen, Told};
use super::frames::FrameWriter;
use super::lines::{Note, OwnerLine, StartLine, Whose};
use super::owners::Owners;
use super::parts::{Limits, Parts};
use crate::model::{Body, Entry, Filter, Kind, Ledger, Lookups, Losses, Row, Start};
use crate::source::{Enrichment, Source};

pub use enrichment::RecordedEnrichment;
pub use source::RecordedSource;

/// Writes a recording. Clones write the same one.
#[derive(Clone)]
pub struct Recorder(Rc<RefCell<State>>);

/// What a recording came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Entries in it.
    pub entries: u64,
    /// Its size.
    pub bytes: u64,
}

struct State {
    frames: FrameWriter,
    tick_ns: u64,
    entries: u64,
    /// All entries from before were told.
    told_ns: u64,
    /// What the wall clock showed, and when.
    clock: (u64, Timestamp),
    losses: (Losses, usize),
    owners: Owners,
    seen: LastSeen,
    /// The options that leave connections out.
    only: Vec<String>,
    /// How the run began.
    start: Option<Start>,
    /// It is written in parts, each of which can be read alone.
    parts: Option<(Box<dyn Parts>, Limits)>,
    /// When the present one began, and the size of what it began with.
    part_began_ns: u64,
    part_began_bytes: u64,
}

impl Recorder {
    /// Writes to `out`. `tick_ns`: the kernel's tick, in which accounts are kept.
    pub fn new(out: Box<dyn Write>, tick_ns: u64) -> io::Result<Self> {
        Self::try_new(out, None, tick_ns)
    }

    /// Writes to `out` one part after the other, each of which can be read alone; `parts` has
    /// what is written from a limit on be another one.
    pub fn in_parts(
        out: Box<dyn Write>,
        parts: Box<dyn Parts>,
        limits: Limits,
        tick_ns: u64,
    ) -> io::Result<Self> {
        Self::try_new(out, Some((parts, limits)), tick_ns)
    }

    fn try_new(
        out: Box<dyn Write>,
        parts: Option<(Box<dyn Parts>, Limits)>,
        tick_ns: u64,
    ) -> io::Result<Self> {
        Ok(Self(Rc::new(RefCell::new(State {
            frames: FrameWriter::new(out)?,
            tick_ns,
            entries: 0,
            told_ns: 0,
            clock: (0, Timestamp::UNIX_EPOCH),
            losses: (Losses::default(), 0),
            owners: Owners::default(),
            seen: LastSeen::default(),
            only: Vec::new(),
            start: None,
            parts,
            part_began_ns: 0,
            part_began_bytes: 0,
        }))))
    }

    /// Of this filter, the kernel side's part leaves connections out of the recording.
    #[must_use]
    pub fn of_only(self, filter: &Filter) -> Self {
        self.change().only = filter.options_of_kernel();
        self
    }

    /// The source, all of whose entries are written.
    #[must_use]
    pub fn source<'s>(&self, inner: &'s mut dyn Source) -> RecordedSource<'s> {
        RecordedSource { inner, recorder: self.clone(), chunk: Chunk::default() }
    }

    /// The enrichment, all of whose answers are written. It is asked for `lookups` of every
    /// flow besides, once a second until its process is known.
    #[must_use]
    pub fn enrichment<'e>(
        &self,
        inner: &'e mut dyn Enrichment,
        lookups: Lookups,
    ) -> RecordedEnrichment<'e> {
        RecordedEnrichment { inner, recorder: self.clone(), lookups, asked_ns: 0 }
    }

    /// What it has come to so far.
    #[must_use]
    pub fn so_far(&self) -> Recorded {
        let state = self.state();
        Recorded { entries: state.entries, bytes: state.frames.bytes }
    }

    /// Writes its end.
    pub fn finish(&self) -> Result<Recorded> {
        let mut state = self.change();
        let at_ns = state.told_ns;
        state.note(&Note::Stop { at_ns }).and_then(|()| state.frames.flush()).context(WRITING)?;
        drop(state);
        Ok(self.so_far())
    }

    /// Writes out what waits. Returns the instant before which all was told.
    pub fn flush(&self) -> Result<u64> {
        let mut state = self.change();
        state.frames.flush().context(WRITING)?;
        Ok(state.told_ns)
    }

    fn state(&self) -> Ref<'_, State> {
        self.0.borrow()
    }

    fn change(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }
}

const WRITING: &str = "writing the recording";

impl State {
    fn note(&mut self, note: &Note) -> io::Result<()> {
        self.frames.line(note.at_ns(), note)
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        super::replay::wall(self.clock, at_ns)
    }

    fn begin(&mut self, start: &Start) -> io::Result<()> {
        self.told_ns = self.told_ns.max(start.at_ns);
        self.clock = (start.at_ns, start.at);
        let start = Start { only: self.only.clone(), ..start.clone() };
        self.start = Some(start.clone());
        let at_ns = start.at_ns;
        self.first_line(start)?;
        self.has_begun(at_ns);
        Ok(())
    }

    fn first_line(&mut self, start: Start) -> io::Result<()> {
        let (tick_ns, losses_before) = (self.tick_ns, self.losses.0);
        let line = StartLine { version: VERSION, tick_ns, losses_before, start };
        self.frames.begin(&Note::Start(line))
    }

    fn has_begun(&mut self, at_ns: u64) {
        (self.part_began_ns, self.part_began_bytes) = (at_ns, self.frames.bytes_of_part);
        if let Some((parts, _)) = &mut self.parts {
            parts.has_begun(at_ns);
        }
    }

    /// Whether the present part is long enough.
    fn is_part_due(&self) -> bool {
        let Some((_, limits)) = &self.parts else { return false };
        let (at_ns, began_ns) = (self.told_ns, self.part_began_ns);
        // It is never mostly what it begins with.
        let is_large = self.frames.bytes_of_part >= limits.bytes.max(2 * self.part_began_bytes);
        let is_long = limits.ns.is_some_and(|ns| at_ns >= began_ns + ns);
        (is_large || is_long) && at_ns > began_ns
    }

    /// Begins another part. The ledger has been told what was written, and nothing else.
    fn begin_part(&mut self, ledger: &Ledger) -> io::Result<()> {
        let (Some((parts, limits)), Some(start)) = (&mut self.parts, &self.start) else {
            return Ok(());
        };
        let at_ns = self.told_ns;
        if limits.stops {
            self.frames.line(at_ns, &Note::Stop { at_ns })?;
        }
        self.frames.flush()?;
        parts.next(at_ns)?;
        let start = Start { at_ns, at: super::replay::wall(self.clock, at_ns), ..start.clone() };
        self.first_line(start)?;
        self.tell_all(ledger)?;
        self.frames.flush()?;
        self.has_begun(at_ns);
        Ok(())
    }

    /// Tells all that is known.
    fn tell_all(&mut self, ledger: &Ledger) -> io::Result<()> {
        let at_ns = self.told_ns;
        self.seen.forget_all();
        for entry in ledger.key_frame(at_ns) {
            self.frames.line(at_ns, &entry)?;
        }
        for (id, _) in ledger.known() {
            if let Some(whose) = self.owners.get(id) {
                let line = OwnerLine::new(at_ns, id, whose.clone());
                self.frames.line(at_ns, &Note::Owner(Box::new(line)))?;
            }
        }
        let (losses, namespaces_unreached) = self.losses;
        if namespaces_unreached > 0 {
            self.frames.line(at_ns, &Note::Losses { at_ns, namespaces_unreached, losses })?;
        }
        Ok(())
    }

    /// Writes the entries from before `to_ns`. Returns how many.
    fn entries(&mut self, chunk: &mut Chunk, to_ns: u64) -> io::Result<u64> {
        let count = chunk.lines.partition_point(|line| line.at_ns < to_ns);
        let mut grouping = Grouping::new(&mut self.seen);
        let mut from = 0;
        for ChunkLine { at_ns, end, what } in chunk.lines.drain(..count) {
            match what {
                What::Seen(entry) => grouping.seen(*entry),
                What::Text { ends } => grouping.text(at_ns, ends, (at_ns, from..end)),
            }
            from = end;
        }
        let mut written = 0;
        for told in grouping.told() {
            match told {
                Told::Text((at_ns, range)) => self.frames.text(at_ns, &chunk.text[range])?,
                Told::Whole(entry) => self.frames.line(entry.at_ns, &entry)?,
                Told::Again(line) => {
                    written += line.entries() - 1;
                    self.note(&Note::SeenAgain(line))?;
                }
            }
            written += 1;
        }
        self.entries += written;
        chunk.text.drain(..from);
        chunk.lines.iter_mut().for_each(|line| line.end -= from);
        Ok(written)
    }

    fn owner(&mut self, row: &Row) -> io::Result<()> {
        let mut whose = Whose::of(row);
        if let Some(known) = self.owners.get(row.id) {
            whose.keep(known);
            if *known == whose {
                return Ok(());
            }
        }
        let line = OwnerLine::new(self.told_ns, row.id, whose.clone());
        self.owners.insert(row.id, whose);
        self.note(&Note::Owner(Box::new(line)))
    }
}

/// Entries as lines that are not written yet.
#[derive(Default)]
struct Chunk {
    text: Vec<u8>,
    lines: Vec<ChunkLine>,
    failed: Option<serde_json::Error>,
}

/// A line, and where its text ends, if it is text already.
struct ChunkLine {
    at_ns: u64,
    end: usize,
    what: What,
}

enum What {
    /// A survey's finding, which may be that of the one before.
    Seen(Box<Entry>),
    /// Text; after it nothing that surveys told of the socket `ends` holds any more.
    Text { ends: Option<u64> },
}

impl What {
    fn of(entry: &Entry) -> Self {
        let Body::Socket(event) = &entry.body else { return Self::Text { ends: None } };
        match event.kind {
            Kind::Seen { .. } => Self::Seen(Box::new(entry.clone())),
            Kind::Birth { .. } | Kind::End { .. } | Kind::FilteredOut => {
                Self::Text { ends: Some(event.socket) }
            }
            _ => Self::Text { ends: None },
        }
    }
}

impl Chunk {
    fn add(&mut self, entry: &Entry) {
        let what = What::of(entry);
        if let What::Text { .. } = what {
            match serde_json::to_writer(&mut self.text, entry) {
                Ok(()) => self.text.push(b'\n'),
                Err(error) => self.failed = Some(error),
            }
        }
        self.lines.push(ChunkLine { at_ns: entry.at_ns, end: self.text.len(), what });
    }
}
