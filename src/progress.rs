//! How far a file has been read, for a person who waits for it. Not here: what is done with
//! what is read.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// Shorter work shows none.
const SHOWN_AFTER: Duration = Duration::from_millis(500);
/// It changes no more often than this.
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// Reads, and says on a terminal how much of all that is. The line is gone when all is read.
pub struct Progress<R, W: Write> {
    input: R,
    /// Bytes read, and how many there are, where that is known.
    read: u64,
    size: Option<u64>,
    /// What is being done, as "exporting".
    doing: &'static str,
    terminal: W,
    began: Instant,
    shown: Option<Instant>,
    /// Letters of the line that is shown.
    letters: usize,
}

impl<R: Read, W: Write> Progress<R, W> {
    /// Of reading `size` bytes.
    pub fn new(input: R, size: Option<u64>, doing: &'static str, terminal: W) -> Self {
        let began = Instant::now();
        Self { input, read: 0, size, doing, terminal, began, shown: None, letters: 0 }
    }

    fn show(&mut self, now: Instant) {
        let since = self.shown.map_or(now - self.began, |shown| now - shown);
        if since < if self.shown.is_some() { SHOWN_EVERY } else { SHOWN_AFTER } {
            return;
        }
        self.shown = Some(now);
        let far = match self.size {
            Some(size) if size > 0 => format!("{} %", self.read.min(size) * 100 / size),
            _ => format!("{} MB read", self.read / 1_000_000),
        };
        let line = format!("tcpcong: {}: {far}", self.doing);
        self.letters = self.letters.max(line.len());
        // What is printed next overwrites it. A terminal that is gone ends nothing.
        _ = write!(self.terminal, "{line}\r").and_then(|()| self.terminal.flush());
    }

    fn clear(&mut self) {
        let letters = std::mem::take(&mut self.letters);
        if letters > 0 {
            _ = write!(self.terminal, "{:letters$}\r", "").and_then(|()| self.terminal.flush());
        }
    }
}

impl<R: Read, W: Write> Read for Progress<R, W> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(bytes)?;
        self.read += read as u64;
        if read == 0 {
            self.clear();
        } else {
            self.show(Instant::now());
        }
        Ok(read)
    }
}

impl<R, W: Write> Drop for Progress<R, W> {
    fn drop(&mut self) {
        if self.letters > 0 {
            _ = writeln!(self.terminal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_work_shows_nothing_and_long_work_how_much_of_it_is_done() {
        let mut shown = Vec::new();
        let mut progress = Progress::new(&[0; 200][..], Some(200), "exporting", &mut shown);
        let mut some = [0; 50];
        assert_eq!(progress.read(&mut some).expect("memory"), 50);
        assert!(progress.terminal.is_empty());
        let began = progress.began;
        progress.show(began + SHOWN_AFTER);
        progress.show(began + SHOWN_AFTER + SHOWN_EVERY / 2);
        progress.read = 150;
        progress.show(began + SHOWN_AFTER + SHOWN_EVERY);
        io::copy(&mut progress, &mut io::sink()).expect("memory");
        drop(progress);
        let shown = String::from_utf8(shown).expect("text");
        let blank = " ".repeat(24);
        assert_eq!(shown, format!("tcpcong: exporting: 25 %\rtcpcong: exporting: 75 %\r{blank}\r"));
    }

    #[test]
    fn what_has_no_known_size_is_counted() {
        let mut shown = Vec::new();
        let mut progress = Progress::new(io::empty(), None, "reading", &mut shown);
        progress.read = 12_345_678;
        progress.show(progress.began + SHOWN_AFTER);
        drop(progress);
        assert_eq!(String::from_utf8_lossy(&shown), "tcpcong: reading: 12 MB read\r\n");
    }
}
