//! zstd frames of whole lines, each with its size and a checksum: written in one piece,
//! read one by one, and found again behind a damaged one.

use std::io::{self, Cursor, ErrorKind, Read, Write};

use serde::Serialize;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, find_frame_compressed_size, get_frame_content_size};

use super::lines::Note;
use super::stream::{Form, HEADER, Lines};

/// A frame is as long as this, bytes of lines, ...
const FRAME: usize = 64 << 10;
/// ... and may be longer than that, by a line that is long.
pub(super) const FRAME_MOST: usize = 16 << 20;
/// The same, compressed.
const COMPRESSED_MOST: usize = FRAME_MOST + (64 << 10);
/// So much is read at once.
pub(super) const READ: usize = 64 << 10;
/// So much of a frame's lines is handed over at once, as lines that are read take more
/// memory than their text.
const PIECE: usize = 4 * FRAME;
/// How each frame begins (RFC 8878, 3.1.1).
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Compresses to a tenth, and takes less time than making the lines.
const LEVEL: i32 = 3;

/// Writes lines into frames.
pub(super) struct FrameWriter {
    out: Box<dyn Write>,
    compressor: Compressor<'static>,
    /// The frame that is being filled, and when its first line was told.
    text: Vec<u8>,
    began_ns: u64,
    /// Lines in it and before it.
    lines: u64,
    /// Writing has failed: nothing may follow.
    is_broken: bool,
    /// What was written, bytes: in all, and since the last beginning.
    pub(super) bytes: u64,
    pub(super) bytes_of_part: u64,
}

impl FrameWriter {
    /// The first line is that of [`FrameWriter::begin`].
    pub(super) fn new(out: Box<dyn Write>) -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self {
            out,
            compressor,
            text: Vec::with_capacity(2 * FRAME),
            began_ns: 0,
            lines: 0,
            is_broken: false,
            bytes: 0,
            bytes_of_part: 0,
        })
    }

    /// Writes a recording's first line, which is a frame of its own.
    pub(super) fn begin(&mut self, line: &Note) -> io::Result<()> {
        (self.lines, self.bytes_of_part) = (0, 0);
        self.add(line)?;
        self.flush()
    }

    /// Adds a line that is told at this instant.
    pub(super) fn line(&mut self, at_ns: u64, line: &impl Serialize) -> io::Result<()> {
        self.room(at_ns)?;
        self.add(line)
    }

    /// The same of a line that is text already.
    pub(super) fn text(&mut self, at_ns: u64, text: &[u8]) -> io::Result<()> {
        self.room(at_ns)?;
        self.text.extend_from_slice(text);
        self.lines += 1;
        Ok(())
    }

    /// Writes a frame of such lines that are text already, of which the first was told at
    /// this instant.
    pub(super) fn frame(&mut self, at_ns: u64, text: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.text(at_ns, text)?;
        // It was counted as one.
        self.lines += text.split(|byte| *byte == b'\n').count() as u64 - 2;
        self.flush()
    }

    /// Begins a frame where that is due.
    fn room(&mut self, at_ns: u64) -> io::Result<()> {
        if self.text.len() >= FRAME {
            self.flush()?;
        }
        if self.text.is_empty() {
            self.began_ns = at_ns;
            self.add(&Note::Frame { at_ns, lines: self.lines })?;
        }
        Ok(())
    }

    fn add(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.text, line)?;
        self.text.push(b'\n');
        self.lines += 1;
        Ok(())
    }

    /// Writes out what has waited since before `ns` ago.
    pub(super) fn flush_older(&mut self, now_ns: u64, ns: u64) -> io::Result<()> {
        let is_old = !self.text.is_empty() && now_ns.saturating_sub(self.began_ns) >= ns;
        if is_old { self.flush() } else { Ok(()) }
    }

    /// Writes out what there is.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let frame = self.compressor.compress(&self.text)?;
        self.text.clear();
        self.bytes += frame.len() as u64;
        self.bytes_of_part += frame.len() as u64;
        if self.is_broken {
            return Err(io::Error::other("something before could not be written"));
        }
        let written = self.out.write_all(&frame).and_then(|()| self.out.flush());
        self.is_broken = written.is_err();
        written
    }
}

/// What of a recording cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// Bytes in the midst of it, whose checksum is wrong or that are no frame.
    pub damaged: u64,
    /// Bytes at its end that are not a whole frame: writing was cut off, or goes on.
    pub cut_off: u64,
}

/// Reads frames.
pub(super) struct Frames {
    input: Box<dyn Read>,
    decompressor: Decompressor<'static>,
    buffer: Vec<u8>,
    /// How much of it was taken.
    at: usize,
    is_end: bool,
    /// Lines of the present frame, and how much of them was handed over.
    text: Vec<u8>,
    text_at: usize,
    /// It is not such frames.
    others: Option<Lines>,
    pub(super) damage: Damage,
}

