//! One way of a path: a rate, a queue with an end, a delay, and what befalls packets.
//! Pure: it is told the time and does no I/O; `router` does.

use std::collections::VecDeque;
use std::time::Duration;

use super::packet;
use super::spec::{Answer, LinkSpec, Loss, Marks, Policer};

/// What became of an offered packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It will come out at the other end.
    Queued,
    /// The queue was full.
    TailDropped,
    /// The spec took it.
    Dropped,
    /// It was dropped, and this is said to its sender.
    Answered(Vec<u8>),
}

/// What one way has done with packets since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// That came in.
    pub offered: u64,
    /// Of them with payload.
    pub with_payload: u64,
    /// That the queue had no room for.
    pub tail_dropped: u64,
    /// That were lost otherwise.
    pub dropped: u64,
    /// That were marked "congestion experienced".
    pub marked: u64,
    /// That were held back.
    pub late: u64,
    /// That came out.
    pub passed: u64,
    /// Their bytes, from the IP header on.
    pub passed_bytes: u64,
    /// The most that was in the queue.
    pub longest_queue_bytes: u64,
}

/// A packet that will come out at `due`.
struct InFlight {
    due: Duration,
    packet: Vec<u8>,
}

/// One way. All times are since one start that the caller chose.
///
/// The queue is not kept as a list: with a fixed rate and in order, its length
/// follows from the moment at which the last packet will have been sent. What is on its
/// way keeps its time when the spec changes.
pub(crate) struct Link {
    busy_until: Duration,
    /// When the last packet comes out that was not held back.
    last_due: Duration,
    /// In the order of `due`.
    in_flight: VecDeque<InFlight>,
    data_packets: u32,
    burst: Burst,
    bucket: Option<Bucket>,
    random: Random,
    counts: Counts,
}

impl Link {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            busy_until: Duration::ZERO,
            last_due: Duration::ZERO,
            in_flight: VecDeque::new(),
            data_packets: 0,
            burst: Burst::default(),
            bucket: None,
            random: Random(seed),
            counts: Counts::default(),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes in an IPv4 packet at `now`, as `spec` has it.
    pub(crate) fn offer(&mut self, now: Duration, packet: Vec<u8>, spec: &LinkSpec) -> Fate {
        let fate = self.take_in(now, packet, spec);
        self.counts.offered += 1;
        match fate {
            Fate::Queued => {}
            Fate::TailDropped => self.counts.tail_dropped += 1,
            Fate::Dropped | Fate::Answered(_) => self.counts.dropped += 1,
        }
        fate
    }

    fn take_in(&mut self, now: Duration, mut packet: Vec<u8>, spec: &LinkSpec) -> Fate {
        let has_payload = packet::carries_data(&packet);
        if has_payload {
            self.counts.with_payload += 1;
            self.data_packets = self.data_packets.wrapping_add(1);
        }
        if let Some(Answer::HostUnreachable) = spec.answer {
            return Fate::Answered(packet::host_unreachable(&packet));
        }
        if self.is_lost(now, &packet, spec) {
            return Fate::Dropped;
        }

        let bytes = packet.len() as u64;
        let backlog_bytes = self.backlog_bytes(now, spec);
        if backlog_bytes.saturating_add(bytes) > spec.queue_bytes {
            return Fate::TailDropped;
        }
        self.counts.longest_queue_bytes =
            self.counts.longest_queue_bytes.max(backlog_bytes + bytes);
        let is_marked = match spec.marks {
            Marks::None => false,
            Marks::Every(one_in) => self.is_turn(one_in),
            Marks::Above(limit_bytes) => backlog_bytes > limit_bytes,
        };
        if has_payload && is_marked && packet::mark_ce(&mut packet) {
            self.counts.marked += 1;
        }
        self.busy_until = self.busy_until.max(now) + sending_time(bytes, spec);
        self.last_due = self.last_due.max(self.busy_until + spec.delay);
        let mut due = self.last_due;
        if let Some(overtaking) = spec.overtaking
            && has_payload
            && self.is_turn(overtaking.one_in)
        {
            due += overtaking.late;
            self.counts.late += 1;
        }
        // Usually the last place; only a late packet leaves others behind it.
        let place = self.in_flight.partition_point(|other| other.due <= due);
        self.in_flight.insert(place, InFlight { due, packet });
        Fate::Queued
    }

