//! What a flow looked like whenever it was looked at: sums over the surveys of a watch. Not
//! here: what follows from them.

use super::reductions::has_queue;
use super::weigh::part;
use crate::model::{PathFigures, Row, Sample, SendStats};

/// Sums over the looks at one flow, or at several.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Looks {
    /// How often it was looked at.
    pub count: u32,
    /// How often something had been acknowledged since the look before: of these are the
    /// figures down to `buffer_full`.
    pub sending: u32,
    /// Smoothed round-trip times, added up, microseconds.
    pub srtt_sum_us: u64,
    /// The least round-trip time that the kernel has, microseconds; 0: none.
    pub rtt_min_us: u32,
    /// How often packets waited in a queue.
    pub queued: u32,
    /// How often they waited for twice the least round trip, and for 25 ms.
    pub bloated: u32,
    /// How often the congestion window was the limit.
    pub cwnd_limited: u32,
    /// How often there was too little to send for the rate sample.
    pub app_limited: u32,
    /// How often something was on its way.
    pub busy: u32,
    /// How often, of those, the send buffer was the limit: full, and all of it sent.
    pub buffer_full: u32,
    /// Congestion windows, added up, segments.
    pub cwnd_sum: u64,
    /// How often the application had left something unread.
    pub unread: u32,
    /// How often that was three times what might still come, or more.
    pub full: u32,
    /// The most that was unread, bytes.
    pub unread_most: u32,
    /// The largest window that was offered, bytes; of several flows all of theirs.
    pub window_most: u32,
    /// The round-trip time as the receiver sees it, microseconds; 0: not known.
    pub rcv_rtt_us: u32,
    /// The receive buffer was set by `SO_RCVBUF`.
    pub buffer_locked: bool,
    /// What `SO_MAX_PACING_RATE` allows, bytes a second.
    pub max_pacing_rate: Option<u64>,
    /// Intervals in which something was acknowledged, the rates in them added up, and their
    /// squares, Mbit/s.
    pub rates: [f64; 3],
}

impl Looks {
    /// Adds what a survey has found. `sending`: something was acknowledged since the last.
    pub(super) fn add(&mut self, sample: &Sample, sending: bool) {
        self.count += 1;
        if let (true, Some(path)) = (sending, &sample.path) {
            self.sending += 1;
            self.cwnd_sum += u64::from(sample.cwnd);
            self.cwnd_limited += u32::from(path.cwnd_limited);
            self.app_limited += u32::from(path.app_limited);
            self.busy += u32::from(sample.in_flight > 0);
            self.buffer_full += u32::from(is_buffer_full(sample, path));
            let least = path.rtt_min().unwrap_or(0);
            self.rtt_min_us = least_known(self.rtt_min_us, least);
            let srtt = sample.srtt_us.unwrap_or(0);
            self.srtt_sum_us += u64::from(srtt);
            self.queued += u32::from(least > 0 && has_queue(srtt, least, sample.cwnd));
            let waits_us = srtt.saturating_sub(least);
            self.bloated += u32::from(least > 0 && waits_us >= least.saturating_mul(2).max(25_000));
        }
        if let Some(receiving) = &sample.receiving {
            self.unread += u32::from(receiving.unread > 0);
            let full = receiving.unread > 0 && receiving.unread / 3 >= receiving.window;
            self.full += u32::from(full);
            self.unread_most = self.unread_most.max(receiving.unread);
            self.window_most = self.window_most.max(receiving.window);
            self.rcv_rtt_us = least_known(self.rcv_rtt_us, receiving.rcv_rtt_us / 8);
            self.buffer_locked = receiving.buffer_locked;
            self.max_pacing_rate = receiving.max_pacing_rate;
        }
    }

