//! Metrics: what there are, the counters, and the formats of Prometheus. Not here: who asks for
//! them.

mod account;
mod encode;
mod labels;
mod metric;
mod process;
mod spells;
pub(super) mod table;

pub use account::Account;
pub use encode::{Format, Scraped};
pub use labels::{LabelBy, Values};
pub use metric::{Family, Kind, Label, Lengths, Metric, Point, Snapshot, Unit, Value};
pub use spells::BOUNDS;
