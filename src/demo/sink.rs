//! The server of the stage: it accepts every connection, reads and discards.
//! It answers nothing and counts nothing; that is the tracer's part.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;

use nix::poll::PollFlags;
use nix::sys::socket::{setsockopt, sockopt};

use super::StageError;
use super::sender::ABORT_ON_CLOSE;
use crate::path::stop::{Interest, StopSignal};

const READ_BYTES: usize = 256 * 1024;

/// Listens in the calling thread's namespace.
pub(super) fn listen(at: SocketAddrV4) -> Result<TcpListener, StageError> {
    let listener =
        TcpListener::bind(at).map_err(|error| StageError::refused("listen on a port", error))?;
    listener
        .set_nonblocking(true)
        .map_err(|error| StageError::refused("set up the listening socket", error))?;
    Ok(listener)
}

/// Serves until told to stop; each accepted connection is told to `accepted`,
/// if anybody still listens there.
pub(super) fn serve(listener: &TcpListener, accepted: &Sender<()>, stop: &StopSignal) {
    let mut connections: Vec<TcpStream> = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let mut interests: Vec<Interest<'_>> =
            connections.iter().map(|stream| (stream.as_fd(), PollFlags::POLLIN)).collect();
        interests.push((listener.as_fd(), PollFlags::POLLIN));
        let Some(ready) = stop.wait(&interests, None) else {
            return;
        };
        // The listener's own entry is the last, and no connection's.
        let mut ready = ready.into_iter();
        connections
            .retain_mut(|stream| ready.next() != Some(true) || still_open(stream, &mut buffer));
        if ready.next() == Some(true) {
            accept_all(listener, &mut connections, accepted);
        }
    }
}

fn accept_all(listener: &TcpListener, connections: &mut Vec<TcpStream>, accepted: &Sender<()>) {
    // The end is WouldBlock; anything else (out of descriptors) leaves the
    // connection in the queue for the next turn.
    while let Ok((stream, _)) = listener.accept() {
        if set_up(&stream).is_ok() {
            connections.push(stream);
            let _ = accepted.send(());
        }
    }
}

fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    setsockopt(stream, sockopt::Linger, &ABORT_ON_CLOSE)?;
    Ok(())
}

/// Discards what has come; false at the connection's end.
fn still_open(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    match stream.read(buffer) {
        Ok(bytes) => bytes > 0,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}
