//! Recordings: the log of a run in a file, which is a source like the live kernel.
//!
//! A recording is JSON lines in zstd frames, each of which is whole lines with a checksum
//! and can be read without the others; docs/recording.md describes the lines. [`Recorder`]
//! stands between a source, its enrichment and a session, and writes what passes.
//! [`Recording`] hands the same over again, at the same instants: a session with the same
//! plan hands its sink the same, to the byte.

mod again;
mod error;
mod frames;
mod lines;
mod order;
mod owners;
mod parts;
mod range;
mod record;
mod replay;
mod stream;

pub use error::RecordingError;
pub use frames::Damage;
pub use owners::RecordedOwners;
pub use parts::{Hindsight, KeptHindsight, Limits, Parts, WrittenHindsight};
pub use record::{Recorded, RecordedEnrichment, RecordedSource, Recorder};
pub use replay::Recording;

/// The version of the lines. A reader skips lines and keys that it does not know; what
/// would mislead it takes a new version.
pub const VERSION: u32 = 1;

#[cfg(test)]
mod again_tests;
#[cfg(test)]
mod parts_tests;
#[cfg(test)]
mod range_tests;
#[cfg(test)]
mod tests;
