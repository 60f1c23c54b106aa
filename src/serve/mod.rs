//! `tcpcong serve`: what a fleet's tools ask of this machine. Not here: what figures mean, which
//! is the core's, nor the command line.

pub mod http;
pub mod metrics;
pub mod otlp;
mod pages;
mod sink;
mod state;

pub use pages::ServicePages;
pub use sink::{Begin, EachSecond, Kept, ServeSink};
pub use state::{HindsightRequest, Shared};
