//! The commands: puts a source, a view and a run together.
//! Each part's work is its own.

use std::io::{self, BufWriter, Write};

use anyhow::Result;

use crate::cli::{Config, Format};
use crate::demo::Stage;
use crate::interrupt::{Interrupts, Waiter};
use crate::kernel::{PortRange, Storage, Tracer};
use crate::run::run;
use crate::source::Source;
use crate::view::{Filters, HistogramView, JsonView, Output, TableView, View};

/// `tcpcong`: traces this machine.
pub fn trace(config: &Config) -> Result<()> {
    let mut interrupts = Interrupts::register()?;
    let mut storage = Storage::uninit();
    let mut tracer = Tracer::start(&mut storage, &config.options)?;
    show(config, &mut tracer, &mut interrupts)
}

/// `tcpcong demo`: the same, for connections of its own making.
pub fn demo(config: &Config) -> Result<()> {
    let mut config = config.clone();
    config.options.rports = PortRange { first: Stage::PORT, last: Stage::PORT };
    let mut interrupts = Interrupts::register()?;
    let mut storage = Storage::uninit();
    // First the tracer, so that it sees the connections begin.
    let mut tracer = Tracer::start(&mut storage, &config.options)?;
    let stage = Stage::raise()?;
    _ = writeln!(Remarks, "{}", stage.describe());
    show(&config, &mut tracer, &mut interrupts)
}

fn show(config: &Config, source: &mut dyn Source, waiter: &mut dyn Waiter) -> Result<()> {
    let mut data = BufWriter::new(io::stdout().lock());
    let mut out = Output { data: &mut data, remarks: &mut Remarks };
    run(source, view(config).as_mut(), &mut out, waiter, config.pace, config.list_quiet)
}

/// stderr, whose loss does not end a run.
struct Remarks;

impl Write for Remarks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn view(config: &Config) -> Box<dyn View> {
    match config.format {
        Format::Table => Box::new(TableView::new(config.unit, config.timestamp)),
        Format::Histogram => Box::new(HistogramView::new(config.unit, config.timestamp)),
        Format::Json => Box::new(JsonView::new(
            config
                .pace
                .interval
                .map(|interval| u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX)),
            Filters { lport: filter(config.options.lports), rport: filter(config.options.rports) },
            config.options.histogram_unit_ns.is_some(),
        )),
    }
}

fn filter(ports: PortRange) -> Option<[u16; 2]> {
    (ports != PortRange::ALL).then_some([ports.first, ports.last])
}
