//! The one table of what a verdict can show: its own figures, those of the watch that it
//! rests on, and whose the connection is, for which it has the fields of a row.
//! Not here: how any of it is printed.

use super::own_fields::{OWN, Own};
use super::{About, Finding};
use crate::model::{FIELDS, Field, FieldKind, IDENTITY, Lookups, Value, field};

/// One thing that a verdict can show.
#[derive(Debug, Clone, Copy)]
pub enum VerdictField {
    /// Of the connection, or of what connections have in common.
    OfRow(&'static Field),
    /// Of the verdict itself, and of what it rests on.
    Own(&'static Own),
}

/// What comma-separated values have unless told otherwise. What is new does not come in by
/// itself, so that a script that counts columns goes on working.
const USUAL: [&str; 14] = [
    "verdict",
    "second",
    "confidence",
    "end",
    "flows",
    "watched",
    "held_up",
    "recovery",
    "loss",
    "delivered",
    "retrans",
    "timeouts",
    "recoveries",
    "because",
];

impl PartialEq for VerdictField {
    /// By name, which no two share.
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for VerdictField {}

impl VerdictField {
    /// All of them: which connection, the verdict and what it rests on, the rest of a row.
    pub fn all() -> impl Iterator<Item = Self> {
        let is_identity = |field: &Field| IDENTITY.contains(&field.name);
        let rest = FIELDS.iter().filter(move |field| !is_identity(field));
        let rest = rest.filter(|field| OWN.iter().all(|own| own.name != field.name));
        let identity = IDENTITY.iter().filter_map(|name| field(name));
        identity.map(Self::OfRow).chain(OWN.iter().map(Self::Own)).chain(rest.map(Self::OfRow))
    }

    /// Those that comma-separated values have unless told otherwise, given what groups have
    /// in common, if there are groups.
    #[must_use]
    pub fn usual(key: Option<&[&'static Field]>) -> Vec<Self> {
        let identity = IDENTITY.iter().filter_map(|name| field(name));
        let whose: Vec<_> = match key {
            Some(key) => key.iter().copied().map(Self::OfRow).collect(),
            None => identity.map(Self::OfRow).collect(),
        };
        whose.into_iter().chain(USUAL.iter().filter_map(|name| Self::named(name))).collect()
    }

    /// Those that an object has unless told otherwise: all, of groups what they have in
    /// common and what the verdict rests on.
    #[must_use]
    pub fn of_object(key: Option<&[&'static Field]>) -> Vec<Self> {
        match key {
            Some(key) => {
                key.iter().copied().map(Self::OfRow).chain(OWN.iter().map(Self::Own)).collect()
            }
            None => Self::all().filter(|one| one.name() != "prefix").collect(),
        }
    }

    /// The one that is called so, with or without its unit.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|one| one.name() == name || one.key() == name)
    }

    /// What it is called on the command line and in data, there with its unit.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OfRow(field) => field.name,
            Self::Own(own) => own.name,
        }
    }

    /// Its column's title, without its unit.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::OfRow(field) => field.title,
            Self::Own(own) => own.title,
        }
    }

    /// What it is, in a line.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::OfRow(field) => field.help,
            Self::Own(own) => own.help,
        }
    }

    /// What its values are.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        match self {
            Self::OfRow(field) => field.kind,
            Self::Own(own) => own.kind,
        }
    }

    /// What it is called in data: its name, and `_ns` where it is a time.
    #[must_use]
    pub fn key(&self) -> String {
        crate::model::key(self.name(), self.kind())
    }

    /// Its text as a table has it.
    #[must_use]
    pub fn shorten(&self, text: String) -> String {
        match self {
            Self::OfRow(field) => field.shorten(text),
            Self::Own(_) => text,
        }
    }

    /// What must be looked up for it.
    #[must_use]
    pub fn lookups(&self) -> Lookups {
        match self {
            Self::OfRow(field) => field.lookups,
            Self::Own(_) => Field::NOTHING,
        }
    }

    /// What a verdict has in it.
    #[must_use]
    pub fn value(&self, finding: &Finding) -> Value {
        match (self, &finding.about) {
            (Self::Own(own), _) => (own.value)(finding),
            (Self::OfRow(field), About::Flow(row)) => field.of_row(row),
            (Self::OfRow(field), About::Group(group)) => field.of_group(group),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_of_one_each_and_helps_are_one_line() {
        let mut names = HashSet::new();
        for one in VerdictField::all() {
            assert!(names.insert(one.key()), "{}", one.key());
            assert_eq!(VerdictField::named(one.name()), Some(one));
            assert_eq!(VerdictField::named(&one.key()), Some(one));
            assert!(!one.help().is_empty() && !one.help().contains('\n'), "{}", one.name());
        }
        assert_eq!(VerdictField::named("help"), None);
        assert_eq!(VerdictField::usual(None).len(), IDENTITY.len() + USUAL.len());
    }

    #[test]
    fn every_field_of_a_row_is_one_of_a_verdict() {
        for field in FIELDS {
            assert!(VerdictField::named(field.name).is_some(), "{}", field.name);
        }
    }
}
