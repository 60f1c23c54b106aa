//! The one table of what each metric is called in OpenTelemetry, which docs/otlp.md follows. Where
//! its conventions have a name it is that; a unit is UCUM's. Not here: values.

use crate::serve::metrics::{Metric, table};

/// Kinds of instruments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instrument {
    /// It only grows.
    Counter,
    /// It goes both ways, and adds up over machines.
    UpDownCounter,
    /// It goes both ways, and does not.
    Gauge,
    /// How often there was which length.
    Histogram,
}

/// What a metric is in OpenTelemetry.
#[derive(Debug, Clone, Copy)]
pub(super) enum Name {
    /// A metric.
    Metric {
        name: &'static str,
        unit: &'static str,
        instrument: Instrument,
        /// Labels, and the attributes that they are.
        attributes: &'static [(&'static str, &'static str)],
    },
    /// None: something else says the same.
    Said(#[allow(dead_code, reason = "docs/otlp.md is held to it")] &'static str),
}

/// What is retransmitted, by why: an attribute of transitions whose cause says it.
pub(super) const RETRANSMIT_TYPE: &str = "network.tcp.retransmit.type";
/// The causes that say it, by the label's value.
pub(super) const RETRANSMIT_TYPES: [(&str, &str); 7] = [
    ("fast-retransmit", "fast"),
    ("rack-timer", "fast"),
    ("tlp", "tail_loss_probe"),
    ("rto", "timeout"),
    ("rto-repeat", "timeout"),
    ("syn-timeout", "timeout"),
    ("undo", "spurious"),
];

/// The labels that `--by` adds, and the attributes that they are.
pub(super) const BY: [(&str, &str); 7] = [
    ("cgroup", "tcpcong.cgroup"),
    ("unit", "tcpcong.unit"),
    ("pod", "tcpcong.pod"),
    ("prefix", "tcpcong.prefix"),
    ("lport", "tcpcong.lport"),
    ("cc", "tcpcong.cc"),
    ("netns", "tcpcong.netns"),
];

const STATE: &[(&str, &str)] = &[("state", "tcpcong.state")];
const GROUPED: &[(&str, &str)] = &[("key", "tcpcong.group.by")];

/// Shorter than the variant, so that the table is one.
const fn to(
    name: &'static str,
    unit: &'static str,
    instrument: Instrument,
    attributes: &'static [(&'static str, &'static str)],
) -> Name {
    Name::Metric { name, unit, instrument, attributes }
}

use Instrument::{Counter, Gauge, Histogram, UpDownCounter};

#[rustfmt::skip]
pub(super) static NAMES: &[(&Metric, Name)] = &[
    (&table::STATE, to("tcpcong.state.time", "s", Counter, STATE)),
    (&table::FLOWS, to("tcpcong.flow.count", "{flow}", UpDownCounter, STATE)),
    (&table::FLOWS_STARTED, to("tcpcong.flow.started", "{flow}", Counter, &[])),
    (&table::FLOWS_ENDED, to("tcpcong.flow.ended", "{flow}", Counter, &[])),
    (&table::TRANSITIONS, to("tcpcong.state.transitions", "{transition}", Counter,
        &[("from", "tcpcong.state.from"), ("to", "tcpcong.state.to"), ("cause", "tcpcong.cause")])),
    (&table::UNDONE, to("tcpcong.reduction.undone", "{reduction}", Counter,
        &[("from", "tcpcong.state.from"), ("how", "tcpcong.undo.by")])),
    (&table::RTOS, to("tcpcong.rto.timeouts", "{timeout}", Counter, &[])),
    (&table::REPEATED_RTOS, to("tcpcong.rto.repeats", "{timeout}", Counter, &[])),
    (&table::WAITED, to("tcpcong.rto.waited", "s", Counter, STATE)),
    (&table::UNCERTAIN, to("tcpcong.uncertain.time", "s", Counter, &[])),
    (&table::SPELL, to("tcpcong.spell.duration", "s", Histogram, STATE)),
    (&table::LONGEST_ONGOING_SPELL, to("tcpcong.spell.longest_ongoing", "s", Gauge, STATE)),
    (&table::BUSY, to("tcpcong.busy.time", "s", Counter, &[])),
    (&table::LIMITED, to("tcpcong.limited.time", "s", Counter, &[("limit", "tcpcong.limit")])),
    (&table::DELIVERED, to("tcpcong.segment.delivered", "{segment}", Counter, STATE)),
    (&table::RETRANSMITTED, to("system.network.tcp.retransmits", "{segment}", Counter, STATE)),
    (&table::ACKED, to("tcpcong.acked", "By", Counter, &[])),
    (&table::RECEIVED, to("tcpcong.received", "By", Counter, &[])),
    (&table::CE, to("tcpcong.segment.ce", "{segment}", Counter, &[])),
    (&table::DSACK, to("tcpcong.segment.dsack", "{segment}", Counter, &[])),
    (&table::OVERTAKEN, to("tcpcong.segment.overtaken", "{segment}", Counter, &[])),
    (&table::OUT_OF_ORDER, to("tcpcong.segment.out_of_order", "{segment}", Counter, &[])),
    (&table::EXACT, to("tcpcong.exact", "{flag}", Gauge, &[])),
    (&table::ESTIMATED, to("tcpcong.estimated", "{flag}", Gauge, &[])),
    (&table::FLOWS_REFUSED, to("tcpcong.flow.refused", "{flow}", Counter, &[])),
    (&table::BIRTHS_MISSED, to("tcpcong.missed.births", "{flow}", Counter, &[])),
    (&table::ENDS_MISSED, to("tcpcong.missed.ends", "{flow}", Counter, &[])),
    (&table::TRANSITIONS_MISSED, to("tcpcong.missed.transitions", "{transition}", Counter, &[])),
    (&table::EVENTS_UNACCOUNTED, to("tcpcong.missed.events", "{event}", Counter, &[])),
    (&table::ROWS_LOST, to("tcpcong.lost.rows", "{row}", Counter, &[])),
    (&table::RECURSION_MISSES, to("tcpcong.bpf.recursion_misses", "{run}", Counter, &[])),
    (&table::CALLS_LOST, to("tcpcong.lost.calls", "{call}", Counter, &[])),
    (&table::ENTRIES_DROPPED, to("tcpcong.log.dropped", "{entry}", Counter, &[])),
    (&table::GAPS, to("tcpcong.log.gaps", "{gap}", Counter, &[])),
    (&table::GAP, to("tcpcong.log.gap.time", "s", Counter, &[])),
    (&table::SAMPLES_LATE, to("tcpcong.sample.late", "{sample}", Counter, &[])),
    (&table::NAMESPACES_UNREACHED, to("tcpcong.namespace.unreached", "{namespace}", Gauge, &[])),
    (&table::BUILD, Name::Said("the resource's `service.version`")),
    (&table::ATTACH, to("tcpcong.attach", "{hook}", Gauge,
        &[("attach", "tcpcong.attach.hook"), ("kernel", "tcpcong.kernel")])),
    (&table::LIMITATIONS, to("tcpcong.limitation.count", "{limitation}", Gauge, &[])),
    (&table::UPDATED, Name::Said("each point's time")),
    (&table::GROUPS, to("tcpcong.group.count", "{group}", Gauge, GROUPED)),
    (&table::GROUPS_LIMIT, to("tcpcong.group.limit", "{group}", Gauge, GROUPED)),
    (&table::FLOWS_IN_OTHER, to("tcpcong.flow.in_other", "{flow}", Counter, GROUPED)),
    (&table::LOG_SIZE, to("tcpcong.log.limit", "By", UpDownCounter, &[])),
    (&table::LOG_FILL, to("tcpcong.log.utilization", "1", Gauge, &[])),
    (&table::BPF_RUN, to("tcpcong.bpf.time", "s", Counter, &[])),
    (&table::BPF_RUNS, to("tcpcong.bpf.runs", "{run}", Counter, &[])),
    (&table::HTTP_REQUESTS, to("tcpcong.http.requests", "{request}", Counter,
        &[("code", "tcpcong.http.status_class")])),
    (&table::HTTP_REJECTED, to("tcpcong.http.rejected", "{connection}", Counter,
        &[("reason", "tcpcong.http.reason")])),
    (&table::OTLP_EXPORTS, to("tcpcong.otlp.exports", "{export}", Counter,
        &[("result", "tcpcong.otlp.result")])),
    (&table::LINES_WRITTEN, to("tcpcong.line.written", "{line}", Counter, &[])),
    (&table::LINES_DROPPED, to("tcpcong.line.dropped", "{line}", Counter, &[])),
    (&table::PROCESS_CPU, to("process.cpu.time", "s", Counter, &[])),
    (&table::PROCESS_MEMORY, to("process.memory.usage", "By", UpDownCounter, &[])),
    (&table::PROCESS_FDS, to("process.unix.file_descriptor.count", "{file_descriptor}", UpDownCounter, &[])),
    (&table::PROCESS_START, Name::Said("each point's start time")),
];

/// What this metric is called.
pub(super) fn of(metric: &'static Metric) -> Option<&'static Name> {
    NAMES.iter().find(|(named, _)| std::ptr::eq(*named, metric)).map(|(_, name)| name)
}

/// The attribute that a label is.
pub(super) fn attribute(
    attributes: &'static [(&'static str, &'static str)],
    label: &'static str,
) -> &'static str {
    let found = attributes.iter().chain(&BY).find(|(known, _)| *known == label);
    found.map_or(label, |(_, attribute)| attribute)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::serve::metrics::{Kind, Unit};

    #[test]
    fn every_metric_has_a_name_of_the_same_kind_and_unit() {
        for metric in table::ALL {
            let name = of(metric).unwrap_or_else(|| panic!("{}", metric.name));
            let Name::Metric { unit, instrument, .. } = name else { continue };
            let fits = match metric.kind {
                Kind::Counter => *instrument == Counter,
                Kind::Histogram => *instrument == Histogram,
                Kind::Gauge | Kind::Info => matches!(instrument, Gauge | UpDownCounter),
            };
            assert!(fits, "{}: {instrument:?}", metric.name);
            let fits = match metric.unit {
                Unit::Seconds | Unit::TimestampSeconds => *unit == "s",
                Unit::Bytes => *unit == "By",
                Unit::Ratio => *unit == "1",
                Unit::None => *unit == "1" || unit.starts_with('{'),
            };
            assert!(fits, "{}: {unit}", metric.name);
        }
        assert_eq!(NAMES.len(), table::ALL.len());
    }

    #[test]
    fn no_name_is_also_the_beginning_of_others() {
        let names: Vec<_> = NAMES
            .iter()
            .filter_map(|(_, name)| match name {
                Name::Metric { name, .. } => Some(*name),
                Name::Said(_) => None,
            })
            .collect();
        for name in &names {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || b"._".contains(&byte)));
            let within = format!("{name}.");
            assert!(!names.iter().any(|other| other.starts_with(&within)), "{name}");
        }
    }

    /// The rows of docs/otlp.md that begin so, each as its cells.
    fn rows(beginning: &str) -> BTreeMap<String, Vec<String>> {
        let text = include_str!("../../../docs/otlp.md");
        let rows = text.lines().filter(|line| line.starts_with(&format!("| `{beginning}")));
        rows.map(|row| {
            let mut cells = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
            (cells.next().unwrap_or_default(), cells.collect())
        })
        .collect()
    }

    #[test]
    fn the_documentation_has_every_name_and_no_other() {
        let mut documented: BTreeMap<_, _> = rows("tcpcong_").into_iter().collect();
        documented.extend(rows("process_"));
        for (metric, name) in NAMES {
            let row = documented.remove(&format!("`{}`", metric.full_name()));
            let expected = match name {
                Name::Said(by) => {
                    vec![(*by).to_owned(), String::new(), String::new(), String::new()]
                }
                Name::Metric { name, unit, instrument, attributes } => {
                    let attributes: Vec<_> =
                        attributes.iter().map(|(_, attribute)| format!("`{attribute}`")).collect();
                    let unit = format!("`{unit}`");
                    vec![
                        format!("`{name}`"),
                        format!("{instrument:?}"),
                        unit,
                        attributes.join(", "),
                    ]
                }
            };
            assert_eq!(row, Some(expected), "{}", metric.full_name());
        }
        assert!(documented.is_empty(), "{documented:?}");
        let text = include_str!("../../../docs/otlp.md");
        for (left, right) in RETRANSMIT_TYPES.iter().chain(&BY) {
            assert!(text.contains(&format!("| `{left}` | `{right}` |")), "{left} {right}");
        }
    }
}
