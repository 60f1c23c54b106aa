//! How long TCP connections spend in each congestion state, from a log of events.
//!
//! This crate is the part of `tcpcong` that needs no kernel. Data flows one way:
//!
//! 1. A [`source::Source`] hands over [entries](model::Entry), each of which says what
//!    happened to which socket, and when. The live kernel is one (`LiveSource`, in the crate
//!    `tcpcong-live`), [`source::Replay`] is another, and so is a recording in a file
//!    (`recording`, with the feature of that name).
//! 2. The [`model::Ledger`] makes figures of them: a pure function of the entries.
//! 3. A [`session::Session`] ends intervals, filters and arranges, and hands out
//!    [reports](model::Report), [transitions](model::Transition) and
//!    [verdicts](why::Verdicts).
//! 4. A [`sink::Sink`] shows them.
//!
//! Times ending in `_ns` are nanoseconds, those ending in `at_ns` instants of
//! `CLOCK_MONOTONIC`. A flow is one end of a connection: one life of one socket.
//!
//! # Entries from a file
//!
//! `examples/replay.rs` does the same with whichever file it is given, and prints each
//! connection's times.
//!
//! ```
//! use std::io::{BufRead as _, BufReader};
//!
//! use tcpcong_core::model::{Entry, Ledger, LedgerOptions, Start, State};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = std::fs::File::open("examples/entries.jsonl")?;
//! let mut lines = BufReader::new(file).lines();
//! let start: Start = serde_json::from_str(&lines.next().ok_or("an empty file")??)?;
//! let mut ledger = Ledger::new(start.at_ns, LedgerOptions::default());
//! let mut end_ns = start.at_ns;
//! for line in lines {
//!     let entry: Entry = serde_json::from_str(&line?)?;
//!     end_ns = entry.at_ns + 1;
//!     ledger.apply(&entry);
//! }
//! let report = ledger.close(end_ns, start.at);
//! for row in &report.rows {
//!     let recovery_ns = row.times[State::Recovery];
//!     println!("{}: {recovery_ns} ns in Recovery", row.connection.endpoints);
//! }
//! assert_eq!(report.rows.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Transitions of this machine
//!
//! The example `transitions` of `tcpcong-live`, which needs root:
//!
//! ```ignore
//! use std::io::{stderr, stdout};
//! use std::time::Duration;
//!
//! use tcpcong_core::model::{Row, Transition};
//! use tcpcong_core::session::{Plan, Session};
//! use tcpcong_core::sink::{EachTransition, Output};
//! use tcpcong_live::{LiveSource, Options, Uninterrupted};
//!
//! fn main() -> anyhow::Result<()> {
//!     let options = Options { figures: true, ..Options::default() };
//!     let mut waiter = Uninterrupted;
//!     let (mut source, mut lookups) = LiveSource::start(&options, &mut waiter)?;
//!     let mut print = EachTransition(|one: &Transition, _: &Row| {
//!         println!("{}: {} to {}, {}", one.connection.endpoints, one.from, one.to, one.cause);
//!     });
//!     let session = Session {
//!         source: &mut source,
//!         enrichment: &mut lookups,
//!         sink: &mut print,
//!         out: Output { data: &mut stdout(), remarks: &mut stderr() },
//!         backlog: &(),
//!     };
//!     session.run(&Plan::transitions(Some(Duration::from_secs(5))))?;
//!     Ok(())
//! }
//! ```

pub mod compare;
pub mod model;
#[cfg(feature = "recording")]
pub mod recording;
pub mod session;
pub mod sink;
pub mod source;
pub mod why;
