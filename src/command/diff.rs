//! `tcpcong diff`: two recordings are replayed, one after the other, and compared. Not here:
//! the comparison, and how it looks.

use std::time::Duration;

use anyhow::{Result, bail};

use super::Shown;
use super::replay::{Opened, Pace};
use crate::cli::DiffConfig;
use crate::interrupt::Interrupts;
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
    let open = |file| Opened::open(file, config.range, Some("comparing"), &interrupts);
    let opened = [open(a)?, open(b)?];
    let mut recorded = Vec::new();
    for opened in opened {
        let (mut sums, plan) = (compare::Recorder::default(), &mut plan_diff(config));
        let ending = match opened {
            None => Ending::Interrupted,
            Some(mut opened) => {
                let pace = Pace { waiter: &mut interrupts, reader: &(), speed: None };
                let ending = opened.replay(plan, &mut sums, &mut shown.out(), pace)?;
                opened.say_damage(ending != Ending::Interrupted, &mut shown.remarks);
                ending
            }
        };
        if ending == Ending::ReaderGone {
            return Ok(());
        }
        if ending != Ending::Done {
            bail!("interrupted: nothing is compared");
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