impl Frames {
    pub(super) fn new(input: Box<dyn Read>) -> io::Result<Self> {
        let decompressor = Decompressor::new()?;
        let damage = Damage::default();
        let (buffer, text) = (Vec::new(), Vec::new());
        let mut frames = Self {
            input,
            decompressor,
            buffer,
            at: 0,
            is_end: false,
            text,
            text_at: 0,
            others: None,
            damage,
        };
        frames.fill(HEADER)?;
        let form = Form::of(frames.rest());
        if form != Form::Frames {
            let beginning = Cursor::new(std::mem::take(&mut frames.buffer));
            let input = std::mem::replace(&mut frames.input, Box::new(io::empty()));
            let all = Box::new(beginning.chain(input));
            frames.others = Some(match form {
                Form::Plain => Lines::plain(all),
                Form::Frames | Form::Stream => Lines::of_stream(all)?,
            });
        }
        Ok(frames)
    }

    /// The next lines, of one frame or a part of it; nothing at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(lines) = &mut self.others {
            let text = lines.next()?;
            if text.is_none() {
                self.damage.cut_off = lines.cut_off();
            }
            return Ok(text);
        }
        if self.text_at == self.text.len() {
            let Some(text) = self.next_frame()? else { return Ok(None) };
            if text.len() <= PIECE {
                return Ok(Some(text));
            }
            (self.text, self.text_at) = (text, 0);
        }
        let rest = &self.text[self.text_at..];
        let behind = rest.iter().skip(PIECE).position(|byte| *byte == b'\n');
        let piece = rest[..behind.map_or(rest.len(), |at| PIECE + at + 1)].to_vec();
        self.text_at += piece.len();
        if self.text_at == self.text.len() {
            (self.text, self.text_at) = (Vec::new(), 0);
        }
        Ok(Some(piece))
    }

    /// The next frame's lines; nothing at the end. Whatever is no frame is skipped, and
    /// counted as damage.
    fn next_frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            self.fill(MAGIC.len())?;
            if self.rest().is_empty() {
                return Ok(None);
            }
            match self.frame()? {
                Ok(Some(text)) => return Ok(Some(text)),
                Ok(None) => {}
                Err(cut_off) => self.skip(cut_off)?,
            }
        }
    }

    /// The lines of the frame that begins here, nothing if it has none; or whether it is
    /// cut off, if it is none.
    fn frame(&mut self) -> io::Result<Result<Option<Vec<u8>>, bool>> {
        let Some(bytes) = self.whole_frame()? else {
            return Ok(Err(self.rest().starts_with(&MAGIC) && self.is_end));
        };
        let frame = &self.buffer[self.at..self.at + bytes];
        let size = get_frame_content_size(frame).ok().flatten();
        let size = size.and_then(|size| usize::try_from(size).ok());
        let Some(size) = size.filter(|size| *size <= FRAME_MOST) else { return Ok(Err(false)) };
        let Ok(text) = self.decompressor.decompress(frame, size) else { return Ok(Err(false)) };
        self.at += bytes;
        Ok(Ok((!text.is_empty()).then_some(text)))
    }

    /// How long the frame is that begins here; nothing where there is no whole one.
    fn whole_frame(&mut self) -> io::Result<Option<usize>> {
        if !self.rest().starts_with(&MAGIC) {
            return Ok(None);
        }
        loop {
            let known = self.rest().len();
            if let Ok(bytes) = find_frame_compressed_size(self.rest()) {
                return Ok(Some(bytes));
            }
            if self.is_end || known >= COMPRESSED_MOST {
                return Ok(None);
            }
            self.fill((2 * known).max(READ))?;
        }
    }

    /// Skips to where another frame may begin.
    fn skip(&mut self, cut_off: bool) -> io::Result<()> {
        let mut skipped = 0;
        loop {
            let rest = &self.rest()[1..];
            let next = rest.windows(MAGIC.len()).position(|four| four == MAGIC);
            let bytes = 1 + match next {
                Some(bytes) => bytes,
                None if self.is_end => rest.len(),
                // The magic number may be there in part.
                None => rest.len().saturating_sub(MAGIC.len() - 1),
            };
            self.at += bytes;
            skipped += bytes as u64;
            if next.is_some() || self.is_end {
                break;
            }
            self.fill(READ)?;
            if self.rest().is_empty() {
                break;
            }
        }
        let is_last = self.rest().is_empty() && self.is_end;
        *if cut_off && is_last { &mut self.damage.cut_off } else { &mut self.damage.damaged } +=
            skipped;
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// Reads on until so many bytes are there, or the end is.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        if self.rest().len() >= bytes || self.is_end {
            return Ok(());
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        while self.buffer.len() < bytes && !self.is_end {
            let before = self.buffer.len();
            self.buffer.resize(before + READ, 0);
            // No more than is there: a pipe may hold one frame for long.
            let read = self.input.read(&mut self.buffer[before..]);
            self.buffer.truncate(before + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(read) => self.is_end = read == 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
