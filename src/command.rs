//! The commands: puts a source, a sink and a session together.
//! Each part's work is its own.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use anyhow::Result;

use crate::cli::{Config, Format, Request, TransitionsConfig, WhyConfig};
use crate::demo::Stage;
use crate::interrupt::Interrupts;
use crate::output::{Spool, SpoolBacklog, Unwritten};
use crate::view::{
    ColumnsView, CsvView, HistogramView, JsonView, RunParams, Style, TableView, TransitionsView,
    WhyView, WithExtras,
};
use tcpcong_core::model::{LedgerOptions, PortRange, RejectedMethod};
use tcpcong_core::session::{Ending, Plan, Product, Session};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_core::source::Source as _;
use tcpcong_live::{self, NotThere};
use tcpcong_live::{LiveSource, Options, Selection, Verified, drop_what_attaching_needed};

/// Holds a request against this machine: what filters ask for must be there.
pub fn resolve(request: &mut Request) -> Result<(), NotThere> {
    let (filter, options) = match request {
        Request::Reports(Config { filter, options, .. })
        | Request::Transitions(TransitionsConfig { filter, options, .. })
        | Request::Why(WhyConfig { filter, options, .. }) => (filter, options),
        Request::Demo(_) | Request::Print(_) => return Ok(()),
    };
    tcpcong_live::resolve(filter)?;
    options.selection = Selection::of(filter);
    Ok(())
}

/// `tcpcong`: reports on this machine's connections.
pub fn reports(config: &Config) -> Result<()> {
    run(&config.options, config.verbose, &plan_reports(config), view(config).as_mut(), None)
}

/// `tcpcong demo`: the same, for connections of its own making.
pub fn demo(config: &Config) -> Result<()> {
    let mut config = config.clone();
    config.filter.rport = Some(PortRange { first: Stage::PORT, last: Stage::PORT });
    config.options.selection = Selection::of(&config.filter);
    // First the source, so that it sees the connections begin.
    run(&config.options, false, &plan_reports(&config), view(&config).as_mut(), Some(raise))
}

fn raise() -> Result<Stage> {
    let stage = Stage::raise()?;
    _ = writeln!(io::stderr(), "{}", stage.describe());
    Ok(stage)
}

/// `tcpcong trace`: transitions one by one.
pub fn transitions(config: &TransitionsConfig) -> Result<()> {
    let view = &mut transitions_view(config);
    run(&config.options, config.verbose, &plan_transitions(config), view, None)
}

/// `tcpcong why`: verdicts.
pub fn why(config: &WhyConfig) -> Result<()> {
    run(&config.options, config.verbose, &plan_why(config), &mut why_view(config), None)
}

fn plan_transitions(config: &TransitionsConfig) -> Plan {
    Plan {
        filter: config.filter.clone(),
        lookups: config.lookups,
        ..Plan::transitions(config.seconds.map(Duration::from_secs))
    }
}

fn transitions_view(config: &TransitionsConfig) -> TransitionsView {
    let params = RunParams { filters: config.filter.clone(), ..RunParams::default() };
    TransitionsView::new(config.form.clone(), params)
}

fn plan_why(config: &WhyConfig) -> Plan {
    Plan {
        product: Product::Verdicts,
        duration: Some(Duration::from_secs(config.seconds)),
        ledger: LedgerOptions {
            list_quiet: true,
            transitions: true,
            tick_ns: Some(LiveSource::tick_ns()),
            ..LedgerOptions::default()
        },
        filter: config.filter.clone(),
        arrangement: config.arrangement.clone(),
        lookups: config.lookups,
        ..Plan::default()
    }
}

fn why_view(config: &WhyConfig) -> WhyView {
    let params = RunParams {
        filters: config.filter.clone(),
        by: config.arrangement.by.as_ref().map(ToString::to_string),
        top: config.arrangement.top,
        ..RunParams::default()
    };
    WhyView::new(config.style, params, config.seconds)
}

