//! The commands: puts a source, a sink and a session together.
//! Each part's work is its own.

mod diff;
mod export;
#[cfg(feature = "serve")]
mod pages;
mod record;
mod replay;
#[cfg(feature = "page")]
mod report;
mod reports;
#[cfg(feature = "serve")]
mod serve;
mod shown;
mod why;

use std::any::Any;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use thiserror::Error;

pub use diff::diff;
pub use export::export;

#[cfg(feature = "serve")]
use crate::cli::ServeConfig;
use crate::cli::{
    CaseConfig, Config, Origin, Range, Request, TopConfig, TransitionsConfig, WhyConfig,
};
use crate::demo::{Stage, cases};
use crate::interrupt::Interrupts;
use crate::path::PathSpec;
use crate::recordings::NewFile;
use crate::screen::ScreenView;
use crate::view::{RunParams, TransitionsView};
use tcpcong_core::model::{AddressPrefix, Lookups, PortRange, RejectedMethod};
use tcpcong_core::recording::Recorder;
use tcpcong_core::session::{Backlog, Ending, Plan};
use tcpcong_core::sink::Sink;
use tcpcong_core::source::{Enrichment, Source};
use tcpcong_live::{self, NotThere};
use tcpcong_live::{
    LiveSource, Options, SampleSource, Selection, Verified, Waiter, Wake,
    drop_what_attaching_needed,
};

#[cfg(feature = "serve")]
pub use pages::{FlowsPage, WhyPage};
pub use record::record;
use replay::{Opened, Pace, plan_of_lives};
#[cfg(feature = "page")]
pub use report::report;
pub use reports::reports;
use reports::{plan_reports, view};
#[cfg(feature = "serve")]
pub use serve::serve;
use shown::Shown;
pub use why::why;
use why::{paper, plan_why, why_view};

/// `tcpcong report`: not in this build.
#[cfg(not(feature = "page"))]
pub fn report(_: &crate::cli::ReportConfig) -> Result<()> {
    anyhow::bail!(
        "this tcpcong was built with --no-default-features, without the page of `tcpcong report`; \
         one that is built without that option has it"
    )
}

/// Holds a request against this machine: what filters ask for must be there.
pub fn resolve(request: &mut Request) -> Result<(), NotThere> {
    let (origin, filter, options) = match request {
        Request::Reports(Config { origin, filter, options, .. })
        | Request::Transitions(TransitionsConfig { origin, filter, options, .. })
        | Request::Why(WhyConfig { origin, filter, options, .. })
        | Request::Top(TopConfig { origin, filter, options, .. }) => (origin, filter, options),
        #[cfg(feature = "serve")]
        Request::Serve(config) => {
            let ServeConfig { origin, filter, options, .. } = config.as_mut();
            (origin, filter, options)
        }
        Request::Record(_)
        | Request::Report(_)
        | Request::Diff(_)
        | Request::Export(_)
        | Request::Demo(_)
        | Request::Case(_)
        | Request::Print(_) => {
            return Ok(());
        }
    };
    // What a recording has is not this machine's.
    if matches!(origin, Origin::Recording { .. }) {
        return Ok(());
    }
    tcpcong_live::resolve(filter)?;
    options.selection = Selection::of(filter);
    Ok(())
}

/// `tcpcong demo`: the same, for connections of its own making.
pub fn demo(config: &Config) -> Result<()> {
    let mut config = config.clone();
    config.filter.rport = Some(PortRange { first: Stage::PORT, last: Stage::PORT });
    config.options.selection = Selection::of(&config.filter);
    // First the source, so that it sees the connections begin.
    let how = How { raise: Some(&raise), ..How::of(&config.origin, &config.options) };
    run(&how, &mut plan_reports(&config), view(&config).as_mut())
}

fn raise() -> Result<Box<dyn Any>> {
    let stage = Stage::raise()?;
    _ = writeln!(io::stderr(), "{}", stage.describe());
    Ok(Box::new(stage))
}

