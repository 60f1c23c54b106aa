//! The command line, what a run prints, and the demonstration on a path of its own. Not here: what the figures
//! are, which is `tcpcong-core`'s, nor where events come from, which is `tcpcong-live`'s.

pub mod cli;
pub mod command;
pub mod demo;
pub mod hindsight;
pub mod interrupt;
#[cfg(feature = "serve")]
pub mod lines;
pub mod output;
pub mod path;
pub mod progress;
pub mod recordings;
pub mod rotation;
pub mod screen;
#[cfg(feature = "serve")]
pub mod serve;
pub mod view;
