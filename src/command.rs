//! The commands: puts a source, a view and a run together.
//! Each part's work is its own.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::time::Duration;

use anyhow::Result;

use crate::cli::{Config, Format, TransitionsConfig, WhyConfig};
use crate::demo::Stage;
use crate::interrupt::{Interrupts, Waiter};
use crate::kernel::{Options, PortRange, Storage, Tracer, Verified, drop_what_attaching_needed};
use crate::model::{Filter, PassedOver};
use crate::run::{run, run_transitions, run_why};
use crate::source::Source;
use crate::view::{
    Asked, ColumnsView, CsvView, Filters, HistogramView, JsonView, Output, Style, TableView,
    TransitionsView, View, WhyView, WithExtras,
};

/// `tcpcong`: reports on this machine's connections.
pub fn reports(config: &Config) -> Result<()> {
    on_this_machine(&config.options, config.verbose, |source, waiter| show(config, source, waiter))
}

/// Has `run` run on this machine's connections, with no more privilege than that
/// takes.
fn on_this_machine(
    options: &Options,
    verbose: bool,
    run: impl FnOnce(&mut dyn Source, &mut dyn Waiter) -> Result<()>,
) -> Result<()> {
    let mut interrupts = Interrupts::register()?;
    let mut storage = Storage::new();
    let mut tracer = Tracer::start(&mut storage, options)?;
    drop_what_attaching_needed()?;
    if verbose {
        say_how_attached(&tracer);
    }
    run(&mut tracer, &mut interrupts)
}

/// `tcpcong demo`: the same, for connections of its own making.
pub fn demo(config: &Config) -> Result<()> {
    let mut config = config.clone();
    config.options.selection.rports = PortRange { first: Stage::PORT, last: Stage::PORT };
    let mut interrupts = Interrupts::register()?;
    let mut storage = Storage::new();
    // First the tracer, so that it sees the connections begin.
    let mut tracer = Tracer::start(&mut storage, &config.options)?;
    let stage = Stage::raise()?;
    _ = writeln!(Remarks, "{}", stage.describe());
    show(&config, &mut tracer, &mut interrupts)
}

/// Says on stderr how the tracer attached.
fn say_how_attached(tracer: &Tracer<'_>) {
    let start = tracer.start();
    _ = writeln!(Remarks, "tcpcong: attached by {}", start.attach);
    for PassedOver { attach, why } in &start.passed_over {
        _ = writeln!(Remarks, "tcpcong: not by {attach}: {why}");
    }
    for Verified { program, instructions } in tracer.verified() {
        _ = writeln!(Remarks, "tcpcong: verifier: {program} processed {instructions} instructions");
    }
}

/// `tcpcong trace`: transitions one by one.
pub fn transitions(config: &TransitionsConfig) -> Result<()> {
    let filters = Filters { rows: config.filter.clone(), ..filters(&config.options) };
    let asked = Asked { interval_ns: None, filters, by: None, sort: None, top: None };
    on_this_machine(&config.options, config.verbose, |source, waiter| {
        let mut data = BufWriter::new(io::stdout().lock());
        let mut out = Output { data: &mut data, remarks: &mut Remarks };
        let mut view = TransitionsView::new(config.form.clone(), asked, source.start());
        run_transitions(source, &mut view, &mut out, waiter, config)
    })
}

/// `tcpcong why`: verdicts.
pub fn why(config: &WhyConfig) -> Result<()> {
    let asked = Asked {
        interval_ns: None,
        filters: Filters { rows: config.filter.clone(), ..filters(&config.options) },
        by: config.arrangement.by.as_ref().map(ToString::to_string),
        sort: None,
        top: config.arrangement.top,
    };
    let view = WhyView::new(config.style, asked);
    on_this_machine(&config.options, config.verbose, |source, waiter| {
        let mut data = BufWriter::new(io::stdout().lock());
        let mut out = Output { data: &mut data, remarks: &mut Remarks };
        run_why(source, &view, &mut out, waiter, config)
    })
}

fn show(config: &Config, source: &mut dyn Source, waiter: &mut dyn Waiter) -> Result<()> {
    let mut data = BufWriter::new(io::stdout().lock());
    let mut out = Output { data: &mut data, remarks: &mut Remarks };
    run(source, view(config).as_mut(), &mut out, waiter, config)
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
    let view: Box<dyn View> = match config.format {
        Format::Table => Box::new(TableView::new(config.unit, config.timestamp)),
        Format::Histogram => Box::new(HistogramView::new(config.unit, config.timestamp)),
        Format::Columns => Box::new(ColumnsView::new(
            config.columns.clone(),
            config.unit,
            config.timestamp,
            config.colour.shows(io::stdout().is_terminal(), |name| std::env::var_os(name)),
        )),
        Format::Csv => Box::new(CsvView::new(config.columns.clone())),
        Format::Json => Box::new(JsonView::new(
            asked(config),
            &config.columns,
            config.options.histogram_unit_ns.is_some(),
        )),
    };
    if !config.extras.any() {
        return view;
    }
    let style = if config.format == Format::Json { Style::Json } else { Style::Table };
    Box::new(WithExtras::new(view, config.extras, style, config.unit))
}

/// What the first line of JSON says of the run.
fn asked(config: &Config) -> Asked {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Asked {
        interval_ns: config.pace.interval.map(nanoseconds),
        filters: Filters { rows: config.filter.clone(), ..filters(&config.options) },
        by: config.arrangement.by.as_ref().map(ToString::to_string),
        sort: config.arrangement.order.map(|order| order.to_string()),
        top: config.arrangement.top,
    }
}

fn filters(options: &Options) -> Filters {
    let (lport, rport) = (filter(options.selection.lports), filter(options.selection.rports));
    Filters { lport, rport, rows: Filter::default() }
}

fn filter(ports: PortRange) -> Option<[u16; 2]> {
    (ports != PortRange::ALL).then_some([ports.first, ports.last])
}
