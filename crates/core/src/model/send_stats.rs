//! What a connection's time went into, and what it sent, as the kernel itself
//! accounts for it. Not here: time by congestion state, which `StateTimes` is.

use super::{Sample, State};

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

    /// Adds what `other` holds.
    pub fn add(&mut self, other: &Self) {
        self.sending_ns += other.sending_ns;
        self.rwnd_ns += other.rwnd_ns;
        self.sndbuf_ns += other.sndbuf_ns;
    }
}

/// What went either way, and what that met with, as far as it was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From one look at the socket to another, between which what is acknowledged was,
    /// nanoseconds. That is the interval, but for what a look comes before its end; and before
    /// it where nobody has looked then. 0: nobody has told.
    pub acked_over_ns: u64,
    /// The same of what was received.
    pub received_over_ns: u64,
    /// Bytes that the peer acknowledged, a SYN as one.
    pub acked_bytes: u64,
    /// Bytes that came from the peer, in order.
    pub received_bytes: u64,
    /// Segments that arrived at the peer with an ECN mark.
    pub ce: u64,
    /// Segments that the peer reported as duplicates: they were retransmitted for nothing.
    pub dsacks: u64,
    /// Segments that had been overtaken by others.
    pub overtaken: u64,
    /// Segments with data that came from the peer.
    pub segments_in: u64,
    /// Segments that came from the peer out of order: others before them were missing.
    pub out_of_order: u64,
}

impl Traffic {
    /// Bits a second that the peer acknowledged; nothing where nobody has told.
    #[must_use]
    pub fn acked_bits(&self) -> Option<u64> {
        bits_a_second(self.acked_bytes, self.acked_over_ns)
    }

    /// Bits a second that came from the peer; nothing where nobody has told.
    #[must_use]
    pub fn received_bits(&self) -> Option<u64> {
        bits_a_second(self.received_bytes, self.received_over_ns)
    }

    /// Adds what `other` holds.
    pub fn add(&mut self, other: &Self) {
        self.acked_over_ns += other.acked_over_ns;
        self.received_over_ns += other.received_over_ns;
        self.acked_bytes = self.acked_bytes.saturating_add(other.acked_bytes);
        self.received_bytes = self.received_bytes.saturating_add(other.received_bytes);
        self.ce += other.ce;
        self.dsacks += other.dsacks;
        self.overtaken += other.overtaken;
        self.segments_in += other.segments_in;
        self.out_of_order += other.out_of_order;
    }
}

fn bits_a_second(bytes: u64, in_ns: u64) -> Option<u64> {
    let bits = 8 * u128::from(bytes);
    u64::try_from((bits * 1_000_000_000).checked_div(u128::from(in_ns))?).ok()
}

/// What came of a connection while it was observed, as it was last looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendStats {
    /// While in Open.
    pub open: Limits,
    /// While in any other state.
    pub other: Limits,
    /// Segments acknowledged, by state.
    pub delivered: [u64; 5],
    /// Segments retransmitted, by state.
    pub retransmitted: [u64; 5],
    /// Time in Open with nothing to send, nanoseconds. The kernel does not count
    /// it: it is what is left of the time in Open.
    pub open_idle_ns: u64,
    /// What went either way.
    pub traffic: Traffic,
    /// What came in intervals before, in which nobody had looked, is in it.
    pub carried: bool,
    /// What the socket looked like last; of several flows, one of them.
    pub last: Option<Sample>,
}

impl SendStats {
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

    /// Segments retransmitted, in all states.
    #[must_use]
    pub fn retransmitted_in_all(&self) -> u64 {
        self.retransmitted.iter().sum()
    }

    /// Segments acknowledged in `state`.
    #[must_use]
    pub fn delivered_in(&self, state: State) -> u64 {
        self.delivered[state as usize]
    }

    /// Segments retransmitted in `state`.
    #[must_use]
    pub fn retransmitted_in(&self, state: State) -> u64 {
        self.retransmitted[state as usize]
    }

    /// Adds what came of another.
    pub fn add(&mut self, other: &Self) {
        self.open.add(&other.open);
        self.other.add(&other.other);
        self.open_idle_ns += other.open_idle_ns;
        self.traffic.add(&other.traffic);
        self.carried |= other.carried;
        self.last = other.last.or(self.last);
        for state in 0..self.delivered.len() {
            self.delivered[state] += other.delivered[state];
            self.retransmitted[state] += other.retransmitted[state];
        }
    }
}
