//! `tcpcong report`: reads recordings, and writes a page of them. Not here: what the page has.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::replay::{Opened, Pace, SignalsAlone, plan_of_lives};
use crate::cli::{Range, ReportConfig};
use crate::interrupt::Interrupts;
use crate::recordings::NewFile;
use crate::view::{Collected, LivesView, Page, VerdictsKept};
use tcpcong_core::model::{Filter, LedgerOptions, Lookups};
use tcpcong_core::session::{Ending, Plan, Product};
use tcpcong_core::sink::{Output, Sink};

/// What is not read to its end is not shown.
const INTERRUPTED: &str = "interrupted: no page was made";

/// `tcpcong report`: a page made of recordings.
pub fn report(config: &ReportConfig) -> Result<()> {
    let mut file = NewFile::new(&config.to, config.force)?;
    config.from.iter().try_for_each(|from| file.is_apart_from(from))?;
    let mut interrupts = Interrupts::register()?;
    let read = |from: &PathBuf| collected(from, config, &mut interrupts);
    let runs = config.from.iter().map(read).collect::<Result<Vec<_>>>()?;
    let page = Page::new(runs, config.top, &config.filter);
    file.make()?;
    // At once: half a page is none.
    let mut text = Vec::new();
    page.write(&mut text)?;
    file.write_all(&text)?;
    for line in page.described() {
        _ = writeln!(io::stderr(), "tcpcong: {line}");
    }
    Ok(())
}

/// What this part of a recording has, and the verdicts on it.
fn collected(from: &Path, config: &ReportConfig, interrupts: &mut Interrupts) -> Result<Collected> {
    let mut lives = LivesView::default();
    let plan = plan_of_lives(&config.filter);
    let damage = replayed(from, (config.range, "reading"), plan, &mut lives, interrupts)?;
    let mut verdicts = VerdictsKept::default();
    let plan = plan_verdicts(&config.filter);
    replayed(from, (config.range, "judging"), plan, &mut verdicts, interrupts)?;
    let name = from.file_name().unwrap_or(from.as_os_str());
    Ok(lives.collected(&name.to_string_lossy(), verdicts, &damage))
}

/// As `tcpcong why` has them.
fn plan_verdicts(filter: &Filter) -> Plan {
    Plan {
        product: Product::Verdicts,
        ledger: LedgerOptions {
            list_quiet: true,
            transitions: true,
            samples: true,
            tick_ns: Some(0),
            ..LedgerOptions::default()
        },
        filter: filter.clone(),
        lookups: Lookups::ALL,
        ..Plan::default()
    }
}

/// Replays a recording as fast as can be. Returns what of it could not be read, a line
/// each.
fn replayed(
    from: &Path,
    (range, doing): (Range, &'static str),
    mut plan: Plan,
    sink: &mut dyn Sink,
    interrupts: &mut Interrupts,
) -> Result<String> {
    let Some(mut opened) = Opened::open(from, range, Some(doing), interrupts)? else {
        bail!(INTERRUPTED);
    };
    let mut out = Output { data: &mut io::sink(), remarks: &mut io::stderr() };
    let pace = Pace { waiter: &mut SignalsAlone(interrupts), reader: &(), speed: None };
    if opened.replay(&mut plan, sink, &mut out, pace)? != Ending::Done {
        bail!(INTERRUPTED);
    }
    let mut damage = Vec::new();
    opened.say_damage(true, &mut damage);
    Ok(String::from_utf8_lossy(&damage).into_owned())
}