/// `tcpcong demo --case`: verdicts on a connection of its own making.
pub fn case(config: &CaseConfig) -> Result<()> {
    let case = cases::find(config.case)?;
    cases::check_congestion_control(&config.congestion_control)?;
    let number = cases::next_number();
    let raise = || -> Result<Box<dyn Any>> {
        let running = cases::Running::start(case, &config.congestion_control, number)?;
        _ = writeln!(io::stderr(), "{}", running.describe());
        Ok(Box::new(running))
    };
    let mut why = config.why.clone();
    // Both ends have an address of these.
    why.filter.laddr =
        Some(AddressPrefix::of(PathSpec::network(number).into(), PathSpec::NETWORK_BITS));
    why.options.selection = Selection::of(&why.filter);
    let how = How { raise: Some(&raise), ..How::of(&why.origin, &why.options) };
    run(&how, &mut plan_why(&why), &mut why_view(&why, paper()))
}

/// `tcpcong trace`: transitions one by one.
pub fn transitions(config: &TransitionsConfig) -> Result<()> {
    let how = How::of(&config.origin, &config.options);
    run(&how, &mut plan_transitions(config), &mut transitions_view(config))
}

/// `tcpcong top`: a live screen.
pub fn top(config: TopConfig) -> Result<()> {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if is_dumb || !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        return Err(NoTerminal.into());
    }
    let mut plan = plan_top(&config);
    let mut interrupts = Interrupts::register()?;
    let mut view = ScreenView::new(config.setup, interrupts.ender()?);
    let queued = view.queued();
    let how = How { reader: Some(&queued), ..How::of(&config.origin, &config.options) };
    let outcome = run_until(&how, &mut plan, &mut view, &mut interrupts);
    // A recording that was shown to its end stays on the screen until the person quits.
    if let (Ok(Ending::Done), Some(over)) = (&outcome, view.over()) {
        while interrupts.wait(Duration::from_secs(60), over)? == Wake::Time {}
    }
    view.close()?;
    outcome.map(|_| ())
}

/// `tcpcong top` without a terminal.
#[derive(Debug, Error)]
#[error("top: it needs a terminal that can be drawn on; `tcpcong 1` prints reports anywhere")]
pub struct NoTerminal;

fn plan_top(config: &TopConfig) -> Plan {
    let mut plan = plan_of_lives(&config.filter);
    plan.interval = Some(config.setup.interval);
    plan.ledger.tick_ns = Some(LiveSource::tick_ns());
    plan.lookups = config.lookups;
    plan
}

fn plan_transitions(config: &TransitionsConfig) -> Plan {
    let mut plan = Plan::transitions(config.seconds.map(Duration::from_secs));
    plan.ledger.tick_ns = Some(LiveSource::tick_ns());
    Plan { filter: config.filter.clone(), lookups: config.lookups, ..plan }
}

fn transitions_view(config: &TransitionsConfig) -> TransitionsView {
    let params = RunParams { filters: config.filter.clone(), ..RunParams::default() };
    TransitionsView::new(config.form.clone(), params)
}

/// How a run goes.
struct How<'c> {
    origin: &'c Origin,
    /// What the kernel side is told.
    options: &'c Options,
    /// A recording is made of it.
    recording: Option<NewRecording>,
    /// Files are made later as well.
    makes_files: bool,
    /// Tells whether what is shown keeps up, where that is not stdout's reader.
    reader: Option<&'c dyn Backlog>,
    /// Makes connections of our own, once the programs are attached.
    raise: Option<&'c dyn Fn() -> Result<Box<dyn Any>>>,
}

impl<'c> How<'c> {
    fn of(origin: &'c Origin, options: &'c Options) -> Self {
        Self { origin, options, recording: None, makes_files: false, reader: None, raise: None }
    }
}

/// A recording that is to be made.
struct NewRecording {
    /// The file that is made once all is well.
    file: Option<NewFile>,
    recorder: Recorder,
    /// What is looked up of every flow, whatever is shown.
    lookups: Lookups,
}

/// Runs until the plan is done, or a signal ends it.
fn run(how: &How<'_>, plan: &mut Plan, sink: &mut dyn Sink) -> Result<()> {
    run_until(how, plan, sink, &mut Interrupts::register()?).map(|_| ())
}

/// The same, with the signals that the caller heeds. Returns why it is over.
fn run_until(
    how: &How<'_>,
    plan: &mut Plan,
    sink: &mut dyn Sink,
    interrupts: &mut Interrupts,
) -> Result<Ending> {
    match how.origin {
        Origin::Kernel { record: None } => on_kernel(how, plan, sink, interrupts),
        Origin::Kernel { record: Some(file) } => {
            let file = NewFile::new(file, false)?;
            let recorder =
                Recorder::new(Box::new(file.clone()), LiveSource::tick_ns())?.of_only(&plan.filter);
            let recording =
                NewRecording { file: Some(file), recorder, lookups: Lookups::default() };
            let options = Options { figures: true, ..how.options.clone() };
            let how = How { recording: Some(recording), options: &options, ..*how };
            on_kernel(&how, plan, sink, interrupts)
        }
        Origin::Recording { file, speed, range } => {
            on_recording((file, *range, *speed), how.reader, plan, sink, interrupts)
        }
    }
}

