//! Bytes of the kernel side's structs (`bpf/wire.h`) become model types.
//! Pure: no system call here, and no accounting.

use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv6Addr};

use thiserror::Error;

use crate::enrichment::{Listening, OpenSocket};
use crate::kernel::layout;
use tcpcong_core::model::{
    Account, Body, Connection, Endpoints, Entry, Figures, Kind, Name, Owner, PathFigures, Place,
    Process, Receiving, SocketEvent, State, is_link_local,
};

/// Size of a line of the log, bytes.
pub(super) const LINE_BYTES: usize = 64;
/// Size of a `struct seen`, bytes, with its figures and without.
pub(super) const SEEN_BYTES: usize = size_of::<layout::seen>();
/// See [`SEEN_BYTES`].
pub(super) const SEEN_BYTES_WITHOUT_FIGURES: usize = offset_of!(layout::seen, figures);
/// Size of a `struct holder`, bytes.
pub(super) const HOLDER_BYTES: usize = size_of::<layout::holder>();

/// A line of the log.
pub(super) type Line = [u8; LINE_BYTES];

const PART_ENDPOINTS: u8 = 1;
const PART_FIGURES: u8 = 2;
const PART_PATH: u8 = 4;
const PART_RECEIVING: u8 = 8;
const PARTS: u8 = PART_ENDPOINTS | PART_FIGURES | PART_PATH | PART_RECEIVING;
/// An entry has no more lines.
pub(super) const LINES_MOST: usize = 1 + PARTS.count_ones() as usize;
const PATH_CWND_LIMITED: u8 = 1;
const PATH_APP_LIMITED: u8 = 2;
const PATH_NO_SPACE: u8 = 4;
/// `rtt_min` before there is one (`tcp_init_sock()`, `net/ipv4/tcp.c`).
const NO_RTT: u32 = u32::MAX;
const RECEIVING_BUFFER_LOCKED: u8 = 1;
const RECEIVING_KEEPALIVE: u8 = 2;
const FLAG_UNDO_MARKER: u8 = 1;
const FLAG_TIMESTAMPS: u8 = 2;
const FLAG_FRTO: u8 = 4;
const FLAG_TFO_FAILED: u8 = 8;
const FLAG_ACK_NOW: u8 = 16;
const FLAG_UNLOCKED: u8 = 32;
const FLAG_ACCOUNT_UNSURE: u8 = 64;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP_SYN_SENT: u8 = 2;
const TCP_SYN_RECV: u8 = 3;

/// Bytes that are no entry.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum WireError {
    /// Too few or too many lines.
    #[error("an entry has {found} bytes, not {expected}")]
    Length {
        /// What it should have.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// A kind that this version does not know.
    #[error("an entry is of the unknown kind {0}")]
    Kind(u8),
    /// A state that this version does not know.
    #[error("an entry holds the unknown congestion state {0}")]
    State(u8),
    /// An address family that this version does not know.
    #[error("an entry holds the unknown address family {0}")]
    Family(u8),
}

/// How many lines an entry has that begins with this one.
#[must_use]
pub(super) fn lines_of(first: &Line) -> usize {
    let parts = first[offset_of!(layout::entry, parts)];
    1 + (parts & PARTS).count_ones() as usize
}

/// When an entry was made that begins with this line.
#[must_use]
pub(super) fn at_ns(first: &Line) -> u64 {
    u64_at(first, offset_of!(layout::entry, at_ns))
}

/// Decodes an entry: a `struct entry`, and the parts that follow it.
pub(super) fn entry(lines: &[Line]) -> Result<Entry, WireError> {
    let expected = lines.first().map_or(1, lines_of);
    if lines.len() != expected {
        let (expected, found) = (expected * LINE_BYTES, lines.len() * LINE_BYTES);
        return Err(WireError::Length { expected, found });
    }
    let first = &lines[0];
    let parts = first[offset_of!(layout::entry, parts)];
    let mut rest = lines[1..].iter();
    let mut part = |part: u8| if parts & part == 0 { None } else { rest.next() };
    let (endpoints, figures) = (part(PART_ENDPOINTS), part(PART_FIGURES));
    let (path, receiving) = (part(PART_PATH), part(PART_RECEIVING));
    let (lport, rport) = (
        u16_at(first, offset_of!(layout::entry, lport)),
        u16_at(first, offset_of!(layout::entry, rport)),
    );
    let name = Name::new(array_at(first, offset_of!(layout::entry, name)));
    let kind = kind(first)?;
    let is_birth = matches!(kind, Kind::Birth { .. });
    let pid = u32_at(first, offset_of!(layout::entry, pid));
    let process = (is_birth && pid != 0).then_some(Process { pid, comm: name });
    let connection = endpoints.map(|line| connection(line, lport, rport, process)).transpose()?;
    let event = SocketEvent {
        socket: u64_at(first, offset_of!(layout::entry, socket)),
        lport,
        rport,
        kind,
        within_ns: 0,
        cc: name.filter(|_| !is_birth && kind != Kind::FilteredOut),
        connection,
        figures: figures.map(|line| {
            let mut figures = self::figures(first, line);
            figures.path = path.map(self::path);
            figures.receiving = receiving.map(self::receiving);
            Box::new(figures)
        }),
    };
    Ok(Entry { at_ns: at_ns(first), body: Body::Socket(event) })
}

