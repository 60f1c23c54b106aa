//! A BPF ring buffer for all CPUs, where there are no atomic operations for a log (before
//! Linux 5.12). It drops the newest, so what is lost lies after what was found before.

use std::cell::RefCell;
use std::mem::{offset_of, size_of};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use libbpf_rs::{MapHandle, RingBuffer, RingBufferBuilder};

use super::{CLOCKS_APART_NS, Drained, Transport, UNWRITTEN_MOST_NS, Undecoded, patience};
use crate::kernel::clock::monotonic_ns;
use crate::kernel::raw::{Mapping, layout, ring_positions};
use crate::kernel::wire::LINE_BYTES;

const UNWRITTEN_PAUSE: Duration = Duration::from_micros(50);

type Arrived = Rc<RefCell<Undecoded>>;

/// The ring buffer. To be made by the thread that uses it.
pub(in crate::kernel) struct Ring {
    buffer: RingBuffer<'static>,
    bytes: u64,
    arrived: Arrived,
    heads: Mapping,
    cpus: u32,
    dropped: u64,
    /// All entries from before this were taken.
    until_ns: u64,
}

impl Ring {
    pub(in crate::kernel) fn new(
        heads: &MapHandle,
        ring: &MapHandle,
        cpus: u32,
        bytes: u64,
        started_ns: u64,
    ) -> Result<Self> {
        let arrived = Arrived::default();
        let mut builder = RingBufferBuilder::new();
        let keep = Rc::clone(&arrived);
        builder.add(ring, move |bytes| {
            keep.borrow_mut().push(bytes.as_chunks().0);
            0
        })?;
        let heads_bytes = size_of::<layout::log_head>() * cpus as usize;
        Ok(Self {
            buffer: builder.build().context("opening the ring buffer")?,
            bytes,
            arrived,
            heads: Mapping::new(heads, 0, heads_bytes, false).context("mapping the counters")?,
            cpus,
            dropped: 0,
            until_ns: started_ns,
        })
    }

    fn dropped(&self) -> u64 {
        (0..self.cpus as usize)
            .map(|cpu| {
                let at = size_of::<layout::log_head>() * cpu;
                let dropped = offset_of!(layout::log_head, dropped);
                self.heads.word(at + dropped).load(Ordering::Relaxed)
            })
            .sum()
    }
}

impl Transport for Ring {
    fn drain(&mut self, into: &mut Undecoded) -> Result<Drained> {
        // First the clock: what was reserved before it shows from here on.
        let now_ns = monotonic_ns();
        let (head, tail) = ring_positions(&self.buffer).context("the ring buffer is gone")?;
        let fill = head.saturating_sub(tail) as f64 / self.bytes as f64;
        // It stops at what is reserved and not written yet.
        loop {
            let read = self.buffer.consume_raw();
            anyhow::ensure!(read >= 0, "reading the ring buffer: error {read}");
            let (_, tail) = ring_positions(&self.buffer).context("the ring buffer is gone")?;
            if tail >= head || monotonic_ns() > now_ns + UNWRITTEN_MOST_NS {
                break;
            }
            thread::sleep(UNWRITTEN_PAUSE);
        }
        into.append_until(&mut self.arrived.borrow_mut(), u64::MAX);
        let dropped = self.dropped();
        if dropped > self.dropped {
            into.push_gap(self.until_ns, monotonic_ns(), dropped - self.dropped);
            self.dropped = dropped;
        }
        self.until_ns = now_ns - CLOCKS_APART_NS;
        Ok(Drained { until_ns: self.until_ns, fill })
    }

    fn patience(&self) -> Duration {
        // All CPUs share it.
        patience(self.bytes / LINE_BYTES as u64 / u64::from(self.cpus))
    }
}
