//! An entry as one flat JSON object: a line of a recording, which tools that read JSON
//! lines take for a row of a table. docs/recording.md has each key. What is 0 or false
//! most of the time is left out then. Not here: how a line is made of an entry, and an
//! entry of a line, which `written` and `read` do.

mod read;
mod written;

use std::fmt;
use std::net::IpAddr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cause::Undo;
use super::{Cause, Entry, Name, Place, State, SurveyedNamespace};

/// Slow start has no threshold yet (`TCP_INFINITE_SSTHRESH`, include/net/tcp.h).
const INFINITE_SSTHRESH: u32 = 0x7fff_ffff;

/// What kind of entry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EntryType {
    Birth,
    Endpoints,
    FilteredOut,
    Transition,
    Found,
    End,
    Seen,
    Flow,
    Surveyed,
    Gap,
}

/// A socket's address. As text, since many tools keep numbers in 53 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) u64);

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl serde::de::Visitor<'_> for Digits {
            type Value = Address;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a socket's address in hexadecimal digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Address, E> {
                u64::from_str_radix(text, 16).map(Address).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

macro_rules! entry_line {
    ($($field:ident: $type:ty,)*) => {
        /// All keys that there are.
        #[derive(Debug, Default, Serialize, Deserialize)]
        struct EntryLine {
            r#type: Option<EntryType>,
            at_ns: u64,
            $(#[serde(default, skip_serializing_if = "is_default")] $field: $type,)*
        }
    };
}

entry_line! {
    socket: Option<Address>,
    state: Option<State>,
    from: Option<State>,
    to: Option<State>,
    place: Place,
    unlocked: bool,
    within_ns: u64,
    lport: Option<u16>,
    rport: Option<u16>,
    cc: Option<Name>,

    laddr: Option<IpAddr>,
    raddr: Option<IpAddr>,
    zone: u32,
    netns: Option<u32>,
    cookie: Option<u64>,
    cgroup_id: Option<u64>,
    pid: Option<u32>,
    comm: Option<Name>,

    snd_cwnd: Option<u32>,
    snd_ssthresh: Option<u32>,
    prior_cwnd: Option<u32>,
    srtt_us: Option<f64>,
    packets_out: Option<u32>,
    sacked_out: Option<u32>,
    lost_out: Option<u32>,
    retrans_out: Option<u32>,
    undo_retrans: u32,
    retrans_stamp: u32,
    rcv_tsecr: u32,
    icsk_pending: u8,
    undo_marker: bool,
    timestamps: bool,
    frto: bool,
    tfo_failed: bool,
    ack_now: bool,
    handshake: bool,

    born_ns: Option<u64>,
    since_ns: Option<u64>,
    seen_ns: Option<u64>,
    cause: Option<Cause>,
    found: bool,
    found_late: bool,
    undo: Undo,
    cwnd: u32,
    ssthresh: u32,
    last_rto_ns: Option<u64>,
    account_ns: Option<u64>,

    busy: Option<u32>,
    rwnd_limited: Option<u32>,
    sndbuf_limited: Option<u32>,
    delivered: Option<u32>,
    total_retrans: Option<u32>,

    bytes_acked: Option<u64>,
    rtt_min_us: u32,
    rate_delivered: u32,
    rate_interval_us: u32,
    delivered_ce: u32,
    dsack_dups: u32,
    reord_seen: u32,
    snd_wnd: u32,
    unsent: u32,
    quiet: u32,
    total_rto_time_ms: u32,
    rto: u32,
    mss: u32,
    retransmits: u8,
    cwnd_limited: bool,
    app_limited: bool,
    no_space: bool,

    bytes_received: Option<u64>,
    rcv_ooopack: u32,
    data_segs_in: u32,
    unread: u32,
    rcv_window: u32,
    window_clamp: u32,
    rcv_rtt_us: Option<f64>,
    rcv_space: u32,
    rcvbuf: u32,
    error: u16,
    error_soft: u16,
    probes_out: u8,
    backoff: u8,
    max_pacing_rate: Option<u64>,
    buffer_locked: bool,
    keepalive: bool,

    surveys: Option<Vec<SurveyedNamespace>>,
    from_ns: Option<u64>,
    dropped: Option<u64>,
    damaged: bool,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EntryLine::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EntryLine::deserialize(deserializer)?.entry().map_err(D::Error::custom)
    }
}
