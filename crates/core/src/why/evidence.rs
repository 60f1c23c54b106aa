//! What a watch has seen of a connection.

use rustc_hash::FxHashMap;

use super::Causes;
use super::gathered::Gathered;
use super::looks::Looks;
use super::outages::Outages;
use super::reductions::{Reductions, Trigger};
use crate::model::{
    Connection, Endpoints, FlowId, Limits, Report, Row, SendStats, State, StateTimes,
};

/// So many flows are watched at most, those that have ended included; two kilobytes each.
const FLOWS_MOST: usize = 1 << 18;

/// All flows, while a watch lasts.
#[derive(Debug, Default)]
pub struct Watch {
    flows: FxHashMap<FlowId, Gathered>,
    /// There was no room for so many.
    not_taken: u64,
    /// Entries that were lost, transitions among them perhaps.
    pub dropped: u64,
    /// What was told are estimates.
    estimated: bool,
    /// When it began, and until when it has come, `CLOCK_MONOTONIC` nanoseconds.
    since_ns: u64,
    to_ns: u64,
}

impl Watch {
    /// One that begins at `since_ns`.
    #[must_use]
    pub fn new(since_ns: u64) -> Self {
        Self { since_ns, to_ns: since_ns, ..Self::default() }
    }

    /// Adds an interval. The ledger must have been asked for transitions, samples and quiet
    /// flows, and the rows be all.
    pub fn add(&mut self, report: &Report) {
        self.dropped += report.losses.entries_dropped;
        self.estimated |= report.estimated;
        for row in &report.rows {
            let since_ns = self.since_ns;
            if self.flows.len() < FLOWS_MOST || self.flows.contains_key(&row.id) {
                self.flows.entry(row.id).or_insert_with(|| Gathered::new(row, since_ns));
            } else {
                self.not_taken += u64::from(row.id.born_ns >= report.from_ns);
            }
        }
        // In the order of their times: a survey's figures bear on the next transition.
        let mut samples = report.samples.iter().peekable();
        for transition in &report.transitions {
            while let Some(sample) = samples.next_if(|sample| sample.at_ns < transition.at_ns) {
                self.look(sample);
            }
            if let Some(flow) = self.flows.get_mut(&transition.id) {
                flow.note(transition);
            }
        }
        samples.for_each(|sample| self.look(sample));
        for row in &report.rows {
            if let Some(flow) = self.flows.get_mut(&row.id) {
                flow.add_row(row);
            }
        }
        self.to_ns = report.to_ns;
    }

    fn look(&mut self, sample: &crate::model::Sample) {
        if let Some(flow) = self.flows.get_mut(&sample.id) {
            flow.look(sample);
        }
    }

    /// When it began, and until when it has come, `CLOCK_MONOTONIC` nanoseconds.
    #[must_use]
    pub fn window(&self) -> (u64, u64) {
        (self.since_ns, self.to_ns)
    }

    /// The row of each flow over all intervals, in the order of both ends, so that what is
    /// alike in all that counts is always in the same one.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let rows = self.flows.values().map(|flow| {
            let stats = (flow.measured()).then(|| Box::new(flow.stats));
            Row { stats, ..flow.row.clone() }
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable_by_key(|row| {
            let Connection { endpoints, netns, .. } = row.connection;
            let Endpoints { laddr, lport, raddr, rport, zone } = endpoints;
            (laddr, lport, raddr, rport, zone, netns, row.id)
        });
        rows.into_iter()
    }

    /// How many flows there was no room for.
    #[must_use]
    pub fn not_taken(&self) -> u64 {
        self.not_taken
    }

    /// Begins another one where this has ended.
    pub fn restart(&mut self) {
        *self = Self::new(self.to_ns);
    }

    /// Whether its SYN was not acknowledged, which counts as delivered
    /// (`tcp_clean_rtx_queue()`, `net/ipv4/tcp_input.c`): nothing was since its birth.
    fn is_unanswered(&self, row: &Row) -> bool {
        let born_in_sight = row.id.born_ns > self.since_ns && row.exact;
        born_in_sight && row.stats.as_ref().is_some_and(|stats| stats.delivered_in_all() == 0)
    }

    /// What was seen of the flow that the row is about, which is one of [`Self::rows`].
    #[must_use]
    pub fn evidence(&self, row: &Row) -> Evidence {
        let Some(flow) = self.flows.get(&row.id) else { return Evidence::default() };
        let mut evidence = flow.evidence(self.to_ns);
        if self.is_unanswered(row) {
            evidence.unanswered_ns = row.times[State::Open];
            evidence.stats.open_idle_ns = 0;
        }
        (evidence.since_ns, evidence.window_ns) = (self.since_ns, self.to_ns - self.since_ns);
        evidence.all_told = self.dropped == 0;
        evidence.exact &= self.dropped == 0;
        evidence.estimated = self.estimated;
        evidence
    }
}

