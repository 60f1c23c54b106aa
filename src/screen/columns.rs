//! The screen's columns: those that are drawn, and the table's own fields. Not here: how
//! wide they become.

use tcpcong_core::model::{
    FIELDS, Field, FieldKind, Sample, SendStats, State, StateTimes, Value, field,
};

use super::history::History;
use super::list::Item;
use crate::view::harmless;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Between whom; of a group what its flows have in common.
    Flow,
    Owner,
    /// The state, and for how long it has been in it.
    State,
    /// A bar of the states in the interval.
    Bar,
    Changes,
    Rtt,
    Cwnd,
    /// Segments delivered a second.
    Rate,
    Retransmitted,
    /// One cell for each of the last intervals.
    History,
    /// One of the table's.
    Field(&'static Field),
}

/// The drawn ones, as they are shown unless told otherwise.
const DRAWN: [Column; 10] = [
    Column::Flow,
    Column::Owner,
    Column::State,
    Column::Bar,
    Column::History,
    Column::Changes,
    Column::Rtt,
    Column::Cwnd,
    Column::Rate,
    Column::Retransmitted,
];

impl Column {
    /// Those that are shown unless told otherwise.
    pub(super) fn usual() -> Vec<Self> {
        DRAWN.to_vec()
    }

    /// All there are.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let is_drawn = |field: &Field| DRAWN.iter().any(|column| column.name() == field.name);
        let fields = FIELDS.iter().filter(move |field| !is_drawn(field));
        DRAWN.into_iter().chain(fields.map(Self::Field))
    }

    /// By its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let drawn = DRAWN.into_iter().find(|column| column.name() == name);
        drawn.or_else(|| field(name).map(Self::Field))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Flow => "connection",
            Self::Owner => "owner",
            Self::State => "now",
            Self::Bar => "times",
            Self::Changes => "chgs",
            Self::Rtt => "srtt",
            Self::Cwnd => "cwnd",
            Self::Rate => "rate",
            Self::Retransmitted => "retr",
            Self::History => "history",
            Self::Field(field) => field.name,
        }
    }

    pub(super) fn title(self) -> String {
        match self {
            Self::Flow => "CONNECTION".to_owned(),
            Self::Owner => "OWNER".to_owned(),
            Self::State => "NOW".to_owned(),
            Self::Bar => "TIMES".to_owned(),
            Self::Changes => "CHGS".to_owned(),
            Self::Rtt => "SRTT_MS".to_owned(),
            Self::Cwnd => "CWND".to_owned(),
            Self::Rate => "SEG/S".to_owned(),
            Self::Retransmitted => "RETR".to_owned(),
            Self::History => "HISTORY".to_owned(),
            Self::Field(field) => {
                let unit = if field.kind == FieldKind::Duration { "_MS" } else { "" };
                format!("{}{unit}", field.title.to_uppercase())
            }
        }
    }

    pub(super) fn help(self) -> &'static str {
        match self {
            Self::Flow => "both ends, or what a group has in common",
            Self::Owner => "process that has the socket",
            Self::State => "state, and how long it has been in it",
            Self::Bar => "time in each state in the interval; sorts by time outside Open",
            Self::Changes => "transitions in the interval",
            Self::Rtt => "smoothed round-trip time, milliseconds",
            Self::Cwnd => "congestion window, segments",
            Self::Rate => "segments delivered a second in the interval",
            Self::Retransmitted => "segments retransmitted in the interval",
            Self::History => "worst state in each of the last intervals, a capital for half of it",
            Self::Field(field) => field.help,
        }
    }

    /// Whether numbers stand in it, to the right.
    pub(super) fn is_numeric(self) -> bool {
        match self {
            Self::Changes | Self::Rtt | Self::Cwnd | Self::Rate | Self::Retransmitted => true,
            Self::Field(field) => field.kind.is_numeric(),
            _ => false,
        }
    }

    /// Whether the largest come first unless told otherwise.
    pub(super) fn descends(self) -> bool {
        !matches!(self, Self::Flow | Self::Owner) && (self.is_numeric() || !self.is_field())
    }

    fn is_field(self) -> bool {
        matches!(self, Self::Field(_))
    }

    /// By what lines are sorted.
    pub(super) fn value(self, item: &Item, history: &History, number: u64) -> Value {
        match self {
            Self::Flow => match item {
                Item::Row(row) => Value::Addr(row.connection.endpoints.raddr),
                Item::Group(group) => {
                    group.key.first().map_or(Value::Nothing, |(_, value)| value.clone())
                }
            },
            Self::Owner => Value::Text(owner(item)),
            Self::State => Value::Time(worst(item).1),
            Self::Bar => Value::Time(item.times().outside_open_ns()),
            Self::Changes => {
                Value::Count(item.rows().iter().map(|row| u64::from(row.changes)).sum())
            }
            Self::Rtt => gauge(item, history, number, |sample| sample.srtt_us),
            Self::Cwnd => gauge(item, history, number, |sample| Some(sample.cwnd)),
            Self::Rate => per_second(item, history, number),
            Self::Retransmitted => stats(item, SendStats::retransmitted_in_all),
            Self::History => {
                let ids = item.ids();
                let band = history.band(&ids, number).flatten();
                Value::Time(band.map(|times| times.outside_open_ns()).sum())
            }
            Self::Field(field) => item.field(field),
        }
    }

    /// What stands in it, but for what is drawn.
    pub(super) fn text(self, item: &Item, history: &History, number: u64) -> String {
        match self {
            Self::Flow => flow(item),
            Self::Owner => owner(item),
            Self::Field(field) => match item.field(field) {
                Value::Text(text) => harmless(&field.shorten(text)),
                value => text(&value),
            },
            Self::Rtt => match self.value(item, history, number) {
                Value::Count(us) => format!("{:.1}", us as f64 / 1e3),
                _ => "-".to_owned(),
            },
            _ => text(&self.value(item, history, number)),
        }
    }
}