    /// Whether something takes the packet before it comes to the queue.
    fn is_lost(&mut self, now: Duration, packet: &[u8], spec: &LinkSpec) -> bool {
        let is_too_long = spec.max_packet_bytes.is_some_and(|most| packet.len() > most);
        if spec.blackout || is_too_long {
            return true;
        }
        if packet::carries_data(packet) {
            let is_silent = spec.silent_dscp == Some(packet::dscp(packet));
            let is_lost = match spec.loss {
                Loss::None => false,
                Loss::Random(share) => self.random.share() < share,
                Loss::Every(one_in) => self.is_turn(one_in),
                Loss::Tails { first, quiet, one_in } => {
                    let (burst, place) = self.burst.place(now, quiet);
                    burst.is_multiple_of(one_in) && place > first
                }
            };
            if is_silent || is_lost {
                return true;
            }
        }
        let Some(policer) = spec.policer else { return false };
        let full = Bucket { tokens_bytes: policer.burst_bytes as f64, at: now };
        !self.bucket.get_or_insert(full).take(now, packet.len(), policer)
    }

    /// The next packet that is out by `now`, in the order in which they come out.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.next_due()? > now {
            return None;
        }
        let packet = self.in_flight.pop_front()?.packet;
        self.counts.passed += 1;
        self.counts.passed_bytes += packet.len() as u64;
        Some(packet)
    }

    /// When the next packet comes out; `None` when there is none.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.in_flight.front().map(|flying| flying.due)
    }

    /// Whether the packet is the `one_in`th of those with payload.
    fn is_turn(&self, one_in: u32) -> bool {
        self.data_packets.is_multiple_of(one_in)
    }

    fn backlog_bytes(&self, now: Duration, spec: &LinkSpec) -> u64 {
        let waiting = self.busy_until.saturating_sub(now);
        let rate = spec.rate_bits_per_s.unwrap_or(0);
        let bytes = waiting.as_nanos() * u128::from(rate) / 8 / NANOS_PER_S;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

fn sending_time(bytes: u64, spec: &LinkSpec) -> Duration {
    let Some(rate) = spec.rate_bits_per_s else { return Duration::ZERO };
    let nanos = u128::from(bytes) * 8 * NANOS_PER_S / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

const NANOS_PER_S: u128 = 1_000_000_000;

/// Where in a burst a packet is.
#[derive(Default)]
struct Burst {
    number: u32,
    packets: u32,
    last: Option<Duration>,
}

impl Burst {
    /// The burst's number and the packet's, both from 1 on.
    fn place(&mut self, now: Duration, quiet: Duration) -> (u32, u32) {
        if self.last.is_none_or(|last| now.saturating_sub(last) >= quiet) {
            self.number = self.number.wrapping_add(1);
            self.packets = 0;
        }
        self.last = Some(now);
        self.packets = self.packets.saturating_add(1);
        (self.number, self.packets)
    }
}

/// A policer's.
struct Bucket {
    tokens_bytes: f64,
    at: Duration,
}

impl Bucket {
    /// Whether there are tokens for so many bytes, which are then gone.
    fn take(&mut self, now: Duration, bytes: usize, policer: Policer) -> bool {
        let since_s = now.saturating_sub(self.at).as_secs_f64();
        let new_bytes = since_s * policer.rate_bits_per_s as f64 / 8.0;
        self.tokens_bytes = (self.tokens_bytes + new_bytes).min(policer.burst_bytes as f64);
        self.at = now;
        let has_tokens = self.tokens_bytes >= bytes as f64;
        if has_tokens {
            self.tokens_bytes -= bytes as f64;
        }
        has_tokens
    }
}

/// `SplitMix64` (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*,
/// OOPSLA 2014).
struct Random(u64);

impl Random {
    /// From 0 to less than 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
