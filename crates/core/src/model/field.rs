//! One thing that a row can show, and what becomes of it in a group.
//! Not here: which there are; `fields` has the table.

use super::{Group, Lookups, Row, Value};

/// What all values of a field are, where they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// What says which or of what kind: a text, an address, or a yes or no.
    Label,
    /// A label that is a number, as a port or a process id: no sum of such means anything.
    NumericLabel,
    /// How many there were in the interval; sums are of the same kind.
    Counter,
    /// How much of it there is at an instant.
    Gauge,
    /// A time, nanoseconds.
    Duration,
}

impl FieldKind {
    /// Whether its values are numbers or times: aligned to the right, the largest first.
    #[must_use]
    pub fn is_numeric(self) -> bool {
        self != Self::Label
    }
}

/// How bad news is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// Segments were lost, and retransmitted without waiting.
    Warning,
    /// The connection stood still.
    Alarm,
}

/// What a group has in place of its rows' values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The value that they share; nothing if they differ.
    Same,
    /// The sum, nothing if one is not known; of what is so or not, how often it is.
    Sum,
    /// The largest.
    Most,
    /// The smallest.
    Least,
    /// Whether it is so for all.
    All,
}

impl Merge {
    fn of(self, mut values: impl Iterator<Item = Value>) -> Value {
        match self {
            Self::Same => {
                let first = values.next().unwrap_or(Value::Nothing);
                if values.all(|value| value == first) { first } else { Value::Nothing }
            }
            Self::Sum => values
                .map(|value| match value {
                    Value::Is(is) => Value::Count(is.into()),
                    value => value,
                })
                .reduce(|sum, value| match (sum, value) {
                    (Value::Nothing, _) | (_, Value::Nothing) => Value::Nothing,
                    (sum, Value::Time(more)) => Value::Time(sum.amount() + more),
                    (sum, value) => Value::Count(sum.amount() + value.amount()),
                })
                .unwrap_or(Value::Nothing),
            Self::Most => values.filter(is_known).max().unwrap_or(Value::Nothing),
            Self::Least => values.filter(is_known).min().unwrap_or(Value::Nothing),
            Self::All => Value::Is(values.all(|value| value == Value::Is(true))),
        }
    }
}

fn is_known(value: &Value) -> bool {
    *value != Value::Nothing
}

/// One thing that a row can show.
#[derive(Debug, Clone)]
pub struct Field {
    /// What it is called on the command line and in data, there with its unit.
    pub name: &'static str,
    /// Its column's title in a table, without its unit.
    pub title: &'static str,
    /// What it is, in a line.
    pub help: &'static str,
    /// What its values are.
    pub kind: FieldKind,
    /// A value above 0 is bad news.
    pub concern: Option<Concern>,
    /// What must be looked up for it.
    pub lookups: Lookups,
    /// It is shown only where somebody names it.
    pub on_request: bool,
    /// So many of its characters are enough in a table; data has all.
    pub short: Option<usize>,
    /// What a group has in place of its rows' values.
    pub merge: Merge,
    value: fn(&Row) -> Value,
}

/// By name, which no two share.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Field {}

impl Field {
    /// Nothing must be looked up for it.
    pub const NOTHING: Lookups =
        Lookups { owners: false, cgroups: false, netns: false, costs: false };

    /// What it is called in data: its name, and `_ns` where it is a time.
    #[must_use]
    pub fn key(&self) -> String {
        key(self.name, self.kind)
    }

    /// Its text as a table has it.
    #[must_use]
    pub fn shorten(&self, text: String) -> String {
        match self.short {
            Some(most) => text.chars().take(most).collect(),
            None => text,
        }
    }

    /// What a row has in it.
    #[must_use]
    pub fn of_row(&self, row: &Row) -> Value {
        (self.value)(row)
    }

    /// What a group has in it.
    #[must_use]
    pub fn of_group(&self, group: &Group) -> Value {
        match group.key(self.name) {
            Some(key) => key.clone(),
            None => self.merge.of(group.rows.iter().map(self.value)),
        }
    }

    pub(super) const fn summed(mut self) -> Self {
        self.merge = Merge::Sum;
        self
    }

    pub(super) const fn longest(mut self) -> Self {
        self.merge = Merge::Most;
        self
    }

    pub(super) const fn shortest(mut self) -> Self {
        self.merge = Merge::Least;
        self
    }

    pub(super) const fn all(mut self) -> Self {
        self.merge = Merge::All;
        self
    }

    pub(super) const fn concerning(mut self, concern: Concern) -> Self {
        self.concern = Some(concern);
        self
    }

    pub(super) const fn wanting(mut self, lookups: Lookups) -> Self {
        self.lookups = lookups;
        self
    }

    pub(super) const fn short(mut self, characters: usize) -> Self {
        self.short = Some(characters);
        self
    }

    pub(super) const fn on_request(mut self) -> Self {
        self.on_request = true;
        self
    }
}

/// A name as data has it, with its unit where it is a time's.
pub(crate) fn key(name: &str, kind: FieldKind) -> String {
    format!("{name}{}", if kind == FieldKind::Duration { "_ns" } else { "" })
}

type Parts = (&'static str, &'static str, &'static str);

const fn new((name, title, help): Parts, kind: FieldKind, value: fn(&Row) -> Value) -> Field {
    Field {
        name,
        title,
        help,
        kind,
        concern: None,
        lookups: Field::NOTHING,
        on_request: false,
        short: None,
        merge: Merge::Same,
        value,
    }
}

pub(super) const fn label(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    value: fn(&Row) -> Value,
) -> Field {
    new((name, title, help), FieldKind::Label, value)
}

pub(super) const fn numeric_label(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    value: fn(&Row) -> Value,
) -> Field {
    new((name, title, help), FieldKind::NumericLabel, value)
}

pub(super) const fn counter(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    value: fn(&Row) -> Value,
) -> Field {
    new((name, title, help), FieldKind::Counter, value).summed()
}

pub(super) const fn gauge(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    value: fn(&Row) -> Value,
) -> Field {
    new((name, title, help), FieldKind::Gauge, value)
}

pub(super) const fn duration(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    value: fn(&Row) -> Value,
) -> Field {
    new((name, title, help), FieldKind::Duration, value)
}
