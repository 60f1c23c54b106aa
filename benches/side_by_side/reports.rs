//! The CPU time of a report with many rows: what the tools' user-space sides take.
//! One tool after the other here, on the same connections.

use std::time::Duration;

use anyhow::Result;

use super::contender::Contender;
use super::page::{Figure, Page};
use super::programs;
use super::spread::Spread;
use super::support::crowd::Crowd;
use super::support::lab::Lab;

/// A little less than the room in the maps of bcc's tool, 10,240.
const FLOWS: usize = 10_000;
const REPORTS: usize = 3;
/// A fifth.
const TARGET: f64 = 0.2;
/// Long enough for the connections to be stirred in between.
const INTERVAL: &str = "4";
const TIMEOUT: Duration = Duration::from_secs(30);
/// bcc's tool empties its maps after the last row.
const QUIET: Duration = Duration::from_secs(1);

/// What one contender's reports took.
#[derive(Debug)]
struct Cost {
    cpu_ms: Spread,
    rows: Spread,
    peak_memory_mb: Spread,
    map_memory_mb: f64,
}

pub(crate) fn measure(contenders: &[Contender], page: &mut Page) -> Result<()> {
    let lab = Lab::new("crowd")?;
    let mut crowd = Crowd::gather(&lab, FLOWS)?;
    let ours = cost(&Contender::Ours, &mut crowd)?;
    let has_peer = contenders.contains(&Contender::Peer);
    let peer = has_peer.then(|| cost(&Contender::Peer, &mut crowd)).transpose()?;
    let mut figure = |name, unit, target, of: &dyn Fn(&Cost) -> Spread| {
        let (ours, peer) = (of(&ours), peer.as_ref().map(of));
        page.figure(Figure { name, unit, decimals: 1, ours, peer, target });
    };
    figure("CPU time of a report with 10,000 flows", "ms", Some(TARGET), &|cost| cost.cpu_ms);
    figure("peak memory with 10,000 flows", "MB", None, &|cost| cost.peak_memory_mb);
    let shown = |cost: &Cost| {
        format!("{}, {:.1} MB of maps", cost.rows.show("rows", 0), cost.map_memory_mb)
    };
    page.note(format!(
        "CPU time is user and system time of the process over an interval of {INTERVAL} s, \
         {REPORTS} of them, in which each of {FLOWS} connections goes to Loss and back. Ours: \
         {}; bcc's, whose maps have room for 10,240 flows: {}.",
        shown(&ours),
        peer.as_ref().map_or_else(|| "not measured".to_owned(), shown)
    ));
    Ok(())
}

/// Each interval is counted from the quiet after one report to the quiet after the next.
fn cost(contender: &Contender, crowd: &mut Crowd<'_>) -> Result<Cost> {
    let running = contender.start(INTERVAL)?;
    let (mut cpu_ms, mut rows) = (Vec::new(), Vec::new());
    running.report_rows(TIMEOUT, QUIET)?;
    for _ in 0..REPORTS {
        let before_ms = running.cpu_ms()?;
        crowd.stir()?;
        rows.push(running.report_rows(TIMEOUT, QUIET)? as f64);
        cpu_ms.push(running.cpu_ms()? - before_ms);
    }
    Ok(Cost {
        cpu_ms: Spread::of(cpu_ms)?,
        rows: Spread::of(rows)?,
        peak_memory_mb: Spread::of(vec![running.peak_memory_mb()?])?,
        map_memory_mb: programs::map_memory_mb(running.pid())?,
    })
}
