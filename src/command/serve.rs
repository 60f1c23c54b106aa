//! `tcpcong serve`: a run that goes on, with what it knows served meanwhile. Not here: the pages.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use nix::fcntl::OFlag;
use nix::unistd::{AccessFlags, access};
use sd_notify::NotifyState;
use signal_hook::consts::SIGHUP;

use super::replay::{Opened, Pace, SignalsAlone};
use super::shown::Remarks;
use super::{Traced, trace};
use crate::cli::{self, Origin, ServeConfig};
use crate::interrupt::Interrupts;
use crate::lines::{Kinds, LinesSink, Reopener, Target};
use crate::recordings::{self, FileError, NewFile};
use crate::serve::http::{Running, Server, WebConfig};
use crate::serve::metrics::{Account, Scraped, Values};
use crate::serve::otlp::Exporter;
use crate::serve::{Begin, HindsightRequest, Kept, ServeSink, ServicePages, Shared};
use crate::view::RunParams;
use tcpcong_core::model::{LedgerOptions, Lookups};
use tcpcong_core::recording::{Hindsight, Recorder};
use tcpcong_core::session::{Ending, Plan, Session};
use tcpcong_core::sink::Output;
use tcpcong_core::source::{Enrichment, Source};
use tcpcong_live::{LiveSource, Waiter, Wake, drop_what_attaching_needed};

/// Times by state are brought up to date so often.
const UPDATES: Duration = Duration::from_secs(1);
/// Verdicts are of so long a watch each.
const VERDICTS: Duration = Duration::from_secs(60);

/// Serves until a signal asks for the end.
pub fn serve(config: &ServeConfig) -> Result<()> {
    let web = read_web(config)?;
    check_otlp(config)?;
    if config.check {
        check_recordings(&config.origin)?;
        check_lines(config)?;
        _ = writeln!(io::stdout(), "tcpcong: the options, and the files that they name, are right");
        return Ok(());
    }
    let server = Server::bind(&config.listen)?;
    let mut interrupts = Interrupts::register_but_hangup()?;
    let reload = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&reload))?;
    let began = SystemTime::now();
    let values = Values::new(config.label, config.label_most);
    let account = Account::new(values, seconds(began));
    let keeps = match (&config.origin, config.hindsight) {
        (Origin::Kernel { .. }, Some(_)) => Ok(()),
        (Origin::Kernel { .. }, None) => Err("nothing is kept in memory: --hindsight is 0"),
        (Origin::Recording { .. }, _) => Err("nothing is kept in memory of a recording"),
    };
    let (shared, requests) = Shared::new(Scraped::new(account.spells()), keeps);
    let reloading = Rc::default();
    let service =
        Service { config, server, web, began, account, shared, requests, reload, reloading };
    match &config.origin {
        Origin::Kernel { record } => {
            let file = record.as_deref().map(|file| NewFile::new(file, false)).transpose()?;
            service.of_kernel(file, &mut interrupts)
        }
        Origin::Recording { .. } => service.of_recording(&mut interrupts),
    }
}

/// All that a run needs beside its source.
struct Service<'c> {
    config: &'c ServeConfig,
    server: Server,
    web: WebConfig,
    /// When the counters were 0.
    began: SystemTime,
    account: Account,
    shared: Arc<Shared>,
    requests: Receiver<HindsightRequest>,
    reload: Arc<AtomicBool>,
    /// Once there are figures.
    reloading: Rc<RefCell<Option<Reloading>>>,
}

impl<'c> Service<'c> {
    fn of_kernel(self, file: Option<NewFile>, interrupts: &mut Interrupts) -> Result<()> {
        let config = self.config;
        let tick_ns = LiveSource::tick_ns();
        let lines_to = config.lines.as_ref().map(|lines| &lines.to);
        // Who reads stdout matters only where something is written there.
        let mut alone = SignalsAlone(interrupts);
        let waiter: &mut dyn Waiter =
            if lines_to == Some(&Target::Stdout) { alone.0 } else { &mut alone };
        let remarks = &mut Remarks::default();
        let Traced { mut source, mut lookups } = trace(&config.options, waiter, remarks)?;
        if let Some(file) = &file {
            file.make()?;
        }
        let makes_files = file.is_some() || matches!(lines_to, Some(Target::File(_)));
        drop_what_attaching_needed(makes_files)?;
        let kept = config.hindsight.map(|length| keep(length, tick_ns)).transpose()?;
        let recorders = [
            kept.as_ref().map(|kept| kept.recorder.clone()),
            file.map(|file| Recorder::new(Box::new(file), tick_ns)).transpose()?,
        ];
        let recorders: Vec<_> =
            recorders.into_iter().flatten().map(|one| one.of_only(&config.filter)).collect();
        let mut sink = self.sink(kept)?;
        let ending =
            recorded(&recorders, source.as_mut(), lookups.as_mut(), &mut |source, enrichment| {
                let out = Output { data: &mut io::sink(), remarks: &mut Remarks::default() };
                let session = Session { source, enrichment, sink: &mut sink, out, backlog: &() };
                session.run(&plan(config))
            });
        let finished = recorders.iter().try_for_each(|one| one.finish().map(|_| ()));
        ending.and(finished)
    }