/// A value as it is shown: times in milliseconds.
fn text(value: &Value) -> String {
    match value {
        Value::Is(is) => (if *is { "yes" } else { "no" }).to_owned(),
        Value::Count(number) => short(*number),
        Value::Time(ns) => (ns / 1_000_000).to_string(),
        Value::Addr(address) => address.to_string(),
        Value::Prefix(prefix) => prefix.to_string(),
        Value::Text(text) => harmless(text),
        Value::Nothing => "-".to_owned(),
    }
}

/// A number in six characters at most, below a million million.
fn short(number: u64) -> String {
    match number {
        0..=99_999 => number.to_string(),
        100_000..=9_999_999 => format!("{}k", number / 1_000),
        _ => format!("{}M", number / 1_000_000),
    }
}

fn flow(item: &Item) -> String {
    match item {
        Item::Row(row) => {
            let endpoints = &row.connection.endpoints;
            let names = &row.names;
            harmless(&format!("{} → {}", endpoints.local(names), endpoints.remote(names)))
        }
        Item::Group(group) => {
            let known = group.key.iter().filter(|(_, value)| *value != Value::Nothing);
            let key: Vec<_> = known.map(|(_, value)| text(value)).collect();
            let key = if key.is_empty() { "not known".to_owned() } else { key.join(" ") };
            format!("{key} ({})", group.rows.len())
        }
    }
}

/// What of it is most worth showing where there is little room.
pub(super) fn short_flow(item: &Item) -> String {
    match item {
        Item::Row(row) => {
            let endpoints = &row.connection.endpoints;
            harmless(&format!("{} → {}", endpoints.lport, endpoints.remote(&row.names)))
        }
        Item::Group(_) => flow(item),
    }
}