/// What was seen of one flow, or of several together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // each is so or not, whatever the others
pub struct Evidence {
    /// How many flows.
    pub flows: usize,
    /// Time in each state.
    pub times: StateTimes,
    /// What came of it, as far as it was measured.
    pub stats: SendStats,
    /// So much of the time that was watched is measured, nanoseconds.
    pub measured_ns: u64,
    /// So much of the time in Open was that of flows that got no answer to their SYN,
    /// nanoseconds; it is not in the idle part of `stats`.
    pub unanswered_ns: u64,
    /// Why transitions were made.
    pub causes: Causes,
    /// How much of the time may be in a wrong state, nanoseconds.
    pub uncertain_ns: u64,
    /// Whether all causes are in it.
    pub all_told: bool,
    /// Whether nothing that bears on it went unseen.
    pub exact: bool,
    /// Whether times and causes are estimates.
    pub estimated: bool,
    /// For how long nothing had been acknowledged or sent before timeouts, by state.
    pub waited: StateTimes,
    /// What it looked like.
    pub looks: Looks,
    /// Time that the kernel's chronograph counts as sending, although the send buffer was the
    /// limit, by looks; outages apart; nanoseconds.
    pub buffer_full_ns: u64,
    /// What reductions of the window cost.
    pub reductions: Reductions,
    /// Timeouts in a row without an answer.
    pub outages: Outages,
    /// Time in Disorder before Recovery: until a loss counted as one; nanoseconds.
    pub detection_ns: u64,
    /// Time in Recovery: until it was repaired; nanoseconds.
    pub repair_ns: u64,
    /// Repeated timeouts for a segment while ones after it had arrived.
    pub passed_by: u32,
    /// How often segments became smaller after timeouts, or for an ICMP message.
    pub shrunk: u32,
    /// When the watch began, `CLOCK_MONOTONIC` nanoseconds.
    pub since_ns: u64,
    /// How long the watch was, however short the lives of several flows in it; nanoseconds.
    pub window_ns: u64,
    /// For how long nothing had come from the peer at the end, nanoseconds.
    pub still_ns: u64,
    /// What ended it: an `errno`; 0: nothing; of several flows, what is the same for all.
    pub errno: u16,
    /// What an ICMP message has said since something was last acknowledged, likewise.
    pub errno_soft: u16,
    /// Not even its SYN was ever acknowledged.
    pub never_answered: bool,
    /// No segment of full size was ever acknowledged: they had 60 % of that at most.
    pub small_only: bool,
    /// Nothing was on its way or waited at the end, so that probes were keep-alive ones.
    pub keepalive: bool,
    /// Keep-alive probes that were not answered.
    pub probes: u32,
}

