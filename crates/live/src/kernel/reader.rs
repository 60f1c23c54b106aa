//! Reads all that an iterator's program writes. What the bytes mean is `wire`'s business.

use std::io::{self, ErrorKind, Read as _};

use anyhow::{Context as _, Result};
use libbpf_rs::{Iter, Link};

/// As many as the kernel gives at a time: eight pages.
const BUFFER_BYTES: usize = 1 << 15;

/// What an iterator's program writes while it goes over everything: records of one size.
pub(super) struct Records {
    iterator: Iter,
    record_bytes: usize,
    buffer: Vec<u8>,
    filled: usize,
}

impl Records {
    /// Of the program of this link, as seen by this thread.
    pub(super) fn new(link: &Link, record_bytes: usize) -> Result<Self> {
        let iterator = Iter::new(link).context("making an iterator")?;
        Ok(Self { iterator, record_bytes, buffer: vec![0; BUFFER_BYTES], filled: 0 })
    }

    /// Hands the next records to `each`, as many as come at once. False when there are no
    /// more.
    pub(super) fn read(&mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.iterator.read(&mut self.buffer[self.filled..]) {
            Ok(0) if self.filled == 0 => return Ok(false),
            Ok(0) => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            Ok(read) => self.filled += read,
            // WouldBlock: a million objects, or empty buckets, without a record
            // (`MAX_ITER_OBJECTS`, kernel/bpf/bpf_iter.c).
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error.into()),
        }
        let whole = self.filled - self.filled % self.record_bytes;
        self.buffer[..whole].chunks_exact(self.record_bytes).try_for_each(&mut each)?;
        self.buffer.copy_within(whole..self.filled, 0);
        self.filled -= whole;
        Ok(true)
    }
}
