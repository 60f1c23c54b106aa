//! Prints each transition of this machine's TCP connections for five seconds. Needs root.

use std::io::{stderr, stdout};
use std::time::Duration;

use tcpcong_core::model::{Row, Transition};
use tcpcong_core::session::{Plan, Session};
use tcpcong_core::sink::{EachTransition, Output};
use tcpcong_live::{LiveSource, Options, Uninterrupted};

fn main() -> anyhow::Result<()> {
    let options = Options { figures: true, ..Options::default() };
    let mut waiter = Uninterrupted;
    let (mut source, mut lookups) = LiveSource::start(&options, &mut waiter)?;
    let mut print = EachTransition(|one: &Transition, _: &Row| {
        println!("{}: {} to {}, {}", one.connection.endpoints, one.from, one.to, one.cause);
    });
    let session = Session {
        source: &mut source,
        enrichment: &mut lookups,
        sink: &mut print,
        out: Output { data: &mut stdout(), remarks: &mut stderr() },
        backlog: &(),
    };
    session.run(&Plan::transitions(Some(Duration::from_secs(5))))?;
    Ok(())
}
