//! What the figures mean: states, flows, snapshots, and the reports made of two
//! of them. No reading of the kernel here, and no formatting.

mod cost;
mod filter;
mod flow;
mod group;
mod ledger;
mod order;
mod prefix;
mod report;
#[cfg(test)]
pub(crate) mod sample;
mod snapshot;
mod spells;
mod state;
mod summary;
mod transition;
mod value;
mod whose;

pub use cost::{Cost, Limits};
pub use filter::{Filter, Netns};
pub use flow::{Ends, FlowId, IpVersion, Reading, Spell, Tally};
pub use group::{Group, Groups, grouped};
pub use ledger::Ledger;
pub use order::sort;
pub use prefix::{AddressPrefix, NotAPrefix};
pub use report::{Fit, LeftOut, OpenSpells, Report, Row, Totals};
pub use snapshot::{Blind, PassedOver, Snapshot, SpellLengths, Start};
pub use spells::{EndedSpell, SpellLog, matrix};
pub use state::{State, StateTimes};
pub use summary::{Summary, Unseen};
pub use transition::{Cause, Change, Tale, Told, Transition, UndoBy};
pub use value::Value;
pub use whose::{Name, Names, Process, Whose, Workload};
