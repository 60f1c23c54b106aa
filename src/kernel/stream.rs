//! Takes transitions, as they are told one by one, out of the kernel's ring
//! buffer. What their bytes mean is `wire`'s business.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Context as _;
use libbpf_rs::{MapCore, RingBuffer, RingBufferBuilder};

use crate::model::{Tale, Told};
use crate::wire::{self, WireError};

/// More than the buffer holds: so many are taken at once, at most.
const AT_ONCE: usize = 1 << 16;

type Arrived = Rc<RefCell<Vec<Result<Tale, WireError>>>>;

/// The ring buffer of transitions.
pub(super) struct Stream {
    buffer: RingBuffer<'static>,
    arrived: Arrived,
}

impl Stream {
    pub(super) fn new(map: &dyn MapCore) -> anyhow::Result<Self> {
        let arrived = Arrived::default();
        let mut builder = RingBufferBuilder::new();
        let keep = Rc::clone(&arrived);
        builder.add(map, move |bytes| {
            keep.borrow_mut().push(wire::tale(bytes));
            0
        })?;
        Ok(Self { buffer: builder.build().context("opening the ring buffer")?, arrived })
    }

    /// What has come since the last time; `untold` is not known here.
    pub(super) fn take(&self) -> anyhow::Result<Told> {
        let read = self.buffer.consume_raw_n(AT_ONCE);
        anyhow::ensure!(read >= 0, "reading the ring buffer: error {read}");
        let mut told = Told::default();
        for tale in std::mem::take(&mut *self.arrived.borrow_mut()) {
            match tale? {
                Tale::Transition(transition) => told.transitions.push(transition),
                Tale::Spell(spell) => told.spells.push(spell),
            }
        }
        // Two CPUs may come to the buffer the other way round.
        told.transitions.sort_by_key(|it| it.at_ns);
        Ok(told)
    }
}
