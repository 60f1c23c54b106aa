//! One thing that a row can show, and what becomes of it in a group.
//! Not here: which there are; `fields` has the table.

use anstyle::AnsiColor;

use crate::model::{Group, Row, Value};
use crate::source::Wanted;

/// What all values of a field are, where they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text, an address, or a yes or no.
    Text,
    /// A number.
    Count,
    /// A time.
    Time,
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
    pub kind: Kind,
    /// What a value above 0 is coloured, where there is colour.
    pub colour: Option<AnsiColor>,
    /// What must be looked up for it.
    pub wanted: Wanted,
    /// It is shown only where somebody names it.
    pub on_request: bool,
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
    pub const NOTHING: Wanted =
        Wanted { owners: false, cgroups: false, netns: false, costs: false };

    /// What it is called in data: its name, and `_ns` where it is a time.
    #[must_use]
    pub fn key(&self) -> String {
        key(self.name, self.kind)
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

    pub(super) const fn all(mut self) -> Self {
        self.merge = Merge::All;
        self
    }

    pub(super) const fn coloured(mut self, colour: AnsiColor) -> Self {
        self.colour = Some(colour);
        self
    }

    pub(super) const fn wanting(mut self, wanted: Wanted) -> Self {
        self.wanted = wanted;
        self
    }

    pub(super) const fn on_request(mut self) -> Self {
        self.on_request = true;
        self
    }
}

/// A name as data has it, with its unit where it is a time's.
pub(super) fn key(name: &str, kind: Kind) -> String {
    format!("{name}{}", if kind == Kind::Time { "_ns" } else { "" })
}

type Parts = (&'static str, &'static str, &'static str);

const fn new((name, title, help): Parts, kind: Kind, value: fn(&Row) -> Value) -> Field {
    Field {
        name,
        title,
        help,
        kind,
        colour: None,
        wanted: Field::NOTHING,
        on_request: false,
        merge: Merge::Same,
        value,
    }
}

pub(super) const fn text(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    value: fn(&Row) -> Value,
) -> Field {
    new((name, title, help), Kind::Text, value)
}

pub(super) const fn count(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    value: fn(&Row) -> Value,
) -> Field {
    new((name, title, help), Kind::Count, value)
}

pub(super) const fn time(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    value: fn(&Row) -> Value,
) -> Field {
    new((name, title, help), Kind::Time, value)
}