impl Evidence {
    /// Of several together.
    #[must_use]
    pub fn sum<'e>(all: impl IntoIterator<Item = &'e Self>) -> Self {
        let mut sum = Self { all_told: true, exact: true, ..Self::default() };
        for one in all {
            sum.flows += one.flows;
            sum.times.add(&one.times);
            sum.stats.add(&one.stats);
            sum.measured_ns += one.measured_ns;
            sum.unanswered_ns += one.unanswered_ns;
            sum.causes.merge(&one.causes);
            sum.uncertain_ns += one.uncertain_ns;
            sum.all_told &= one.all_told;
            sum.exact &= one.exact;
            sum.estimated |= one.estimated;
            sum.waited.add(&one.waited);
            sum.looks.merge(&one.looks);
            sum.buffer_full_ns += one.buffer_full_ns;
            for (sum, one) in sum.reductions.iter_mut().zip(&one.reductions) {
                sum.merge(one);
            }
            sum.outages.merge(&one.outages);
            sum.detection_ns += one.detection_ns;
            sum.repair_ns += one.repair_ns;
            sum.passed_by += one.passed_by;
            sum.shrunk += one.shrunk;
            (sum.since_ns, sum.window_ns) = (one.since_ns, sum.window_ns.max(one.window_ns));
            sum.still_ns += one.still_ns;
            let same = |sum_errno: u16, errno| if sum_errno == errno { errno } else { 0 };
            if sum.flows == 1 {
                (sum.errno, sum.errno_soft) = (one.errno, one.errno_soft);
                (sum.never_answered, sum.small_only) = (one.never_answered, one.small_only);
            } else {
                sum.errno = same(sum.errno, one.errno);
                sum.errno_soft = same(sum.errno_soft, one.errno_soft);
                sum.never_answered &= one.never_answered;
                sum.small_only &= one.small_only;
            }
            sum.keepalive |= one.keepalive;
            sum.probes += one.probes;
        }
        sum
    }

    /// Time that was watched, all flows together, nanoseconds.
    #[must_use]
    pub fn watched_ns(&self) -> u64 {
        self.times.total_ns()
    }

    /// Which part of the time that is. What the kernel counts in ticks, and until
    /// it is asked, may come to a little more than all.
    #[must_use]
    pub fn share(&self, time_ns: u64) -> f64 {
        (time_ns as f64 / self.watched_ns().max(1) as f64).min(1.0)
    }

    /// Which part of the time that was measured that is, 0 if none was.
    #[must_use]
    pub fn share_of_measured(&self, time_ns: u64) -> f64 {
        (time_ns as f64 / self.measured_ns.max(1) as f64).min(1.0)
    }

    /// Whether it is known of all the time what came of it.
    #[must_use]
    pub fn all_measured(&self) -> bool {
        self.measured_ns == self.watched_ns()
    }

    /// Which part of what was delivered had been sent more than once.
    #[must_use]
    pub fn retransmitted_share(&self) -> f64 {
        let again = self.stats.retransmitted_in_all();
        again as f64 / (self.stats.delivered_in_all().max(again)).max(1) as f64
    }

    /// Which reductions a trigger brought about, and what they cost.
    #[must_use]
    pub fn reduced(&self, trigger: Trigger) -> &super::Reduced {
        &self.reductions[trigger as usize]
    }

    /// Bits a second that the peer acknowledged while it was watched.
    #[must_use]
    pub fn rate_bits(&self) -> f64 {
        let traffic = &self.stats.traffic;
        self.bits(traffic.acked_bytes, traffic.acked_over_ns)
    }

    /// Bits a second that came from the peer while it was watched.
    #[must_use]
    pub fn recv_rate_bits(&self) -> f64 {
        let traffic = &self.stats.traffic;
        self.bits(traffic.received_bytes, traffic.received_over_ns)
    }

    /// Between the first look and the last, or of several flows over the whole watch.
    fn bits(&self, bytes: u64, over_ns: u64) -> f64 {
        let in_ns = if self.flows > 1 { self.window_ns } else { over_ns };
        bytes as f64 * 8e9 / in_ns.max(1) as f64
    }

    /// Whether it was told how much was acknowledged.
    #[must_use]
    pub fn knows_rate(&self) -> bool {
        self.stats.traffic.acked_over_ns > 0
    }

    /// Whether it was told how much came.
    #[must_use]
    pub fn knows_recv_rate(&self) -> bool {
        self.stats.traffic.received_over_ns > 0
    }

    /// Of a time of all flows together, what it is on the mean, nanoseconds.
    #[must_use]
    pub fn mean_ns(&self, together_ns: u64) -> u64 {
        together_ns / self.flows.max(1) as u64
    }

    /// Whether it is the receiving end: most came from the peer, and more than a request.
    #[must_use]
    pub fn receives(&self) -> bool {
        let traffic = &self.stats.traffic;
        traffic.received_bytes >= 10_000 && traffic.received_bytes / 4 >= traffic.acked_bytes
    }

    /// Time that timeouts took: what was waited before the first of each, and Loss after it;
    /// without outages; nanoseconds.
    #[must_use]
    pub fn timeouts_ns(&self) -> u64 {
        let waited_ns = self.waited.total_ns() - self.waited[State::Loss];
        let all_ns = waited_ns + self.times[State::Loss];
        all_ns.saturating_sub(self.outages.total_ns)
    }

    /// Time in which something other than itself kept it from sending, by which
    /// the worst come first, nanoseconds.
    #[must_use]
    pub fn held_up_ns(&self) -> u64 {
        let Limits { rwnd_ns, sndbuf_ns, .. } = self.stats.open;
        let limited_ns = rwnd_ns + sndbuf_ns + self.buffer_full_ns;
        self.times.outside_open_ns() + self.unanswered_ns + limited_ns
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
