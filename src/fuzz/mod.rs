//! Damaged and forged recordings, through every command's session and sink: nothing
//! panics, nothing goes on without end, memory stays below 256 MiB, and what is shown adds up.
//! Not here: what a recording that is whole replays to, which `tests/golden.rs` holds.
//!
//! Each test run has a few hundred cases, always the same. `make fuzz` goes on for twenty
//! minutes, from another seed each time:
//!
//! | variable | |
//! | --- | --- |
//! | `TCPCONG_FUZZ_SECONDS` | how long; all that goes wrong is listed at the end |
//! | `TCPCONG_FUZZ_SEED` | where it begins: the same cases come again |
//! | `TCPCONG_FUZZ_FILE` | a recording to begin with instead of the golden one |
//! | `TCPCONG_FUZZ_CASE` | a file that went wrong before, to be replayed as it is |

mod checked;
mod mutate;
mod sinks;

use std::any::Any;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tcpcong_core::recording::Recording;
use tcpcong_core::session::{Product, Session};
use tcpcong_core::sink::Output;

use super::*;
use crate::cli;
use crate::screen::DrawnView;
use crate::view::Paper;
use checked::{Checked, Nowhere};
use mutate::{Random, mutated};
#[cfg(feature = "serve")]
use sinks::Scraped;
use sinks::{Compared, Paged, exported};

/// Cases of an ordinary test run.
const CASES: u64 = 150;
/// What is printed is seen by nobody.
const PAPER: Paper = Paper { width: 80, unicode: true };
/// One may take so long, without optimization and on a busy machine.
const CASE_LASTS: Duration = Duration::from_secs(120);
/// The process may have so much memory, bytes, in any case.
const MEMORY_MOST: u64 = 256 << 20;

/// What is done with a recording: each sink, and what goes other ways within the session.
/// Intervals are long, as each forged instant may make a day of them.
const COMMANDS: &[&[&str]] = &[
    &["--all", "10"],
    &["--format", "json", "--all", "-o", "lport,open,disorder,cwr,recovery,loss,delivered", "10"],
    &["--format", "json", "--by", "process", "60"],
    &["-d", "--matrix", "--spells", "3", "10"],
    &["--state", "loss", "--by", "raddr", "-d", "60"],
    &["--format", "csv", "--all"],
    &["trace", "-o", "wide"],
    &["trace", "--format", "json", "--state", "recovery"],
    &["why", "--by", "prefix"],
    &["why", ":7009"],
    &["why", ":7009", "--format", "json"],
    &["why", "--follow", "1", "--format", "csv"],
    &["top", "10"],
    &["report", "a", "-o", "-"],
    &["diff", "a", "a"],
    &["export", "a", "--csv", "-"],
    #[cfg(feature = "serve")]
    &["serve", "--interval", "60"],
    #[cfg(feature = "serve")]
    &["serve", "--interval", "10", "--by", "prefix", "--by-limit", "2"],
];

