//! What one way does to packets, by a clock of the test's own. Not here: sockets.

use super::super::spec::Overtaking;
use super::*;

/// 1000 bytes take 1 ms, then 10 ms of way; three packets fit the queue.
const SPEC: LinkSpec = LinkSpec::bottleneck(8_000_000, Duration::from_millis(10), 3_000);

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

/// Offers one each millisecond.
fn offer_all(link: &mut Link, names: std::ops::Range<u8>, spec: &LinkSpec) -> Vec<Fate> {
    names.map(|name| link.offer(ms(u64::from(name)), data(name), spec)).collect()
}

/// Which of them did not pass.
fn lost(fates: &[Fate]) -> Vec<usize> {
    (0..fates.len()).filter(|n| fates[*n] != Fate::Queued).collect()
}

#[test]
fn a_packet_takes_its_sending_time_and_the_delay() {
    let mut link = Link::new(1);
    link.offer(ms(5), data(1), &SPEC);
    assert_eq!(link.next_due(), Some(ms(16)));
    assert_eq!(link.take_due(ms(15)), None);
    assert_eq!(link.take_due(ms(16)), Some(data(1)));
    assert_eq!(link.next_due(), None);
}

#[test]
fn a_burst_comes_out_at_the_rate() {
    let mut link = Link::new(1);
    for name in 0..3 {
        link.offer(ms(0), data(name), &SPEC);
    }
    assert_eq!(names_out(&mut link, ms(11)), [0]);
    assert_eq!(names_out(&mut link, ms(13)), [1, 2]);
}

#[test]
fn a_full_queue_drops_what_comes_last_until_it_drains() {
    let mut link = Link::new(1);
    let fates: Vec<Fate> = (0..4).map(|name| link.offer(ms(0), data(name), &SPEC)).collect();
    assert_eq!(lost(&fates), [3]);
    assert_eq!(fates[3], Fate::TailDropped);
    assert_eq!(link.offer(ms(1), data(4), &SPEC), Fate::Queued);
    assert_eq!(names_out(&mut link, ms(99)), [0, 1, 2, 4]);
    let counts = link.counts();
    assert_eq!((counts.offered, counts.tail_dropped, counts.passed), (5, 1, 4));
    assert_eq!(counts.longest_queue_bytes, 3_000);
}

#[test]
fn an_idle_link_saves_up_no_rate() {
    let mut link = Link::new(1);
    link.offer(ms(0), data(0), &SPEC);
    link.offer(ms(50), data(1), &SPEC);
    link.offer(ms(50), data(2), &SPEC);
    assert_eq!(names_out(&mut link, ms(61)), [0, 1]);
    assert_eq!(link.next_due(), Some(ms(62)));
}

#[test]
fn without_a_rate_nothing_queues() {
    let mut link = Link::new(1);
    let spec = LinkSpec { delay: ms(10), queue_bytes: 1_000, ..LinkSpec::WIRE };
    for name in 0..5 {
        assert_eq!(link.offer(ms(0), data(name), &spec), Fate::Queued);
    }
    assert_eq!(names_out(&mut link, ms(10)), [0, 1, 2, 3, 4]);
}

#[test]
fn a_late_packet_comes_behind_its_followers() {
    let mut link = Link::new(1);
    let overtaking = Some(Overtaking { one_in: 3, late: Duration::from_micros(1_500) });
    offer_all(&mut link, 0..6, &LinkSpec { overtaking, ..SPEC });
    assert_eq!(names_out(&mut link, ms(99)), [0, 1, 3, 2, 4, 5]);
}

#[test]
fn a_delay_that_shrinks_lets_nothing_overtake() {
    let mut link = Link::new(1);
    link.offer(ms(0), data(0), &LinkSpec { delay: ms(300), ..SPEC });
    link.offer(ms(5), data(1), &SPEC);
    assert_eq!(link.take_due(ms(300)), None);
    assert_eq!(names_out(&mut link, ms(301)), [0, 1]);
}

#[test]
fn one_in_so_many_is_lost() {
    let mut link = Link::new(1);
    let fates = offer_all(&mut link, 0..9, &LinkSpec { loss: Loss::Every(4), ..SPEC });
    assert_eq!(lost(&fates), [3, 7]);
}

