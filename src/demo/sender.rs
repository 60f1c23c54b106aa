//! The senders: connections that write as their habits say, and start again if they die.
//! What they write is read by `sink`; how fast it goes is the router's business.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, SetSockOpt, SockFlag, SockType, SockaddrIn, connect, setsockopt, socket, sockopt,
};

use super::pace::{HABITS, Habit, Pace};
use crate::path::stop::{Interest, StopSignal};

/// What is sent.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// How long a connection that has written everything may take to deliver it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Close at once and forget what was not delivered: without it a closed socket
/// lives on in the kernel and keeps its namespace, until its last byte is
/// acknowledged. It also holds when the process is killed.
pub(super) const ABORT_ON_CLOSE: libc::linger = libc::linger { l_onoff: 1, l_linger: 0 };

/// Runs one sender for each of [`HABITS`] until told to stop. The thread has to
/// be in the senders' namespace, for it makes new sockets all the time.
pub(super) fn send(to: SocketAddrV4, stop: &StopSignal) {
    let started = Instant::now();
    let mut senders = HABITS.map(Sender::new);
    loop {
        let now = started.elapsed();
        for sender in &mut senders {
            sender.keep_connected(to, now);
        }
        let next_turn = senders.iter().filter_map(|s| s.next_turn(now)).min();
        let timeout = next_turn.map(|turn| turn.saturating_sub(now));

        let (polled, interests): (Vec<usize>, Vec<Interest<'_>>) = senders
            .iter()
            .enumerate()
            .filter_map(|(index, sender)| Some((index, sender.interest(now)?)))
            .unzip();
        let Some(ready) = stop.wait(&interests, timeout) else {
            return;
        };
        let now = started.elapsed();
        for (index, ready) in polled.into_iter().zip(ready) {
            if ready {
                senders[index].advance(now);
            }
        }
    }
}

/// One of the cast, and the connection it has at the moment.
struct Sender {
    habit: Habit,
    step: Step,
    /// Not before this is the next connection made.
    connect_at: Duration,
}

enum Step {
    Unconnected,
    /// Also while the handshake lasts: a socket is not writable before its end.
    Writing(TcpStream, Pace),
    /// Everything is written, and our FIN behind it; the sink's end is awaited
    /// until the given time.
    Draining(TcpStream, Duration),
}

impl Sender {
    fn new(habit: Habit) -> Self {
        Self { habit, step: Step::Unconnected, connect_at: Duration::ZERO }
    }

    /// Starts a connection if there is none and it is time for one, and gives
    /// up one that drains for too long.
    fn keep_connected(&mut self, to: SocketAddrV4, now: Duration) {
        if matches!(&self.step, Step::Draining(_, until) if *until <= now) {
            self.step = Step::Unconnected;
        }
        if matches!(self.step, Step::Unconnected) && self.connect_at <= now {
            self.connect_at = now + self.habit.reconnect_after;
            // A refusal (out of ports or memory) passes: the next turn tries again.
            if let Ok(stream) = start_connection(to, &self.habit) {
                self.step = Step::Writing(stream, Pace::new(self.habit));
            }
        }
    }

    /// When something has to be done even if the socket has nothing to report.
    fn next_turn(&self, now: Duration) -> Option<Duration> {
        match &self.step {
            Step::Unconnected => Some(self.connect_at),
            Step::Writing(_, pace) => pace.pause_end(now),
            Step::Draining(_, until) => Some(*until),
        }
    }

    fn interest(&self, now: Duration) -> Option<Interest<'_>> {
        match &self.step {
            Step::Unconnected => None,
            Step::Writing(stream, pace) if pace.pause_end(now).is_some() => {
                Some((stream.as_fd(), PollFlags::empty()))
            }
            Step::Writing(stream, _) => Some((stream.as_fd(), PollFlags::POLLOUT)),
            Step::Draining(stream, _) => Some((stream.as_fd(), PollFlags::POLLIN)),
        }
    }

    /// Does what the socket reported to be possible.
    fn advance(&mut self, now: Duration) {
        self.step = match std::mem::replace(&mut self.step, Step::Unconnected) {
            Step::Writing(stream, pace) => write_some(stream, pace, now),
            // The sink closed its end, or the connection died.
            Step::Draining(..) | Step::Unconnected => Step::Unconnected,
        };
    }
}

fn write_some(mut stream: TcpStream, mut pace: Pace, now: Duration) -> Step {
    let allowance = pace.allowance_bytes(now).min(ZEROS.len());
    match stream.write(&ZEROS[..allowance]) {
        // In a pause only an error or a hang-up is reported.
        Ok(0) => return Step::Unconnected,
        Ok(bytes) => pace.wrote(bytes, now),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
        Err(_) => return Step::Unconnected,
    }
    if !pace.is_complete() {
        return Step::Writing(stream, pace);
    }
    match stream.shutdown(Shutdown::Write) {
        Ok(()) => Step::Draining(stream, now + DRAIN_TIMEOUT),
        Err(_) => Step::Unconnected,
    }
}

/// Begins a connection with the first congestion control of the habit that the
/// kernel has; does not wait for the handshake.
fn start_connection(to: SocketAddrV4, habit: &Habit) -> Result<TcpStream, Errno> {
    let fd = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    setsockopt(&fd, sockopt::Linger, &ABORT_ON_CLOSE)?;
    // The two low bits of the byte are ECN's and stay the kernel's.
    setsockopt(&fd, sockopt::Ipv4Tos, &(i32::from(habit.class.dscp) << 2))?;
    habit
        .congestion_controls
        .iter()
        .map(OsString::from)
        .find(|name| sockopt::TcpCongestion.set(&fd, name).is_ok());
    match connect(fd.as_raw_fd(), &SockaddrIn::from(to)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(TcpStream::from(fd)),
        Err(errno) => Err(errno),
    }
}
