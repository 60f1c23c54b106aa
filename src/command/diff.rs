//! `tcpcong diff`: two recordings are replayed, one after the other, and compared. Not here:
//! the comparison, and how it looks.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;

use super::{Shown, replay};
use crate::cli::DiffConfig;
use crate::interrupt::Interrupts;
use crate::recordings;
use crate::view::DiffView;
use tcpcong_core::compare;
use tcpcong_core::session::{Ending, Plan};
use tcpcong_live::LiveSource;

/// `tcpcong diff`: two recordings side by side.
pub fn diff(config: &DiffConfig) -> Result<()> {
    let [a, b] = &config.files;
    let mut interrupts = Interrupts::register()?;
    let mut shown = Shown::new()?;
    // What cannot be opened is said before either is read.
    let opened = [(a, recordings::open(a, &interrupts)?), (b, recordings::open(b, &interrupts)?)];
    let mut recorded = Vec::new();
    for (file, recording) in opened {
        let (mut sums, plan) = (compare::Recorder::default(), &mut plan_diff(config));
        let ending = match recording {
            None => Ending::Interrupted,
            Some(mut recording) => {
                let pace = (&mut interrupts, None);
                replay((file, &mut recording), pace, plan, &mut sums, &mut shown)?
            }
        };
        if ending != Ending::Done {
            _ = writeln!(shown.remarks, "tcpcong: interrupted: nothing is compared");
            return shown.finish(ending, &mut interrupts).map(drop);
        }
        recorded.extend(sums.finish(&config.filter, config.by.as_ref()));
    }
    if let Ok([a, b]) = <[_; 2]>::try_from(recorded) {
        diff_view(config).show(&compare::compare(a, b), &mut shown.out())?;
    }
    shown.finish(Ending::Done, &mut interrupts).map(drop)
}

pub(super) fn diff_view(config: &DiffConfig) -> DiffView {
    let by = config.by.as_ref().map(ToString::to_string);
    DiffView::new(config.style, config.files.clone(), config.filter.clone(), by)
}

/// Filters are asked at the end, about all of a connection.
pub(super) fn plan_diff(config: &DiffConfig) -> Plan {
    Plan {
        interval: Some(Duration::from_secs(1)),
        ledger: compare::Recorder::needs(LiveSource::tick_ns()),
        lookups: config.lookups,
        ..Plan::default()
    }
}