/// The same of bytes in one piece: a `struct seen`, or a record of a ring buffer.
pub(super) fn entry_of_bytes(bytes: &[u8]) -> Result<Entry, WireError> {
    let (lines, []) = bytes.as_chunks::<LINE_BYTES>() else {
        return Err(WireError::Length { expected: SEEN_BYTES, found: bytes.len() });
    };
    entry(lines)
}

/// Decodes a `struct holder`.
pub(super) fn holder(bytes: &[u8]) -> Result<OpenSocket, WireError> {
    if bytes.len() != HOLDER_BYTES {
        return Err(WireError::Length { expected: HOLDER_BYTES, found: bytes.len() });
    }
    let cookie = u64_at(bytes, offset_of!(layout::holder, cookie));
    let lport = u16_at(bytes, offset_of!(layout::holder, lport));
    let listens = (lport != 0).then(|| Listening {
        netns: u32_at(bytes, offset_of!(layout::holder, netns)),
        laddr: v6_at(bytes, offset_of!(layout::holder, laddr)),
        lport,
    });
    Ok(OpenSocket {
        listens,
        socket: u64_at(bytes, offset_of!(layout::holder, socket)),
        cookie: (cookie != 0).then_some(cookie),
        process: Process {
            pid: u32_at(bytes, offset_of!(layout::holder, pid)),
            comm: Name::new(array_at(bytes, offset_of!(layout::holder, comm))),
        },
        started_ns: u64_at(bytes, offset_of!(layout::holder, started_ns)),
    })
}

fn kind(first: &Line) -> Result<Kind, WireError> {
    let old = || state(first[offset_of!(layout::entry, old_state)]);
    let state = state(first[offset_of!(layout::entry, new_state)])?;
    let flags = first[offset_of!(layout::entry, flags)];
    Ok(match first[offset_of!(layout::entry, kind)] {
        1 => Kind::Birth { state },
        2 => Kind::Endpoints { state },
        3 => Kind::FilteredOut,
        4 => {
            let place = place(first[offset_of!(layout::entry, place)]);
            Kind::Transition { from: old()?, to: state, place }
        }
        5 => Kind::Found { state },
        6 => Kind::End { state },
        7 => Kind::Seen { state, unlocked: flags & FLAG_UNLOCKED != 0 },
        kind => return Err(WireError::Kind(kind)),
    })
}

fn state(number: u8) -> Result<State, WireError> {
    State::from_kernel(number.into()).ok_or(WireError::State(number))
}

fn place(number: u8) -> Place {
    match number {
        1 => Place::FastretransAlert,
        2 => Place::TlpAck,
        3 => Place::KeepOpen,
        4 => Place::EnterCwr,
        5 => Place::SimpleRetransmit,
        6 => Place::Transmit,
        7 => Place::Ack,
        _ => Place::Unknown,
    }
}

fn connection(
    line: &Line,
    lport: u16,
    rport: u16,
    process: Option<Process>,
) -> Result<Connection, WireError> {
    let laddr = v6_at(line, offset_of!(layout::endpoints, laddr));
    let raddr = v6_at(line, offset_of!(layout::endpoints, raddr));
    let family = line[offset_of!(layout::endpoints, family)];
    if family != AF_INET && family != AF_INET6 {
        return Err(WireError::Family(family));
    }
    let has_zone = is_link_local(laddr) || is_link_local(raddr);
    let known = |at: usize| Some(u64_at(line, at)).filter(|number| *number != 0);
    Ok(Connection {
        endpoints: Endpoints {
            laddr,
            lport,
            raddr,
            rport,
            zone: if has_zone {
                u16_at(line, offset_of!(layout::endpoints, ifindex)).into()
            } else {
                0
            },
        },
        netns: u32_at(line, offset_of!(layout::endpoints, netns)),
        cookie: known(offset_of!(layout::endpoints, cookie)),
        owner: Owner { cgroup: known(offset_of!(layout::endpoints, cgroup)), process },
    })
}

