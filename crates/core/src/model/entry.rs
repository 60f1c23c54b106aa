//! One entry of the log: what happened to which socket, and when. Every source makes
//! these: the live kernel, a recording, a test's script. Not here: what follows from
//! it, which is the ledger's.

use serde::{Deserialize, Serialize};

use super::{Connection, Name, Ongoing, State};

/// An entry. In a file it is one flat object (`line`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// What.
    pub body: Body,
}

/// What an entry tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Something about a socket.
    Socket(SocketEvent),
    /// A flow went on, and this was known of it: of what begins in the midst of a run.
    Ongoing(Box<Ongoing>),
    /// A survey has met every socket of these namespaces.
    Surveyed(Vec<SurveyedNamespace>),
    /// Entries were lost: they were made between these instants, the entry's time being
    /// the later one.
    Gap {
        /// After which they were made, `CLOCK_MONOTONIC` nanoseconds.
        from_ns: u64,
        /// How many.
        dropped: u64,
        /// They are lines of a recording that are damaged: the run had them.
        damaged: bool,
    },
}

/// A network namespace all of whose sockets were met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyedNamespace {
    /// Its inode number.
    pub netns: u32,
    /// When that began, `CLOCK_MONOTONIC` nanoseconds.
    pub began_ns: u64,
}

/// What happened to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketEvent {
    /// The kernel's address of the socket.
    pub socket: u64,
    /// The local port then; 0 if it had none yet.
    pub lport: u16,
    /// The remote port then; 0 if it is not known yet.
    pub rport: u16,
    /// What it was.
    pub kind: Kind,
    /// Of what was found by comparing two looks: they lay so far apart, and it happened in
    /// between, nanoseconds. 0: the time is exact.
    pub within_ns: u64,
    /// The congestion control, where it was told.
    pub cc: Option<Name>,
    /// Which connection it has, where that was told; the process is told of one that
    /// connects, at its birth.
    pub connection: Option<Connection>,
    /// The socket's figures, where they were told.
    pub figures: Option<Box<Figures>>,
}

/// The kinds of what can happen to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its life begins.
    Birth {
        /// In this state.
        state: State,
    },
    /// Both ends are the connection's own by now.
    Endpoints {
        /// The state it is in.
        state: State,
    },
    /// They show that a filter does not want it.
    FilteredOut,
    /// Its congestion state becomes another, or is Loss and set to Loss again.
    Transition {
        /// The state that it was in.
        from: State,
        /// The state that it is in from now on.
        to: State,
        /// In what function of the kernel's, as far as that tells the cause.
        place: Place,
    },
    /// It was found in this state, whatever was told before.
    Found {
        /// The state.
        state: State,
    },
    /// Its life ends.
    End {
        /// In this state.
        state: State,
    },
    /// A survey has met it.
    Seen {
        /// In this state.
        state: State,
        /// Without its lock: a transition may have been under way, so the state tells
        /// nothing of a socket that is known.
        unlocked: bool,
    },
}

/// Where a transition was made (`enum place` of `bpf/wire.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Not known, or it tells nothing.
    #[default]
    Unknown,
    /// `tcp_fastretrans_alert()`, or `tcp_try_to_open()` within.
    FastretransAlert,
    /// `tcp_process_tlp_ack()`.
    TlpAck,
    /// `tcp_try_keep_open()`.
    KeepOpen,
    /// `tcp_enter_cwr()`, called from elsewhere than `tcp_fastretrans_alert()`.
    EnterCwr,
    /// `tcp_simple_retransmit()`.
    SimpleRetransmit,
    /// `__tcp_transmit_skb()`.
    Transmit,
    /// `tcp_ack()`, and none of those within.
    Ack,
}

/// Fields of the kernel's `struct tcp_sock` and of what it contains, at an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // the kernel's own flags
pub struct Figures {
    /// Congestion window, segments.
    pub snd_cwnd: u32,
    /// Slow start threshold, segments.
    pub snd_ssthresh: u32,
    /// The window before the last reduction, segments.
    pub prior_cwnd: u32,
    /// Smoothed round-trip time, eighths of microseconds.
    pub srtt_us: u32,
    /// Segments sent and not acknowledged.
    pub packets_out: u32,
    /// Of those, segments that were selectively acknowledged.
    pub sacked_out: u32,
    /// Segments that count as lost.
    pub lost_out: u32,
    /// Segments retransmitted and not acknowledged.
    pub retrans_out: u32,
    /// Retransmissions that were not reported as duplicates so far.
    pub undo_retrans: u32,
    /// The timestamp of the first retransmission; 0: none.
    pub retrans_stamp: u32,
    /// The timestamp that the last ACK echoed.
    pub rcv_tsecr: u32,
    /// What its retransmission timer is to do; 0: nothing (`icsk_pending`).
    pub pending: u8,
    /// There is an `undo_marker`: the present reduction can be undone.
    pub undo_marker: bool,
    /// The last segment had timestamps.
    pub timestamps: bool,
    /// F-RTO is under way.
    pub frto: bool,
    /// The peer has just not taken the data of the SYN.
    pub tfo_failed: bool,
    /// An ACK came in this jiffy.
    pub ack_now: bool,
    /// It is among those that connect or are being accepted: `SYN_SENT`, `SYN_RECV`.
    pub handshake: bool,
    /// Its own account, unless that was being changed.
    pub account: Option<Account>,
    /// What the way to the peer is like, where it was told.
    pub path: Option<PathFigures>,
    /// What comes from the peer, where it was told: by surveys and at the end.
    pub receiving: Option<Receiving>,
}

