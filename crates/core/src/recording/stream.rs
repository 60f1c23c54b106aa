//! Recordings that others have repacked: plain JSON lines, and zstd streams of any make. They
//! are read as far as they go. Not here: frames as a recorder writes them, which
//! `frames` reads one by one, and of which it skips those that are damaged.

use std::io::{self, ErrorKind, Read};

use zstd::stream::read::Decoder;
use zstd::zstd_safe::get_frame_content_size;

use super::frames::{FRAME_MOST, MAGIC, READ};

/// A stream's window is no larger, as a power of two, bytes: what a decoder should support
/// at least (RFC 8878, 3.1.1.1.2), and `zstd -19` uses.
const WINDOW_LOG_MOST: u32 = 23;
/// So many bytes show what a file is: a frame's header has 18 at most.
pub(super) const HEADER: usize = 18;
/// How a line begins that a recorder writes at the beginning of a frame.
const FRAME_LINE: &[u8] = b"{\"type\":\"frame\"";

/// What a file is, by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Frames of lines, each of which says how long it is. Or nothing that is known.
    Frames,
    /// Another zstd stream: `zstd` makes one of a pipe or a large file, `pzstd` of any.
    Stream,
    /// JSON lines.
    Plain,
}

impl Form {
    pub(super) fn of(beginning: &[u8]) -> Self {
        match beginning {
            [b'{', ..] => Self::Plain,
            // A skippable frame (RFC 8878, 3.1.2).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Stream,
            _ if beginning.starts_with(&MAGIC) => match get_frame_content_size(beginning) {
                Ok(Some(bytes)) if bytes <= FRAME_MOST as u64 => Self::Frames,
                Ok(_) => Self::Stream,
                Err(_) => Self::Frames,
            },
            _ => Self::Frames,
        }
    }
}

/// Reads lines.
pub(super) struct Lines {
    input: Box<dyn Read>,
    buffer: Vec<u8>,
    is_end: bool,
}

impl Lines {
    pub(super) fn plain(input: Box<dyn Read>) -> Self {
        Self { input, buffer: Vec::new(), is_end: false }
    }

    pub(super) fn of_stream(input: Box<dyn Read>) -> io::Result<Self> {
        let mut decoder = Decoder::new(input)?;
        decoder.window_log_max(WINDOW_LOG_MOST)?;
        Ok(Self::plain(Box::new(decoder)))
    }

    /// The next whole lines; nothing at the end. Where a recorder began a frame they begin
    /// with its first line.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(bytes) = whole(&self.buffer) {
                let rest = self.buffer.split_off(bytes);
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            if self.is_end {
                return Ok(None);
            }
            if self.buffer.len() > FRAME_MOST {
                let what = format!("a line of more than {} MiB", FRAME_MOST >> 20);
                return Err(io::Error::new(ErrorKind::InvalidData, what));
            }
            self.fill()?;
        }
    }

    /// Bytes of a line that is not whole, which are the last.
    pub(super) fn cut_off(&self) -> u64 {
        self.buffer.len() as u64
    }

    fn fill(&mut self) -> io::Result<()> {
        let before = self.buffer.len();
        self.buffer.resize(before + READ, 0);
        let read = self.input.read(&mut self.buffer[before..]);
        self.buffer.truncate(before + read.as_ref().map_or(0, |read| *read));
        match read {
            Ok(read) => self.is_end = read == 0,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The stream is cut off.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.is_end = true,
            // So the decoder says what is wrong with the stream.
            Err(error) if error.kind() == ErrorKind::Other => {
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// How many bytes the whole lines have up to where another frame began; nothing if there is none.
fn whole(text: &[u8]) -> Option<usize> {
    let mut bytes = None;
    for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        bytes = Some(at + 1);
        if text[at + 1..].starts_with(FRAME_LINE) {
            break;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands over a few bytes at a time.
    struct Drops(Vec<u8>);

    impl Read for Drops {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.len().min(buffer.len()).min(7);
            buffer[..bytes].copy_from_slice(&self.0[..bytes]);
            self.0.drain(..bytes);
            Ok(bytes)
        }
    }

    fn all(mut lines: Lines) -> (Vec<String>, u64) {
        let mut read = Vec::new();
        while let Some(text) = lines.next().expect("it can be read") {
            read.push(String::from_utf8(text).expect("text"));
        }
        (read, lines.cut_off())
    }

    #[test]
    fn lines_come_whole_and_a_frame_s_first_comes_first() {
        let text =
            "{\"type\":\"start\"}\n{\"type\":\"frame\"}\n{}\n{\"type\":\"frame\"}\n{}\n{\"ty";
        let (read, cut_off) = all(Lines::plain(Box::new(io::Cursor::new(text))));
        assert_eq!(
            read,
            ["{\"type\":\"start\"}\n", "{\"type\":\"frame\"}\n{}\n", "{\"type\":\"frame\"}\n{}\n"]
        );
        assert_eq!(cut_off, 4);
        let (dropped, _) = all(Lines::plain(Box::new(Drops(text.into()))));
        assert_eq!(dropped.concat(), read.concat());
    }

    #[test]
    fn a_stream_without_sizes_is_read_up_to_where_it_is_cut_off() {
        let text = "{}\n".repeat(100_000);
        let mut packed = zstd::stream::encode_all(text.as_bytes(), 3).expect("zstd");
        assert_eq!(Form::of(&packed), Form::Stream);
        let (read, cut_off) = all(Lines::of_stream(Box::new(Drops(packed.clone()))).expect("zstd"));
        assert_eq!((read.concat(), cut_off), (text.clone(), 0));
        packed.truncate(packed.len() - 9);
        let (read, _) = all(Lines::of_stream(Box::new(Drops(packed))).expect("zstd"));
        assert!(text.starts_with(&read.concat()));
    }

    #[test]
    fn a_file_shows_by_its_beginning_what_it_is() {
        assert_eq!(Form::of(b"{\"type\":\"start\""), Form::Plain);
        assert_eq!(Form::of(b"\x50\x2a\x4d\x18\x04\0\0\0"), Form::Stream);
        assert_eq!(Form::of(&zstd::bulk::compress(b"{}\n", 3).expect("zstd")), Form::Frames);
        assert_eq!(Form::of(b"no recording"), Form::Frames);
        assert_eq!(Form::of(b""), Form::Frames);
    }
}
