//! Gives each line its host, run and number, and hands lines to the spool in pieces that are
//! kept and written as one. Not here: what else stands in a line.

use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;

use super::spool::Spool;

/// About so large is a piece, bytes: so much is dropped at once, and held by the writer.
const PIECE: usize = 16 << 10;

/// Whole lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) bytes: Box<[u8]>,
    pub(super) lines: Lines,
}

/// Which lines those are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines {
    /// The run that they are of: when it began, milliseconds since 1970.
    pub(super) run: u64,
    /// The number of the first.
    pub(super) first: u64,
    /// How many there are.
    pub(super) count: u64,
    /// From when on, and up to when, what they tell happened.
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// Takes objects, one a line.
#[derive(Debug)]
pub(super) struct Stamp {
    /// As JSON has it.
    host: String,
    /// What each line ends with, up to its number.
    end: String,
    run: u64,
    /// The number of the next line that ends.
    next: u64,
    bytes: Vec<u8>,
    count: u64,
    span: (Timestamp, Timestamp),
    spool: Arc<Spool>,
}

impl Stamp {
    pub(super) fn new(host: &str, spool: Arc<Spool>) -> Self {
        let host = serde_json::Value::from(host).to_string();
        Self {
            end: end(&host, 0),
            host,
            run: 0,
            next: 1,
            bytes: Vec::with_capacity(2 * PIECE),
            count: 0,
            span: (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH),
            spool,
        }
    }

    /// The run began then.
    pub(super) fn begin(&mut self, at: Timestamp) {
        self.run = u64::try_from(at.as_millisecond()).unwrap_or(0);
        self.end = end(&self.host, self.run);
    }

    /// What comes now tells of this time.
    pub(super) fn tells_of(&mut self, from: Timestamp, to: Timestamp) {
        self.span = (from, to);
    }

    fn end_line(&mut self) {
        // Each line is an object, of which this was the last letter.
        if self.bytes.last() == Some(&b'}') {
            self.bytes.pop();
        }
        self.bytes.extend_from_slice(self.end.as_bytes());
        self.bytes.extend_from_slice(self.next.to_string().as_bytes());
        self.bytes.extend_from_slice(b"}\n");
        self.next += 1;
        self.count += 1;
        if self.bytes.len() >= PIECE {
            self.cut();
        }
    }

    /// Hands over all whole lines so far.
    pub(super) fn cut(&mut self) {
        if self.count == 0 {
            return;
        }
        let (from, to) = self.span;
        let first = self.next - self.count;
        let lines = Lines { run: self.run, first, count: self.count, from, to };
        self.spool.push(Piece { bytes: self.bytes.as_slice().into(), lines });
        self.bytes.clear();
        self.count = 0;
    }
}

fn end(host: &str, run: u64) -> String {
    format!(r#","host":{host},"run":{run},"line":"#)
}

impl Write for Stamp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Some(end) = part.strip_suffix(b"\n") {
                self.bytes.extend_from_slice(end);
                self.end_line();
            } else {
                self.bytes.extend_from_slice(part);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::spool::Order;

    fn next(spool: &Spool) -> Piece {
        let Some(Order::Write(piece)) = spool.next() else { panic!("nothing") };
        spool.is_done_with(&piece);
        piece
    }

    #[test]
    fn each_line_has_its_host_and_number_and_pieces_are_of_whole_lines() {
        let spool = Arc::new(Spool::new("h", 1 << 20));
        let mut stamp = Stamp::new("a \"b\"", Arc::clone(&spool));
        stamp.begin(Timestamp::from_second(5).expect("a time"));
        stamp.write_all(b"{\"a\":1}\n{\"a\"").expect("memory");
        stamp.write_all(b":2}\n").expect("memory");
        stamp.cut();
        let piece = next(&spool);
        let expected = "{\"a\":1,\"host\":\"a \\\"b\\\"\",\"run\":5000,\"line\":1}\n\
                        {\"a\":2,\"host\":\"a \\\"b\\\"\",\"run\":5000,\"line\":2}\n";
        assert_eq!(str::from_utf8(&piece.bytes), Ok(expected));
        assert_eq!((piece.lines.first, piece.lines.count), (1, 2));
        let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(PIECE / 3));
        (0..7).for_each(|_| stamp.write_all(long.as_bytes()).expect("memory"));
        stamp.cut();
        let pieces = [next(&spool), next(&spool), next(&spool)];
        assert!(pieces.iter().all(|piece| piece.bytes.ends_with(b"}\n")));
        assert_eq!(pieces.iter().map(|piece| piece.lines.count).sum::<u64>(), 7);
        assert_eq!(pieces[2].lines.first, 9);
        stamp.cut();
        assert_eq!(spool.waiting(), 0);
    }
}
