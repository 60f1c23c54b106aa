//! Clients that scrape on and on, and such as dribble. Not here: what they are answered.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::support::tool::pause;

/// Scrapes while it lasts, one each ...
pub(crate) const SCRAPES: usize = 4_000;
const PACE: Duration = Duration::from_millis(1);

/// Scrapes on one connection, at a quarter of the pace; on another where a server closes it
/// between two requests, as every client does.
pub(crate) fn scrape(address: SocketAddr, count: usize) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let began = Instant::now();
    for number in 0..count {
        pause((PACE * 4 * u32::try_from(number)?).saturating_sub(began.elapsed()));
        if !ask(&mut stream, address)? {
            stream = TcpStream::connect(address)?;
            ensure!(ask(&mut stream, address)?, "a new connection was closed without an answer");
        }
    }
    Ok(())
}

/// Whether there was an answer, which is as it should be.
fn ask(stream: &mut TcpStream, address: SocketAddr) -> Result<bool> {
    // In one piece: what follows an unacknowledged one would wait (RFC 896).
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
    if stream.write_all(request.as_bytes()).is_err() {
        return Ok(false);
    }
    let mut reader = BufReader::new(stream);
    let (mut lines, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        if !reader.read_line(&mut line).is_ok_and(|read| read > 0) && lines == 0 {
            return Ok(false);
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        ensure!(lines > 0 || line.contains(" 200 "), "{line}");
        if let Some(bytes) = line.strip_prefix("content-length: ") {
            length = bytes.parse()?;
        }
        lines += 1;
    }
    ensure!(length > 0, "an empty answer");
    let read = std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    ensure!(read == length, "{read} bytes of {length}");
    Ok(true)
}

/// Sends a request's head a byte at a time, as slowly as will do to hold up who waits for it.
pub(crate) fn dribble(address: SocketAddr, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        for byte in
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ".iter().chain([b'x'; 60].iter())
        {
            if is_over.load(Ordering::SeqCst) || stream.write_all(&[*byte]).is_err() {
                break;
            }
            pause(Duration::from_millis(100));
        }
    }
}
