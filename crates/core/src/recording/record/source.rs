//! A source whose entries are written as they pass to a session, with what it says besides.
//! Not here: how lines become a recording.

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};

use super::{Chunk, Recorder, WRITING};
use crate::model::{Losses, Start};
use crate::recording::lines::Note;
use crate::source::{Reached, Source, SourceCost, TakeEntry, Wait};

/// What was told is written at the latest after this time.
const WAITS_NS: u64 = 1_000_000_000;
/// Two clocks may go so far apart before it is told.
const ASTRAY: SignedDuration = SignedDuration::from_millis(1);

/// A source that is recorded.
pub struct RecordedSource<'s> {
    pub(super) inner: &'s mut dyn Source,
    pub(super) recorder: Recorder,
    /// What is from after the present interval's end: it comes after what is told at that.
    pub(super) chunk: Chunk,
}

impl Source for RecordedSource<'_> {
    fn start(&self) -> &Start {
        self.inner.start()
    }

    fn begin(&mut self, take: TakeEntry<'_>) -> Result<()> {
        let Self { inner, recorder, chunk } = self;
        inner.begin(&mut |entry| {
            chunk.add(&entry);
            take(entry);
        })?;
        recorder.change().begin(inner.start()).context(WRITING)
    }

    fn next(&mut self, wait: Wait, take: TakeEntry<'_>) -> Result<Reached> {
        let Self { inner, recorder, chunk } = self;
        let reached = inner.next(wait, &mut |entry| {
            chunk.add(&entry);
            take(entry);
        })?;
        if let Some(error) = chunk.failed.take() {
            return Err(error).context(WRITING);
        }
        // As a session reckons. What is from after an interval's end waits for that.
        let is_last = reached.end.is_some();
        let has_come = reached.interval_end(wait).filter(|_| !is_last);
        let until_ns = wait.until_ns.filter(|_| !is_last).unwrap_or(u64::MAX);
        let to_ns = has_come.unwrap_or(reached.until_ns.min(until_ns));
        let mut state = recorder.change();
        state.told_ns = to_ns;
        let wall = inner.wall(to_ns);
        let is_astray = wall.duration_since(state.wall(to_ns)).abs() > ASTRAY;
        let late = wait.until_ns.filter(|boundary_ns| *boundary_ns < to_ns);
        let mut write = || {
            if let Some(at_ns) = late {
                state.note(&Note::Late { at_ns, until_ns: to_ns })?;
            }
            let written = state.entries(chunk, to_ns)?;
            if wait.promptly && written > 0 {
                state.note(&Note::Batch { at_ns: to_ns })?;
            }
            if is_astray {
                state.clock = (to_ns, wall);
                state.note(&Note::Clock { at_ns: to_ns, time: wall })?;
            }
            state.frames.flush_older(to_ns, WAITS_NS)
        };
        write().context(WRITING)?;
        Ok(reached)
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        self.recorder.state().wall(at_ns)
    }

    fn losses(&mut self) -> Result<(Losses, usize)> {
        let (losses, namespaces_unreached) = self.inner.losses()?;
        let mut state = self.recorder.change();
        if state.losses != (losses, namespaces_unreached) {
            state.losses = (losses, namespaces_unreached);
            let at_ns = state.told_ns;
            let note = Note::Losses { at_ns, namespaces_unreached, losses };
            state.note(&note).context(WRITING)?;
        }
        Ok((losses, namespaces_unreached))
    }

    fn cost(&mut self) -> SourceCost {
        self.inner.cost()
    }

    fn look_again(&mut self) {
        self.inner.look_again();
    }
}
