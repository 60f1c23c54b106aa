//! Takes a page of the kernel's trace ring buffer apart into time-stamped events.
//! Not what the events say, nor where the page comes from: `truth` knows both.
//!
//! The page is described by `include/linux/ring_buffer.h` and `rb_update_event`
//! in `kernel/trace/ring_buffer.c`, unchanged from 5.10 to 7.x.

use anyhow::{Context as _, Result, ensure};

use super::format::{Layout, Span};

/// `type_len` of padding: a page's unused end, or an event that was taken back.
const PADDING: u32 = 29;
/// `type_len` of a delta too long for 27 bits.
const TIME_EXTEND: u32 = 30;
/// `type_len` of an absolute time stamp.
const TIME_STAMP: u32 = 31;
const HEADER_BYTES: usize = 4;
/// The commit word's two flags: the writer overtook the reader before this page.
const MISSED_FLAGS: u64 = 0b11 << 30;
/// The bits of the commit word that count the bytes in use.
const COMMIT_MASK: u64 = (1 << 27) - 1;
/// An absolute time stamp holds 59 bits; the page's own stamp has the upper ones.
const STAMP_BITS: u32 = 59;

/// How this kernel lays out a page, from `events/header_page`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageShape {
    commit: Span,
    data_offset: usize,
    /// Bytes of a whole page, header included: what one read returns.
    pub(crate) page_bytes: usize,
}

/// One event: when it was, on the trace clock, and its bytes from `common_type` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) at_ns: u64,
    pub(crate) payload: &'a [u8],
}

impl PageShape {
    pub(crate) fn parse(header_page: &str) -> Result<Self> {
        let layout = Layout::parse(header_page)?;
        let timestamp = layout.span("timestamp")?;
        let expected = Span { offset: 0, size: 8 };
        ensure!(timestamp == expected, "a page with its time at {timestamp:?}");
        let data = layout.span("data")?;
        Ok(Self {
            commit: layout.span("commit")?,
            data_offset: data.offset,
            page_bytes: data.offset + data.size,
        })
    }

    /// The events of one page, oldest first. An error if events before it were lost.
    pub(crate) fn entries<'a>(&self, page: &'a [u8]) -> Result<Vec<Entry<'a>>> {
        let commit = match self.commit.size {
            4 => u64::from(word(page, self.commit.offset)?),
            _ => long(page, self.commit.offset)?,
        };
        ensure!(commit & MISSED_FLAGS == 0, "the ring buffer lost events before a page");
        let used_bytes = usize::try_from(commit & COMMIT_MASK)?;
        let data = page.get(self.data_offset..self.data_offset + used_bytes);
        let data = data.context("a page's commit counts more bytes than the page has")?;
        walk(data, long(page, 0)?)
    }
}

/// Follows the events from one header to the next, adding up the time between them.
fn walk(data: &[u8], page_ns: u64) -> Result<Vec<Entry<'_>>> {
    let mut entries = Vec::new();
    let mut at_ns = page_ns;
    let mut here = 0;
    while here + HEADER_BYTES <= data.len() {
        let header = word(data, here)?;
        let (type_len, delta) = split_header(header);
        let body = here + HEADER_BYTES;
        here = match type_len {
            PADDING if delta == 0 => break,
            // It carries the length of what was taken back, not a time.
            PADDING => body + word(data, body)? as usize,
            TIME_EXTEND => {
                at_ns += stamp(data, body, delta)?;
                body + 4
            }
            TIME_STAMP => {
                let upper = page_ns >> STAMP_BITS << STAMP_BITS;
                at_ns = upper | stamp(data, body, delta)?;
                body + 4
            }
            _ => {
                at_ns += u64::from(delta);
                let (from, to) = payload_range(data, body, type_len)?;
                let payload = data.get(from..to).context("an event runs over its page's end")?;
                entries.push(Entry { at_ns, payload });
                to
            }
        };
    }
    Ok(entries)
}

/// Where an event's payload begins and ends: `type_len` words, or for 0 as many
/// bytes as the first word says, which counts itself.
fn payload_range(data: &[u8], body: usize, type_len: u32) -> Result<(usize, usize)> {
    if type_len > 0 {
        return Ok((body, body + 4 * type_len as usize));
    }
    let length = word(data, body)? as usize;
    ensure!(length >= 4, "an event of {length} bytes, its length included");
    // Events are aligned to four bytes; the kernel rounds the length itself.
    Ok((body + 4, body + length))
}

/// A 59-bit time: its low 27 bits are in the header, the others in the word after it.
fn stamp(data: &[u8], body: usize, low: u32) -> Result<u64> {
    Ok((u64::from(word(data, body)?) << 27) + u64::from(low))
}

/// The header's bit fields lie as C compilers lay them: from the low end on
/// little-endian machines, from the high end on the others.
fn split_header(header: u32) -> (u32, u32) {
    if cfg!(target_endian = "little") {
        (header & 31, header >> 5)
    } else {
        (header >> 27, header & ((1 << 27) - 1))
    }
}

fn word(data: &[u8], at: usize) -> Result<u32> {
    let bytes = data.get(at..at + 4).context("the ring buffer's page is cut short")?;
    Ok(u32::from_ne_bytes(bytes.try_into()?))
}

fn long(data: &[u8], at: usize) -> Result<u64> {
    let bytes = data.get(at..at + 8).context("the ring buffer's page is cut short")?;
    Ok(u64::from_ne_bytes(bytes.try_into()?))
}
