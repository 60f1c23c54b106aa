//! A source without BPF: looks at all TCP sockets from time to time, through `sock_diag(7)`, and
//! compares. It takes no privilege and no BTF, and what it makes are estimates: a state is as it
//! was found, a change was made some time between two looks, and what came and went in between
//! shows nowhere. Not here: what follows from that, which is the ledger's.

mod answer;
mod diag;
mod figures;
mod netlink;
mod owners;
mod pace;
mod sightings;
mod source;
mod spaces;

pub use owners::SampleLookups;
pub use source::SampleSource;
pub use spaces::listening_ports;
