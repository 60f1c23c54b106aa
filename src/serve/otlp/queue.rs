//! What waits for a receiver that is away: the oldest first, and never more than there is room for.
//! Not here: who sends it.

use std::collections::VecDeque;

use super::message::Message;

/// An hour's, where one comes each minute.
pub(super) const MOST: usize = 60;
/// A message of a hundred groups has some 40 kB.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Message>,
    bytes: usize,
}

impl Queue {
    /// Adds the newest; returns how many of the oldest made room for it. By itself it may be of
    /// any size: what a receiver makes of that it says.
    pub(super) fn push(&mut self, message: Message) -> u64 {
        self.bytes += message.bytes.len();
        self.waiting.push_back(message);
        let mut dropped = 0;
        while self.waiting.len() > MOST || self.waiting.len() > 1 && self.bytes > MOST_BYTES {
            dropped += u64::from(self.pop().is_some());
        }
        dropped
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.waiting.pop_front()?;
        self.bytes -= message.bytes.len();
        Some(message)
    }

    /// Puts it back; says whether there was no room left for it.
    pub(super) fn put_back(&mut self, message: Message) -> bool {
        let bytes = self.bytes + message.bytes.len();
        if self.waiting.len() >= MOST || !self.waiting.is_empty() && bytes > MOST_BYTES {
            return true;
        }
        self.bytes = bytes;
        self.waiting.push_front(message);
        false
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(first: usize, length: usize) -> Message {
        let mut bytes = vec![0; length];
        bytes[0] = u8::try_from(first).unwrap();
        Message { bytes: bytes.into(), is_gzip: false }
    }

    #[test]
    fn the_oldest_make_room_for_the_newest() {
        let mut queue = Queue::default();
        let dropped: u64 = (0..MOST + 3).map(|number| queue.push(message(number, 1))).sum();
        assert_eq!((dropped, queue.len()), (3, MOST));
        assert_eq!(queue.pop(), Some(message(3, 1)));
        assert!(!queue.put_back(message(3, 1)));
        assert!(queue.put_back(message(2, 1)));
        assert_eq!(queue.pop(), Some(message(3, 1)));
    }

    #[test]
    fn large_messages_are_fewer() {
        let mut queue = Queue::default();
        let half = MOST_BYTES / 2;
        assert_eq!(queue.push(message(0, half)) + queue.push(message(1, half)), 0);
        assert_eq!(queue.push(message(2, 1)), 1);
        assert_eq!(queue.len(), 2);
        // One that is larger than all that may wait does so alone.
        assert_eq!(queue.push(message(3, MOST_BYTES + 1)), 2);
        assert_eq!((queue.len(), queue.bytes), (1, MOST_BYTES + 1));
        let alone = queue.pop().unwrap();
        assert!(!queue.put_back(alone));
        assert_eq!(queue.push(message(4, 1)), 1);
        assert_eq!((queue.len(), queue.bytes), (1, 1));
    }
}