impl Figures {
    /// Segments in flight, as the kernel estimates (`tcp_packets_in_flight()`,
    /// include/net/tcp.h).
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        let out = self.packets_out.wrapping_add(self.retrans_out);
        out.saturating_sub(self.sacked_out.wrapping_add(self.lost_out))
    }
}

/// A socket's own account, cumulative. It goes round at 2^32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Time sending; limited by the receiver; by the send buffer; jiffies.
    pub chrono: [u32; 3],
    /// Segments that were acknowledged.
    pub delivered: u32,
    /// Segments that were retransmitted.
    pub retransmitted: u32,
}

/// What the way to the peer is like. Cumulative counters go round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathFigures {
    /// Bytes that were acknowledged, the SYN as one; cumulative.
    pub bytes_acked: u64,
    /// The least round-trip time in five minutes (`net.ipv4.tcp_min_rtt_wlen`),
    /// microseconds; 0 before the first.
    pub rtt_min_us: u32,
    /// The last rate sample: segments, ...
    pub rate_delivered: u32,
    /// ... and in which time they were delivered, microseconds; 0: there is none.
    pub rate_interval_us: u32,
    /// Segments that arrived with an ECN mark, cumulative.
    pub delivered_ce: u32,
    /// Segments that the peer reported as duplicates (RFC 2883), cumulative.
    pub dsack_dups: u32,
    /// Segments that had been overtaken, cumulative.
    pub reord_seen: u32,
    /// The receiver's window, bytes.
    pub snd_wnd: u32,
    /// Written and not yet sent, bytes.
    pub unsent: u32,
    /// Of a transition: since the last ACK, or the last transmission, if that was later;
    /// jiffies.
    pub quiet: u32,
    /// Time in timeouts until they were recovered from (`tp->total_rto_time`), milliseconds,
    /// cumulative; 0 before 6.7.
    pub total_rto_time_ms: u32,
    /// Retransmission timeout, jiffies.
    pub rto: u32,
    /// Largest segment that is sent, bytes of data.
    pub mss: u32,
    /// Timeouts since the last progress.
    pub retransmits: u8,
    /// The congestion window was the limit (`tp->is_cwnd_limited`).
    pub cwnd_limited: bool,
    /// There was too little to send when the last rate sample was taken.
    pub app_limited: bool,
    /// Of surveys: a writer or a poller found no room in the send buffer (`SOCK_NOSPACE`). Where
    /// sockets are sampled: too little of it is free for that to end.
    pub no_space: bool,
}

impl PathFigures {
    /// The last rate sample, bits a second, as `tcpi_delivery_rate`
    /// (`tcp_compute_delivery_rate()`, `net/ipv4/tcp.c`).
    #[must_use]
    pub fn delivery_rate_bits(&self) -> Option<u64> {
        let bits = u128::from(self.rate_delivered) * u128::from(self.mss) * 8;
        let rate = (bits * 1_000_000).checked_div(self.rate_interval_us.into())?;
        u64::try_from(rate).ok()
    }

    /// The least round-trip time, microseconds.
    #[must_use]
    pub fn rtt_min(&self) -> Option<u32> {
        (self.rtt_min_us != 0).then_some(self.rtt_min_us)
    }
}

/// What comes from the peer, and how the connection is. Cumulative counters go round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receiving {
    /// Bytes that came in order, cumulative.
    pub bytes_received: u64,
    /// Segments that came out of order, cumulative.
    pub rcv_ooopack: u32,
    /// Segments with data that came, cumulative.
    pub data_segs_in: u32,
    /// In order, and not yet read by the application, bytes.
    pub unread: u32,
    /// What may still come, bytes (`tcp_receive_window()`, include/net/tcp.h).
    pub window: u32,
    /// The largest window that may be offered, bytes.
    pub window_clamp: u32,
    /// Round-trip time as the receiver sees it, eighths of microseconds; 0: not known.
    pub rcv_rtt_us: u32,
    /// What the application reads in a round trip, at most so far, bytes.
    pub rcv_space: u32,
    /// The receive buffer, bytes (`sk_rcvbuf`).
    pub rcvbuf: u32,
    /// What ended it: an `errno`; 0: nothing.
    pub error: u16,
    /// What an ICMP message has said: an `errno`; 0: nothing.
    pub error_soft: u16,
    /// Probes of a zero window, or keep-alive ones, that were not answered.
    pub probes_out: u8,
    /// How often the interval of those, or of timeouts, was doubled.
    pub backoff: u8,
    /// No more is sent than so many bytes a second (`SO_MAX_PACING_RATE`).
    pub max_pacing_rate: Option<u64>,
    /// `SO_RCVBUF` was set, so the buffer does not grow.
    pub buffer_locked: bool,
    /// Nothing is on its way or waits to be sent, so probes are keep-alive ones.
    pub keepalive: bool,
}
