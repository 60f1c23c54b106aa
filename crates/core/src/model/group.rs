//! Groups: rows that have something in common, put together.
//! Not here: what that is, nor how figures of several rows become one.

use std::collections::BTreeMap;

use super::{Row, Value};

/// Rows with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they have in common, by the columns' names.
    pub key: Vec<(&'static str, Value)>,
    /// The rows, in the order in which they came; one at least.
    pub rows: Vec<Row>,
}

impl Group {
    /// What they have in common in this column, if it is part of the key.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&Value> {
        self.key.iter().find(|(column, _)| *column == name).map(|(_, value)| value)
    }
}

/// A report's groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Those that are listed.
    pub listed: Vec<Group>,
    /// How many there are.
    pub in_all: usize,
}

/// Puts the rows together that have the same key. The groups are in the order
/// of their keys; one whose key is not known is a group of its own.
#[must_use]
pub fn grouped(rows: Vec<Row>, key: impl Fn(&Row) -> Vec<(&'static str, Value)>) -> Vec<Group> {
    let mut groups: BTreeMap<_, Vec<Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups.into_iter().map(|(key, rows)| Group { key, rows }).collect()
}
