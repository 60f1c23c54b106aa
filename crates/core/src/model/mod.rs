//! What the figures mean: states, flows, the entries that tell of them, the ledger that
//! makes reports of those, and what can be asked of a report: fields, groups, order,
//! filters. No reading of the kernel here, and no formatting.

mod arrange;
mod by;
mod cause;
mod condition;
mod connection;
mod endpoint_filter;
mod entry;
mod field;
mod fields;
mod filter;
mod group;
mod ledger;
mod line;
mod lookups;
mod name;
mod ongoing;
mod order;
mod prefix;
mod report;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
mod samples;
mod send_stats;
mod spells;
mod start;
mod state;
mod summary;
mod sums;
mod time;
mod timeline;
mod transition;
mod transition_fields;
mod value;

pub use arrange::{Arrangement, Listed, Order, listed};
pub(crate) use arrange::{name_and_way, sign};
pub use by::{By, PrefixBits};
pub use condition::Condition;
pub use connection::{
    Connection, Endpoints, FlowId, IpVersion, Names, Owner, Process, Workload, is_link_local,
};
pub use endpoint_filter::{EndpointFilter, NotAnEndpoint};
pub use entry::{
    Account, Body, Entry, Figures, Kind, PathFigures, Place, Receiving, SocketEvent,
    SurveyedNamespace,
};
pub(crate) use field::key;
pub use field::{Concern, Field, FieldKind};
pub use fields::{FIELDS, IDENTITY, field};
pub use filter::{Filter, Netns, PortRange};
pub use group::{Group, Groups, grouped};
pub use ledger::{Ledger, LedgerOptions, Told};
#[cfg(feature = "recording")]
pub(crate) use line::{Address, EntryType};
pub use lookups::Lookups;
pub use name::Name;
pub use ongoing::Ongoing;
pub use order::sort;
pub use prefix::{AddressPrefix, NotAPrefix};
pub use report::{FilteredOut, Gap, Match, OngoingSpells, Report, Row, Totals};
pub use samples::Sample;
pub use send_stats::{Limits, SendStats, Traffic};
pub use spells::{Beginning, EndedSpell, matrix};
pub use start::{Losses, RejectedMethod, SpellLengths, Start};
pub use state::{State, StateTimes};
pub use summary::{Coverage, Summary};
pub use sums::{IntervalSums, KeySums, SumBy, SumKey, Sums};
pub use time::parse_time_ns;
pub use timeline::{Life, Spell, Timelines};
pub use transition::{Cause, Change, Transition, UndoBy};
pub use transition_fields::TransitionField;
pub use value::Value;
