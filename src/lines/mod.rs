//! Lines into an engine: flows, transitions and verdicts as JSON lines for whatever keeps
//! them, to stdout, a file or a socket, behind memory and a thread that reconnects. Not here:
//! what stands in them, which the views say; nor what is done with them (docs/engines.md).

mod file;
mod options;
mod receiver;
mod sink;
mod socket;
mod spool;
mod stamp;
mod writer;

pub use options::{Given, Kinds, LineOptions, Rotated, Target};
pub use sink::{LinesSink, Reopener};
pub use spool::LineCounters;

#[cfg(test)]
mod sink_tests;
#[cfg(test)]
mod speed_tests;
#[cfg(test)]
mod writer_tests;
