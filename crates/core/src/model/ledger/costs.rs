//! What came of one flow by the kernel's own account: the differences of accounts, by
//! the state in which they came.

use crate::model::{
    Account, Figures, Limits, PathFigures, Receiving, Sample, SendStats, State, Traffic,
};

/// An account that was opened so late says too little of what was before: later than
/// one in so many parts of the interval, and than seeding mostly takes, nanoseconds.
const LATE_ONE_IN: u64 = 20;
const LATE_NS: u64 = 100_000_000;

/// What was told last of a flow's cumulative counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// Its account.
    pub account: Account,
    /// On the way to the peer.
    pub path: Option<PathFigures>,
    /// From the peer.
    pub receiving: Option<Receiving>,
}

impl Told {
    /// Of a flow that begins: an accepted one has no account yet.
    pub(super) fn at_birth(account: Option<Account>) -> Self {
        Self {
            account: account.unwrap_or_default(),
            path: Some(PathFigures::default()),
            receiving: Some(Receiving::default()),
        }
    }

    /// Of a flow that is met; nothing if its account is not known.
    pub(super) fn of(figures: &Figures) -> Option<Self> {
        let Figures { account, path, receiving, .. } = *figures;
        account.map(|account| Self { account, path, receiving })
    }
}

/// One flow's.
#[derive(Debug)]
pub(super) struct Costs {
    last: Told,
    last_ns: u64,
    /// When the counters of each way were told.
    path_ns: u64,
    receiving_ns: u64,
    /// Since when it is known.
    since_ns: u64,
    /// Time in spells in Open that have ended, and what of all in Open was not idle.
    open_ns: u64,
    busy_ns: u64,
    /// Of the rest so much was shown, in this interval and before.
    idle_ns: u64,
    /// The interval was asked for and not measured: what came in it is the next one's.
    owed: bool,
    /// In this interval.
    interval: u32,
    stats: SendStats,
}

/// What has come since the figures before, in the state in which the flow was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    pub(super) state: State,
    pub(super) limits: Limits,
    pub(super) delivered: u64,
    pub(super) retransmitted: u64,
    pub(super) traffic: Traffic,
}

/// The spell that goes on, and the interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present {
    pub(super) state: State,
    pub(super) since_ns: u64,
    pub(super) interval: u32,
    pub(super) from_ns: u64,
}

impl Costs {
    /// Opens the account: what came before is not charged to anything.
    pub(super) fn new(told: Told, at_ns: u64, interval: u32) -> Self {
        Self {
            last: told,
            last_ns: at_ns,
            path_ns: at_ns,
            receiving_ns: at_ns,
            since_ns: at_ns,
            open_ns: 0,
            busy_ns: 0,
            idle_ns: 0,
            owed: false,
            interval,
            stats: SendStats::default(),
        }
    }

    /// What was told last, and when that was.
    pub(super) fn last(&self) -> (u64, Told) {
        (self.last_ns, self.last)
    }

    /// Books what has come since the last figures as having come in the present state.
    pub(super) fn charge(
        &mut self,
        figures: &Figures,
        sample: Sample,
        now: Present,
        tick_ns: u64,
    ) -> Charge {
        self.enter(now);
        let mut charge = Charge {
            state: now.state,
            limits: Limits::default(),
            delivered: 0,
            retransmitted: 0,
            traffic: Traffic::default(),
        };
        if let Some(account) = figures.account {
            self.charge_account(account, sample.at_ns, &mut charge, tick_ns);
        }
        if let Some(path) = figures.path {
            self.charge_path(&path, sample.at_ns, &mut charge.traffic);
        }
        if let Some(receiving) = figures.receiving {
            self.charge_receiving(&receiving, sample.at_ns, &mut charge.traffic);
        }
        self.stats.traffic.add(&charge.traffic);
        let receiving = sample.receiving.or(self.last.receiving);
        self.stats.last = Some(Sample { receiving, ..sample });
        charge
    }

