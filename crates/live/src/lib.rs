//! The live source of [`tcpcong_core`]: BPF programs that tell what happens to the TCP
//! sockets of this machine, and lookups of whose those are. Not here: what follows from an
//! event, which is the core's, and how anything looks, which is its sinks'.
//!
//! It needs root, or `CAP_BPF` and `CAP_PERFMON`, and Linux 5.10 or later with BTF. The
//! entries alone:
//!
//! ```no_run
//! use tcpcong_core::source::{Source as _, Wait};
//! use tcpcong_live::{LiveSource, Options, Uninterrupted};
//!
//! # fn main() -> anyhow::Result<()> {
//! let mut waiter = Uninterrupted;
//! let (mut source, _lookups) = LiveSource::start(&Options::default(), &mut waiter)?;
//! let mut print = |entry| println!("{entry:?}");
//! source.begin(&mut print)?;
//! loop {
//!     source.next(Wait { until_ns: None, promptly: true }, &mut print)?;
//! }
//! # }
//! ```

mod enrichment;
mod files;
mod kernel;
mod namespaces;
mod nsfiles;
mod sample;
mod wait;

pub use enrichment::{NotThere, resolve, workload};
pub use kernel::{
    Attach, LiveSource, MachineLookups, Missing, Options, Selection, Verified,
    drop_all_capabilities, drop_what_attaching_needed, program_text,
};
pub use sample::{SampleLookups, SampleSource, listening_ports};
pub use wait::{Uninterrupted, Waiter, Wake, leave_signals_to_others, poll_timeout};
