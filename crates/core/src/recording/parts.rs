//! A recording in parts, each of which can be read alone: in files, or in memory, where the
//! last ones are kept and written when somebody wants them. Not here: files' names.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Recorder;
use super::frames::{FrameWriter, Frames};
use super::lines::{Line, Note, parse};

/// So much is kept in memory at most, bytes of compressed frames.
const KEPT_MOST: usize = 256 << 20;
/// A part in memory is so much of the time that is kept, and of that room.
const PARTS: u32 = 8;

/// When another part begins.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// At this size, bytes.
    pub(super) bytes: u64,
    /// After this time.
    pub(super) ns: Option<u64>,
    /// Its end is written.
    pub(super) stops: bool,
}

impl Limits {
    /// Parts of this size, bytes, and what comes in a second besides.
    #[must_use]
    pub fn of_size(bytes: u64) -> Self {
        Self { bytes, ns: None, stops: true }
    }
}

/// Where parts go.
pub trait Parts {
    /// What is written from now on is another one, which begins at this instant.
    fn next(&mut self, at_ns: u64) -> io::Result<()>;

    /// What it begins with is written: all that was known then.
    fn has_begun(&mut self, _at_ns: u64) {}
}

/// The last of a recording, in memory. Clones are the same one.
#[derive(Clone)]
pub struct Hindsight(Rc<RefCell<Kept>>);

struct Kept {
    length_ns: u64,
    parts: VecDeque<Part>,
    bytes: usize,
    /// There was no room for so long a time.
    is_short: bool,
}

#[derive(Default)]
struct Part {
    began_ns: u64,
    /// So many of the frames tell what was known when it began.
    beginning: usize,
    frames: Vec<Arc<[u8]>>,
}

/// What was written of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenHindsight {
    /// How long a time it is of.
    pub length: Duration,
    /// There was no room for all of the time that was wanted.
    pub is_short: bool,
    /// Its size.
    pub bytes: u64,
}

/// What was kept at an instant.
#[derive(Debug, Clone)]
pub struct KeptHindsight {
    frames: Vec<Arc<[u8]>>,
    began_ns: u64,
    stop_ns: u64,
    is_short: bool,
}

impl KeptHindsight {
    /// Writes it as a recording that ends at that instant.
    pub fn write(&self, out: Box<dyn Write>) -> Result<WrittenHindsight> {
        let mut writer = FrameWriter::new(out)?;
        self.frames.iter().try_for_each(|frame| copy(frame, &mut writer))?;
        writer.line(self.stop_ns, &Note::Stop { at_ns: self.stop_ns })?;
        writer.flush()?;
        let length = Duration::from_nanos(self.stop_ns - self.began_ns);
        Ok(WrittenHindsight { length, is_short: self.is_short, bytes: writer.bytes })
    }

    /// The same, in memory.
    pub fn recording(&self) -> Result<Vec<u8>> {
        let bytes = Bytes::default();
        self.write(Box::new(bytes.clone()))?;
        Ok(bytes.0.take())
    }
}

/// Memory that is written to.
#[derive(Debug, Clone, Default)]
struct Bytes(Rc<RefCell<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Hindsight {
    /// Keeps the last `length` at least, as far as 256 MiB have room for it.
    #[must_use]
    pub fn new(length: Duration) -> Self {
        let length_ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let parts = VecDeque::from([Part::default()]);
        Self(Rc::new(RefCell::new(Kept { length_ns, parts, bytes: 0, is_short: false })))
    }

    /// A recorder whose recording is kept here.
    pub fn recorder(&self, tick_ns: u64) -> io::Result<Recorder> {
        let ns = self.0.borrow().length_ns / u64::from(PARTS);
        let limits =
            Limits { bytes: KEPT_MOST as u64 / u64::from(PARTS), ns: Some(ns), stops: false };
        Recorder::in_parts(Box::new(self.clone()), Box::new(self.clone()), limits, tick_ns)
    }

    /// Writes what is kept, as a recording that ends now. `recorder` writes what is kept.
    pub fn write(&self, recorder: &Recorder, out: Box<dyn Write>) -> Result<WrittenHindsight> {
        self.kept(recorder)?.write(out).context("writing the recording")
    }

    /// What is kept now, for another thread to write. `recorder` writes what is kept.
    pub fn kept(&self, recorder: &Recorder) -> Result<KeptHindsight> {
        let stop_ns = recorder.flush()?;
        let kept = self.0.borrow();
        let mut frames = Vec::new();
        for (number, part) in kept.parts.iter().enumerate() {
            let passed_over = if number == 0 { 0 } else { part.beginning };
            frames.extend(part.frames[passed_over..].iter().cloned());
        }
        let began_ns = kept.parts.front().map_or(stop_ns, |part| part.began_ns);
        Ok(KeptHindsight { frames, began_ns, stop_ns, is_short: kept.is_short })
    }
}

impl Kept {
    /// Lets go of what is too old, or has no room.
    fn forget(&mut self, now_ns: u64) {
        let oldest_ns = now_ns.saturating_sub(self.length_ns);
        while let Some(next) = self.parts.get(1) {
            let is_old = next.began_ns <= oldest_ns;
            if !is_old && self.bytes <= KEPT_MOST {
                break;
            }
            self.is_short = !is_old;
            let part = self.parts.pop_front().unwrap_or_default();
            self.bytes -= part.frames.iter().map(|frame| frame.len()).sum::<usize>();
        }
    }
}

/// Writes a frame's lines anew, counted as they are in this file.
fn copy(frame: &[u8], writer: &mut FrameWriter) -> Result<()> {
    let mut frames = Frames::new(Box::new(io::Cursor::new(frame.to_vec())))?;
    let text = frames.next()?.context("a frame in memory is damaged")?;
    let first = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
    match parse(str::from_utf8(&text[..first])?)? {
        Line::Note(Note::Frame { at_ns, .. }) => writer.frame(at_ns, &text[first..])?,
        Line::Note(start) => writer.begin(&start)?,
        Line::Entry(_) => {}
    }
    Ok(())
}

impl Parts for Hindsight {
    fn next(&mut self, at_ns: u64) -> io::Result<()> {
        let mut kept = self.0.borrow_mut();
        kept.parts.push_back(Part { began_ns: at_ns, ..Part::default() });
        kept.forget(at_ns);
        Ok(())
    }

    fn has_begun(&mut self, at_ns: u64) {
        let mut kept = self.0.borrow_mut();
        if let Some(part) = kept.parts.back_mut() {
            (part.began_ns, part.beginning) = (at_ns, part.frames.len());
        }
    }
}

/// Each call is one frame.
impl Write for Hindsight {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.borrow_mut();
        kept.bytes += bytes.len();
        if let Some(part) = kept.parts.back_mut() {
            part.frames.push(bytes.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