    fn charge_path(&mut self, path: &PathFigures, at_ns: u64, traffic: &mut Traffic) {
        let over_ns = at_ns.saturating_sub(std::mem::replace(&mut self.path_ns, at_ns));
        if let Some(last) = self.last.path.replace(*path) {
            traffic.acked_over_ns += over_ns;
            traffic.acked_bytes = path.bytes_acked.saturating_sub(last.bytes_acked);
            traffic.ce += more(path.delivered_ce, last.delivered_ce);
            traffic.dsacks += more(path.dsack_dups, last.dsack_dups);
            traffic.overtaken += more(path.reord_seen, last.reord_seen);
        }
    }

    fn charge_receiving(&mut self, receiving: &Receiving, at_ns: u64, traffic: &mut Traffic) {
        let over_ns = at_ns.saturating_sub(std::mem::replace(&mut self.receiving_ns, at_ns));
        if let Some(last) = self.last.receiving.replace(*receiving) {
            traffic.received_over_ns += over_ns;
            traffic.received_bytes = receiving.bytes_received.saturating_sub(last.bytes_received);
            traffic.segments_in += more(receiving.data_segs_in, last.data_segs_in);
            traffic.out_of_order += more(receiving.rcv_ooopack, last.rcv_ooopack);
        }
    }

    fn charge_account(&mut self, account: Account, at_ns: u64, charge: &mut Charge, tick_ns: u64) {
        let state = charge.state;
        let last = self.last.account;
        let ticks: [u64; 3] =
            std::array::from_fn(|kind| more(account.chrono[kind], last.chrono[kind]));
        let [sending_ns, rwnd_ns, sndbuf_ns] = ticks.map(|ticks| ticks.saturating_mul(tick_ns));
        charge.limits = Limits { sending_ns, rwnd_ns, sndbuf_ns };
        charge.delivered = more(account.delivered, last.delivered);
        charge.retransmitted = more(account.retransmitted, last.retransmitted);
        let limits =
            if state == State::Open { &mut self.stats.open } else { &mut self.stats.other };
        limits.add(&charge.limits);
        if state == State::Open {
            self.busy_ns += charge.limits.busy_ns();
        }
        self.stats.delivered[state as usize] += charge.delivered;
        self.stats.retransmitted[state as usize] += charge.retransmitted;
        self.last.account = account;
        self.last_ns = at_ns;
    }

    /// A spell in Open has ended, after so long.
    pub(super) fn end_open(&mut self, length_ns: u64) {
        self.open_ns += length_ns;
    }

    /// What came in the interval up to `to_ns`, of a flow that was born at `born_ns`;
    /// nothing if it is known of too small a part of it, or nobody has looked since
    /// `measured_ns`. `open_ns`: of the spell that goes on, if it is in Open.
    pub(super) fn of_interval(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        born_ns: u64,
        measured_ns: u64,
        open_ns: u64,
    ) -> Option<Box<SendStats>> {
        self.settle(open_ns);
        let late_ns = LATE_NS.max((to_ns - from_ns) / LATE_ONE_IN);
        let is_whole = self.since_ns < from_ns.max(born_ns) + late_ns;
        let is_measured = self.last_ns >= measured_ns;
        self.owed = is_whole && !is_measured;
        (is_whole && is_measured).then(|| Box::new(self.stats))
    }

    /// Begins the interval, if it has begun since the last time.
    pub(super) fn enter(&mut self, now: Present) {
        if self.interval == now.interval {
            return;
        }
        let is_open = now.state == State::Open;
        self.settle(if is_open { now.from_ns.saturating_sub(now.since_ns) } else { 0 });
        self.interval = now.interval;
        if std::mem::take(&mut self.owed) {
            self.stats.carried = true;
        } else {
            self.stats = SendStats::default();
        }
    }

    /// Finds what is left of the time in Open. That is counted to the nanosecond and the
    /// rest in ticks, so what is left may seem to have shrunk: it stays.
    fn settle(&mut self, open_ns: u64) {
        let left_ns = (self.open_ns + open_ns).saturating_sub(self.busy_ns).max(self.idle_ns);
        self.stats.open_idle_ns += left_ns - self.idle_ns;
        self.idle_ns = left_ns;
    }
}

/// By how much a counter has grown that goes round. One that has fallen, because the
/// reading before was of a moment later, has not grown.
fn more(now: u32, before: u32) -> u64 {
    let more = now.wrapping_sub(before);
    if more.cast_signed() < 0 { 0 } else { more.into() }
}
