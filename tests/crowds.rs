//! Ten thousand connections that all change state at once. Not how long that
//! takes: the benchmark measures it.

mod support;

use anyhow::{Result, ensure};
use support::crowd::{Crowd, FIRST_PORT};
use support::lab::Lab;
use support::needs::need_root;
use support::tool::Tool;
use support::trace::Trace;

const CONNECTIONS: usize = 10_000;

#[test]
fn what_finds_no_room_in_the_buffer_is_counted_to_the_entry() -> Result<()> {
    if !need_root("what_finds_no_room_in_the_buffer_is_counted_to_the_entry") {
        return Ok(());
    }
    let lab = Lab::new("fast")?;
    let mut crowd = Crowd::gather(&lab, CONNECTIONS)?;
    let ports = format!("{FIRST_PORT}-{}", FIRST_PORT + 99);
    // The least that there is: a CPU's part holds two thousand transitions.
    let trace = Trace::start(&["-R", &ports, "--buffer", "64K"])?;
    let mut tool = Tool::start(&["-R", &ports])?;
    // As on a machine that has no time for it.
    trace.stand_still(true)?;
    crowd.stir()?;
    trace.stand_still(false)?;
    let told = trace.finish()?;
    tool.interrupt()?;
    let report = tool.report()?;
    let Some(report) = report else { panic!("no report") };
    let happened = report.sum("changes")? + report.sum("repeated_rtos")?;
    println!(
        "{happened} transitions, {} told, {} entries lost",
        told.transitions.len(),
        told.dropped
    );
    ensure!(report.sum("entries_dropped")? == 0, "with room enough: {:?}", report.sums);
    ensure!(told.transitions.len() as u64 + told.dropped == happened, "that is not all");
    ensure!(told.dropped > 0, "there was room for all");
    // The newest are still there.
    ensure!(told.transitions.len() > 1000, "too few were told");
    Ok(())
}
