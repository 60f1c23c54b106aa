//! Why a file cannot be replayed, in words. Not here: what is damaged, which is passed over
//! and told as a gap.

use std::io;

use jiff::Timestamp;
use thiserror::Error;

use super::VERSION;

/// Why a file cannot be replayed.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// It has no first line.
    #[error("not a recording: it does not begin with a frame of lines")]
    NoRecording,
    /// A line is none of a recording's.
    #[error("not a recording: line {line}: {error}")]
    Line {
        /// Which, from 1 on.
        line: u64,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// It begins with something else.
    #[error("not a recording: it does not begin with how the run began")]
    NoStart,
    /// It begins at an instant that no machine's clock shows.
    #[error("not a recording: it begins {0} ns after the machine was started, which cannot be")]
    Beginning(u64),
    /// It was repacked, and that cannot be read, or not with so little memory.
    #[error("it cannot be read on: {0}; a zstd stream may have a window of 8 MiB")]
    Stream(io::Error),
    /// Another one begins in it.
    #[error("line {0}: another recording begins there; the two must be in files of their own")]
    Joined(u64),
    /// It ends before what is asked for.
    #[error("it ends at {0}, and --since is not before that")]
    EndsBefore(Timestamp),
    /// A later version wrote it.
    #[error("a recording of version {0}, of which this tool knows only {VERSION}")]
    Version(u32),
}