/// Runs on this machine's connections, with no more privilege than that takes; or on a
/// stage, which needs privilege to go.
fn on_kernel(
    how: &How<'_>,
    plan: &Plan,
    sink: &mut dyn Sink,
    interrupts: &mut Interrupts,
) -> Result<Ending> {
    let mut shown = Shown::new()?;
    let Traced { mut source, mut lookups } = trace(how.options, interrupts, &mut shown.remarks)?;
    if let Some(file) = how.recording.as_ref().and_then(|recording| recording.file.as_ref()) {
        file.make()?;
    }
    let stage = how.raise.map(|raise| raise()).transpose()?;
    if stage.is_none() {
        drop_what_attaching_needed(how.makes_files)?;
    }
    let stdout = shown.backlog.clone();
    let backlog = how.reader.unwrap_or(&stdout);
    let ending = match &how.recording {
        None => shown.session(source.as_mut(), lookups.as_mut(), sink, plan, backlog),
        Some(NewRecording { recorder, lookups: asked, .. }) => {
            let mut entries = recorder.source(source.as_mut());
            let mut answers = recorder.enrichment(lookups.as_mut(), *asked);
            let ending = shown.session(&mut entries, &mut answers, sink, plan, backlog);
            // Also where what is shown has failed.
            let finished = recorder.finish();
            ending.and_then(|ending| finished.map(|_| ending))
        }
    };
    drop((source, stage));
    shown.finish(ending?, interrupts)
}

/// This machine's connections, and whose they are.
struct Traced<'i> {
    source: Box<dyn Source + 'i>,
    lookups: Box<dyn Enrichment>,
}

/// Attaches, or looks from time to time where that was asked for.
fn trace<'i>(
    options: &Options,
    waiter: &'i mut dyn Waiter,
    remarks: &mut dyn Write,
) -> Result<Traced<'i>> {
    if options.attach.is_sample() {
        let (source, lookups) = SampleSource::start(options, waiter)?;
        if options.verbose {
            _ = writeln!(remarks, "tcpcong: {}", source.describe());
        }
        return Ok(Traced { source: Box::new(source), lookups: Box::new(lookups) });
    }
    let (source, lookups) = LiveSource::start(options, waiter)?;
    if options.verbose {
        say_how_attached(&source, remarks);
    }
    Ok(Traced { source: Box::new(source), lookups: Box::new(lookups) })
}

/// Runs on what was recorded.
fn on_recording(
    (file, range, speed): (&Path, Range, Option<f64>),
    reader: Option<&dyn Backlog>,
    plan: &mut Plan,
    sink: &mut dyn Sink,
    interrupts: &mut Interrupts,
) -> Result<Ending> {
    let Some(mut opened) = Opened::open(file, range, None, interrupts)? else {
        return Ok(Ending::Interrupted);
    };
    let mut shown = Shown::new()?;
    let stdout = shown.backlog.clone();
    let reader = reader.unwrap_or(&stdout);
    let pace = Pace { waiter: &mut *interrupts, reader, speed };
    let ending = opened.replay(plan, sink, &mut shown.out(), pace);
    opened.say_damage(!matches!(ending, Ok(Ending::Interrupted)), &mut shown.remarks);
    shown.finish(ending?, interrupts)
}

/// Says on stderr how the source attached.
fn say_how_attached(source: &LiveSource<'_>, remarks: &mut dyn Write) {
    let start = source.start();
    _ = writeln!(remarks, "tcpcong: attached by {}", start.attach);
    for RejectedMethod { attach, why } in &start.attach_rejected {
        _ = writeln!(remarks, "tcpcong: not by {attach}: {why}");
    }
    for Verified { program, instructions } in source.verified() {
        _ = writeln!(remarks, "tcpcong: verifier: {program} processed {instructions} instructions");
    }
}

#[cfg(test)]
#[path = "screens_tests.rs"]
mod screens_tests;

#[cfg(test)]
#[path = "fuzz/mod.rs"]
mod fuzz;
