//! The thread that writes what waits, and tries again where nobody takes it. Not here: who
//! takes it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use super::receiver::Receiver;
use super::socket::is_slow;
use super::spool::{Order, Spool};
use super::stamp::Piece;
use tcpcong_live::leave_signals_to_others;

/// From the first attempt to the second, ...
const FIRST: Duration = Duration::from_millis(100);
/// ... and from each to the next at most.
const LONGEST: Duration = Duration::from_secs(5);

/// Writes until the spool is closed and empty, or given up.
pub(super) fn start(spool: Arc<Spool>, mut to: Box<dyn Receiver>) -> io::Result<()> {
    // Not joined: it may be held up for ever.
    thread::Builder::new().name("tcpcong-lines".to_owned()).spawn(move || {
        leave_signals_to_others();
        write_all(&spool, to.as_mut());
        spool.is_over();
    })?;
    Ok(())
}

pub(super) fn write_all(spool: &Spool, to: &mut dyn Receiver) {
    let mut backoff = Backoff::default();
    while let Some(order) = spool.next() {
        match order {
            Order::Reopen => to.reopen(),
            Order::Write(piece) => {
                if !write_piece(spool, to, &piece, &mut backoff) {
                    return;
                }
                spool.is_done_with(&piece);
            }
        }
    }
}

/// Writes all of it, however long that takes; false where it is given up.
fn write_piece(spool: &Spool, to: &mut dyn Receiver, piece: &Piece, backoff: &mut Backoff) -> bool {
    let bytes = &piece.bytes;
    let mut sent = 0;
    while sent < bytes.len() {
        if spool.is_abandoned() {
            return false;
        }
        let is_between_lines = sent == 0 || bytes[sent - 1] == b'\n';
        if is_between_lines && spool.take_reopen() {
            to.reopen();
        }
        match to.write(&bytes[sent..]) {
            Ok(more) => {
                let now = &bytes[sent..sent + more];
                let lines = now.split(|byte| *byte == b'\n').count() as u64 - 1;
                sent += more;
                *backoff = Backoff::default();
                spool.wrote(lines);
            }
            Err(error) if is_slow(&error) => {}
            Err(error) => {
                // What was taken of the line under way is sent again.
                let whole = bytes[..sent].iter().rposition(|byte| *byte == b'\n');
                sent = whole.map_or(0, |at| at + 1);
                spool.away(error.to_string(), backoff.next());
            }
        }
    }
    true
}

/// How long to wait from one attempt to the next: longer each time, and not at the same
/// instant on all the machines of a fleet whose receiver was restarted.
#[derive(Debug, Default)]
struct Backoff {
    attempts: u32,
}

impl Backoff {
    fn next(&mut self) -> Duration {
        let longer = FIRST.saturating_mul(1 << self.attempts.min(10)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let of_four = f64::from(now.subsec_micros() % 1000) / 1000.0;
        longer.mul_f64(0.75 + of_four / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_farther_apart_each_time_and_never_far() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..40).map(|_| backoff.next()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST * 3 / 4, "{waits:?}");
        assert!(waits[3] > waits[0] && waits.iter().all(|wait| *wait <= LONGEST), "{waits:?}");
        assert!(waits[39] >= LONGEST * 3 / 4, "{waits:?}");
    }
}
