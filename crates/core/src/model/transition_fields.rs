//! The one table of what a line about a transition can show: its own figures,
//! and whose it is, for which it has the fields of a row.
//! Not here: how any of it is printed.

use super::field::{self, Field, FieldKind};
use super::fields::{self, IDENTITY};
use super::{Lookups, Row, Transition, Value};

/// One thing that a line about a transition can show.
#[derive(Debug, Clone, Copy)]
pub enum TransitionField {
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
    kind: FieldKind,
    value: fn(&Transition) -> Value,
}

const fn own(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    kind: FieldKind,
    value: fn(&Transition) -> Value,
) -> Own {
    Own { name, title, help, kind, value }
}

static OWN: [Own; 21] = [
    own("at", "At", "when, CLOCK_MONOTONIC", FieldKind::Duration, |transition| {
        Value::Time(transition.at_ns)
    }),
    own("from", "From", "the state that was left", FieldKind::Label, |transition| {
        Value::text(Some(transition.from.name()))
    }),
    own(
        "to",
        "To",
        "the state that was entered; the same where Loss was set again",
        FieldKind::Label,
        |transition| Value::text(Some(transition.to.name())),
    ),
    own("cause", "Cause", "why", FieldKind::Label, |transition| {
        Value::text(Some(transition.cause.name()))
    }),
    own(
        "undo_by",
        "UndoBy",
        "with the cause undo, how that was found",
        FieldKind::Label,
        |transition| Value::text(transition.cause.undo_by()),
    ),
    own(
        "spell",
        "Spell",
        "length of the spell that ended, or of the ongoing one",
        FieldKind::Duration,
        |transition| Value::Time(transition.spell_ns),
    ),
    own(
        "exact",
        "Exact",
        "whether that spell's beginning was seen",
        FieldKind::Label,
        |transition| Value::Is(transition.exact),
    ),
    own(
        "cwnd_before",
        "CwndBefore",
        "congestion window before, segments",
        FieldKind::Gauge,
        |transition| Value::count(transition.cwnd.before),
    ),
    own(
        "cwnd_after",
        "Cwnd",
        "congestion window after, segments",
        FieldKind::Gauge,
        |transition| Value::count(transition.cwnd.after),
    ),
    own(
        "ssthresh_before",
        "SsthBefore",
        "slow start threshold before, segments",
        FieldKind::Gauge,
        |transition| Value::count(transition.ssthresh.before),
    ),
    own(
        "ssthresh_after",
        "Ssth",
        "slow start threshold after, segments",
        FieldKind::Gauge,
        |transition| Value::count(transition.ssthresh.after),
    ),
    own(
        "srtt_us",
        "SRTT_us",
        "smoothed round-trip time, microseconds",
        FieldKind::Gauge,
        |transition| Value::count((transition.srtt_us != 0).then_some(transition.srtt_us)),
    ),
    own("in_flight", "InFlight", "segments in flight", FieldKind::Gauge, |transition| {
        Value::Count(transition.in_flight.into())
    }),
    own("lost", "Lost", "segments that count as lost", FieldKind::Gauge, |transition| {
        Value::Count(transition.lost.into())
    }),
    own(
        "retransmitted",
        "Retr",
        "segments retransmitted and not yet acknowledged",
        FieldKind::Gauge,
        |transition| Value::Count(transition.retransmitted.into()),
    ),
    own(
        "waited",
        "Waited",
        "of a timeout: since the last acknowledgement or transmission",
        FieldKind::Duration,
        |transition| transition.waited_ns.map_or(Value::Nothing, Value::Time),
    ),
    own(
        "rtt_min_us",
        "RTTmin_us",
        "the least round-trip time in five minutes, microseconds",
        FieldKind::Gauge,
        |transition| Value::count(transition.path.and_then(|path| path.rtt_min())),
    ),
    own(
        "delivery_rate",
        "DlvRate",
        "the kernel's last rate sample, bits a second",
        FieldKind::Gauge,
        |transition| Value::count(transition.path.and_then(|path| path.delivery_rate_bits())),
    ),
    own(
        "cwnd_limited",
        "CwndLim",
        "whether the congestion window was the limit",
        FieldKind::Label,
        |transition| transition.path.map_or(Value::Nothing, |path| Value::Is(path.cwnd_limited)),
    ),
    own(
        "app_limited",
        "AppLim",
        "whether the last rate sample had too little to send",
        FieldKind::Label,
        |transition| transition.path.map_or(Value::Nothing, |path| Value::Is(path.app_limited)),
    ),
    own("unsent", "Unsent", "bytes that wait to be sent", FieldKind::Gauge, |transition| {
        Value::count(transition.path.map(|path| path.unsent))
    }),
];

/// Of a row's fields those that do not rest on an interval's figures, beside those
/// that say which flow it is. They are not there unless they are asked for.
const OF_FLOW: [&str; 6] = ["prefix", "netns_name", "cgroup", "unit", "container", "pod"];

impl PartialEq for TransitionField {
    /// By name, which no two share.
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for TransitionField {}

impl TransitionField {
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
        names.iter().filter_map(|name| fields::field(name)).map(Self::OfFlow)
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
    pub fn kind(&self) -> FieldKind {
        match self {
            Self::OfFlow(field) => field.kind,
            Self::Own(own) => own.kind,
        }
    }

    /// What it is called in data: its name, and `_ns` where it is a time.
    #[must_use]
    pub fn key(&self) -> String {
        field::key(self.name(), self.kind())
    }

    /// Its text as a table has it.
    #[must_use]
    pub fn shorten(&self, text: String) -> String {
        match self {
            Self::OfFlow(field) => field.shorten(text),
            Self::Own(_) => text,
        }
    }

    /// What must be looked up for it.
    #[must_use]
    pub fn lookups(&self) -> Lookups {
        match self {
            Self::OfFlow(field) => field.lookups,
            Self::Own(_) => Field::NOTHING,
        }
    }

    /// What a transition has in it; `row` is what is known of its flow.
    #[must_use]
    pub fn value(&self, transition: &Transition, row: &Row) -> Value {
        match self {
            Self::OfFlow(field) => field.of_row(row),
            Self::Own(own) => (own.value)(transition),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_of_one_each() {
        let mut names = HashSet::new();
        for one in TransitionField::all() {
            assert!(names.insert(one.key()), "{}", one.key());
            assert_eq!(TransitionField::named(one.name()), Some(one));
            assert_eq!(TransitionField::named(&one.key()), Some(one));
        }
        assert_eq!(names.len(), IDENTITY.len() + OF_FLOW.len() + OWN.len());
        assert_eq!(TransitionField::named("help"), None);
    }
}
