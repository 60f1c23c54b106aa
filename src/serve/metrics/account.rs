//! Counters since the service began: sums and reports are added up, and a snapshot is made of
//! them. Not here: any format.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::histogram::Histogram;

use super::labels::{LabelBy, Values};
use super::metric::{Label, Metric, Snapshot, Value};
use super::spells::Spells;
use super::{process, table};
use tcpcong_core::model::{
    Cause, IntervalSums, Losses, OngoingSpells, Report, Start, State, Sums, Traffic,
};
use tcpcong_core::source::SourceCost;

/// What is told of the last minute, for scrapers that come less often than updates.
const MINUTE_NS: u64 = 60_000_000_000;

/// What flows of one value add up to.
#[derive(Debug, Default)]
struct OfValue {
    /// When the value came, where that is later than the counters' beginning.
    since: Option<SystemTime>,
    sums: Sums,
}

/// All counters.
#[derive(Debug)]
pub struct Account {
    values: Values,
    by_value: BTreeMap<Arc<str>, OfValue>,
    spells: Spells,
    losses: Losses,
    /// When something was missed last, as a report told.
    inexact_ns: Option<u64>,
    /// How long the last report's interval was.
    report_ns: u64,
    ongoing: [OngoingSpells; 5],
    namespaces_unreached: usize,
    in_other: u64,
    cost: SourceCost,
    /// How much of the log was in use, bytes, in the last minute: by when.
    log_used: VecDeque<(u64, u64)>,
    updated: f64,
    updated_ns: u64,
    start: Option<Start>,
    /// When the process began, seconds since 1970.
    began: f64,
}

impl Account {
    /// Of nothing so far.
    #[must_use]
    pub fn new(values: Values, began: f64) -> Self {
        let is_one = values.limits().0 == LabelBy::Nothing;
        Self {
            values,
            // Where nothing tells series apart they are there from the beginning.
            by_value: is_one.then(|| ("".into(), OfValue::default())).into_iter().collect(),
            spells: Spells::none(),
            losses: Losses::default(),
            inexact_ns: None,
            report_ns: 0,
            ongoing: [OngoingSpells::default(); 5],
            namespaces_unreached: 0,
            in_other: 0,
            cost: SourceCost::default(),
            log_used: VecDeque::new(),
            updated: began,
            updated_ns: 0,
            start: None,
            began,
        }
    }

    /// The native histograms of spells, by state.
    #[must_use]
    pub fn spells(&self) -> [Histogram; 5] {
        self.spells.native()
    }

    /// What series are told apart by.
    #[must_use]
    pub fn label(&self) -> LabelBy {
        self.values.limits().0
    }

    /// How the run began.
    pub fn begin(&mut self, start: &Start) {
        self.namespaces_unreached = start.namespaces_unreached;
        self.updated_ns = start.at_ns;
        self.inexact_ns = (start.namespaces_unreached > 0).then_some(start.at_ns);
        self.start = Some(start.clone());
    }

    /// Adds what all flows have come to since the last call, of an interval that ends now.
    /// `listening`: whether somebody listens at a port.
    pub fn add(&mut self, sums: &IntervalSums, now: SystemTime, listening: &dyn Fn(u16) -> bool) {
        let began = now.checked_sub(Duration::from_nanos(sums.to_ns - sums.from_ns));
        self.by_value.values_mut().for_each(|one| one.sums.alive = [0; 5]);
        for one in &sums.by_key {
            // A connection that a filter does not want has come and gone.
            let is_nothing = one.sums == Sums::default();
            if is_nothing && !self.values.knows(one.key) {
                continue;
            }
            let (value, lacks_room) = self.values.of(one.key, &one.example, sums.to_ns, listening);
            if lacks_room {
                self.in_other += one.sums.started;
            }
            let came = || OfValue { since: began, sums: Sums::default() };
            self.by_value.entry(value).or_insert_with(came).sums.add(&one.sums);
        }
        for gone in self.values.expired(sums.to_ns) {
            self.by_value.remove(&gone);
        }
        sums.spells.iter().for_each(|(state, length_ns)| self.spells.count(*state, *length_ns));
        self.cost = sums.cost;
        let is_old = |at_ns: u64| at_ns + MINUTE_NS < sums.to_ns;
        self.log_used.retain(|(at_ns, _)| !is_old(*at_ns));
        self.log_used.push_back((sums.to_ns, sums.cost.log_used_bytes));
        self.updated_ns = sums.to_ns;
        self.updated = sums.at.as_nanosecond() as f64 / 1e9;
    }

    /// Adds what an interval could not show.
    pub fn add_report(&mut self, report: &Report) {
        self.losses.add(&report.losses);
        if !report.is_exact() {
            self.inexact_ns = Some(report.to_ns);
        }
        self.report_ns = report.interval_ns();
        self.ongoing = report.ongoing_spells;
        self.namespaces_unreached = report.namespaces_unreached;
    }

