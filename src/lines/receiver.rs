//! Who takes lines, as the writer sees it; and stdout. Files and sockets have files of their
//! own.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

use super::file::FileReceiver;
use super::options::{LineOptions, Target};
use super::socket::SocketReceiver;

/// A receiver that is slow is asked again after so long: in between the writer looks whether
/// it is to end.
pub(super) const SLOW: Duration = Duration::from_millis(200);
/// So much is written to stdout at once, bytes: a pipe takes all of it or none (`PIPE_BUF`).
const AT_ONCE: usize = 4096;

/// Takes bytes. What it has taken is not asked for again, but for the part of a line after
/// an error.
pub(super) trait Receiver: Send {
    /// Takes as many of these, which begin with a line or go on with one. `WouldBlock` and
    /// `TimedOut` say that it takes nothing at the moment; other errors, that what it has
    /// taken of a line is of no use to it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Somebody has moved the file away.
    fn reopen(&mut self) {}
}

/// The one that the options name. A file is opened at once, so that what is wrong with it is
/// known at the start; a socket may be listened on later.
pub(super) fn receiver(options: &LineOptions) -> io::Result<Box<dyn Receiver>> {
    Ok(match &options.to {
        Target::Stdout => Box::new(Stdout),
        Target::File(path) => Box::new(FileReceiver::open(path.clone(), options.rotation)?),
        Target::Unix(_) | Target::Tcp(_) => Box::new(SocketReceiver::new(options.to.clone())),
    })
}

/// Where the whole lines in the first `most` bytes end, if there are any.
pub(super) fn whole_lines(bytes: &[u8], most: usize) -> Option<usize> {
    let most = bytes.len().min(most);
    bytes[..most].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1)
}

struct Stdout;

impl Receiver for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stdout = io::stdout();
        let timeout = PollTimeout::try_from(SLOW).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLOUT)];
        poll(&mut fds, timeout)?;
        if !fds[0].any().unwrap_or(false) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = whole_lines(bytes, AT_ONCE).unwrap_or(bytes.len().min(AT_ONCE));
        // Not through std, which would keep what could not be written.
        Ok(write(&stdout, &bytes[..most])?)
    }
}
