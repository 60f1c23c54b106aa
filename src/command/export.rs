//! `tcpcong export`: a recording replayed into files of other formats. Not here: the
//! formats, which `view` has.

use std::io;

use anyhow::{Result, bail};

use super::replay::{Opened, Pace, SignalsAlone, plan_of_lives};
use crate::cli::{ExportConfig, ExportFormat};
use crate::interrupt::Interrupts;
use crate::recordings::NewFile;
use crate::view::{ExportView, Exporter, Perfetto, SamplesCsv, SpellsCsv};
use tcpcong_core::session::Ending;
use tcpcong_core::sink::Output;

/// What is not read to its end is not whole.
const INTERRUPTED: &str = "interrupted: what came later is not exported";

/// Exports a recording.
pub fn export(config: &ExportConfig) -> Result<()> {
    let file = &config.file;
    let outputs = config.outputs.iter().map(|(format, to)| {
        let new = NewFile::new(to, config.force)?;
        new.is_apart_from(file)?;
        Ok((*format, new))
    });
    let outputs: Vec<_> = outputs.collect::<Result<_>>()?;
    let mut interrupts = Interrupts::register()?;
    let range = config.range;
    let Some(mut opened) = Opened::open(file, range, Some("exporting"), &interrupts)? else {
        bail!(INTERRUPTED);
    };
    let exporters = outputs.into_iter().map(|(format, to)| {
        to.make()?;
        Ok(exporter(format, Box::new(to))?)
    });
    let mut view = ExportView::new(exporters.collect::<Result<_>>()?);
    let mut signals_alone = SignalsAlone(&mut interrupts);
    let mut out = Output { data: &mut io::sink(), remarks: &mut io::stderr() };
    let plan = &mut plan_of_lives(&config.filter);
    let pace = Pace { waiter: &mut signals_alone, reader: &(), speed: None };
    let ending = opened.replay(plan, &mut view, &mut out, pace)?;
    opened.say_damage(ending == Ending::Done, &mut io::stderr());
    if ending != Ending::Done {
        bail!(INTERRUPTED);
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