fn plan_reports(config: &Config) -> Plan {
    let lengths_unit_ns = config.histogram_unit_ns;
    let of_rows = config.lengths_of_some();
    Plan {
        product: Product::Reports,
        interval: config.pace.interval,
        outputs: config.pace.outputs,
        duration: None,
        ledger: LedgerOptions {
            list_quiet: config.list_quiet,
            spells: config.extras.any() || of_rows,
            lengths_unit_ns: lengths_unit_ns.filter(|_| !of_rows),
            tick_ns: config.lookups.costs.then(LiveSource::tick_ns),
            ..LedgerOptions::default()
        },
        filter: config.filter.clone(),
        arrangement: config.arrangement.clone(),
        lookups: config.lookups,
        lengths_of_rows: lengths_unit_ns.filter(|_| of_rows),
    }
}

/// Runs on this machine's connections, with no more privilege than that takes; or on a
/// stage, which is raised once the programs are attached, and needs privilege to go.
fn run(
    options: &Options,
    verbose: bool,
    plan: &Plan,
    sink: &mut dyn Sink,
    raise: Option<fn() -> Result<Stage>>,
) -> Result<()> {
    let mut interrupts = Interrupts::register()?;
    let mut data = Spool::new(io::stdout())?;
    let backlog = data.backlog();
    let mut remarks = Remarks(backlog.clone());
    let (mut source, mut lookups) = LiveSource::start(options, &mut interrupts)?;
    if verbose {
        say_how_attached(&source, &mut remarks);
    }
    let stage = raise.map(|raise| raise()).transpose()?;
    if stage.is_none() {
        drop_what_attaching_needed()?;
    }
    let session = Session {
        source: &mut source,
        enrichment: &mut lookups,
        sink,
        out: Output { data: &mut data, remarks: &mut remarks },
        backlog: &backlog,
    };
    let ending = session.run(plan)?;
    drop((source, stage));
    if ending == Ending::ReaderGone {
        return Ok(());
    }
    let Unwritten { lines, bytes } = data.finish(&mut interrupts, ending == Ending::Interrupted)?;
    if bytes > 0 {
        _ = writeln!(
            io::stderr(),
            "tcpcong: the reader of stdout was too slow: {lines} lines ({bytes} bytes) were not \
             written"
        );
    }
    Ok(())
}

/// Says on stderr how the source attached.
fn say_how_attached(source: &LiveSource<'_>, remarks: &mut Remarks) {
    let start = source.start();
    _ = writeln!(remarks, "tcpcong: attached by {}", start.attach);
    for RejectedMethod { attach, why } in &start.attach_rejected {
        _ = writeln!(remarks, "tcpcong: not by {attach}: {why}");
    }
    for Verified { program, instructions } in source.verified() {
        _ = writeln!(remarks, "tcpcong: verifier: {program} processed {instructions} instructions");
    }
}

/// stderr, whose loss does not end a run. What was printed before comes before.
struct Remarks(SpoolBacklog);

impl Write for Remarks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.settle();
        _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn view(config: &Config) -> Box<dyn Sink> {
    let view: Box<dyn Sink> = match config.format {
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
            params(config),
            &config.columns,
            config.histogram_unit_ns.is_some(),
        )),
    };
    if !config.extras.any() {
        return view;
    }
    let style = if config.format == Format::Json { Style::Json } else { Style::Table };
    Box::new(WithExtras::new(view, config.extras, style, config.unit))
}

/// What the first line of JSON says of the run.
fn params(config: &Config) -> RunParams {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    RunParams {
        interval_ns: config.pace.interval.map(nanoseconds),
        filters: config.filter.clone(),
        by: config.arrangement.by.as_ref().map(ToString::to_string),
        sort: config.arrangement.order.map(|order| order.to_string()),
        top: config.arrangement.top,
    }
}

#[cfg(test)]
#[path = "screens_tests.rs"]
mod screens_tests;
