//! The bytes of an answer as hyper asks for them. Not what they are.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;

use super::answer::Stream;
use super::pace::Pace;

/// A stream is sent in parts of this size at most.
const PART_BYTES: usize = 64 << 10;

/// What whole answers that are on their way take of memory.
#[derive(Debug, Default)]
pub(super) struct Unsent(AtomicUsize);

impl Unsent {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// These, counted until hyper has written all of them.
    pub(super) fn counted(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(Counted { bytes, unsent: Arc::clone(self) })
    }
}

struct Counted {
    bytes: Vec<u8>,
    unsent: Arc<Unsent>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.unsent.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// An answer's bytes. When it goes, the answer has been handed over.
pub(super) struct AnswerBody {
    content: Sent,
    pace: Arc<Pace>,
}

enum Sent {
    Whole(Option<Bytes>),
    Parts(mpsc::Receiver<io::Result<Bytes>>),
}

impl AnswerBody {
    pub(super) fn whole(bytes: Bytes, pace: Arc<Pace>) -> Self {
        Self { content: Sent::Whole((!bytes.is_empty()).then_some(bytes)), pace }
    }

    /// Writes on another thread, at most two parts ahead of the client; `permit` lasts until
    /// all is written.
    pub(super) fn written(
        stream: Stream,
        permit: Option<OwnedSemaphorePermit>,
        pace: Arc<Pace>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(2);
        spawn_blocking(move || {
            let _permit = permit;
            // What is not written to its end ends in an error, after a panic as well.
            let mut end = End { sender: sender.clone(), is_whole: false };
            end.is_whole = stream(Box::new(Parts(sender))).is_ok();
        });
        Self { content: Sent::Parts(receiver), pace }
    }
}

/// Sends what is written, in parts, until nobody takes them.
struct Parts(mpsc::Sender<io::Result<Bytes>>);

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = &bytes[..bytes.len().min(PART_BYTES)];
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(part)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct End {
    sender: mpsc::Sender<io::Result<Bytes>>,
    is_whole: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.is_whole {
            // It fails where the client has gone.
            _ = self.sender.blocking_send(Err(io::Error::other("the content ended early")));
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let part = match &mut self.content {
            Sent::Whole(bytes) => return Poll::Ready(bytes.take().map(Frame::data).map(Ok)),
            Sent::Parts(parts) => parts.poll_recv(context),
        };
        if part.is_ready() {
            self.pace.takes_part();
        }
        part.map(|part| part.map(|part| part.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Sent::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Sent::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Sent::Parts(_) => SizeHint::default(),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.pace.is_answered();
    }
}
