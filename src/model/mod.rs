//! What the figures mean: states, flows, snapshots, and the reports made of two
//! of them. No reading of the kernel here, and no formatting.

mod flow;
mod ledger;
mod report;
mod snapshot;
mod state;
mod summary;

pub use flow::{Ends, FlowId, IpVersion, Reading, Spell, Tally};
pub use ledger::Ledger;
pub use report::{OpenSpells, Report, Row, Totals};
pub use snapshot::{Blind, Snapshot, SpellLengths, Start};
pub use state::{State, StateTimes};
pub use summary::Summary;