    /// What was recorded is served as if it happened now, and once it is over until a signal
    /// asks for the end.
    fn of_recording(self, interrupts: &mut Interrupts) -> Result<()> {
        let config = self.config;
        let Origin::Recording { file, range, speed } = &config.origin else { return Ok(()) };
        let Some(mut opened) = Opened::open(file, *range, None, interrupts)? else {
            return Ok(());
        };
        let reloading = Rc::clone(&self.reloading);
        let mut sink = self.sink(None)?;
        let mut waiter = SignalsAlone(interrupts);
        let pace = Pace { waiter: &mut waiter, reader: &(), speed: *speed };
        let mut out = Output { data: &mut io::sink(), remarks: &mut Remarks::default() };
        let ending = opened.replay(&mut plan(config), &mut sink, &mut out, pace)?;
        opened.say_damage(ending == Ending::Done, &mut Remarks::default());
        if ending == Ending::Done {
            let over = nix::sys::eventfd::EventFd::new().context("making an eventfd")?;
            while waiter.wait(UPDATES, std::os::fd::AsFd::as_fd(&over))? != Wake::Signal {
                sink.update();
                reload_if_asked(&reloading);
            }
        }
        Ok(())
    }

    /// Serves once there are figures, and says so. No more privileges are needed by now.
    fn sink(self, kept: Option<Kept>) -> Result<ServeSink<'c>> {
        let lines = self.config.lines.as_ref();
        let lines = lines.map(|lines| LinesSink::new(lines, &params(self.config))).transpose()?;
        let reopener = lines.as_ref().map(LinesSink::reopener);
        let Self { config, server, web, began, account, shared, requests, reload, reloading } =
            self;
        let pages = Arc::new(ServicePages::new(Arc::clone(&shared)));
        let counters = Arc::clone(&shared.http);
        let exporter = config.otlp.as_ref();
        let exporter = exporter.map(|otlp| Exporter::start(otlp, began)).transpose()?;
        let begin: Begin<'c> = Box::new(move |out| {
            let scheme = if web.is_tls() { "https" } else { "http" };
            let addresses = server.addresses();
            let running = server.start(web, pages, counters)?;
            for address in addresses {
                _ = writeln!(out.remarks, "tcpcong: serving {scheme}://{address}/metrics");
            }
            // Who has not started it by systemd does not hear.
            _ = sd_notify::notify(&[NotifyState::Ready]);
            let config = config.clone();
            *reloading.borrow_mut() = Some(Reloading { config, asked: reload, running, reopener });
            Ok(Box::new(move |_: &mut Output<'_>| reload_if_asked(&reloading)))
        });
        let live = matches!(config.origin, Origin::Kernel { .. });
        let shared = (shared, requests);
        Ok(ServeSink::new(account, live, shared, kept, lines, exporter, begin))
    }
}

/// Each second what all flows add up to, and at each interval's end a look at all of them.
pub(super) fn plan(config: &ServeConfig) -> Plan {
    let of = config.lines.as_ref().map_or(Kinds::NONE, |lines| lines.of);
    Plan {
        interval: Some(config.interval),
        sums_every: Some(UPDATES),
        sums_lookups: config.label.lookups(),
        verdicts_every: of.verdicts.then_some(VERDICTS),
        ledger: LedgerOptions {
            sums: Some(config.label.sums()),
            transitions: of.transitions || of.verdicts,
            samples: of.verdicts,
            tick_ns: Some(LiveSource::tick_ns()),
            ..LedgerOptions::default()
        },
        filter: config.filter.clone(),
        lookups: Lookups::ALL,
        ..Plan::default()
    }
}

