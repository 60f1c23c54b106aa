//! `tcpcong report`: reads recordings, and writes a page of them. Not here: what the page has.

use std::io::{self, IsTerminal as _, Write};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::record::ALL_LOOKUPS;
use crate::cli::ReportConfig;
use crate::interrupt::Interrupts;
use crate::recordings::{self, Attended, NewFile};
use crate::view::{Collected, LivesView, Page, VerdictsKept};
use tcpcong_core::model::{Filter, LedgerOptions, Lookups};
use tcpcong_core::session::{Ending, Plan, Product, Session};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_live::{Waiter, Wake};

/// What is not read to its end is not shown.
const INTERRUPTED: &str = "interrupted: no page was made";

/// `tcpcong report`: a page made of recordings.
pub fn report(config: &ReportConfig) -> Result<()> {
    let mut file = NewFile::new(&config.to, config.force)?;
    let mut interrupts = Interrupts::register()?;
    let read = |from: &PathBuf| collected(from, &config.filter, &mut interrupts);
    let runs = config.from.iter().map(read).collect::<Result<Vec<_>>>()?;
    let page = Page::new(runs, config.top, &config.filter);
    file.make()?;
    page.write(&mut file).with_context(|| format!("writing {}", config.to.display()))?;
    for line in page.described() {
        _ = writeln!(io::stderr(), "tcpcong: {line}");
    }
    Ok(())
}

/// What a recording has, and the verdicts on it.
fn collected(from: &Path, filter: &Filter, interrupts: &mut Interrupts) -> Result<Collected> {
    let mut lives = LivesView::new(io::stderr().is_terminal());
    let damage = replay(from, plan_lives(filter), &mut lives, interrupts)?;
    let mut verdicts = VerdictsKept::default();
    replay(from, plan_verdicts(filter), &mut verdicts, interrupts)?;
    let name = from.file_name().unwrap_or(from.as_os_str());
    Ok(lives.collected(&name.to_string_lossy(), verdicts, &damage))
}

/// Each second, as that is how often recordings have whose the connections are.
fn plan_lives(filter: &Filter) -> Plan {
    Plan {
        interval: Some(Duration::from_secs(1)),
        ledger: LedgerOptions {
            list_quiet: true,
            transitions: true,
            spells: true,
            samples: true,
            ..LedgerOptions::default()
        },
        filter: filter.clone(),
        lookups: Lookups { costs: false, ..ALL_LOOKUPS },
        ..Plan::default()
    }
}

/// As `tcpcong why` has them.
fn plan_verdicts(filter: &Filter) -> Plan {
    Plan {
        product: Product::Verdicts,
        ledger: LedgerOptions {
            list_quiet: true,
            transitions: true,
            tick_ns: Some(0),
            ..LedgerOptions::default()
        },
        filter: filter.clone(),
        lookups: ALL_LOOKUPS,
        ..Plan::default()
    }
}

/// Replays a recording as fast as can be. Returns what of it could not be read, a line
/// each.
fn replay(
    from: &Path,
    mut plan: Plan,
    sink: &mut dyn Sink,
    interrupts: &mut Interrupts,
) -> Result<String> {
    let Some(mut recording) = recordings::open(from, interrupts)? else {
        bail!(INTERRUPTED);
    };
    plan.ledger.tick_ns = plan.ledger.tick_ns.map(|_| recording.tick_ns());
    let mut owners = recording.owners();
    let mut waiter = SignalsAlone(interrupts);
    let mut source = Attended::new(&mut recording, &mut waiter, &(), None)?;
    let out = Output { data: &mut io::sink(), remarks: &mut io::stderr() };
    let session = Session { source: &mut source, enrichment: &mut owners, sink, out, backlog: &() };
    let ending = session.run(&plan).map_err(|error| recordings::named(from, error))?;
    if ending != Ending::Done {
        bail!(INTERRUPTED);
    }
    let mut damage = Vec::new();
    recordings::say_damage(from, &recording, true, &mut damage);
    Ok(String::from_utf8_lossy(&damage).into_owned())
}

/// Nobody needs to read stdout for a page to be made.
struct SignalsAlone<'a>(&'a mut Interrupts);

impl Waiter for SignalsAlone<'_> {
    fn wait(&mut self, time: Duration, ready: BorrowedFd<'_>) -> io::Result<Wake> {
        self.0.wait(time, ready).map(|wake| match wake {
            Wake::ReaderGone => Wake::Time,
            other => other,
        })
    }
}
