use std::mem::offset_of;

use super::*;

/// A `struct entry`, its fields set one by one.
struct First(Line);

impl First {
    fn new(kind: u8, old_state: u8, new_state: u8) -> Self {
        let mut first = Self([0; LINE_BYTES]);
        first.put(offset_of!(layout::entry, at_ns), &1_000_u64.to_ne_bytes());
        first.put(offset_of!(layout::entry, socket), &0xffff_8880_0000_1000_u64.to_ne_bytes());
        first.put(offset_of!(layout::entry, lport), &40_000_u16.to_ne_bytes());
        first.put(offset_of!(layout::entry, rport), &443_u16.to_ne_bytes());
        first.put(offset_of!(layout::entry, name), b"cubic");
        first.put(offset_of!(layout::entry, kind), &[kind]);
        first.put(offset_of!(layout::entry, old_state), &[old_state]);
        first.put(offset_of!(layout::entry, new_state), &[new_state]);
        first
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn parts(mut self, parts: u8) -> Self {
        self.put(offset_of!(layout::entry, parts), &[parts]);
        self
    }

    fn flags(mut self, flags: u8) -> Self {
        self.put(offset_of!(layout::entry, flags), &[flags]);
        self
    }
}

fn endpoints_line() -> Line {
    let mut line = First([0; LINE_BYTES]);
    let mapped = |last| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last];
    line.put(offset_of!(layout::endpoints, laddr), &mapped(1));
    line.put(offset_of!(layout::endpoints, raddr), &mapped(2));
    line.put(offset_of!(layout::endpoints, cookie), &77_u64.to_ne_bytes());
    line.put(offset_of!(layout::endpoints, netns), &4_026_531_833_u32.to_ne_bytes());
    line.put(offset_of!(layout::endpoints, family), &[AF_INET6]);
    line.0
}

fn figures_line() -> Line {
    let mut line = First([0; LINE_BYTES]);
    line.put(offset_of!(layout::figures, snd_cwnd), &12_u32.to_ne_bytes());
    line.put(offset_of!(layout::figures, delivered), &34_u32.to_ne_bytes());
    line.put(
        offset_of!(layout::figures, chrono_stat),
        &[1_u32, 2, 3].map(u32::to_ne_bytes).concat(),
    );
    line.0
}

fn path_line() -> Line {
    let mut line = First([0; LINE_BYTES]);
    line.put(offset_of!(layout::path, bytes_acked), &(5_u64 << 32).to_ne_bytes());
    line.put(offset_of!(layout::path, rtt_min), &40_123_u32.to_ne_bytes());
    line.put(offset_of!(layout::path, quiet), &60_u32.to_ne_bytes());
    line.put(offset_of!(layout::path, mss_cache), &1_448_u16.to_ne_bytes());
    line.put(offset_of!(layout::path, flags), &[PATH_APP_LIMITED | PATH_NO_SPACE]);
    line.put(offset_of!(layout::path, retransmits), &[3]);
    line.0
}

fn receiving_line() -> Line {
    let mut line = First([0; LINE_BYTES]);
    line.put(offset_of!(layout::receiving, bytes_received), &(7_u64 << 32).to_ne_bytes());
    line.put(offset_of!(layout::receiving, unread), &4_711_u32.to_ne_bytes());
    line.put(offset_of!(layout::receiving, err_soft), &113_u16.to_ne_bytes());
    line.put(offset_of!(layout::receiving, flags), &[RECEIVING_KEEPALIVE]);
    line.put(offset_of!(layout::receiving, max_pacing_rate), &u64::MAX.to_ne_bytes());
    line.0
}

