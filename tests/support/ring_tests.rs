//! Tests of the page decoder and the event decoder on pages and events made by hand.
//! Not of the kernel's own pages: `truth_itself.rs` reads those.

use std::collections::HashSet;
use std::net::IpAddr;

use super::support::format::{Layout, Span};
use super::support::instance::refuse_losses;
use super::support::ring::PageShape;
use super::support::truth::{Decoder, Event, What};

const HEADER_PAGE: &str = "\
\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;
\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;
\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;
\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;
";

const COMMON: &str = "\
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;
";

const CONGESTION: &str = "\
\tfield:__u16 sport;\toffset:16;\tsize:2;\tsigned:0;
\tfield:__u16 dport;\toffset:18;\tsize:2;\tsigned:0;
\tfield:__u16 family;\toffset:20;\tsize:2;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:22;\tsize:4;\tsigned:0;
\tfield:__u8 daddr[4];\toffset:26;\tsize:4;\tsigned:0;
\tfield:__u8 saddr_v6[16];\toffset:30;\tsize:16;\tsigned:0;
\tfield:__u8 daddr_v6[16];\toffset:46;\tsize:16;\tsigned:0;
\tfield:__u8 cong_state;\toffset:62;\tsize:1;\tsigned:0;
";

const TCP_STATE: &str = "\
\tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;
\tfield:int newstate;\toffset:20;\tsize:4;\tsigned:1;
\tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;
\tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;
\tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;
\tfield:__u16 protocol;\toffset:30;\tsize:2;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;
\tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;
\tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;
\tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;
";

/// The time of every page here, with bits that an absolute stamp does not hold.
const PAGE_NS: u64 = (1 << 60) + 1_000_000;

/// An event's or a time stamp's header word.
fn header(type_len: u32, delta: u32) -> Vec<u8> {
    let word =
        if cfg!(target_endian = "little") { delta << 5 | type_len } else { type_len << 27 | delta };
    word.to_ne_bytes().to_vec()
}

fn word(value: u32) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

/// A page of this machine's shape around `data`, with flags in its commit word.
fn page(parts: &[Vec<u8>], flags: u64) -> Vec<u8> {
    let data = parts.concat();
    let mut page = PAGE_NS.to_ne_bytes().to_vec();
    page.extend((data.len() as u64 | flags).to_ne_bytes());
    page.extend(data);
    // What follows the committed bytes is from an earlier use of the page.
    page.resize(4096, 0xff);
    page
}

/// The events as pairs of nanoseconds after the page's time and first byte.
fn decode(page: &[u8]) -> Result<Vec<(u64, u8, usize)>, String> {
    let shape = PageShape::parse(HEADER_PAGE).unwrap();
    let entries = shape.entries(page).map_err(|error| error.to_string())?;
    let brief =
        entries.iter().map(|entry| (entry.at_ns - PAGE_NS, entry.payload[0], entry.payload.len()));
    Ok(brief.collect())
}

#[test]
fn deltas_add_up() {
    let parts = [header(2, 0), vec![7; 8], header(1, 30), vec![8; 4], header(1, 12), vec![9; 4]];
    assert_eq!(decode(&page(&parts, 0)), Ok(vec![(0, 7, 8), (30, 8, 4), (42, 9, 4)]));
}

#[test]
fn a_long_event_counts_its_length_word() {
    let parts = [header(0, 5), word(120), vec![7; 116], header(1, 1), vec![8; 4]];
    assert_eq!(decode(&page(&parts, 0)), Ok(vec![(5, 7, 116), (6, 8, 4)]));
}

#[test]
fn a_long_pause_is_a_time_extend() {
    let parts = [header(1, 0), vec![7; 4], header(30, 3), word(2), header(1, 4), vec![8; 4]];
    let later = (2 << 27) + 3 + 4;
    assert_eq!(decode(&page(&parts, 0)), Ok(vec![(0, 7, 4), (later, 8, 4)]));
}

#[test]
fn an_absolute_stamp_takes_its_upper_bits_from_the_page() {
    let low = 1_000_000 + 77;
    let parts = [header(1, 9), vec![7; 4], header(31, low), word(0), header(1, 0), vec![8; 4]];
    assert_eq!(decode(&page(&parts, 0)), Ok(vec![(9, 7, 4), (77, 8, 4)]));
}

#[test]
fn padding_is_skipped_or_ends_the_page() {
    let taken_back = [header(29, 1), word(12), vec![0; 8]].concat();
    let parts = [taken_back, header(1, 6), vec![7; 4], header(29, 0), header(1, 6), vec![8; 4]];
    assert_eq!(decode(&page(&parts, 0)), Ok(vec![(6, 7, 4)]));
}

#[test]
fn an_empty_page_has_no_event() {
    assert_eq!(decode(&page(&[], 0)), Ok(Vec::new()));
}

