//! Lines into a file, which is rotated or opened anew. Not here: when somebody asks for that.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::options::Rotated;
use super::receiver::{Receiver, whole_lines};
use crate::rotation::shift;

/// No line is longer, bytes.
const LINE_MOST: u64 = 1 << 20;

pub(super) struct FileReceiver {
    path: PathBuf,
    rotation: Option<Rotated>,
    open: Option<Open>,
}

struct Open {
    file: File,
}

impl FileReceiver {
    /// What is in the file already stays.
    pub(super) fn open(path: PathBuf, rotation: Option<Rotated>) -> io::Result<Self> {
        let open = Some(Open::append(&path)?);
        Ok(Self { path, rotation, open })
    }

    /// The file, and how many of the bytes go into it.
    fn room(&mut self, bytes: &[u8]) -> io::Result<(&mut Open, usize)> {
        let all = whole_lines(bytes, bytes.len()).unwrap_or(bytes.len());
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::append(&self.path)?,
        };
        let mut most = all;
        if let Some(Rotated { bytes: limit, keep }) = self.rotation {
            let left = |size| usize::try_from(limit.saturating_sub(size)).unwrap_or(usize::MAX);
            let size = open.size()?;
            if whole_lines(bytes, left(size)).is_none() && size > 0 {
                shift(&self.path, keep)?;
                open = Open::append(&self.path)?;
            }
            let left = left(open.size()?);
            // A line that is larger than a file may be has one of its own.
            let first = bytes.iter().position(|byte| *byte == b'\n').map_or(all, |at| at + 1);
            most = whole_lines(bytes, left).unwrap_or(first);
        }
        Ok((self.open.insert(open), most))
    }
}

impl Receiver for FileReceiver {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (open, most) = self.room(bytes)?;
        let size = open.size()?;
        if let Err(error) = open.file.write_all(&bytes[..most]) {
            // Half a line is no use to anybody.
            _ = open.file.set_len(size);
            self.open = None;
            return Err(error);
        }
        Ok(most)
    }

    fn reopen(&mut self) {
        self.open = None;
    }
}

impl Open {
    fn append(path: &PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        // A named pipe that nobody reads is an error, and holds nothing up.
        options.read(true).append(true).create(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let mut file = options.open(path)?;
        let flags = OFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GETFL)?);
        fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
        let meta = file.metadata()?;
        if meta.is_file() {
            end_half_line(&mut file, meta.len())?;
        }
        Ok(Self { file })
    }

    /// Bytes that are in it. Others may have emptied it, as logrotate's copytruncate does.
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

/// Takes away what a run that was killed, or a machine that went down, has left of a line: what
/// reads JSON lines stumbles over it. What is not a line of ours is ended instead.
fn end_half_line(file: &mut File, size: u64) -> io::Result<()> {
    let from = size.saturating_sub(LINE_MOST);
    file.seek(SeekFrom::Start(from))?;
    let mut last = Vec::new();
    file.read_to_end(&mut last)?;
    let whole = whole_lines(&last, last.len()).unwrap_or(0);
    let rest = &last[whole..];
    if rest.is_empty() {
        return Ok(());
    }
    if rest.starts_with(br#"{"type":""#) && (whole > 0 || from == 0) {
        return file.set_len(from + whole as u64);
    }
    file.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LINE: &str = "{\"type\":\"flow\",\"a\":12345}\n";

    #[test]
    fn no_file_is_larger_than_it_may_be_and_lines_stay_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.jsonl");
        let size = 3 * LINE.len() as u64 + 5;
        let rotated = Some(Rotated { bytes: size, keep: Some(2) });
        let mut file = FileReceiver::open(path.clone(), rotated).expect("a file");
        let piece = LINE.repeat(10);
        let mut sent = 0;
        while sent < piece.len() {
            sent += file.write(&piece.as_bytes()[sent..]).expect("room");
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(read("a.jsonl"), Some(LINE.to_owned()));
        assert_eq!(read("a.jsonl.1"), Some(LINE.repeat(3)));
        assert_eq!(read("a.jsonl.2"), Some(LINE.repeat(3)));
        assert_eq!(read("a.jsonl.3"), None);
        // A line that fits nowhere is whole all the same.
        let long = format!("{{\"type\":\"{}\"}}\n", "x".repeat(200));
        assert_eq!(file.write(long.as_bytes()).expect("room"), long.len());
        assert_eq!(read("a.jsonl"), Some(long));
    }

    #[test]
    fn what_is_there_stays_but_for_half_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.jsonl");
        let cases = [
            (LINE.to_owned(), LINE.to_owned()),
            (format!("{LINE}{}", &LINE[..14]), LINE.to_owned()),
            (LINE[..12].to_owned(), String::new()),
            ("somebody's".to_owned(), "somebody's\n".to_owned()),
        ];
        for (before, kept) in cases {
            fs::write(&path, &before).expect("a file");
            let mut file = FileReceiver::open(path.clone(), None).expect("a file");
            file.write(LINE.as_bytes()).expect("room");
            let read = fs::read_to_string(&path).expect("a file");
            assert_eq!(read, format!("{kept}{LINE}"), "{before}");
        }
    }
}
