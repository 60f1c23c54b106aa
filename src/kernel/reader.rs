//! Reads all that an iterator's program writes, and all records of a map so
//! (`bpf/readers.h`). What the bytes mean is `wire`'s business.

use std::io::{self, ErrorKind, Read as _};

use anyhow::Context as _;
use libbpf_rs::{Iter, Link};

/// As many as the kernel gives at a time: eight pages.
const BUFFER_BYTES: usize = 1 << 15;

/// A map's iterator.
pub(super) struct Reader {
    link: Link,
    key_bytes: usize,
    value_bytes: usize,
}

impl Reader {
    /// `link`: of a program that hands over keys and values of these sizes.
    pub(super) fn new(link: Link, key_bytes: usize, value_bytes: usize) -> Self {
        Self { link, key_bytes, value_bytes }
    }

    /// Hands every key and value to `each`. While the map changes, one may come
    /// twice, or not at all (`bpf_hash_map_seq_find_next()`,
    /// `kernel/bpf/hashtab.c`).
    pub(super) fn read(&self, mut each: impl FnMut(&[u8], &[u8])) -> anyhow::Result<()> {
        each_record(&self.link, self.key_bytes + self.value_bytes, |record| {
            let (key, value) = record.split_at(self.key_bytes);
            each(key, value);
        })
    }
}

/// Runs the iterator's program over everything, and hands what it writes to `each`:
/// records of `record_bytes`, or nothing.
pub(super) fn each_record(
    iterator: &Link,
    record_bytes: usize,
    mut each: impl FnMut(&[u8]),
) -> anyhow::Result<()> {
    let mut records = Iter::new(iterator).context("making an iterator")?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        match records.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            // WouldBlock: a million objects, or empty buckets, without a record
            // (`MAX_ITER_OBJECTS`, kernel/bpf/bpf_iter.c).
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error.into()),
        }
        let whole = filled - filled % record_bytes;
        buffer[..whole].chunks_exact(record_bytes).for_each(&mut each);
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
    if filled == 0 { Ok(()) } else { Err(io::Error::from(ErrorKind::UnexpectedEof).into()) }
}
