//! One direction of the bottleneck: a rate, a queue with an end, a delay.
//! Pure: it is told the time and does no I/O; `router` does.

use std::collections::VecDeque;
use std::time::Duration;

use super::packet;
use super::script::Effect;

/// What a direction of the bottleneck is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkSpec {
    pub(super) rate_bits_per_s: u64,
    /// On the way, after the packet left the queue.
    pub(super) delay: Duration,
    /// What the queue holds before it drops what comes last.
    pub(super) queue_bytes: u64,
}

/// What became of an offered packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It will come out at the other end.
    Queued,
    /// The queue was full.
    TailDropped,
    /// The script took it.
    Dropped,
}

/// A packet that will come out at `due`.
struct InFlight {
    due: Duration,
    packet: Vec<u8>,
}

/// One direction. All times are since one start that the caller chose.
///
/// The queue is not kept as a list: with a fixed rate and in order, its length
/// follows from the moment at which the last packet will have been sent.
pub(super) struct Link {
    spec: LinkSpec,
    busy_until: Duration,
    /// In the order of `due`.
    in_flight: VecDeque<InFlight>,
    data_packets: u32,
}

impl Link {
    pub(super) fn new(spec: LinkSpec) -> Self {
        Self { spec, busy_until: Duration::ZERO, in_flight: VecDeque::new(), data_packets: 0 }
    }

    /// Takes in an IPv4 packet at `now`, under `effect`.
    pub(super) fn offer(&mut self, now: Duration, mut packet: Vec<u8>, effect: Effect) -> Fate {
        let mut late = Duration::ZERO;
        if packet::carries_data(&packet) {
            match effect {
                Effect::Silence { class } if packet::dscp(&packet) == class.dscp => {
                    return Fate::Dropped;
                }
                Effect::Drop { one_in } if self.is_turn(one_in) => return Fate::Dropped,
                Effect::MarkCe { one_in } if self.is_turn(one_in) => {
                    packet::mark_ce(&mut packet);
                }
                Effect::Delay { one_in, late: by } if self.is_turn(one_in) => late = by,
                _ => {}
            }
        }

        let bytes = packet.len() as u64;
        if self.backlog_bytes(now) + bytes > self.spec.queue_bytes {
            return Fate::TailDropped;
        }
        self.busy_until = self.busy_until.max(now) + self.sending_time(bytes);
        let due = self.busy_until + self.spec.delay + late;
        // Usually the last place; only a late packet leaves others behind it.
        let place = self.in_flight.partition_point(|other| other.due <= due);
        self.in_flight.insert(place, InFlight { due, packet });
        Fate::Queued
    }