fn figures(first: &Line, line: &Line) -> Figures {
    macro_rules! at {
        ($field:ident) => {
            u32_at(line, offset_of!(layout::figures, $field))
        };
    }
    let flags = first[offset_of!(layout::entry, flags)];
    let chrono = offset_of!(layout::figures, chrono_stat);
    let account = Account {
        chrono: std::array::from_fn(|kind| u32_at(line, chrono + kind * size_of::<u32>())),
        delivered: at!(delivered),
        retransmitted: at!(total_retrans),
    };
    let tcp_state = first[offset_of!(layout::entry, tcp_state)];
    Figures {
        snd_cwnd: at!(snd_cwnd),
        snd_ssthresh: at!(snd_ssthresh),
        prior_cwnd: at!(prior_cwnd),
        srtt_us: at!(srtt_us),
        packets_out: at!(packets_out),
        sacked_out: at!(sacked_out),
        lost_out: at!(lost_out),
        retrans_out: at!(retrans_out),
        undo_retrans: at!(undo_retrans),
        retrans_stamp: u32_at(first, offset_of!(layout::entry, retrans_stamp)),
        rcv_tsecr: u32_at(first, offset_of!(layout::entry, rcv_tsecr)),
        pending: first[offset_of!(layout::entry, pending)],
        undo_marker: flags & FLAG_UNDO_MARKER != 0,
        timestamps: flags & FLAG_TIMESTAMPS != 0,
        frto: flags & FLAG_FRTO != 0,
        tfo_failed: flags & FLAG_TFO_FAILED != 0,
        ack_now: flags & FLAG_ACK_NOW != 0,
        handshake: matches!(tcp_state, TCP_SYN_SENT | TCP_SYN_RECV),
        account: (flags & FLAG_ACCOUNT_UNSURE == 0).then_some(account),
        path: None,
        receiving: None,
    }
}

fn path(line: &Line) -> PathFigures {
    macro_rules! at {
        ($field:ident) => {
            u32_at(line, offset_of!(layout::path, $field))
        };
    }
    let flags = line[offset_of!(layout::path, flags)];
    let rtt_min_us = Some(at!(rtt_min)).filter(|rtt| *rtt != NO_RTT).unwrap_or(0);
    PathFigures {
        bytes_acked: u64_at(line, offset_of!(layout::path, bytes_acked)),
        rtt_min_us,
        rate_delivered: at!(rate_delivered),
        rate_interval_us: at!(rate_interval_us),
        delivered_ce: at!(delivered_ce),
        dsack_dups: at!(dsack_dups),
        reord_seen: at!(reord_seen),
        snd_wnd: at!(snd_wnd),
        unsent: at!(unsent),
        quiet: at!(quiet),
        total_rto_time_ms: at!(total_rto_time),
        rto: at!(rto),
        mss: u16_at(line, offset_of!(layout::path, mss_cache)).into(),
        retransmits: line[offset_of!(layout::path, retransmits)],
        cwnd_limited: flags & PATH_CWND_LIMITED != 0,
        app_limited: flags & PATH_APP_LIMITED != 0,
        no_space: flags & PATH_NO_SPACE != 0,
    }
}

fn receiving(line: &Line) -> Receiving {
    macro_rules! at {
        ($field:ident) => {
            u32_at(line, offset_of!(layout::receiving, $field))
        };
    }
    let flags = line[offset_of!(layout::receiving, flags)];
    let max_pacing_rate = u64_at(line, offset_of!(layout::receiving, max_pacing_rate));
    let max_pacing_rate = Some(max_pacing_rate).filter(|rate| *rate < u64::MAX);
    Receiving {
        bytes_received: u64_at(line, offset_of!(layout::receiving, bytes_received)),
        rcv_ooopack: at!(rcv_ooopack),
        data_segs_in: at!(data_segs_in),
        unread: at!(unread),
        window: at!(window),
        window_clamp: at!(window_clamp),
        rcv_rtt_us: at!(rcv_rtt),
        rcv_space: at!(rcv_space),
        rcvbuf: at!(rcvbuf),
        error: u16_at(line, offset_of!(layout::receiving, err)),
        error_soft: u16_at(line, offset_of!(layout::receiving, err_soft)),
        probes_out: line[offset_of!(layout::receiving, probes_out)],
        backoff: line[offset_of!(layout::receiving, backoff)],
        max_pacing_rate,
        buffer_locked: flags & RECEIVING_BUFFER_LOCKED != 0,
        keepalive: flags & RECEIVING_KEEPALIVE != 0,
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(array_at(bytes, at))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(array_at(bytes, at))
}

/// IPv4 addresses come as IPv4-mapped ones, whatever the socket's family is.
fn v6_at(bytes: &[u8], at: usize) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(array_at::<16>(bytes, at))).to_canonical()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
