//! Who takes lines, as the writer sees it; and stdout. Files and sockets have files of their
//! own.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

use super::file::FileReceiver;
use super::options::{LineOptions, Target};
use super::socket::SocketReceiver;

/// A receiver that is slow is asked again after so long: in between the writer looks whether
/// it is to end.
pub(super) const SLOW: Duration = Duration::from_millis(200);
/// So much is written to a pipe at once, bytes: it takes all of it or none (`PIPE_BUF`).
const AT_ONCE: usize = 4096;

/// Takes bytes. What it has taken is not asked for again, but for the part of a line after
/// an error.
pub(super) trait Receiver: Send {
    /// Takes as many of these, which begin with a line or go on with one. `WouldBlock` says
    /// that it takes nothing at the moment; other errors, that what it has taken of a line is
    /// of no use to it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Somebody has moved the file away.
    fn reopen(&mut self) {}
}

/// The one that the options name. A file is opened at once, so that what is wrong with it is
/// known at the start; a socket may be listened on later.
pub(super) fn receiver(options: &LineOptions) -> io::Result<Box<dyn Receiver>> {
    Ok(match &options.to {
        Target::Stdout => Box::new(Pipe(io::stdout())),
        Target::File(path) => Box::new(FileReceiver::open(path.clone(), options.rotation)?),
        Target::Unix(_) | Target::Tcp(_) => Box::new(SocketReceiver::new(options.to.clone())),
    })
}

/// Where the whole lines in the first `most` bytes end, if there are any.
pub(super) fn whole_lines(bytes: &[u8], most: usize) -> Option<usize> {
    let most = bytes.len().min(most);
    bytes[..most].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1)
}

/// stdout, whatever that is; mostly a pipe.
struct Pipe<F>(F);

impl<F: AsFd + Send> Receiver for Pipe<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_to_pipe(&self.0, bytes)
    }
}

/// Whole lines where they are not too long, when there is room for them.
pub(super) fn write_to_pipe(pipe: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let timeout = PollTimeout::try_from(SLOW).unwrap_or(PollTimeout::ZERO);
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)];
    poll(&mut fds, timeout)?;
    if !fds[0].any().unwrap_or(false) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let most = whole_lines(bytes, AT_ONCE).unwrap_or(bytes.len().min(AT_ONCE));
    // Not through std, which would keep what could not be written.
    Ok(write(pipe, &bytes[..most])?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_pipe_takes_whole_lines_is_slow_when_it_is_full_and_fails_when_nobody_reads() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut pipe = Pipe(writer);
        let line = format!("{}\n", "x".repeat(999));
        let lines = line.repeat(10);
        let mut taken = 0;
        let error = loop {
            match pipe.write(lines.as_bytes()) {
                Ok(more) => {
                    assert_eq!(more % line.len(), 0);
                    taken += more;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut read = vec![0; taken];
        reader.read_exact(&mut read).expect("so much is there");
        assert_eq!(pipe.write(lines.as_bytes()).expect("room"), 4 * line.len());
        drop(reader);
        let error = pipe.write(lines.as_bytes()).expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