fn socket(lines: &[Line]) -> SocketEvent {
    match entry(lines).expect("an entry") {
        Entry { at_ns: 1_000, body: Body::Socket(event) } => event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_table_takes_one_line_of_a_transition() {
    let mut first = First::new(4, 0, 4);
    first.put(offset_of!(layout::entry, place), &[5]);
    let event = socket(&[first.0]);
    let (from, to, place) = (State::Open, State::Loss, Place::SimpleRetransmit);
    assert_eq!(event.kind, Kind::Transition { from, to, place });
    assert_eq!((event.socket, event.lport, event.rport), (0xffff_8880_0000_1000, 40_000, 443));
    assert_eq!(event.cc, Name::from_text("cubic"));
    assert!(event.connection.is_none() && event.figures.is_none());
}

#[test]
fn parts_follow_in_their_order() {
    let first = First::new(7, 2, 2).parts(PART_ENDPOINTS | PART_FIGURES).flags(FLAG_UNLOCKED);
    assert_eq!(lines_of(&first.0), 3);
    let event = socket(&[first.0, endpoints_line(), figures_line()]);
    assert_eq!(event.kind, Kind::Seen { state: State::Cwr, unlocked: true });
    let connection = event.connection.expect("told");
    let endpoints = connection.endpoints;
    assert_eq!((endpoints.laddr, endpoints.lport), ([10, 0, 0, 1].into(), 40_000));
    assert_eq!((endpoints.raddr, endpoints.rport), ([10, 0, 0, 2].into(), 443));
    assert_eq!((connection.cookie, connection.owner.cgroup), (Some(77), None));
    assert_eq!(connection.netns, 4_026_531_833);
    let figures = *event.figures.expect("told");
    assert_eq!(figures.snd_cwnd, 12);
    let account = figures.account.expect("sure");
    assert_eq!((account.delivered, account.chrono), (34, [1, 2, 3]));
}

#[test]
fn the_path_comes_after_the_figures_and_what_is_received_comes_last() {
    let all = PART_ENDPOINTS | PART_FIGURES | PART_PATH | PART_RECEIVING;
    let first = First::new(6, 4, 4).parts(all).0;
    assert_eq!(lines_of(&first), LINES_MOST);
    let lines = [first, endpoints_line(), figures_line(), path_line(), receiving_line()];
    let event = socket(&lines);
    assert_eq!(event.connection.expect("told").cookie, Some(77));
    let figures = *event.figures.expect("told");
    assert_eq!(figures.snd_cwnd, 12);
    let path = figures.path.expect("told");
    assert_eq!((path.bytes_acked, path.rtt_min_us, path.quiet), (5 << 32, 40_123, 60));
    assert_eq!((path.mss, path.retransmits), (1_448, 3));
    assert!(path.app_limited && path.no_space && !path.cwnd_limited);
    let receiving = figures.receiving.expect("told");
    assert_eq!((receiving.bytes_received, receiving.unread), (7 << 32, 4_711));
    assert_eq!((receiving.error, receiving.error_soft), (0, 113));
    assert!(receiving.keepalive && !receiving.buffer_locked);
    assert_eq!(receiving.max_pacing_rate, None);
    // An event has less: which line is which depends on what goes before.
    let first = First::new(4, 0, 4).parts(PART_FIGURES | PART_PATH).0;
    let figures = *socket(&[first, figures_line(), path_line()]).figures.expect("told");
    assert_eq!(figures.path, Some(path));
    assert_eq!(figures.receiving, None);
    let first = First::new(7, 0, 0).parts(PART_FIGURES | PART_RECEIVING).0;
    let figures = *socket(&[first, figures_line(), receiving_line()]).figures.expect("told");
    assert_eq!((figures.path, figures.receiving), (None, Some(receiving)));
}

#[test]
fn before_the_first_sample_there_is_no_least_round_trip() {
    let mut path = First(path_line());
    path.put(offset_of!(layout::path, rtt_min), &NO_RTT.to_ne_bytes());
    let first = First::new(4, 0, 4).parts(PART_FIGURES | PART_PATH).0;
    let figures = *socket(&[first, figures_line(), path.0]).figures.expect("told");
    assert_eq!(figures.path.expect("told").rtt_min(), None);
}

#[test]
fn a_birth_names_the_process_that_connects_and_no_congestion_control() {
    let mut first = First::new(1, 0, 0).parts(PART_ENDPOINTS);
    first.put(offset_of!(layout::entry, pid), &1234_u32.to_ne_bytes());
    first.put(offset_of!(layout::entry, name), b"curl\0");
    let event = socket(&[first.0, endpoints_line()]);
    let process = Some(Process { pid: 1234, comm: Name::from_text("curl") });
    assert_eq!(event.kind, Kind::Birth { state: State::Open });
    assert_eq!(event.connection.expect("told").owner.process, process);
    assert_eq!(event.cc, None);
}

#[test]
fn flags_are_read_and_an_account_that_is_unsure_is_none() {
    let all = FLAG_UNDO_MARKER | FLAG_TIMESTAMPS | FLAG_FRTO | FLAG_TFO_FAILED | FLAG_ACK_NOW;
    let mut first = First::new(4, 4, 4).parts(PART_FIGURES).flags(all | FLAG_ACCOUNT_UNSURE);
    first.put(offset_of!(layout::entry, tcp_state), &[TCP_SYN_SENT]);
    let figures = *socket(&[first.0, figures_line()]).figures.expect("told");
    assert!(figures.undo_marker && figures.timestamps && figures.frto);
    assert!(figures.tfo_failed && figures.ack_now && figures.handshake);
    assert_eq!(figures.account, None);
}

#[test]
fn what_is_no_entry_is_refused() {
    let first = First::new(4, 0, 4).parts(PART_FIGURES).0;
    let length = |expected, found| Err(WireError::Length { expected, found });
    assert_eq!(entry(&[first]), length(2 * LINE_BYTES, LINE_BYTES));
    assert_eq!(entry(&[]), length(LINE_BYTES, 0));
    assert_eq!(entry(&[First::new(99, 0, 0).0]), Err(WireError::Kind(99)));
    assert_eq!(entry(&[First::new(4, 0, 5).0]), Err(WireError::State(5)));
    assert_eq!(entry(&[First::new(4, 7, 0).0]), Err(WireError::State(7)));
    let mut endpoints = First(endpoints_line());
    endpoints.put(offset_of!(layout::endpoints, family), &[1]);
    let first = First::new(2, 0, 0).parts(PART_ENDPOINTS).0;
    assert_eq!(entry(&[first, endpoints.0]), Err(WireError::Family(1)));
    assert_eq!(entry_of_bytes(&[0; 65]), length(SEEN_BYTES, 65));
}

#[test]
fn who_has_a_socket_open_is_decoded_by_its_offsets() {
    let mut bytes = [0; HOLDER_BYTES];
    let mut put = |at: usize, with: &[u8]| bytes[at..at + with.len()].copy_from_slice(with);
    put(offset_of!(layout::holder, socket), &9_u64.to_ne_bytes());
    put(offset_of!(layout::holder, started_ns), &77_u64.to_ne_bytes());
    put(offset_of!(layout::holder, pid), &1234_u32.to_ne_bytes());
    put(offset_of!(layout::holder, comm), b"nginx\0");
    let process = Process { pid: 1234, comm: Name::from_text("nginx") };
    let mut open = OpenSocket { socket: 9, cookie: None, process, started_ns: 77, listens: None };
    assert_eq!(holder(&bytes), Ok(open));
    let mut put = |at: usize, with: &[u8]| bytes[at..at + with.len()].copy_from_slice(with);
    put(offset_of!(layout::holder, lport), &80_u16.to_ne_bytes());
    put(offset_of!(layout::holder, netns), &7_u32.to_ne_bytes());
    let laddr = std::net::IpAddr::from(std::net::Ipv6Addr::UNSPECIFIED);
    open.listens = Some(Listening { netns: 7, laddr, lport: 80 });
    assert_eq!(holder(&bytes), Ok(open));
    assert!(holder(&bytes[..8]).is_err());
}
