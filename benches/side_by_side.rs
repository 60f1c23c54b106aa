//! Measures our tool and bcc's side by side on one workload and writes `docs/benchmarks.md`.
//! Not whether their figures are right: `tests/accuracy.rs` holds ours to the kernel's events.

#[path = "side_by_side/contender.rs"]
mod contender;
#[path = "side_by_side/events.rs"]
mod events;
#[path = "side_by_side/floor.rs"]
mod floor;
#[path = "side_by_side/page.rs"]
mod page;
#[path = "side_by_side/programs.rs"]
mod programs;
#[path = "side_by_side/reports.rs"]
mod reports;
#[path = "side_by_side/spread.rs"]
mod spread;
#[path = "side_by_side/starts.rs"]
mod starts;
#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use anyhow::Result;
use contender::Contender;
use page::Page;

fn main() -> ExitCode {
    // Cargo says so when it is to be measured, not only to be seen to run.
    if !std::env::args().any(|argument| argument == "--bench") {
        eprintln!("SKIPPED side_by_side: measures only under `cargo bench`");
        return ExitCode::SUCCESS;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("side_by_side: loading BPF programs and making networks needs root; run as root");
        return ExitCode::FAILURE;
    }
    match measure() {
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
    starts::measure(&contenders, &mut page)?;
    events::measure(&contenders, &mut page)?;
    reports::measure(&contenders, &mut page)?;
    print!("{}", page.text());
    if alone {
        eprintln!("{} stays as it is: half of it could not be measured", page::PATH);
        return Ok(());
    }
    page.write()
}