    /// Adds how fast it was in an interval.
    pub(super) fn add_rate(&mut self, row: &Row) {
        let Some(traffic) = row.stats.as_ref().map(|stats| stats.traffic) else { return };
        // A SYN counts as one.
        if traffic.acked_bytes > 1 && traffic.acked_over_ns > 0 {
            let rate = traffic.acked_bytes as f64 * 8000.0 / traffic.acked_over_ns as f64;
            self.rates = [self.rates[0] + 1.0, self.rates[1] + rate, self.rates[2] + rate * rate];
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sending += other.sending;
        self.srtt_sum_us += other.srtt_sum_us;
        self.rtt_min_us = least_known(self.rtt_min_us, other.rtt_min_us);
        self.queued += other.queued;
        self.bloated += other.bloated;
        self.cwnd_limited += other.cwnd_limited;
        self.app_limited += other.app_limited;
        self.busy += other.busy;
        self.buffer_full += other.buffer_full;
        self.cwnd_sum += other.cwnd_sum;
        self.unread += other.unread;
        self.full += other.full;
        self.unread_most = self.unread_most.max(other.unread_most);
        // What comes to several together has the windows of all.
        self.window_most = self.window_most.saturating_add(other.window_most);
        self.rcv_rtt_us = least_known(self.rcv_rtt_us, other.rcv_rtt_us);
        self.buffer_locked |= other.buffer_locked;
        self.max_pacing_rate = self.max_pacing_rate.max(other.max_pacing_rate);
        for (sum, more) in self.rates.iter_mut().zip(other.rates) {
            *sum += more;
        }
    }

    /// How much of the time that one flow's chronograph counts as sending its send buffer was the
    /// limit, outages apart: as much as the share of looks that found it full, less what the
    /// chronograph has noticed; nanoseconds.
    pub(super) fn buffer_full_ns(&self, stats: &SendStats, outages_ns: u64) -> u64 {
        if self.busy < 2 {
            return 0;
        }
        // No look in an outage counts, and all of one is outside Open.
        let sending_ns = stats.open.sending_ns + stats.other.sending_ns.saturating_sub(outages_ns);
        let noticed_ns = stats.limits().sndbuf_ns;
        let full = f64::from(self.buffer_full) / f64::from(self.busy);
        part(sending_ns + noticed_ns, full).saturating_sub(noticed_ns).min(sending_ns)
    }

    /// The mean smoothed round-trip time, microseconds; 0: not known.
    #[must_use]
    pub fn srtt_mean_us(&self) -> u32 {
        let mean = self.srtt_sum_us.checked_div(self.sending.into()).unwrap_or(0);
        u32::try_from(mean).unwrap_or(u32::MAX)
    }

    /// How long packets waited in queues on the mean, microseconds.
    #[must_use]
    pub fn queueing_us(&self) -> u32 {
        if self.rtt_min_us == 0 { 0 } else { self.srtt_mean_us().saturating_sub(self.rtt_min_us) }
    }

    /// How much the rate went up and down: its standard deviation in parts of its mean;
    /// nothing of fewer than three intervals.
    #[must_use]
    pub fn rate_variation(&self) -> Option<f64> {
        let [count, sum, squares] = self.rates;
        let mean = sum / count;
        (count >= 3.0 && mean > 0.0).then(|| (squares / count - mean * mean).max(0.0).sqrt() / mean)
    }

    /// Which part of the looks that is, of those while something was sent.
    #[must_use]
    pub fn share_of_sending(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.sending.max(1))
    }

    /// Which part of all looks that is.
    #[must_use]
    pub fn share(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.count.max(1))
    }
}

/// Whether the send buffer is the limit, as `tcp_cwnd_validate()` has it
/// (`net/ipv4/tcp_output.c`), which however asks only when something was just sent, and so not
/// where each write is sent at once and the next one waits.
fn is_buffer_full(sample: &Sample, path: &PathFigures) -> bool {
    path.no_space && path.unsent == 0 && (1..sample.cwnd).contains(&sample.in_flight)
}

/// The less of two, where 0 is not known.
fn least_known(one: u32, other: u32) -> u32 {
    match (one, other) {
        (0, known) | (known, 0) => known,
        (one, other) => one.min(other),
    }
}
