//! The one table of what a verdict can show: its own figures, those of the watch that it
//! rests on, and whose the connection is, for which it has the fields of a row.
//! Not here: how any of it is printed.

use super::{About, Finding};
use crate::model::{FIELDS, Field, FieldKind, IDENTITY, Lookups, State, Value, field};

/// One thing that a verdict can show.
#[derive(Debug, Clone, Copy)]
pub enum VerdictField {
    /// Of the connection, or of what connections have in common.
    OfRow(&'static Field),
    /// Of the verdict itself, and of what it rests on.
    Own(&'static Own),
}

/// One thing about a verdict itself.
#[derive(Debug)]
pub struct Own {
    name: &'static str,
    title: &'static str,
    help: &'static str,
    kind: FieldKind,
    value: fn(&Finding) -> Value,
}

const fn own(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    kind: FieldKind,
    value: fn(&Finding) -> Value,
) -> Own {
    Own { name, title, help, kind, value }
}

/// A count of the evidence's causes.
macro_rules! cause {
    ($name:literal, $title:literal, $help:literal, $field:ident) => {
        own($name, $title, $help, FieldKind::Counter, |finding| {
            Value::Count(finding.evidence.causes.$field.into())
        })
    };
}

/// A time in a state.
macro_rules! state {
    ($name:literal, $title:literal, $state:ident) => {
        own($name, $title, concat!("time in ", $title), FieldKind::Duration, |finding| {
            Value::Time(finding.evidence.times[State::$state])
        })
    };
}

/// Names that a row has as well are of the whole watch here, and 0 where it was not measured.
static OWN: [Own; 36] = [
    own("flows", "Flows", "connections", FieldKind::Counter, |finding| {
        Value::Count(finding.evidence.flows as u64)
    }),
    own("verdict", "Verdict", "what holds it up", FieldKind::Label, |finding| {
        Value::text(Some(finding.verdict.name()))
    }),
    own("second", "Second", "what holds it up besides", FieldKind::Label, |finding| {
        Value::text(finding.second.map(super::Verdict::name))
    }),
    own(
        "confidence",
        "Confidence",
        "how far that can be relied on: high, medium or low",
        FieldKind::Label,
        |finding| Value::text(Some(finding.confidence.name())),
    ),
    own(
        "end",
        "End",
        "which end the verdict speaks of: sending, receiving or both",
        FieldKind::Label,
        |finding| Value::text(Some(finding.end.name())),
    ),
    own("because", "Because", "what costs most, and how much", FieldKind::Label, |finding| {
        Value::text(Some(&*finding.because).filter(|because| !because.is_empty()))
    }),
    own("next_step", "NextStep", "what to look at next", FieldKind::Label, |finding| {
        Value::text(Some(finding.verdict.next_step()).filter(|step| !step.is_empty()))
    }),
    own(
        "watched",
        "Watched",
        "how long connections lived while watched, together",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.watched_ns()),
    ),
    own(
        "held_up",
        "HeldUp",
        "of that: outside Open, or in Open limited by window or buffer, or without an answer to the SYN",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.held_up_ns()),
    ),
    state!("open", "Open", Open),
    state!("disorder", "Disorder", Disorder),
    state!("cwr", "CWR", Cwr),
    state!("recovery", "Recovery", Recovery),
    state!("loss", "Loss", Loss),
    own(
        "rwnd_limited",
        "Rwnd",
        "time in which the receiver's window was full",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.stats.limits().rwnd_ns),
    ),
    own(
        "sndbuf_limited",
        "Sndbuf",
        "time in which the send buffer was too small",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.stats.limits().sndbuf_ns),
    ),
    own(
        "open_idle",
        "OpenIdle",
        "of Open: application-limited, nothing to send",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.stats.open_idle_ns),
    ),
    own(
        "unanswered",
        "Unanswered",
        "of Open: without an answer to the SYN",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.unanswered_ns),
    ),
    own("delivered", "Dlvd", "segments acknowledged", FieldKind::Counter, |finding| {
        Value::Count(finding.evidence.stats.delivered_in_all())
    }),
    own("retrans", "Retr", "segments retransmitted", FieldKind::Counter, |finding| {
        Value::Count(finding.evidence.stats.retransmitted_in_all())
    }),
    cause!("timeouts", "RTOs", "retransmission timeouts", rto),
    cause!("syn_timeouts", "SynRTOs", "of those, timeouts of handshakes", syn_timeout),
    cause!("pmtu", "PMTU", "packets too big for the path", pmtu),
    cause!("tfo_fails", "TFOFails", "SYNs whose data the peer did not take", tfo_fail),
    cause!(
        "recoveries",
        "Recoveries",
        "losses that acknowledgements or RACK's timer showed",
        recovery
    ),
    cause!("ecn", "ECN", "ECN marks heeded", ecn),
    cause!("local_drops", "LocalDrops", "drops in a local queue", local_drop),
    cause!("tlp", "TLP", "losses that a tail loss probe repaired", tlp),
    cause!("reorderings", "Reorderings", "SACK or reordering episodes", reordering),
    cause!("undone", "Undone", "ends of Loss or Recovery with the window restored", undo),
    cause!("recovered", "Recovered", "ends of Loss or Recovery without", recovered),
    cause!("unknown_causes", "Unknown", "transitions whose cause is not known", unknown),
    own(
        "uncertain",
        "Uncert",
        "how much time may be in a wrong state",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.uncertain_ns),
    ),
    own("outside", "Outside", "time in all states but Open", FieldKind::Duration, |finding| {
        Value::Time(finding.evidence.times.outside_open_ns())
    }),
    own(
        "measured",
        "Measured",
        "whether it is known of all the time what was sent",
        FieldKind::Label,
        |finding| Value::Is(finding.evidence.all_measured()),
    ),
    own(
        "exact",
        "Exact",
        "whether nothing that bears on it went unseen",
        FieldKind::Label,
        |finding| Value::Is(finding.evidence.exact),
    ),
];

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