#[test]
fn random_loss_has_its_share_and_its_seed() {
    let run = |seed| {
        let mut link = Link::new(seed);
        let spec = LinkSpec { loss: Loss::Random(0.02), ..LinkSpec::WIRE };
        let fates: Vec<Fate> = (0..50_000).map(|_| link.offer(ms(0), data(0), &spec)).collect();
        lost(&fates)
    };
    let share = run(1).len();
    assert!((900..1_100).contains(&share), "{share} of 50000");
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn the_tail_of_a_burst_is_lost_with_its_probes() {
    let mut link = Link::new(1);
    let loss = Loss::Tails { first: 3, quiet: ms(150), one_in: 1 };
    let spec = LinkSpec { loss, ..LinkSpec::WIRE };
    // Five at once, a probe 90 ms later, a timeout's retransmission after another 250.
    let times = [0, 0, 0, 0, 0, 90, 340, 341];
    let fates: Vec<Fate> = times.iter().map(|at| link.offer(ms(*at), data(0), &spec)).collect();
    assert_eq!(lost(&fates), [3, 4, 5]);
}

#[test]
fn every_second_burst_keeps_its_tail() {
    let mut link = Link::new(1);
    let loss = Loss::Tails { first: 1, quiet: ms(100), one_in: 2 };
    let spec = LinkSpec { loss, ..LinkSpec::WIRE };
    let times = [0, 0, 200, 200, 400, 400];
    let fates: Vec<Fate> = times.iter().map(|at| link.offer(ms(*at), data(0), &spec)).collect();
    assert_eq!(lost(&fates), [3]);
}

#[test]
fn one_in_so_many_is_marked_and_none_lost() {
    let mut link = Link::new(1);
    offer_all(&mut link, 0..4, &LinkSpec { marks: Marks::Every(2), ..SPEC });
    let ecn: Vec<u8> =
        std::iter::from_fn(|| link.take_due(ms(99))).map(|packet| packet[1]).collect();
    assert_eq!(ecn, [0x02, 0x03, 0x02, 0x03]);
    assert_eq!(link.counts().marked, 2);
}

#[test]
fn what_finds_a_long_queue_is_marked() {
    let mut link = Link::new(1);
    for name in 0..3 {
        link.offer(ms(0), data(name), &LinkSpec { marks: Marks::Above(1_000), ..SPEC });
    }
    let ecn: Vec<u8> =
        std::iter::from_fn(|| link.take_due(ms(99))).map(|packet| packet[1]).collect();
    assert_eq!(ecn, [0x02, 0x02, 0x03]);
}

#[test]
fn a_policer_drops_what_exceeds_its_rate_and_burst() {
    let mut link = Link::new(1);
    let policer = Some(Policer { rate_bits_per_s: 800_000, burst_bytes: 2_000 });
    let spec = LinkSpec { policer, ..LinkSpec::WIRE };
    // 1000 bytes each 10 ms: two at once, and from then on one each 10 ms.
    let times = [0, 0, 0, 5, 10, 10, 20, 1_000, 1_000, 1_000];
    let fates: Vec<Fate> = times.iter().map(|at| link.offer(ms(*at), data(0), &spec)).collect();
    assert_eq!(lost(&fates), [2, 3, 5, 9]);
}

#[test]
fn what_is_too_long_is_lost_and_the_rest_passes() {
    let mut link = Link::new(1);
    let spec = LinkSpec { max_packet_bytes: Some(999), ..SPEC };
    assert_eq!(link.offer(ms(0), data(0), &spec), Fate::Dropped);
    assert_eq!(link.offer(ms(0), data(0)[..999].to_vec(), &spec), Fate::Queued);
}

#[test]
fn acknowledgements_pass_whatever_befalls_data() {
    let mut link = Link::new(1);
    for spec in [
        LinkSpec { loss: Loss::Every(1), ..SPEC },
        LinkSpec { loss: Loss::Random(1.0), ..SPEC },
        LinkSpec { silent_dscp: Some(0), ..SPEC },
    ] {
        let ack = data(0)[..52].to_vec();
        assert_eq!(link.offer(ms(0), ack, &spec), Fate::Queued);
    }
}

#[test]
fn a_blackout_takes_all_and_spares_what_is_on_its_way() {
    let mut link = Link::new(1);
    link.offer(ms(0), data(0), &SPEC);
    let ack = data(1)[..52].to_vec();
    for packet in [data(1), ack] {
        assert_eq!(link.offer(ms(1), packet, &SPEC.blacked_out()), Fate::Dropped);
    }
    assert_eq!(link.offer(ms(2), data(2), &SPEC), Fate::Queued);
    assert_eq!(names_out(&mut link, ms(99)), [0, 2]);
}

#[test]
fn silence_takes_one_class() {
    let mut link = Link::new(1);
    let spec = LinkSpec { silent_dscp: Some(0), ..SPEC };
    let mut other_class = data(2);
    other_class[1] |= 10 << 2;
    assert_eq!(link.offer(ms(1), data(1), &spec), Fate::Dropped);
    assert_eq!(link.offer(ms(2), other_class, &spec), Fate::Queued);
}

#[test]
fn an_answer_goes_back_and_nothing_on() {
    let mut link = Link::new(1);
    let spec = LinkSpec { answer: Some(Answer::HostUnreachable), ..SPEC };
    let Fate::Answered(answer) = link.offer(ms(0), data(0), &spec) else { panic!("no answer") };
    assert_eq!(answer[9], 1, "ICMP");
    assert_eq!(link.next_due(), None);
}
