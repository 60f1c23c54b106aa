//! What a watch gathers of one flow, interval by interval.

use super::looks::Looks;
use super::outages::TimeoutsFollowed;
use super::reductions::WindowFollowed;
use super::{Causes, Evidence};
use crate::model::{Cause, Row, Sample, SendStats, State, Transition};

/// Of one flow.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Its intervals together; what came of it is in `stats`.
    pub(super) row: Row,
    pub(super) stats: SendStats,
    measured_ns: u64,
    /// Intervals that were not measured so far: another one may be of them as well.
    pending_ns: u64,
    pub(super) causes: Causes,
    window: WindowFollowed,
    timeouts: TimeoutsFollowed,
    looks: Looks,
    detection_ns: u64,
    repair_ns: u64,
    passed_by: u32,
    shrunk: u32,
    /// As it was last: bytes acknowledged, bytes received and since when, segment size.
    acked: Option<u64>,
    received: Option<u64>,
    received_ns: u64,
    mss: u32,
    since_ns: u64,
}

impl Gathered {
    pub(super) fn new(row: &Row, from_ns: u64) -> Self {
        let mut first = Row::new(row.id, row.connection);
        first.exact = true;
        Self {
            row: first,
            stats: SendStats::default(),
            measured_ns: 0,
            pending_ns: 0,
            causes: Causes::default(),
            window: WindowFollowed::default(),
            timeouts: TimeoutsFollowed::default(),
            looks: Looks::default(),
            detection_ns: 0,
            repair_ns: 0,
            passed_by: 0,
            shrunk: 0,
            // Of one that was there before, the first look tells what had been.
            acked: (row.id.born_ns > from_ns).then_some(0),
            received: None,
            received_ns: row.id.born_ns.max(from_ns),
            mss: 0,
            since_ns: from_ns,
        }
    }

    pub(super) fn add_row(&mut self, row: &Row) {
        let lived_ns = row.times.total_ns();
        match &row.stats {
            Some(stats) => {
                let before_ns = std::mem::take(&mut self.pending_ns);
                self.measured_ns += lived_ns + if stats.carried { before_ns } else { 0 };
                self.stats.add(stats);
            }
            None => self.pending_ns += lived_ns,
        }
        self.looks.add_rate(row);
        self.row.extend(row);
    }

    /// Whether it was measured what came of it.
    pub(super) fn measured(&self) -> bool {
        self.measured_ns > 0
    }

    pub(super) fn note(&mut self, transition: &Transition) {
        self.causes.add(transition);
        self.window.note(transition);
        self.timeouts.note(transition);
        // As far as it was watched.
        let watched_ns = transition.at_ns.saturating_sub(self.since_ns);
        let spell_ns = transition.spell_ns.min(watched_ns);
        match (transition.from, transition.to) {
            (State::Disorder, State::Recovery) => self.detection_ns += spell_ns,
            (State::Recovery, _) => self.repair_ns += spell_ns,
            _ => {}
        }
        // What was lost was lost again, and what came after it had arrived.
        let passed_by = transition.cause == Cause::RtoRepeat && transition.sacked > 0;
        self.passed_by += u32::from(passed_by);
    }

    /// What it looked like, at a transition or to a survey.
    pub(super) fn look(&mut self, sample: &Sample) {
        let Some(path) = &sample.path else {
            self.window.look(sample.at_ns, sample.cwnd, false);
            return;
        };
        // The flag stays as it was last, so something must be on its way.
        let is_limit = path.cwnd_limited && sample.in_flight > 0;
        self.window.look(sample.at_ns, sample.cwnd, is_limit);
        if sample.in_flight > 0 {
            self.window.looked_on();
        }
        // Smaller segments than before, after timeouts: the kernel has found, by probing or by
        // ICMP, that larger ones do not arrive. In the handshake it is not agreed on yet.
        let timeouts = self.causes.rto - self.causes.syn_timeout + self.causes.pmtu;
        if self.mss > 0 && path.mss < self.mss && timeouts > 0 {
            self.shrunk += 1;
        }
        self.mss = if path.bytes_acked > 0 { path.mss } else { 0 };
        let Some(receiving) = &sample.receiving else { return };
        let sending =
            self.acked.replace(path.bytes_acked).is_some_and(|acked| path.bytes_acked > acked);
        let received = receiving.bytes_received;
        if self.received.replace(received) != Some(received) && received > 0 {
            self.received_ns = sample.at_ns;
        }
        self.looks.add(sample, sending && path.bytes_acked > 1);
    }

    /// All of it, up to this instant.
    pub(super) fn evidence(&self, to_ns: u64) -> Evidence {
        let row = &self.row;
        let look = self.stats.last;
        let last = look.and_then(|look| look.receiving);
        let in_all = look.and_then(|look| Some((look.path?, look.account?[0])));
        let last_ns = look.map_or(self.received_ns, |look| look.at_ns);
        let ended_ns = if row.ended { last_ns } else { to_ns };
        let outages = self.timeouts.until(ended_ns, row.ended);
        Evidence {
            flows: 1,
            times: row.times,
            stats: self.stats,
            unanswered_ns: 0,
            measured_ns: self.measured_ns,
            causes: self.causes,
            uncertain_ns: row.uncertain_ns,
            all_told: true,
            exact: row.exact,
            estimated: false,
            waited: row.waited,
            looks: self.looks,
            buffer_full_ns: self.looks.buffer_full_ns(&self.stats, outages.total_ns),
            reductions: self.window.sums,
            outages,
            detection_ns: self.detection_ns,
            repair_ns: self.repair_ns,
            passed_by: self.passed_by,
            shrunk: self.shrunk,
            since_ns: 0,
            window_ns: 0,
            still_ns: ended_ns.saturating_sub(self.received_ns),
            errno: last.map_or(0, |last| last.error),
            errno_soft: last.map_or(0, |last| last.error_soft),
            never_answered: in_all.is_some_and(|(_, delivered)| delivered == 0),
            small_only: in_all.is_some_and(|(path, delivered)| {
                let full = u128::from(delivered) * u128::from(path.mss);
                u128::from(path.bytes_acked) * 10 <= full * 6
            }),
            keepalive: last.is_some_and(|last| last.keepalive),
            probes: last.filter(|last| last.keepalive).map_or(0, |last| last.probes_out.into()),
        }
    }
}
