//! How far a connection is, and until when it may be there: a client that dribbles, reads
//! slowly or says nothing is cut off. Not how many connections there may be.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The TLS handshake, and after it the first byte of a request.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A request's head, from its first byte to its last.
const HEAD: Duration = Duration::from_secs(10);
/// The answer, from the head's last byte until the client has taken all of it; of a stream,
/// each part.
const ANSWER: Duration = Duration::from_secs(30);
/// All parts of a stream.
const STREAM: Duration = Duration::from_secs(300);
/// Between two requests. Prometheus asks every 15 s to 60 s.
const IDLE: Duration = Duration::from_secs(75);

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing of a request has come yet since it was opened.
    New,
    /// Waits for the next request.
    Idle,
    /// Part of a request's head has come.
    Head,
    /// The request is being answered.
    Answer,
    /// All of the answer is made, and not all of it sent.
    Sending,
}

/// A pure function of what happened, and when.
#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    since: Instant,
    deadline: Instant,
    /// Since the request that is being answered.
    asked: Instant,
}

impl State {
    fn new(now: Instant) -> Self {
        Self { phase: Phase::New, since: now, deadline: now + HANDSHAKE, asked: now }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        (self.phase, self.since) = (phase, now);
    }

    fn reads(&mut self, now: Instant) {
        if matches!(self.phase, Phase::New | Phase::Idle) {
            self.enter(Phase::Head, now);
            self.deadline = now + HEAD;
        }
    }

    fn asks(&mut self, now: Instant) {
        self.enter(Phase::Answer, now);
        (self.asked, self.deadline) = (now, now + ANSWER);
    }

    fn takes_part(&mut self, now: Instant) {
        self.deadline = (now + ANSWER).min(self.asked + STREAM);
    }

    fn is_answered(&mut self, now: Instant) {
        if self.phase == Phase::Answer {
            self.enter(Phase::Sending, now);
        }
    }

    fn is_flushed(&mut self, now: Instant) {
        if self.phase == Phase::Sending {
            self.enter(Phase::Idle, now);
            self.deadline = now + IDLE;
        }
    }
}

/// One connection's.
#[derive(Debug)]
pub(super) struct Pace {
    state: Mutex<State>,
    /// Its place is needed.
    evicted: Notify,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State::new(Instant::now())), evicted: Notify::new() }
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State, Instant)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
    }

    /// How far it is, and since when.
    pub(super) fn phase(&self) -> (Phase, Instant) {
        let state = self.state();
        (state.phase, state.since)
    }

    /// When it is cut off unless it gets further.
    pub(super) fn deadline(&self) -> Instant {
        self.state().deadline
    }

    pub(super) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Returns when its place is needed.
    pub(super) async fn is_evicted(&self) {
        self.evicted.notified().await;
    }

    /// The handshake is done.
    pub(super) fn begins(&self) {
        self.change(|state, now| state.deadline = now + HEAD);
    }

    /// A request's head is there.
    pub(super) fn asks(&self) {
        self.change(State::asks);
    }

    /// A client has taken a part of a stream.
    pub(super) fn takes_part(&self) {
        self.change(State::takes_part);
    }

    /// The answer's last byte has been handed over to be sent.
    pub(super) fn is_answered(&self) {
        self.change(State::is_answered);
    }
}

/// A connection's bytes, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Bytes whose coming and going is noted.
pub(super) struct Paced {
    stream: Box<dyn Stream>,
    pace: Arc<Pace>,
}

impl Paced {
    pub(super) fn new(stream: Box<dyn Stream>, pace: Arc<Pace>) -> Self {
        Self { stream, pace }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pace.change(State::reads);
        }
        poll
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        // hyper flushes what it has written before it flushes this.
        if matches!(poll, Poll::Ready(Ok(()))) {
            self.pace.change(State::is_flushed);
        }
        poll
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_dribbled_head_is_given_no_more_time_than_a_fast_one() {
        let begin = Instant::now();
        let mut state = State::new(begin);
        for seconds in 1..=9 {
            state.reads(begin + seconds * SECOND);
        }
        assert_eq!((state.phase, state.since), (Phase::Head, begin + SECOND));
        assert_eq!(state.deadline, begin + 11 * SECOND);
    }

    #[test]
    fn a_connection_is_idle_only_when_its_answer_is_sent() {
        let begin = Instant::now();
        let mut state = State::new(begin);
        state.reads(begin);
        state.asks(begin + SECOND);
        state.is_flushed(begin + 2 * SECOND);
        assert_eq!(state.phase, Phase::Answer);
        state.is_answered(begin + 3 * SECOND);
        assert_eq!((state.phase, state.deadline), (Phase::Sending, begin + SECOND + ANSWER));
        state.is_flushed(begin + 4 * SECOND);
        assert_eq!((state.phase, state.deadline), (Phase::Idle, begin + 4 * SECOND + IDLE));
    }

    #[test]
    fn a_stream_that_is_taken_goes_on_but_not_forever() {
        let begin = Instant::now();
        let mut state = State::new(begin);
        state.asks(begin);
        for seconds in (20..=400).step_by(20) {
            state.takes_part(begin + seconds * SECOND);
        }
        assert_eq!(state.deadline, begin + STREAM);
    }
}