    /// All metrics as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let name = self.values.limits().0.name();
        for (value, OfValue { since, sums }) in &self.by_value {
            let label = name.map(|name| (name, Cow::from(value.to_string())));
            let (snapshot, label, since) = (&mut snapshot, label.as_ref(), *since);
            flows(&mut Labelled { snapshot, label, since }, sums);
        }
        self.add_spells(&mut snapshot);
        self.add_trust(&mut snapshot);
        self.add_own(&mut snapshot);
        process::add(&mut snapshot, self.began);
        snapshot
    }

    fn add_spells(&self, snapshot: &mut Snapshot) {
        for state in State::ALL {
            let lengths = Value::Lengths(self.spells.classic(state));
            snapshot.add(&table::SPELL, vec![of(state)], lengths);
            let longest = Value::seconds(self.ongoing[state as usize].longest_ns);
            snapshot.add(&table::LONGEST_ONGOING_SPELL, vec![of(state)], longest);
        }
    }

    fn add_trust(&self, snapshot: &mut Snapshot) {
        let Losses {
            flows_refused,
            births_missed,
            ends_missed,
            transitions_missed,
            events_unaccounted,
            rows_lost,
            recursion_misses,
            calls_lost,
            entries_dropped,
            lines_damaged: _,
            gaps,
            gap_ns,
            samples_late,
        } = self.losses;
        let mut add = |metric, value| snapshot.add(metric, Vec::new(), value);
        // Until the next report nobody knows better than the last.
        let window_ns = self.report_ns.max(MINUTE_NS);
        let is_recent = |at_ns: u64| at_ns.saturating_add(window_ns) >= self.updated_ns;
        let is_estimated = self.start.as_ref().is_some_and(|start| start.estimated);
        let sees_all = !is_estimated && self.namespaces_unreached == 0;
        let is_exact = sees_all && !self.inexact_ns.is_some_and(is_recent);
        add(&table::EXACT, Value::Count(is_exact.into()));
        add(&table::ESTIMATED, Value::Count(is_estimated.into()));
        add(&table::FLOWS_REFUSED, Value::Count(flows_refused));
        add(&table::BIRTHS_MISSED, Value::Count(births_missed));
        add(&table::ENDS_MISSED, Value::Count(ends_missed));
        add(&table::TRANSITIONS_MISSED, Value::Count(transitions_missed));
        add(&table::EVENTS_UNACCOUNTED, Value::Count(events_unaccounted));
        add(&table::ROWS_LOST, Value::Count(rows_lost));
        add(&table::RECURSION_MISSES, Value::Count(recursion_misses));
        add(&table::CALLS_LOST, Value::Count(calls_lost));
        add(&table::ENTRIES_DROPPED, Value::Count(entries_dropped));
        add(&table::GAPS, Value::Count(gaps));
        add(&table::GAP, Value::seconds(gap_ns));
        add(&table::SAMPLES_LATE, Value::Count(samples_late));
        add(&table::NAMESPACES_UNREACHED, Value::Count(self.namespaces_unreached as u64));
    }

    fn add_own(&self, snapshot: &mut Snapshot) {
        let version = vec![("version", Cow::from(env!("CARGO_PKG_VERSION")))];
        snapshot.add(&table::BUILD, version, Value::Count(1));
        if let Some(start) = &self.start {
            let labels = vec![
                ("attach", Cow::from(start.attach.clone())),
                ("kernel", Cow::from(start.kernel.clone())),
            ];
            snapshot.add(&table::ATTACH, labels, Value::Count(1));
            let limitations = Value::Count(start.limitations.len() as u64);
            snapshot.add(&table::LIMITATIONS, Vec::new(), limitations);
            snapshot.add(&table::LOG_SIZE, Vec::new(), Value::Count(start.buffer_bytes));
            let used = self.log_used.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
            let fill = used as f64 / start.buffer_bytes.max(1) as f64;
            snapshot.add(&table::LOG_FILL, Vec::new(), Value::Real(fill));
        }
        snapshot.add(&table::UPDATED, Vec::new(), Value::Real(self.updated));
        let (by, most) = self.values.limits();
        if let Some(name) = by.name() {
            let by = || vec![("key", Cow::from(name))];
            snapshot.add(&table::GROUPS, by(), Value::Count(self.values.count() as u64));
            snapshot.add(&table::GROUPS_LIMIT, by(), Value::Count(most as u64));
            snapshot.add(&table::FLOWS_IN_OTHER, by(), Value::Count(self.in_other));
        }
        if let Some(run_ns) = self.cost.run_ns {
            snapshot.add(&table::BPF_RUN, Vec::new(), Value::seconds(run_ns));
        }
        if let Some(runs) = self.cost.runs {
            snapshot.add(&table::BPF_RUNS, Vec::new(), Value::Count(runs));
        }
    }
}

fn of(state: State) -> Label {
    ("state", Cow::from(state.name()))
}

/// A snapshot to which values are added that have a label in common.
struct Labelled<'s> {
    snapshot: &'s mut Snapshot,
    label: Option<&'s Label>,
    since: Option<SystemTime>,
}

