//! Answers of a real kernel (`captured.txt`), also cut short as older ones have them.

use super::*;
use crate::sample::figures::{Before, figures};
use crate::sample::netlink::{DONE, messages};
use tcpcong_core::model::Account;

/// A jiffy of the machine whose answers these are, nanoseconds.
const TICK_NS: u64 = 4_000_000;

/// The bytes of the message of this name.
pub(in crate::sample) fn captured(name: &str) -> Vec<u8> {
    let lines = include_str!("captured.txt").lines().filter_map(|line| line.split_once(' '));
    let (_, hex) = lines.into_iter().find(|(one, _)| *one == name).expect("captured");
    let digits = hex.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).expect("ASCII"));
    digits.map(|two| u8::from_str_radix(two, 16).expect("hexadecimal")).collect()
}

/// Its body.
pub(in crate::sample) fn body(name: &str) -> Vec<u8> {
    let bytes = captured(name);
    messages(&bytes).next().expect("a message").body.to_vec()
}

/// With an attribute changed.
pub(in crate::sample) fn changed(body: &[u8], of: u16, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut made = body[..MESSAGE].to_vec();
    for (kind, value) in attributes(&body[MESSAGE..]) {
        let mut value = value.to_vec();
        if kind == of {
            change(&mut value);
        }
        let length = u16::try_from(4 + value.len()).expect("short");
        made.extend([length.to_ne_bytes(), kind.to_ne_bytes()].concat());
        made.extend(value);
        made.resize(made.len().next_multiple_of(4), 0);
    }
    made
}

#[test]
fn a_connection_in_loss_is_told_with_all_its_figures() {
    let body = body("lossy");
    let lossy = Sighting::decode(&body).expect("a socket");
    assert_eq!(lossy.endpoints.to_string(), "10.77.0.1:35530 > 10.77.0.2:5001");
    assert_eq!((lossy.state, lossy.key.cookie(), lossy.inode), (State::Loss, 0x18d2f, 1_156_685));
    assert_eq!((lossy.cc, lossy.cgroup), (Name::from_text("bbr"), Some(1)));
    assert!(!lossy.handshake);
    let figures = figures(&lossy, Before { cwnd: 40, ago_ns: 0 }, TICK_NS);
    assert_eq!((figures.snd_cwnd, figures.prior_cwnd, figures.srtt_us), (1, 40, 40));
    assert_eq!((figures.packets_out, figures.lost_out), (84, 84));
    let account = Account { chrono: [426, 0, 0], delivered: 1798, retransmitted: 3 };
    assert_eq!(figures.account, Some(account));
    let path = figures.path.expect("told");
    assert_eq!((path.retransmits, path.mss, path.unsent), (3, 1448, 0));
    assert!(path.cwnd_limited && path.quiet > 400, "{path:?}");
    let receiving = figures.receiving.expect("told");
    assert_eq!((receiving.rcvbuf, receiving.backoff, receiving.keepalive), (131_072, 3, false));
    assert_eq!(receiving.max_pacing_rate, None);
}

#[test]
fn a_send_buffer_has_no_room_until_a_third_of_it_is_free() {
    for (queued, no_space) in [(10_923_u32, false), (10_924, true), (86_144, true)] {
        let body = changed(&body("lossy"), MEMORY, |memory| {
            memory[4 * SNDBUF..][..4].copy_from_slice(&16_384_u32.to_ne_bytes());
            memory[4 * WMEM_QUEUED..][..4].copy_from_slice(&queued.to_ne_bytes());
        });
        assert_eq!(Sighting::decode(&body).expect("a socket").no_space, no_space);
    }
    let body = changed(&body("lossy"), MEMORY, Vec::clear);
    let untold = Sighting::decode(&body).expect("a socket");
    assert_eq!((untold.no_space, untold.rcvbuf), (false, 0));
}

#[test]
fn a_mapped_address_is_ipv4_and_a_link_local_one_has_its_interface() {
    let body = body("mapped");
    let mapped = Sighting::decode(&body).expect("a socket");
    assert_eq!(mapped.key.family, INET6);
    assert_eq!(mapped.endpoints.to_string(), "10.77.0.1:35540 > 10.77.0.2:5001");
    let body = super::tests::body("link-local");
    let local = Sighting::decode(&body).expect("a socket");
    assert_eq!(local.endpoints.zone, 2);
    assert_eq!(local.endpoints.raddr.to_string(), "fe80::405b:c6ff:fe33:b662");
}

#[test]
fn one_that_connects_is_in_its_handshake() {
    let body = body("connecting");
    let connecting = Sighting::decode(&body).expect("a socket");
    assert!(connecting.handshake);
    assert_eq!((connecting.state, connecting.info.retransmits()), (State::Loss, 1));
    assert_eq!(figures(&connecting, Before::default(), TICK_NS).srtt_us, 0);
}

#[test]
fn requests_and_mini_sockets_are_no_flows_and_the_end_is_none() {
    for name in ["request", "mini-socket"] {
        assert!(Sighting::decode(&body(name)).is_none(), "{name}");
    }
    let end = captured("end");
    let end = messages(&end).next().expect("a message");
    assert_eq!((end.kind, end.errno()), (DONE, 0));
    assert!(Sighting::decode(end.body).is_none());
}

#[test]
fn the_shorter_tcp_info_of_an_older_kernel_tells_what_it_has() {
    let whole = body("lossy");
    // Of Linux 3.15, 4.2, 4.10, 4.18 and 4.19.
    for length in [120, 136, 168, 192, 200] {
        let body = changed(&whole, INFO, |info| info.truncate(length));
        let lossy = Sighting::decode(&body).expect("a socket");
        let figures = figures(&lossy, Before::default(), TICK_NS);
        assert_eq!((lossy.state, figures.snd_cwnd, figures.packets_out), (State::Loss, 1, 84));
        assert_eq!(figures.account.is_some(), length >= 196, "{length}");
        assert_eq!(figures.receiving.map(|receiving| receiving.window), Some(0));
    }
    // Without what is needed it is none; whatever is cut off, nothing panics.
    let body = changed(&whole, INFO, Vec::clear);
    assert!(Sighting::decode(&body).is_none());
    for end in 0..whole.len() {
        Sighting::decode(&whole[..end]);
    }
}

#[test]
fn a_state_that_is_none_is_not_taken_for_one() {
    let body = changed(&body("lossy"), INFO, |info| info[1] = 5);
    assert!(Sighting::decode(&body).is_none());
}