/// What the first of the lines says of the run.
fn params(config: &ServeConfig) -> RunParams {
    RunParams {
        interval_ns: u64::try_from(config.interval.as_nanos()).ok(),
        filters: config.filter.clone(),
        ..RunParams::default()
    }
}

fn keep(length: Duration, tick_ns: u64) -> io::Result<Kept> {
    let hindsight = Hindsight::new(length);
    let recorder = hindsight.recorder(tick_ns)?;
    Ok(Kept { hindsight, recorder })
}

/// Runs with recorders between the source and whoever takes its entries.
fn recorded(
    recorders: &[Recorder],
    source: &mut dyn Source,
    enrichment: &mut dyn Enrichment,
    run: &mut dyn FnMut(&mut dyn Source, &mut dyn Enrichment) -> Result<Ending>,
) -> Result<()> {
    match recorders {
        [] => run(source, enrichment).map(|_| ()),
        [recorder, others @ ..] => {
            let mut source = recorder.source(source);
            let mut enrichment = recorder.enrichment(enrichment, Lookups::ALL);
            recorded(others, &mut source, &mut enrichment, run)
        }
    }
}

fn read_web(config: &ServeConfig) -> Result<WebConfig> {
    match &config.web_config {
        Some(file) => {
            WebConfig::read(file).map_err(|error| FileError::new(error.to_string()).into())
        }
        None => Ok(WebConfig::default()),
    }
}

/// That a recording can be made, or read.
fn check_recordings(origin: &Origin) -> Result<()> {
    match origin {
        Origin::Kernel { record } => {
            record.as_deref().map(|file| NewFile::new(file, false)).transpose()?;
        }
        Origin::Recording { file, .. } => {
            recordings::open(file, None, &Interrupts::register()?)?;
        }
    }
    Ok(())
}

/// That the file of `--lines.to` can be appended to, or made. It is not made here.
fn check_lines(config: &ServeConfig) -> Result<(), FileError> {
    let Some(Target::File(file)) = config.lines.as_ref().map(|lines| &lines.to) else {
        return Ok(());
    };
    // A named pipe that nobody reads holds nothing up.
    let opened = OpenOptions::new()
        .read(true)
        .append(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(file);
    let judged = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let may = AccessFlags::W_OK | AccessFlags::X_OK;
            access(folder.unwrap_or(Path::new(".")), may).map_err(io::Error::from)
        }
        opened => opened.map(drop),
    };
    judged.map_err(|error| {
        FileError::new(format!("--lines.to {}: cannot be written: {error}", file.display()))
    })
}

fn check_otlp(config: &ServeConfig) -> Result<(), FileError> {
    let wrong = match &config.otlp {
        Some(otlp) => otlp.check().err(),
        None => config.otlp_lack.clone(),
    };
    wrong.map_or(Ok(()), |error| Err(FileError::new(error.to_string())))
}

/// What SIGHUP has read again.
struct Reloading {
    config: ServeConfig,
    asked: Arc<AtomicBool>,
    running: Running,
    reopener: Option<Reopener>,
}

impl Reloading {
    fn reload_if_asked(&mut self) {
        if self.asked.swap(false, Ordering::SeqCst) {
            let said = match self.reload() {
                Ok(said) => said,
                Err(error) => format!("{error:#}: all stays as it was"),
            };
            _ = writeln!(Remarks::default(), "tcpcong: SIGHUP: {said}");
        }
    }

    /// Returns what has come of it, in words.
    fn reload(&mut self) -> Result<String> {
        // Whatever else is wrong: its file may have been moved away.
        if let Some(reopener) = &self.reopener {
            reopener.reopen();
        }
        let mut request = cli::parse(&self.config.line)?;
        super::resolve(&mut request)?;
        let cli::Request::Serve(next) = request else { return Ok(String::new()) };
        let web = read_web(&next)?;
        self.running.reload(web);
        let same = ServeConfig { web_config: next.web_config.clone(), ..self.config.clone() };
        self.config.web_config.clone_from(&next.web_config);
        let read = "read again: the web configuration is in force";
        Ok(if same == *next {
            read.to_owned()
        } else {
            format!("{read}; what else has changed will be when tcpcong is started anew")
        })
    }
}

fn reload_if_asked(reloading: &RefCell<Option<Reloading>>) {
    if let Some(reloading) = reloading.borrow_mut().as_mut() {
        reloading.reload_if_asked();
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
