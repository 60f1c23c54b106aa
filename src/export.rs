//! `tcpcong export`: a recording replayed into files of other formats. Not here: the
//! formats, which `view` has.

use std::io::{self, Write as _};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::Result;

use crate::cli::{ExportConfig, ExportFormat};
use crate::interrupt::Interrupts;
use crate::recordings::{self, Attended, NewFile};
use crate::view::{ExportView, Exporter, Perfetto, SamplesCsv, SpellsCsv};
use tcpcong_core::model::{LedgerOptions, Lookups};
use tcpcong_core::session::{Ending, Plan, Session};
use tcpcong_core::sink::Output;
use tcpcong_live::{Waiter, Wake};

/// Exports a recording.
pub fn export(config: &ExportConfig) -> Result<()> {
    let file = &config.file;
    let outputs = config.outputs.iter().map(|(format, to)| {
        let new = NewFile::new(to, config.force)?;
        new.is_apart_from(file)?;
        Ok((*format, new))
    });
    let outputs: Vec<_> = outputs.collect::<Result<_>>()?;
    let signals = Interrupts::register()?;
    let Some(mut recording) = recordings::open_with_progress(file, "exporting", &signals)? else {
        return Ok(()); // a signal came first
    };
    let exporters = outputs.into_iter().map(|(format, to)| {
        to.make()?;
        Ok(exporter(format, Box::new(to))?)
    });
    let mut view = ExportView::new(exporters.collect::<Result<_>>()?);
    let mut signals = Signals { all: signals, has_stdout: config.has_stdout() };
    let mut owners = recording.owners();
    let mut attended = Attended::new(&mut recording, &mut signals, &(), None)?;
    let session = Session {
        source: &mut attended,
        enrichment: &mut owners,
        sink: &mut view,
        out: Output { data: &mut io::sink(), remarks: &mut io::stderr() },
        backlog: &(),
    };
    let ending = session.run(&plan(config)).map_err(|error| recordings::named(file, error))?;
    let is_interrupted = ending == Ending::Interrupted;
    recordings::say_damage(file, &recording, !is_interrupted, &mut io::stderr());
    if is_interrupted {
        _ = writeln!(io::stderr(), "tcpcong: interrupted: what came later is not exported");
    }
    Ok(())
}

/// What writes this format.
pub(crate) fn exporter(
    format: ExportFormat,
    to: Box<dyn io::Write>,
) -> io::Result<Box<dyn Exporter>> {
    Ok(match format {
        ExportFormat::Perfetto => Box::new(Perfetto::new(to)),
        ExportFormat::SpellsCsv => Box::new(SpellsCsv::new(to)?),
        ExportFormat::SamplesCsv => Box::new(SamplesCsv::new(to)?),
    })
}

/// Each second, so that there is no more in memory than what came in one.
pub(crate) fn plan(config: &ExportConfig) -> Plan {
    Plan {
        interval: Some(Duration::from_secs(1)),
        ledger: LedgerOptions {
            list_quiet: true,
            transitions: true,
            spells: true,
            samples: true,
            ..LedgerOptions::default()
        },
        filter: config.filter.clone(),
        lookups: Lookups { owners: true, cgroups: true, netns: true, costs: false },
        ..Plan::default()
    }
}

/// The process's signals, and its stdout where that has something to do with it.
struct Signals {
    all: Interrupts,
    has_stdout: bool,
}

impl Waiter for Signals {
    fn wait(&mut self, time: Duration, ready: BorrowedFd<'_>) -> io::Result<Wake> {
        Ok(match self.all.wait(time, ready)? {
            Wake::ReaderGone if !self.has_stdout => Wake::Time,
            wake => wake,
        })
    }
}
