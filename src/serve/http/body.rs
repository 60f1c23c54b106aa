//! The bytes of an answer as hyper asks for them. Not what they are.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;

use super::answer::{CachedBytes, Stream};
use super::pace::Pace;

/// A stream is sent in parts of this size at most.
const PART_BYTES: usize = 64 << 10;

/// What whole answers that are on their way take of memory.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    /// Of those that have their bytes to themselves.
    own: AtomicUsize,
    cached: Mutex<Vec<Weak<Held>>>,
}

impl Unsent {
    /// Bytes that a cache has do not count while it has them, and after that once, however
    /// many clients take them.
    pub(super) fn bytes(&self) -> usize {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let held = cached.iter().filter_map(Weak::upgrade);
        let left: usize = held.filter(|held| !held.is_cached()).map(|held| held.bytes.len()).sum();
        self.own.load(Ordering::Relaxed) + left
    }

    /// These, counted once the cache has let go of them, until hyper has written all of them.
    pub(super) fn shared(&self, cached: &Arc<CachedBytes>) -> Bytes {
        let mut all = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|held| held.strong_count() > 0);
        let mut held = all.iter().filter_map(Weak::upgrade);
        let held =
            held.find(|held| Arc::ptr_eq(&held.bytes, cached.bytes())).unwrap_or_else(|| {
                let held = Arc::new(Held {
                    bytes: Arc::clone(cached.bytes()),
                    cached: Arc::downgrade(cached),
                });
                all.push(Arc::downgrade(&held));
                held
            });
        Bytes::from_owner(Share(held))
    }

    /// These, counted until hyper has written all of them.
    pub(super) fn counted(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        self.own.fetch_add(bytes.len(), Ordering::Relaxed);
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
        self.unsent.own.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// What clients are taking of cached bytes, or of those that were.
#[derive(Debug)]
struct Held {
    bytes: Arc<[u8]>,
    cached: Weak<CachedBytes>,
}

impl Held {
    fn is_cached(&self) -> bool {
        self.cached.strong_count() > 0
    }
}

/// One client's.
struct Share(Arc<Held>);

impl AsRef<[u8]> for Share {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_count_once_and_only_when_nobody_else_has_them() {
        let unsent = Arc::new(Unsent::default());
        let cached = CachedBytes::new(vec![0; 1000].into());
        let taken: Vec<_> = (0..3).map(|_| unsent.shared(&cached)).collect();
        let own = unsent.counted(vec![0; 10]);
        assert_eq!(taken[0].as_ptr(), cached.bytes().as_ptr());
        assert_eq!(unsent.bytes(), 10);
        drop(cached);
        assert_eq!(unsent.bytes(), 1010);
        let next = CachedBytes::new(vec![1; 100].into());
        let taken_next = unsent.shared(&next);
        drop(next);
        assert_eq!(unsent.bytes(), 1110);
        drop((taken, own));
        assert_eq!(unsent.bytes(), 100);
        drop(taken_next);
        assert_eq!(unsent.bytes(), 0);
    }
}
