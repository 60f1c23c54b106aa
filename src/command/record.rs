//! `tcpcong record`: a recording, and nothing shown. Not here: how it is written.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Result;

use super::{How, NewRecording, on_kernel};
use crate::cli::{Extent, Origin, RecordConfig};
use crate::hindsight::Lookout;
use crate::interrupt::Interrupts;
use crate::recordings::NewFile;
use crate::rotation::Rotation;
use crate::view::RecordView;
use tcpcong_core::model::{LedgerOptions, Lookups};
use tcpcong_core::recording::{Limits, Recorder};
use tcpcong_core::session::Plan;
use tcpcong_live::LiveSource;

/// Records until the end.
pub fn record(config: &RecordConfig) -> Result<()> {
    let tick_ns = LiveSource::tick_ns();
    let file = || NewFile::new(&config.to, config.force);
    let (file, recorder) = match &config.extent {
        Extent::Hindsight { length, when } => {
            let mut lookout =
                Lookout::new((&config.to, config.force), *length, when.clone(), tick_ns)?;
            let how = how(config, None, lookout.recorder());
            on_kernel(&how, &plan(config), &mut lookout, &mut Interrupts::register()?)?;
            return Ok(());
        }
        Extent::All => {
            let file = file()?;
            (file.clone(), Recorder::new(Box::new(file), tick_ns)?)
        }
        Extent::Rotated { bytes, keep } => {
            let file = file()?;
            let rotation = Rotation::new(file.clone(), &config.to, config.force, *keep)?;
            let limits = Limits::of_size(*bytes);
            let (out, parts) = (Box::new(file.clone()), Box::new(rotation));
            (file, Recorder::in_parts(out, parts, limits, tick_ns)?)
        }
    };
    let mut view = RecordView::new(recorder.clone(), io::stderr().is_terminal());
    let how = how(config, Some(file), recorder);
    on_kernel(&how, &plan(config), &mut view, &mut Interrupts::register()?)?;
    _ = writeln!(io::stderr(), "tcpcong: recorded {}", view.so_far());
    Ok(())
}

fn how(config: &RecordConfig, file: Option<NewFile>, recorder: Recorder) -> How<'_> {
    let recorder = recorder.of_only(&config.filter);
    How {
        recording: Some(NewRecording { file, recorder, lookups: Lookups::ALL }),
        makes_files: config.extent != Extent::All,
        ..How::of(&Origin::Kernel { record: None }, &config.options)
    }
}

/// Each second, so that whose the connections are is known of each while it lives.
pub(super) fn plan(config: &RecordConfig) -> Plan {
    let is_in_parts = config.extent != Extent::All;
    Plan {
        interval: Some(Duration::from_secs(1)),
        duration: config.seconds.map(Duration::from_secs),
        ledger: LedgerOptions {
            tick_ns: Some(LiveSource::tick_ns()),
            // What the next cause is told by goes from one part to the next.
            transitions: is_in_parts,
            list_quiet: matches!(config.extent, Extent::Hindsight { when: Some(_), .. }),
            ..LedgerOptions::default()
        },
        filter: config.filter.clone(),
        lookups: Lookups::ALL,
        ..Plan::default()
    }
}
