//! One run: waits for each interval's end, takes the snapshot, has it shown.
//! Knows neither libbpf nor formats.

use std::time::Duration;

use anyhow::Result;

use crate::cli::Pace;
use crate::interrupt::{Waiter, Wake};
use crate::model::{Ledger, Summary};
use crate::source::Source;
use crate::view::{Output, View};

/// How often a source is tended in long intervals.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// Runs until `pace` is done, or a signal or the reader's leaving ends it.
pub fn run(
    source: &mut dyn Source,
    view: &mut dyn View,
    out: &mut Output<'_>,
    waiter: &mut dyn Waiter,
    pace: Pace,
    list_quiet: bool,
) -> Result<()> {
    let mut ledger = Ledger::new(source.start().at_ns, list_quiet);
    let mut summary = Summary::default();
    let mut due_ns = source.start().at_ns;
    view.start(source.start(), out)?;
    loop {
        let end_ns = pace.interval.map(|interval| {
            due_ns += nanoseconds(interval);
            source.end_interval_at(due_ns)
        });
        let wake = wait_until(end_ns, source, waiter)?;
        if wake == Wake::ReaderGone {
            return Ok(());
        }
        if wake == Wake::Signal {
            source.end_interval_at(0);
        }
        let snapshot = source.snapshot()?;
        // After a late report the next ones keep their distance.
        due_ns = due_ns.max(snapshot.at_ns);
        let report = ledger.report(snapshot);
        summary.add(&report);
        view.report(&report, out)?;
        if wake == Wake::Signal || pace.outputs.is_some_and(|outputs| summary.reports >= outputs) {
            return Ok(view.end(&summary, out)?);
        }
        source.tend()?;
    }
}

/// Waits for the interval's end, or for ever, and tends the source meanwhile.
fn wait_until(
    end_ns: Option<u64>,
    source: &mut dyn Source,
    waiter: &mut dyn Waiter,
) -> Result<Wake> {
    loop {
        let left = end_ns.map_or(TEND_EVERY, |end_ns| {
            Duration::from_nanos(end_ns.saturating_sub(source.now_ns()))
        });
        if left.is_zero() {
            return Ok(Wake::Time);
        }
        match waiter.wait(left.min(TEND_EVERY))? {
            Wake::Time if left >= TEND_EVERY => source.tend()?,
            Wake::Time => {}
            wake => return Ok(wake),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