#[test]
fn no_damaged_or_forged_recording_breaks_anything_or_shows_what_does_not_add_up() {
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Ok(file) = env::var("TCPCONG_FUZZ_CASE") {
        let bytes = fs::read(file).expect("the case");
        let wrong: Vec<_> = COMMANDS.iter().filter_map(|each| replay(&bytes, each).err()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        return;
    }
    let lasts = number("TCPCONG_FUZZ_SECONDS").map(Duration::from_secs);
    let seed = number("TCPCONG_FUZZ_SEED").unwrap_or(1);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/a.jsonl.zst");
    let file = env::var("TCPCONG_FUZZ_FILE").unwrap_or_else(|_| golden.to_owned());
    let recording = fs::read(&file).expect("a recording");
    let began = Instant::now();
    let watched = Watched::start();
    let (mut wrong, mut cases, mut whole, mut peak) = (BTreeMap::new(), 0, 0, 0);
    for case in 0.. {
        if lasts.map_or(case >= CASES, |lasts| began.elapsed() >= lasts) {
            break;
        }
        let mut random = Random::new(seed, case);
        let bytes = mutated(&recording, &mut random);
        let command = COMMANDS[random.below(COMMANDS.len())];
        watched.begin(case, command, &bytes);
        forget_peak();
        match replay(&bytes, command) {
            Ok(is_whole) => whole += u64::from(is_whole),
            Err(what) => {
                let kept = || format!("{command:?} of {}", keep(seed, case, &bytes));
                wrong.entry(what).or_insert_with(kept);
            }
        }
        cases += 1;
        peak = peak.max(peak_bytes());
    }
    watched.end();
    let in_mb = peak >> 20;
    let took = began.elapsed();
    println!("{cases} cases from seed {seed} in {took:.0?}, {whole} read to the end, {in_mb} MiB");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Replays a recording as a command does. What cannot be read is no error: to say so is
/// what there is to do. Returns whether it was read to its end.
fn replay(bytes: &[u8], command: &[&str]) -> Result<bool, String> {
    let run = catch_unwind(AssertUnwindSafe(|| session(bytes, command)));
    let checked = run.map_err(|panic| format!("a panic: {}", said(&*panic)))?;
    if peak_bytes() > MEMORY_MOST {
        return Err(format!("more than {} MiB of memory", MEMORY_MOST >> 20));
    }
    let Some(checked) = checked else { return Ok(false) };
    checked.wrong.map_or(Ok(checked.is_whole), Err)
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?").to_owned()
}

/// Returns what was checked, if it can be read.
fn session(bytes: &[u8], command: &[&str]) -> Option<Checked> {
    // A subcommand comes first; some have the file among their arguments.
    let at = usize::from(command[0].starts_with(|first: char| first.is_ascii_lowercase()));
    let (first, rest) = command.split_at(at);
    let has_file = rest.contains(&"a");
    let from: &[&str] = if has_file { &[] } else { &["--from", "a"] };
    let line = ["tcpcong"].iter().chain(first).chain(from).chain(rest);
    let request = cli::parse(line.copied()).expect("a command");
    let mut recording = Recording::open(Box::new(Cursor::new(bytes.to_vec()))).ok()?;
    let (mut plan, sink): (Plan, Box<dyn Sink>) = match &request {
        Request::Reports(config) => (plan_reports(config), view(config)),
        Request::Transitions(config) => {
            (plan_transitions(config), Box::new(transitions_view(config)))
        }
        Request::Why(config) => (plan_why(config), Box::new(why_view(config, PAPER))),
        Request::Top(config) => (plan_top(config), Box::new(DrawnView::default())),
        Request::Report(config) => (plan_of_lives(&config.filter), Box::new(Paged::default())),
        Request::Diff(config) => (diff::plan_diff(config), Box::new(Compared::default())),
        Request::Export(config) => (plan_of_lives(&config.filter), Box::new(exported())),
        #[cfg(feature = "serve")]
        Request::Serve(config) => (serve::plan(config), Box::new(Scraped::new(config))),
        _ => unreachable!("no other reads recordings"),
    };
    plan.ledger.tick_ns = plan.ledger.tick_ns.map(|_| recording.tick_ns());
    let mut owners = recording.owners();
    let mut checked = Checked::new(sink, plan.product == Product::Reports);
    let session = Session {
        source: &mut recording,
        enrichment: &mut owners,
        sink: &mut checked,
        out: Output { data: &mut Nowhere, remarks: &mut Nowhere },
        backlog: &(),
    };
    // It ends early where a line is none.
    checked.is_whole = session.run(&plan).is_ok();
    Some(checked)
}

/// Keeps what went wrong. Returns where.
fn keep(seed: u64, case: u64, bytes: &[u8]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    let file = folder.join(format!("{seed}-{case}.jsonl.zst"));
    fs::create_dir_all(&folder).and_then(|()| fs::write(&file, bytes)).expect("room for it");
    file.display().to_string()
}

/// From now on the peak is that from now on.
fn forget_peak() {
    // Without the right to it the peak is that of the whole run.
    _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process had.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("it is always there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its line");
    let kib: u64 = line.trim_end_matches("kB").trim().parse().expect("a number");
    kib << 10
}

/// The case at work: since when, which, and its bytes; nothing when all is over.
type Present = Option<(Instant, String, Vec<u8>)>;

/// A thread that ends the process if a case does not end.
struct Watched(Arc<Mutex<(bool, Present)>>);

impl Watched {
    fn start() -> Self {
        let shared = Arc::new(Mutex::new((false, Present::None)));
        let present = Arc::clone(&shared);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(200));
                let present = present.lock().expect("nobody panics");
                if present.0 {
                    return;
                }
                if let Some((began, what, bytes)) = &present.1
                    && began.elapsed() > CASE_LASTS
                {
                    let kept = keep(0, 0, bytes);
                    _ = writeln!(io::stderr(), "without end: {what}: {kept}");
                    std::process::abort();
                }
            }
        });
        Self(shared)
    }

    fn begin(&self, case: u64, command: &[&str], bytes: &[u8]) {
        let what = format!("case {case}, {command:?}");
        self.0.lock().expect("nobody panics").1 = Some((Instant::now(), what, bytes.to_vec()));
    }

    fn end(&self) {
        self.0.lock().expect("nobody panics").0 = true;
    }
}