#[test]
fn lost_events_are_an_error() {
    for flags in [1 << 31, 1 << 30, 3 << 30] {
        let lost = decode(&page(&[header(1, 0), vec![7; 4]], flags));
        assert_eq!(lost, Err("the ring buffer lost events before a page".to_owned()));
    }
}

#[test]
fn nothing_is_read_beyond_the_page() {
    assert!(decode(&page(&[header(3, 0), vec![7; 8]], 0)).is_err());
    assert!(decode(&page(&[header(0, 0), word(2), vec![7; 8]], 0)).is_err());
    assert!(decode(&page(&[], 5000)).is_err());
    assert!(decode(&[0; 10]).is_err());
}

#[test]
fn a_32_bit_kernel_has_a_short_commit_word() {
    let shape = HEADER_PAGE.replace("commit;\toffset:8;\tsize:8", "commit;\toffset:8;\tsize:4");
    let shape = PageShape::parse(
        &shape.replace("data;\toffset:16;\tsize:4080", "data;\toffset:12;\tsize:4084"),
    );
    let mut page = 5_u64.to_ne_bytes().to_vec();
    page.extend([word(8), header(1, 3), vec![7; 4]].concat());
    page.resize(4096, 0);
    let shape = shape.unwrap();
    assert_eq!(shape.page_bytes, 4096);
    assert_eq!(shape.entries(&page).unwrap()[0].at_ns, 8);
}

#[test]
fn a_format_names_its_fields() {
    let layout = Layout::parse(&format!("name: x\nID: 2271\n{COMMON}{CONGESTION}")).unwrap();
    assert_eq!(layout.id, 2271);
    assert_eq!(layout.span("skaddr").unwrap(), Span { offset: 8, size: 8 });
    assert_eq!(layout.span("saddr_v6").unwrap(), Span { offset: 30, size: 16 });
    assert!(layout.span("netns").is_err());
    assert!(layout.number("cong_state", &[0; 62]).is_err());
}

fn decoded(payload: &[u8]) -> Option<Event> {
    let layout = |id, own| Layout::parse(&format!("ID: {id}\n{COMMON}{own}")).unwrap();
    let decoder = Decoder {
        congestion: layout(71, CONGESTION),
        tcp_state: layout(72, TCP_STATE),
        init_threads: &HashSet::from([1, 59]),
    };
    decoder.event(3, 1234, payload).unwrap()
}

/// The fields that all events begin with.
fn common(kind: u16, pid: i32) -> Vec<u8> {
    let mut payload = kind.to_ne_bytes().to_vec();
    payload.extend([0, 0]);
    payload.extend(pid.to_ne_bytes());
    payload.extend(0xffff_8881_0000_1000_u64.to_ne_bytes());
    payload
}

fn shorts(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_congestion_event_of_ipv4() {
    let mut payload = common(71, 59);
    payload.extend(shorts(&[443, 50000, 2]));
    payload.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    payload.extend([0xee; 32]);
    payload.extend([4, 0]);
    let expected = Event {
        at_ns: 1234,
        cpu: 3,
        pid: 59,
        hidden: true,
        socket: 0xffff_8881_0000_1000,
        sport: 443,
        dport: 50000,
        family: 2,
        saddr: ip("10.0.0.1"),
        daddr: ip("10.0.0.2"),
        what: What::Congestion { to: 4 },
    };
    assert_eq!(decoded(&payload), Some(expected));
}

#[test]
fn a_state_event_of_ipv6_and_of_a_mapped_address() {
    let mut payload = common(72, 60);
    payload.extend([word(10), word(3)].concat());
    payload.extend(shorts(&[443, 50000, 10, 6]));
    // The four-byte address of an AF_INET6 socket is junk.
    payload.extend([127, 0, 0, 6, 0, 0, 0, 0]);
    payload.extend([0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    payload.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, 2]);
    let event = decoded(&payload).unwrap();
    assert_eq!((event.saddr, event.daddr), (ip("fd77::1"), ip("10.77.0.2")));
    let (from, to, protocol) = (10, 3, 6);
    assert_eq!(event.what, What::TcpState { from, to, protocol });
    assert!(!event.hidden);
}

#[test]
fn an_event_of_another_kind_is_left_out() {
    assert_eq!(decoded(&common(9, 1)), None);
}

#[test]
fn any_loss_in_the_statistics_is_an_error() {
    let clean = "entries: 9\noverrun: 0\ncommit overrun: 0\nbytes: 700\n\
                 oldest event ts:     3.0\ndropped events: 0\nread events: 2\n";
    assert!(refuse_losses(clean).is_ok());
    for name in ["overrun", "commit overrun", "dropped events"] {
        let lossy = clean.replace(&format!("\n{name}: 0"), &format!("\n{name}: 1"));
        assert!(refuse_losses(&lossy).is_err(), "{name}");
    }
}
