//! Arranges a report for all views alike: puts rows together, in order, and
//! lists the first. Not here: which rows there are, which filters decide.

use std::fmt;

use super::By;
use super::field::Field;
use super::fields::field;
use super::{Group, Groups, Report, Row, Value, grouped, sort};

/// By which column, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub field: &'static Field,
    /// The largest first.
    pub descending: bool,
}

impl Order {
    /// Of a column's name: numbers from the largest on, texts from the first
    /// letter on; after `+` from the smallest on, after `-` from the largest on.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, descending) = name_and_way(text);
        let field = field(name)?;
        Some(Self { field, descending: descending.unwrap_or(field.kind.is_numeric()) })
    }
}

/// As `+COLUMN` or `-COLUMN`.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", sign(self.descending), self.field.name)
    }
}

/// A column's name, and whether the largest is to be first, where that is said.
pub(crate) fn name_and_way(text: &str) -> (&str, Option<bool>) {
    match text.split_at_checked(1) {
        Some(("+", name)) => (name, Some(false)),
        Some(("-", name)) => (name, Some(true)),
        _ => (text, None),
    }
}

/// How that is said.
pub(crate) fn sign(descending: bool) -> char {
    if descending { '-' } else { '+' }
}

/// How a report is listed. By default every row, in the model's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// Rows are put together.
    pub by: Option<By>,
    /// Rows or groups are in this order; those alike as without it.
    pub order: Option<Order>,
    /// So many are listed at most.
    pub top: Option<usize>,
}

impl Arrangement {
    /// Does it to a report from the model.
    pub fn apply(&self, report: &mut Report) {
        if let Some(by) = &self.by {
            let mut groups = grouped(std::mem::take(&mut report.rows), |row| by.of_row(row));
            let in_all = groups.len();
            self.list(&mut groups, Field::of_group);
            report.groups = Some(Groups { listed: groups, in_all });
        } else {
            self.list(&mut report.rows, Field::of_row);
        }
    }

    fn list<T>(&self, items: &mut Vec<T>, value: impl Fn(&Field, &T) -> Value) {
        if let Some(Order { field, descending }) = self.order {
            sort(items, descending, |item| value(field, item));
        }
        items.truncate(self.top.unwrap_or(usize::MAX));
    }
}

/// What is listed: a row, or a group.
#[derive(Debug, Clone, Copy)]
pub enum Listed<'r> {
    /// A flow.
    Row(&'r Row),
    /// Several.
    Group(&'r Group),
}

impl Listed<'_> {
    /// Its value in a column.
    #[must_use]
    pub fn value(self, field: &Field) -> Value {
        match self {
            Self::Row(row) => field.of_row(row),
            Self::Group(group) => field.of_group(group),
        }
    }
}

/// Everything that a report lists.
pub fn listed(report: &Report) -> impl Iterator<Item = Listed<'_>> {
    let groups = report.groups.iter().flat_map(|groups| &groups.listed);
    report.rows.iter().map(Listed::Row).chain(groups.map(Listed::Group))
}

#[cfg(test)]
#[path = "arrange_tests.rs"]
mod tests;
