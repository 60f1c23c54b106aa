//! What a session hands its results to, and where that writes. Not here: any format.

use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{IntervalSums, Report, Row, Start, Summary, Transition};
use crate::why::Verdicts;

/// Where a view writes: data, and remarks to the person.
pub struct Output<'a> {
    /// Data, stdout.
    pub data: &'a mut dyn Write,
    /// Everything else, stderr.
    pub remarks: &'a mut dyn Write,
}

/// One way to show a run: what comes of it, as it comes. What a sink does not show it
/// lets pass.
pub trait Sink {
    /// Before anything else.
    fn started(&mut self, _: &Start, _: &mut Output<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Transitions, in the order in which they happened.
    fn transitions(&mut self, _: &TransitionBatch, _: &mut Output<'_>) -> io::Result<()> {
        Ok(())
    }

    /// One interval.
    fn interval(&mut self, _: &Report, _: &mut Output<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Sums over all flows since the last ones.
    fn sums(&mut self, _: &IntervalSums, _: &mut Output<'_>) -> io::Result<()> {
        Ok(())
    }

    /// What a watch has found.
    fn verdicts(&mut self, _: &Verdicts, _: &mut Output<'_>) -> io::Result<()> {
        Ok(())
    }

    /// How long intervals are to be from now on, where it wants them otherwise than planned.
    fn interval_wanted(&self) -> Option<Duration> {
        None
    }

    /// After everything else.
    fn ended(&mut self, _: &Start, _: &Summary, _: &mut Output<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// Transitions that came, each with the row of its flow that says whose it is.
#[derive(Debug, Clone)]
pub struct TransitionBatch {
    /// An instant after all of them, `CLOCK_MONOTONIC` nanoseconds.
    pub now_ns: u64,
    /// What the wall clock showed at that.
    pub wall: Timestamp,
    /// The transitions.
    pub lines: Vec<(Transition, Row)>,
}

/// Calls a function with each transition, and with the row of its flow that says whose it is.
pub struct EachTransition<F>(pub F);

impl<F: FnMut(&Transition, &Row)> Sink for EachTransition<F> {
    fn transitions(&mut self, batch: &TransitionBatch, _: &mut Output<'_>) -> io::Result<()> {
        for (transition, row) in &batch.lines {
            (self.0)(transition, row);
        }
        Ok(())
    }
}