impl Labelled<'_> {
    fn add(
        &mut self,
        metric: &'static Metric,
        labels: impl IntoIterator<Item = Label>,
        value: Value,
    ) {
        let labels = self.label.cloned().into_iter().chain(labels).collect();
        self.snapshot.add_since(self.since, metric, labels, value);
    }

    fn count(&mut self, metric: &'static Metric, count: u64) {
        self.add(metric, [], Value::Count(count));
    }
}

/// What flows of one value add up to.
fn flows(to: &mut Labelled<'_>, sums: &Sums) {
    for state in State::ALL {
        to.add(&table::STATE, [of(state)], Value::seconds(sums.times[state]));
        to.add(&table::FLOWS, [of(state)], Value::Count(sums.alive[state as usize]));
        to.add(&table::WAITED, [of(state)], Value::seconds(sums.waited[state]));
        let delivered = Value::Count(sums.delivered[state as usize]);
        to.add(&table::DELIVERED, [of(state)], delivered);
        let retransmitted = Value::Count(sums.retransmitted[state as usize]);
        to.add(&table::RETRANSMITTED, [of(state)], retransmitted);
    }
    to.count(&table::FLOWS_STARTED, sums.started);
    to.count(&table::FLOWS_ENDED, sums.ended);
    transitions(to, sums);
    to.count(&table::RTOS, sums.rtos);
    to.count(&table::REPEATED_RTOS, sums.repeated_rtos);
    to.add(&table::UNCERTAIN, [], Value::seconds(sums.uncertain_ns));
    to.add(&table::BUSY, [], Value::seconds(sums.limits.busy_ns()));
    for (limit, ns) in [("rwnd", sums.limits.rwnd_ns), ("sndbuf", sums.limits.sndbuf_ns)] {
        to.add(&table::LIMITED, [("limit", Cow::from(limit))], Value::seconds(ns));
    }
    let Traffic { acked_bytes, received_bytes, ce, dsacks, overtaken, out_of_order, .. } =
        sums.traffic;
    to.count(&table::ACKED, acked_bytes);
    to.count(&table::RECEIVED, received_bytes);
    to.count(&table::CE, ce);
    to.count(&table::DSACK, dsacks);
    to.count(&table::OVERTAKEN, overtaken);
    to.count(&table::OUT_OF_ORDER, out_of_order);
}

/// Transitions that most machines see.
const USUAL: [(State, State, &str); 22] = [
    (State::Open, State::Disorder, "reordering"),
    (State::Open, State::Cwr, "ecn"),
    (State::Open, State::Cwr, "local-drop"),
    (State::Open, State::Cwr, "tlp"),
    (State::Open, State::Recovery, "fast-retransmit"),
    (State::Open, State::Recovery, "rack-timer"),
    (State::Open, State::Loss, "rto"),
    (State::Open, State::Loss, "syn-timeout"),
    (State::Disorder, State::Open, "recovered"),
    (State::Disorder, State::Cwr, "ecn"),
    (State::Disorder, State::Recovery, "fast-retransmit"),
    (State::Disorder, State::Recovery, "rack-timer"),
    (State::Disorder, State::Loss, "rto"),
    (State::Cwr, State::Open, "recovered"),
    (State::Cwr, State::Recovery, "fast-retransmit"),
    (State::Recovery, State::Open, "recovered"),
    (State::Recovery, State::Open, "undo"),
    (State::Recovery, State::Loss, "rto"),
    (State::Loss, State::Open, "recovered"),
    (State::Loss, State::Open, "undo"),
    (State::Loss, State::Loss, "rto-repeat"),
    (State::Loss, State::Loss, "syn-timeout"),
];

/// What undoes a Recovery, and a Loss.
const USUAL_UNDONE: [(State, &str); 5] = [
    (State::Recovery, "dsack"),
    (State::Recovery, "timestamps"),
    (State::Loss, "dsack"),
    (State::Loss, "timestamps"),
    (State::Loss, "f-rto"),
];

/// By state before, state after and cause; how an undo was found to be due is apart.
fn transitions(to: &mut Labelled<'_>, sums: &Sums) {
    // What usually comes at some time is there before, so that a rate has its first.
    let mut by_name: BTreeMap<_, u64> =
        if to.label.is_none() { USUAL.map(|usual| (usual, 0)).into() } else { BTreeMap::new() };
    let mut undone: BTreeMap<_, u64> = if to.label.is_none() {
        USUAL_UNDONE.map(|usual| (usual, 0)).into()
    } else {
        BTreeMap::new()
    };
    for ((from, into, cause), count) in &sums.transitions {
        *by_name.entry((*from, *into, cause.name())).or_default() += count;
        if matches!(cause, Cause::Undo(_)) {
            *undone.entry((*from, cause.undo_by().unwrap_or("unknown"))).or_default() += count;
        }
    }
    for ((from, into, cause), count) in by_name {
        let labels = [
            ("from", Cow::from(from.name())),
            ("to", Cow::from(into.name())),
            ("cause", Cow::from(cause)),
        ];
        to.add(&table::TRANSITIONS, labels, Value::Count(count));
    }
    for ((from, by), count) in undone {
        let labels = [("from", Cow::from(from.name())), ("how", Cow::from(by))];
        to.add(&table::UNDONE, labels, Value::Count(count));
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
