//! The one table of what a line about a transition can show: its own figures,
//! and whose it is, for which it has the fields of a row.
//! Not here: how any of it is printed.

use super::Field;
use super::field::Kind;
use super::fields::{IDENTITY, field};
use crate::model::{Row, Transition, Value};
use crate::source::Wanted;

/// One thing that a line about a transition can show.
#[derive(Debug, Clone, Copy)]
pub enum Telling {
    /// Of the flow that made it.
    OfFlow(&'static Field),
    /// Of the transition itself.
    Own(&'static Own),
}

/// One thing about a transition itself.
#[derive(Debug)]
pub struct Own {
    name: &'static str,
    title: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&Transition) -> Value,
}

const fn own(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&Transition) -> Value,
) -> Own {
    Own { name, title, help, kind, value }
}

static OWN: [Own; 15] = [
    own("at", "At", "when, CLOCK_MONOTONIC", Kind::Time, |it| Value::Time(it.at_ns)),
    own("from", "From", "the state that was left", Kind::Text, |it| {
        Value::text(Some(it.from.name()))
    }),
    own(
        "to",
        "To",
        "the state that was entered; the same where Loss was set again",
        Kind::Text,
        |it| Value::text(Some(it.to.name())),
    ),
    own("cause", "Cause", "why", Kind::Text, |it| Value::text(Some(it.cause.name()))),
    own("undo_by", "UndoBy", "with the cause undo, how that was found", Kind::Text, |it| {
        Value::text(it.cause.undo_by())
    }),
    own("spell", "Spell", "length of the spell that ended, or that goes on", Kind::Time, |it| {
        Value::Time(it.spell_ns)
    }),
    own("exact", "Exact", "whether that spell's beginning was seen", Kind::Text, |it| {
        Value::Is(it.exact)
    }),
    own("cwnd_before", "CwndBefore", "congestion window before, segments", Kind::Count, |it| {
        Value::count(it.cwnd.before)
    }),
    own("cwnd_after", "Cwnd", "congestion window after, segments", Kind::Count, |it| {
        Value::count(it.cwnd.after)
    }),
    own(
        "ssthresh_before",
        "SsthBefore",
        "slow start threshold before, segments",
        Kind::Count,
        |it| Value::count(it.ssthresh.before),
    ),
    own("ssthresh_after", "Ssth", "slow start threshold after, segments", Kind::Count, |it| {
        Value::count(it.ssthresh.after)
    }),
    own("srtt_us", "SRTT_us", "smoothed round-trip time, microseconds", Kind::Count, |it| {
        Value::count((it.srtt_us != 0).then_some(it.srtt_us))
    }),
    own("in_flight", "InFlight", "segments in flight", Kind::Count, |it| {
        Value::Count(it.in_flight.into())
    }),
    own("lost", "Lost", "segments that count as lost", Kind::Count, |it| {
        Value::Count(it.lost.into())
    }),
    own(
        "retransmitted",
        "Retr",
        "segments sent again and not yet acknowledged",
        Kind::Count,
        |it| Value::Count(it.retransmitted.into()),
    ),
];

/// Of a row's fields those that do not rest on an interval's figures, beside those
/// that say which flow it is. They are not there unless they are asked for.
const OF_FLOW: [&str; 6] = ["prefix", "netns_name", "cgroup", "unit", "container", "pod"];

impl PartialEq for Telling {
    /// By name, which no two share.
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Telling {}

impl Telling {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let own = OWN.iter().map(Self::Own);
        Self::of_flow(&IDENTITY).chain(Self::of_flow(&OF_FLOW)).chain(own)
    }

    /// Those that data has unless told otherwise.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        let (at, rest) = OWN.split_at(1);
        let own = |own: &'static [Own]| own.iter().map(Self::Own);
        own(at).chain(Self::of_flow(&IDENTITY)).chain(own(rest)).collect()
    }

    fn of_flow(names: &'static [&str]) -> impl Iterator<Item = Self> {
        names.iter().filter_map(|name| field(name)).map(Self::OfFlow)
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
            Self::OfFlow(field) => field.name,
            Self::Own(own) => own.name,
        }
    }

    /// Its column's title, without its unit.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::OfFlow(field) => field.title,
            Self::Own(own) => own.title,
        }
    }

    /// What it is, in a line.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::OfFlow(field) => field.help,
            Self::Own(own) => own.help,
        }
    }

    /// What its values are.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::OfFlow(field) => field.kind,
            Self::Own(own) => own.kind,
        }
    }

    /// What it is called in data: its name, and `_ns` where it is a time.
    #[must_use]
    pub fn key(&self) -> String {
        super::field::key(self.name(), self.kind())
    }

    /// What must be looked up for it.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        match self {
            Self::OfFlow(field) => field.wanted,
            Self::Own(_) => Field::NOTHING,
        }
    }

    /// What a transition has in it; `row` is what is known of its flow.
    #[must_use]
    pub fn value(&self, it: &Transition, row: &Row) -> Value {
        match self {
            Self::OfFlow(field) => field.of_row(row),
            Self::Own(own) => (own.value)(it),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_of_one_each_and_all_are_in_the_documentation() {
        let document = include_str!("../../docs/json.md");
        let (_, document) = document.split_once("# `tcpcong trace").expect("its part");
        let mut names = HashSet::new();
        for one in Telling::all() {
            assert!(names.insert(one.key()), "{}", one.key());
            assert_eq!(Telling::named(one.name()), Some(one));
            assert_eq!(Telling::named(&one.key()), Some(one));
            assert!(document.contains(&format!("`{}`", one.key())), "{}", one.key());
        }
        assert_eq!(names.len(), IDENTITY.len() + OF_FLOW.len() + OWN.len());
        assert_eq!(Telling::named("help"), None);
    }
}
