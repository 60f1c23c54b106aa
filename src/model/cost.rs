//! What a connection's time went into, and what it sent, as the kernel itself
//! accounts for it. Not here: time by congestion state, which `StateTimes` is.

use super::State;

/// The kernel's counters have 32 bits, and go round.
const COUNTER: u64 = u32::MAX as u64;

/// What kept a connection from sending, or that nothing did, nanoseconds. The
/// kernel counts in ticks (`tcp_get_info_chrono_stats()`, `net/ipv4/tcp.c`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Data was on its way, and neither of the others was to blame.
    pub sending_ns: u64,
    /// The receiver's window was full.
    pub rwnd_ns: u64,
    /// The send buffer was too small.
    pub sndbuf_ns: u64,
}

impl Limits {
    /// All of it: data was on its way, or ready to go.
    #[must_use]
    pub fn busy_ns(&self) -> u64 {
        self.sending_ns + self.rwnd_ns + self.sndbuf_ns
    }

    fn add(&mut self, other: &Self) {
        self.sending_ns += other.sending_ns;
        self.rwnd_ns += other.rwnd_ns;
        self.sndbuf_ns += other.sndbuf_ns;
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            sending_ns: self.sending_ns.saturating_sub(earlier.sending_ns),
            rwnd_ns: self.rwnd_ns.saturating_sub(earlier.rwnd_ns),
            sndbuf_ns: self.sndbuf_ns.saturating_sub(earlier.sndbuf_ns),
        }
    }
}

/// What came of a connection while it was observed, as it was last looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// While in Open.
    pub open: Limits,
    /// While in any other state.
    pub other: Limits,
    /// Segments acknowledged, by state.
    pub delivered: [u64; 5],
    /// Segments sent again, by state.
    pub retransmitted: [u64; 5],
    /// Time in Open with nothing to send, nanoseconds. The kernel does not count
    /// it: it is what [`Cost::settle`] finds left.
    pub open_idle_ns: u64,
    /// How long after its record's beginning a flow's account was opened, as of
    /// one whose first event came late, nanoseconds: what came before is not in it.
    pub late_ns: u64,
}

impl Cost {
    /// In all states.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            sending_ns: self.open.sending_ns + self.other.sending_ns,
            rwnd_ns: self.open.rwnd_ns + self.other.rwnd_ns,
            sndbuf_ns: self.open.sndbuf_ns + self.other.sndbuf_ns,
        }
    }

    /// Segments acknowledged, in all states.
    #[must_use]
    pub fn delivered_in_all(&self) -> u64 {
        self.delivered.iter().sum()
    }

    /// Segments sent again, in all states.
    #[must_use]
    pub fn retransmitted_in_all(&self) -> u64 {
        self.retransmitted.iter().sum()
    }

    /// Segments acknowledged in `state`.
    #[must_use]
    pub fn delivered_in(&self, state: State) -> u64 {
        self.delivered[state as usize]
    }

    /// Segments sent again in `state`.
    #[must_use]
    pub fn retransmitted_in(&self, state: State) -> u64 {
        self.retransmitted[state as usize]
    }

    /// Finds the idle part of the `open_ns` that were spent in Open so far.
    /// `before`: what it was. That is counted to the nanosecond and the rest in
    /// ticks, a moment later, so what is left may seem to have shrunk: it stays.
    pub fn settle(&mut self, open_ns: u64, before: Option<&Self>) {
        let left_ns = open_ns.saturating_sub(self.open.busy_ns());
        self.open_idle_ns = before.map_or(left_ns, |before| left_ns.max(before.open_idle_ns));
    }

    /// Adds what came of another.
    pub fn add(&mut self, other: &Self) {
        self.open.add(&other.open);
        self.other.add(&other.other);
        self.open_idle_ns += other.open_idle_ns;
        for state in 0..self.delivered.len() {
            self.delivered[state] += other.delivered[state];
            self.retransmitted[state] += other.retransmitted[state];
        }
    }

    /// What has come since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let gained = |now: &[u64; 5], before: &[u64; 5]| {
            std::array::from_fn(|state| now[state].wrapping_sub(before[state]) & COUNTER)
        };
        Self {
            open: self.open.since(&earlier.open),
            other: self.other.since(&earlier.other),
            delivered: gained(&self.delivered, &earlier.delivered),
            retransmitted: gained(&self.retransmitted, &earlier.retransmitted),
            open_idle_ns: self.open_idle_ns.saturating_sub(earlier.open_idle_ns),
            late_ns: 0,
        }
    }
}
