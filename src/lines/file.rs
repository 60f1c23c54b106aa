//! Lines into a file, which is rotated or opened anew, or a named pipe. Not here: when somebody
//! asks for that.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::options::Rotated;
use super::receiver::{Receiver, whole_lines, write_to_pipe};
use super::socket::is_slow;
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
    is_pipe: bool,
}

impl FileReceiver {
    /// What is in the file already stays. Who reads a named pipe may come later.
    pub(super) fn open(path: PathBuf, rotation: Option<Rotated>) -> io::Result<Self> {
        let open = match Open::append(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
            open => Some(open?),
        };
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
        let written = open.write(&bytes[..most]);
        if written.as_ref().is_err_and(|error| !is_slow(error)) {
            self.open = None;
        }
        written
    }

    fn reopen(&mut self) {
        self.open = None;
    }
}

impl Open {
    fn append(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        // A named pipe that nobody reads is an error, and holds nothing up. Whoever opens one
        // to read as well is its reader (fifo(7)).
        options.append(true).create(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let file = options.open(path).map_err(|error| told(path, error))?;
        let meta = file.metadata()?;
        let is_pipe = meta.file_type().is_fifo();
        if !is_pipe {
            let flags = OFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GETFL)?);
            fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
        }
        if meta.is_file() {
            end_half_line(&file, meta.len())?;
        }
        Ok(Self { file, is_pipe })
    }

    /// All of these, or of a pipe as many as it has room for.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_pipe {
            return write_to_pipe(&self.file, bytes);
        }
        let size = self.size()?;
        if let Err(error) = self.file.write_all(bytes) {
            // Half a line is no use to anybody.
            _ = self.file.set_len(size);
            return Err(error);
        }
        Ok(bytes.len())
    }

    /// Bytes that are in it. Others may have emptied it, as logrotate's copytruncate does.
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

fn told(path: &Path, error: io::Error) -> io::Error {
    let is_pipe = path.metadata().is_ok_and(|meta| meta.file_type().is_fifo());
    if is_pipe && error.raw_os_error() == Some(Errno::ENXIO as i32) {
        return io::Error::new(io::ErrorKind::NotConnected, "nobody reads this pipe");
    }
    error
}

/// Takes away what a run that was killed, or a machine that went down, has left of a line: what
/// reads JSON lines stumbles over it. What is not a line of ours is ended instead.
fn end_half_line(mut file: &File, size: u64) -> io::Result<()> {
    let from = size.saturating_sub(LINE_MOST);
    // The same file, whatever has that name by now.
    let mut reader = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    reader.seek(SeekFrom::Start(from))?;
    let mut last = Vec::new();
    reader.read_to_end(&mut last)?;
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
