//! How long each tool takes from its start to its first line.
//! Not what comes after it.

use anyhow::Result;

use super::contender::Contender;
use super::page::{Figure, Page};
use super::spread::Spread;

const STARTS: usize = 7;
/// 50 times sooner.
const TARGET: f64 = 1.0 / 50.0;

pub(crate) fn measure(contenders: &[Contender], page: &mut Page) -> Result<()> {
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        for contender in contenders {
            let running = contender.start("1")?;
            let times = if *contender == Contender::Ours { &mut ours } else { &mut peer };
            times.push(running.first_line_after.as_secs_f64() * 1e3);
        }
    }
    page.figure(Figure {
        name: "start to the first line",
        unit: "ms",
        decimals: 1,
        ours: Spread::of(ours)?,
        peer: Spread::of(peer).ok(),
        target: Some(TARGET),
    });
    Ok(())
}