fn owner(item: &Item) -> String {
    let mut owners = item.rows().iter().map(|row| row.connection.owner.process);
    let first = owners.next().flatten();
    let same = owners.all(|owner| owner == first);
    match first {
        Some(process) if same => {
            let comm = process.comm.map(|comm| harmless(&comm.to_string())).unwrap_or_default();
            format!("{comm}/{}", process.pid)
        }
        Some(_) => "several".to_owned(),
        None => "-".to_owned(),
    }
}

/// The worst state that a flow of it is in, and for how long the one is that has been in
/// it longest.
pub(super) fn worst(item: &Item) -> (State, u64) {
    let rows = item.rows().iter();
    let states = rows.map(|row| (row.state, row.spell_ns));
    states.max().unwrap_or((State::Open, 0))
}

/// The only flow's.
fn gauge(
    item: &Item,
    history: &History,
    number: u64,
    of: impl Fn(&Sample) -> Option<u32>,
) -> Value {
    match item {
        Item::Row(row) => Value::count(history.sample(row.id, number).and_then(of)),
        Item::Group(_) => Value::Nothing,
    }
}

/// The sum, if it is known of all.
fn stats(item: &Item, of: impl Fn(&SendStats) -> u64) -> Value {
    let amounts = item.rows().iter().map(|row| row.stats.as_deref().map(&of));
    Value::count(amounts.sum::<Option<u64>>())
}

fn per_second(item: &Item, history: &History, number: u64) -> Value {
    let Some(kept) = history.get(number) else { return Value::Nothing };
    let interval_ns = kept.report.interval_ns().max(1);
    match stats(item, SendStats::delivered_in_all) {
        Value::Count(segments) => {
            let rate = u128::from(segments) * 1_000_000_000 / u128::from(interval_ns);
            Value::Count(u64::try_from(rate).unwrap_or(u64::MAX))
        }
        other => other,
    }
}

/// A bar of so many cells: each state has its share of them, and one at least if it has
/// any time.
pub(super) fn bar(times: &StateTimes, cells: usize) -> Vec<State> {
    let total = times.total_ns();
    if total == 0 || cells == 0 {
        return Vec::new();
    }
    let mut counts = State::ALL.map(|state| {
        let share = u128::from(times[state]) * cells as u128 / u128::from(total);
        usize::try_from(share).unwrap_or(0).max(usize::from(times[state] > 0))
    });
    // What rounding has left over or taken too much is the largest one's.
    let largest = (0..5).max_by_key(|state| counts[*state]).unwrap_or(0);
    let others: usize = counts.iter().sum::<usize>() - counts[largest];
    counts[largest] = cells.saturating_sub(others).max(1);
    let filled = State::ALL.iter().zip(counts).flat_map(|(state, count)| vec![*state; count]);
    let mut filled: Vec<_> = filled.collect();
    // Where there is no room for all the worst are shown.
    filled.drain(..filled.len().saturating_sub(cells));
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_asked_and_shows_every_state_that_there_was() {
        let shown = |times: [u64; 5], cells| -> String {
            bar(&StateTimes(times), cells).into_iter().map(|state: State| state.letter()).collect()
        };
        assert_eq!(shown([100, 0, 0, 0, 0], 6), "OOOOOO");
        assert_eq!(shown([999, 0, 0, 1, 0], 6), "OOOOOR");
        assert_eq!(shown([1, 1, 1, 1, 996], 6), "ODCRLL");
        assert_eq!(shown([50, 0, 0, 50, 0], 4), "OORR");
        assert_eq!(shown([1, 1, 1, 1, 1], 3), "CRL", "no room for all");
        assert_eq!(shown([0; 5], 4), "");
    }

    #[test]
    fn names_are_of_one_column_each() {
        let mut names: Vec<_> = Column::all().map(Column::name).collect();
        assert!(
            names.iter().all(|name| Column::named(name).is_some_and(|one| one.name() == *name))
        );
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
