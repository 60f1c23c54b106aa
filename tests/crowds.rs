//! Ten thousand connections that all change state at once. Not how long that
//! takes: the benchmark measures it.

mod support;

use anyhow::{Context as _, Result, ensure};
use support::crowd::{Crowd, FIRST_PORT};
use support::lab::Lab;
use support::needs::need_root;
use support::tool::Tool;
use support::trace::Trace;

const CONNECTIONS: usize = 10_000;
/// So often to Loss and back is more than the buffer of transitions holds.
const TIMES: usize = 3;
const WINDOW_NS: u64 = 100_000_000;

#[test]
fn what_comes_too_fast_to_be_told_is_counted() -> Result<()> {
    if !need_root("what_comes_too_fast_to_be_told_is_counted") {
        return Ok(());
    }
    let lab = Lab::new("fast")?;
    let mut crowd = Crowd::gather(&lab, CONNECTIONS)?;
    let ports = format!("{FIRST_PORT}-{}", FIRST_PORT + 99);
    let trace = Trace::start(&["-R", &ports])?;
    let tool = Tool::start(&["-R", &ports])?;
    crowd.stir()?;
    // As on a machine that has no time for it.
    trace.stand_still(true)?;
    for _ in 0..TIMES {
        crowd.stir()?;
    }
    trace.stand_still(false)?;
    let told = trace.finish()?;
    let reports = tool.finish()?;
    let [report] = &reports[..] else { panic!("{} reports", reports.len()) };
    let happened = report.sum("changes")? + report.sum("repeated_rtos")?;

    let at = |it: &serde_json::Value| it["at_ns"].as_u64().context("no time");
    let mut times = told.transitions.iter().map(at).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    let within = |from: &u64| times.partition_point(|at| *at < from + WINDOW_NS);
    let most = times.iter().enumerate().map(|(index, from)| within(from) - index).max();
    println!(
        "{happened} transitions, {} told, {} not; at most {} within {} ms",
        times.len(),
        told.untold,
        most.context("none was told")?,
        WINDOW_NS / 1_000_000
    );
    ensure!(times.len() as u64 + told.untold == happened, "that is not all");
    ensure!(told.untold > 0, "there was room for all");
    // The first time to Loss and back nothing stood in its way.
    ensure!(times.len() > 2 * CONNECTIONS, "too few were told");
    Ok(())
}
