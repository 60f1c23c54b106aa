//! The bytes of an answer as hyper asks for them. Not what they are.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;

use super::pace::Pace;

/// A stream is read in parts of this size.
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

    /// Reads on another thread, at most two parts ahead of the client; `permit` lasts until
    /// all is read.
    pub(super) fn read(
        read: Box<dyn Read + Send>,
        permit: Option<OwnedSemaphorePermit>,
        pace: Arc<Pace>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(2);
        spawn_blocking(move || {
            read_parts(read, &sender);
            drop(permit);
        });
        Self { content: Sent::Parts(receiver), pace }
    }
}

/// Reads to the end, to an error, or until nobody takes it.
fn read_parts(mut read: Box<dyn Read + Send>, sender: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        let outcome = read.by_ref().take(PART_BYTES as u64).read_to_end(&mut part);
        let is_last = !matches!(outcome, Ok(length) if length > 0);
        let is_over = match outcome {
            Ok(0) => true,
            Ok(_) => sender.blocking_send(Ok(part.into())).is_err(),
            Err(error) => sender.blocking_send(Err(error)).is_err(),
        };
        if is_over || is_last {
            return;
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
