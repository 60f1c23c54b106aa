//! What a watch has seen of a connection.

use std::collections::HashMap;

use crate::model::{Cause, FlowId, Limits, Row, SendStats, State, StateTimes, Transition};

/// How often each cause came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Causes {
    /// Timeouts, first and further ones.
    pub rto: u32,
    /// Of those, timeouts of handshakes.
    pub syn_timeout: u32,
    /// Packets too big for the path.
    pub pmtu: u32,
    /// Data of a SYN that the peer did not take.
    pub tfo_fail: u32,
    /// Losses that acknowledgements or RACK's timer showed.
    pub recovery: u32,
    /// ECN marks.
    pub ecn: u32,
    /// Drops in a local queue.
    pub local_drop: u32,
    /// Losses that a tail loss probe repaired.
    pub tlp: u32,
    /// Acknowledgements out of order.
    pub reordering: u32,
    /// Endpoints of Loss or Recovery with the window restored.
    pub undo: u32,
    /// Of those, ends of Loss.
    pub undo_of_loss: u32,
    /// Endpoints of Loss or Recovery without.
    pub recovered: u32,
    /// Of those, ends of Loss.
    pub recovered_of_loss: u32,
    /// What could not be told.
    pub unknown: u32,
}

impl Causes {
    fn add(&mut self, transition: &Transition) {
        let count = match transition.cause {
            Cause::Rto | Cause::RtoRepeat => &mut self.rto,
            Cause::SynTimeout => {
                self.syn_timeout += 1;
                &mut self.rto
            }
            Cause::Pmtu => &mut self.pmtu,
            Cause::FastRetransmit | Cause::RackTimer => &mut self.recovery,
            Cause::Ecn => &mut self.ecn,
            Cause::LocalDrop => &mut self.local_drop,
            Cause::Tlp => &mut self.tlp,
            Cause::Reordering => &mut self.reordering,
            Cause::TfoFail => &mut self.tfo_fail,
            Cause::Undo(_) => {
                self.undo_of_loss += u32::from(transition.from == State::Loss);
                &mut self.undo
            }
            Cause::Recovered if matches!(transition.from, State::Loss | State::Recovery) => {
                self.recovered_of_loss += u32::from(transition.from == State::Loss);
                &mut self.recovered
            }
            Cause::Recovered => return,
            Cause::Unknown => &mut self.unknown,
        };
        *count += 1;
    }

    fn merge(&mut self, other: &Self) {
        let Self {
            rto,
            syn_timeout,
            pmtu,
            tfo_fail,
            recovery,
            ecn,
            local_drop,
            tlp,
            reordering,
            undo,
            undo_of_loss,
            recovered,
            recovered_of_loss,
            unknown,
        } = other;
        self.rto += rto;
        self.syn_timeout += syn_timeout;
        self.pmtu += pmtu;
        self.tfo_fail += tfo_fail;
        self.recovery += recovery;
        self.ecn += ecn;
        self.local_drop += local_drop;
        self.tlp += tlp;
        self.reordering += reordering;
        self.undo += undo;
        self.undo_of_loss += undo_of_loss;
        self.recovered += recovered;
        self.recovered_of_loss += recovered_of_loss;
        self.unknown += unknown;
    }
}

/// The causes of all flows, while a watch lasts.
#[derive(Debug, Default)]
pub struct Watch {
    causes: HashMap<FlowId, Causes>,
    /// Entries that were lost, transitions among them perhaps.
    pub dropped: u64,
    /// When it began, `CLOCK_MONOTONIC` nanoseconds.
    since_ns: u64,
}

impl Watch {
    /// One that begins at `since_ns`.
    #[must_use]
    pub fn new(since_ns: u64) -> Self {
        Self { since_ns, ..Self::default() }
    }

    /// Notes one transition.
    pub fn note(&mut self, transition: &Transition) {
        self.causes.entry(transition.id).or_default().add(transition);
    }

    /// Whether its SYN was not acknowledged, which counts as delivered
    /// (`tcp_clean_rtx_queue()`, `net/ipv4/tcp_input.c`): nothing was since its birth.
    fn is_unanswered(&self, row: &Row) -> bool {
        let born_in_sight = row.id.born_ns > self.since_ns && row.exact;
        born_in_sight && row.stats.as_ref().is_some_and(|stats| stats.delivered_in_all() == 0)
    }

    /// What was seen of the flow that the row is about.
    #[must_use]
    pub fn evidence(&self, row: &Row) -> Evidence {
        let mut stats = row.stats.as_deref().copied().unwrap_or_default();
        let mut unanswered_ns = 0;
        if self.is_unanswered(row) {
            (stats.open_idle_ns, unanswered_ns) = (0, row.times[State::Open]);
        }
        Evidence {
            flows: 1,
            times: row.times,
            stats,
            unanswered_ns,
            measured_ns: if row.stats.is_some() { row.times.total_ns() } else { 0 },
            causes: self.causes.get(&row.id).copied().unwrap_or_default(),
            uncertain_ns: row.uncertain_ns,
            all_told: self.dropped == 0,
            exact: row.exact && self.dropped == 0,
        }
    }
}

/// What was seen of one flow, or of several together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

    /// Time in which something other than itself kept it from sending, by which
    /// the worst come first, nanoseconds.
    #[must_use]
    pub fn held_up_ns(&self) -> u64 {
        let Limits { rwnd_ns, sndbuf_ns, .. } = self.stats.open;
        self.times.outside_open_ns() + self.unanswered_ns + rwnd_ns + sndbuf_ns
    }
}
