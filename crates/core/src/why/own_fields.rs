//! The table of what a verdict has of its own: what it says, and the evidence of the watch.
//! Not here: what it has of the connection, which `fields` adds.

use super::{Finding, Verdict};
use crate::model::{FieldKind, State, Value};

/// One thing about a verdict itself.
#[derive(Debug)]
pub struct Own {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: FieldKind,
    pub(super) value: fn(&Finding) -> Value,
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
pub(super) static OWN: &[Own] = &[
    own("flows", "Flows", "connections", FieldKind::Counter, |finding| {
        Value::Count(finding.evidence.flows as u64)
    }),
    own("verdict", "Verdict", "what holds it up", FieldKind::Label, |finding| {
        Value::text(Some(finding.judgement.verdict.name()))
    }),
    own("second", "Second", "what holds it up besides", FieldKind::Label, |finding| {
        Value::text(finding.judgement.second.map(Verdict::name))
    }),
    own(
        "confidence",
        "Confidence",
        "how far that can be relied on: high, medium or low",
        FieldKind::Label,
        |finding| Value::text(Some(finding.judgement.confidence.name())),
    ),
    own(
        "end",
        "End",
        "which end the verdict speaks of: sending, receiving or both",
        FieldKind::Label,
        |finding| Value::text(Some(finding.judgement.verdict.end().name())),
    ),
    own("because", "Because", "what costs most, and how much", FieldKind::Label, |finding| {
        Value::text(Some(&*finding.judgement.because))
    }),
    own("next_step", "NextStep", "what to look at next", FieldKind::Label, |finding| {
        Value::text(finding.judgement.verdict.next_step())
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
        "buffer_full",
        "BufFull",
        "besides, time that the kernel counts as sending, with the send buffer full by looks",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.buffer_full_ns),
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
        "cost",
        "Cost",
        "what the first cost, of the time watched",
        FieldKind::Duration,
        |finding| {
            // What ends a connection costs all of it.
            Value::Time(finding.judgement.cost_ns.min(finding.evidence.watched_ns()))
        },
    ),
    own("rate", "Rate", "bits a second that the peer acknowledged", FieldKind::Gauge, |finding| {
        let knows = finding.evidence.knows_rate();
        told(knows, || bits(finding.evidence.rate_bits()))
    }),
    own(
        "recv_rate",
        "RecvRate",
        "bits a second that came from the peer",
        FieldKind::Gauge,
        |finding| {
            let knows = finding.evidence.knows_recv_rate();
            told(knows, || bits(finding.evidence.recv_rate_bits()))
        },
    ),
    own(
        "srtt_mean",
        "SRTTmean",
        "smoothed round-trip time, the mean of the looks while it sent",
        FieldKind::Duration,
        |finding| microseconds(finding.evidence.looks.srtt_mean_us()),
    ),
    own(
        "queueing",
        "Queueing",
        "by how much that is longer than the least round-trip time",
        FieldKind::Duration,
        |finding| {
            let looks = &finding.evidence.looks;
            if looks.rtt_min_us == 0 {
                return Value::Nothing;
            }
            Value::Time(u64::from(looks.queueing_us()) * 1000)
        },
    ),
    own(
        "waited",
        "Waited",
        "before timeouts: since the last acknowledgement or transmission",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.waited.total_ns()),
    ),
    own(
        "detection",
        "Detection",
        "time in Disorder before Recovery: until a loss counted as one",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.detection_ns),
    ),
    own(
        "outages",
        "Outages",
        "timeouts in a row without an answer, two or more",
        FieldKind::Counter,
        |finding| Value::Count(finding.evidence.outages.count.into()),
    ),
    own("outage", "Outage", "time in outages", FieldKind::Duration, |finding| {
        Value::Time(finding.evidence.outages.total_ns)
    }),
    own(
        "outage_at",
        "OutageAt",
        "when the longest outage began, CLOCK_MONOTONIC",
        FieldKind::Duration,
        |finding| {
            let outages = &finding.evidence.outages;
            if outages.count == 0 { Value::Nothing } else { Value::Time(outages.longest_from_ns) }
        },
    ),
    own(
        "reductions",
        "Reductions",
        "reductions of the congestion window",
        FieldKind::Counter,
        |finding| {
            let counts = finding.evidence.reductions.iter().map(|one| u64::from(one.count));
            Value::Count(counts.sum())
        },
    ),
    own(
        "below",
        "Below",
        "time in which the window was smaller than before a reduction",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.reductions.iter().map(|one| one.below_ns).sum()),
    ),
    own(
        "deficit",
        "Deficit",
        "that time by how much smaller it was: a second at half of it is half a second",
        FieldKind::Duration,
        |finding| Value::Time(finding.evidence.reductions.iter().map(|one| one.deficit_ns).sum()),
    ),
    own(
        "unread_most",
        "UnreadMost",
        "the most bytes that the application had not read",
        FieldKind::Gauge,
        |finding| Value::Count(finding.evidence.looks.unread_most.into()),
    ),
    own(
        "errno",
        "Errno",
        "what ended it, or an ICMP message said: an errno",
        FieldKind::NumericLabel,
        |finding| Value::count(Some(finding.evidence.errno).filter(|errno| *errno > 0)),
    ),
    own("probes", "Probes", "keep-alive probes without an answer", FieldKind::Counter, |finding| {
        Value::Count(finding.evidence.probes.into())
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

/// Nothing where nobody has told.
fn told(is_known: bool, value: impl FnOnce() -> u64) -> Value {
    if is_known { Value::Count(value()) } else { Value::Nothing }
}

/// Whole bits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // no rate is below 0
fn bits(rate: f64) -> u64 {
    rate.round() as u64
}

fn microseconds(us: u32) -> Value {
    if us == 0 { Value::Nothing } else { Value::Time(u64::from(us) * 1000) }
}
