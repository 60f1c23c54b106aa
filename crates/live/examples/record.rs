//! Writes the entries of this machine's kernel for five seconds to stdout, as JSON lines
//! after one that says how the run began. Needs root. `tcpcong-core`'s example `replay`
//! reads them.

use std::io::{Write as _, stdout};

use tcpcong_core::model::Entry;
use tcpcong_core::source::{Source as _, Wait};
use tcpcong_live::{LiveSource, Options, Uninterrupted};

fn main() -> anyhow::Result<()> {
    let options = Options { figures: true, ..Options::default() };
    let mut waiter = Uninterrupted;
    let (mut source, _) = LiveSource::start(&options, &mut waiter)?;
    let mut out = stdout().lock();
    writeln!(out, "{}", serde_json::to_string(source.start())?)?;
    let ends_ns = source.start().at_ns + 5_000_000_000;
    let mut lines = Vec::new();
    let mut take = |entry: Entry| lines.push(serde_json::to_string(&entry));
    source.begin(&mut take)?;
    let wait = Wait { until_ns: Some(ends_ns), promptly: false };
    while source.next(wait, &mut take)?.until_ns < ends_ns {}
    for line in lines {
        writeln!(out, "{}", line?)?;
    }
    Ok(())
}