    /// The next packet that is out by `now`, in the order in which they come out.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.next_due()? > now {
            return None;
        }
        self.in_flight.pop_front().map(|flying| flying.packet)
    }

    /// When the next packet comes out; `None` when there is none.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.in_flight.front().map(|flying| flying.due)
    }

    /// Counts a packet with payload; whether it is the `one_in`th.
    fn is_turn(&mut self, one_in: u32) -> bool {
        self.data_packets = self.data_packets.wrapping_add(1);
        self.data_packets.is_multiple_of(one_in)
    }

    fn backlog_bytes(&self, now: Duration) -> u64 {
        let waiting = self.busy_until.saturating_sub(now);
        let bytes = waiting.as_nanos() * u128::from(self.spec.rate_bits_per_s) / 8 / NANOS_PER_S;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn sending_time(&self, bytes: u64) -> Duration {
        let bits = u128::from(bytes) * 8;
        let nanos = bits * NANOS_PER_S / u128::from(self.spec.rate_bits_per_s.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

const NANOS_PER_S: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::super::script::{CLASS_A, CLASS_B};
    use super::*;

    /// 1000 bytes take 1 ms, then 10 ms of way; three packets fit the queue.
    const SPEC: LinkSpec = LinkSpec {
        rate_bits_per_s: 8_000_000,
        delay: Duration::from_millis(10),
        queue_bytes: 3_000,
    };

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// An ECN-capable IPv4 packet of 1000 bytes that `name` tells from others.
    fn data(name: u8) -> Vec<u8> {
        let mut packet = vec![name; 1_000];
        packet[..2].copy_from_slice(&[0x45, 0x02]);
        packet
    }

    fn names_out(link: &mut Link, now: Duration) -> Vec<u8> {
        let packets = std::iter::from_fn(|| link.take_due(now));
        packets.map(|packet| packet[999]).collect()
    }

    fn offer_all(link: &mut Link, names: std::ops::Range<u8>, effect: Effect) -> Vec<Fate> {
        names.map(|name| link.offer(ms(u64::from(name)), data(name), effect)).collect()
    }

    #[test]
    fn a_packet_takes_its_sending_time_and_the_delay() {
        let mut link = Link::new(SPEC);
        link.offer(ms(5), data(1), Effect::Clean);
        assert_eq!(link.next_due(), Some(ms(16)));
        assert_eq!(link.take_due(ms(15)), None);
        assert_eq!(link.take_due(ms(16)), Some(data(1)));
        assert_eq!(link.next_due(), None);
    }

    #[test]
    fn a_burst_comes_out_at_the_rate() {
        let mut link = Link::new(SPEC);
        for name in 0..3 {
            link.offer(ms(0), data(name), Effect::Clean);
        }
        assert_eq!(names_out(&mut link, ms(11)), [0]);
        assert_eq!(names_out(&mut link, ms(13)), [1, 2]);
    }

    #[test]
    fn a_full_queue_drops_what_comes_last_until_it_drains() {
        let mut link = Link::new(SPEC);
        let fates: Vec<Fate> =
            (0..4).map(|name| link.offer(ms(0), data(name), Effect::Clean)).collect();
        assert_eq!(fates[..3], [Fate::Queued; 3]);
        assert_eq!(fates[3], Fate::TailDropped);
        assert_eq!(link.offer(ms(1), data(4), Effect::Clean), Fate::Queued);
        assert_eq!(names_out(&mut link, ms(99)), [0, 1, 2, 4]);
    }

    #[test]
    fn an_idle_link_saves_up_no_rate() {
        let mut link = Link::new(SPEC);
        link.offer(ms(0), data(0), Effect::Clean);
        link.offer(ms(50), data(1), Effect::Clean);
        link.offer(ms(50), data(2), Effect::Clean);
        assert_eq!(names_out(&mut link, ms(61)), [0, 1]);
        assert_eq!(link.next_due(), Some(ms(62)));
    }

    #[test]
    fn a_late_packet_comes_behind_its_followers() {
        let mut link = Link::new(SPEC);
        let effect = Effect::Delay { one_in: 3, late: Duration::from_micros(1_500) };
        offer_all(&mut link, 0..6, effect);
        assert_eq!(names_out(&mut link, ms(99)), [0, 1, 3, 2, 4, 5]);
    }

    #[test]
    fn one_in_so_many_is_lost() {
        let mut link = Link::new(SPEC);
        let fates = offer_all(&mut link, 0..9, Effect::Drop { one_in: 4 });
        let lost: Vec<usize> = (0..9).filter(|n| fates[*n] == Fate::Dropped).collect();
        assert_eq!(lost, [3, 7]);
    }

    #[test]
    fn one_in_so_many_is_marked_and_none_lost() {
        let mut link = Link::new(SPEC);
        offer_all(&mut link, 0..4, Effect::MarkCe { one_in: 2 });
        let ecn: Vec<u8> =
            std::iter::from_fn(|| link.take_due(ms(99))).map(|packet| packet[1]).collect();
        assert_eq!(ecn, [0x02, 0x03, 0x02, 0x03]);
    }

    #[test]
    fn acknowledgements_pass_whatever_is_on() {
        let mut link = Link::new(SPEC);
        let silence = Effect::Silence { class: CLASS_A };
        for effect in [Effect::Drop { one_in: 1 }, silence] {
            let ack = data(0)[..52].to_vec();
            assert_eq!(link.offer(ms(0), ack, effect), Fate::Queued);
        }
    }

    #[test]
    fn silence_takes_one_class_and_spares_what_is_on_its_way() {
        let mut link = Link::new(SPEC);
        let silence = Effect::Silence { class: CLASS_A };
        let mut other_class = data(2);
        other_class[1] |= CLASS_B.dscp << 2;
        link.offer(ms(0), data(0), Effect::Clean);
        assert_eq!(link.offer(ms(1), data(1), silence), Fate::Dropped);
        assert_eq!(link.offer(ms(2), other_class, silence), Fate::Queued);
        assert_eq!(names_out(&mut link, ms(99)), [0, 2]);
    }
}
