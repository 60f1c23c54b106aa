//! Measures our tool and bcc's side by side on one workload and writes `docs/benchmarks.md`;
//! with names of parts (`events`, `curve`, ...) those alone, and writes nothing.
//! Not whether their figures are right: `tests/accuracy.rs` holds ours to the kernel's events.

mod contender;
mod curve;
mod events;
mod floor;
mod lives;
mod page;
mod part;
mod programs;
mod reports;
mod service;
mod spread;
mod starts;
#[path = "../../tests/support/mod.rs"]
mod support;
mod throughput;
mod views;

use std::process::ExitCode;

use anyhow::Result;
use contender::Contender;
use page::Page;

type Measure = fn(&[Contender], &mut Page) -> Result<()>;
const PARTS: [(&str, Measure); 8] = [
    ("starts", starts::measure),
    ("events", events::measure),
    ("lives", |_, page| lives::measure(page)),
    ("reports", reports::measure),
    ("views", |_, page| views::measure(page)),
    ("throughput", |_, page| throughput::measure(page)),
    ("curve", |_, page| curve::measure(page)),
    ("service", |_, page| service::measure(page)),
];

fn main() -> ExitCode {
    // Cargo says so when it is to be measured, not only to be seen to run.
    let is_part = std::env::var_os(part::ORDER).is_some();
    if !is_part && !std::env::args().any(|argument| argument == "--bench") {
        eprintln!("SKIPPED side_by_side: measures only under `cargo bench`");
        return ExitCode::SUCCESS;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("side_by_side: loading BPF programs and making networks needs root; run as root");
        return ExitCode::FAILURE;
    }
    match part::be_one().unwrap_or_else(measure) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("side_by_side: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let contenders = Contender::present();
    let alone = !contenders.contains(&Contender::Peer);
    if alone {
        eprintln!(
            "SKIPPED the side of bcc's tool: {} does not run here; scripts/bench-setup.sh \
             installs it. Ours is measured alone.",
            contender::PEER
        );
    }
    let mut page = Page::default();
    let chosen: Vec<_> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|one| one == name);
    for (name, measure) in PARTS {
        if is_chosen(name) {
            measure(&contenders, &mut page)?;
        }
    }
    print!("{}", page.text());
    if !chosen.is_empty() {
        return Ok(());
    }
    if alone {
        eprintln!("{} stays as it is: half of it could not be measured", page::PATH);
        return Ok(());
    }
    page.write()
}
