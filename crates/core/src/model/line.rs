//! An entry as one flat JSON object: a line of a recording, which tools that read JSON
//! lines take for a row of a table. docs/recording.md has each key. What is 0 or false
//! most of the time is left out then.

use std::fmt;
use std::net::IpAddr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cause::{Undo, Window};
use super::ledger::Told;
use super::{
    Account, Body, Cause, Connection, Endpoints, Entry, Figures, FlowId, Kind, Name, Ongoing,
    Owner, PathFigures, Place, Process, Receiving, SocketEvent, State, SurveyedNamespace,
};

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

impl EntryLine {
    fn of(entry: &Entry) -> Self {
        let mut line = Self { at_ns: entry.at_ns, ..Self::default() };
        line.r#type = Some(match &entry.body {
            Body::Socket(event) => line.set_event(event),
            Body::Ongoing(ongoing) => line.set_ongoing(ongoing),
            Body::Surveyed(namespaces) => {
                line.surveys = Some(namespaces.clone());
                EntryType::Surveyed
            }
            Body::Gap { from_ns, dropped, damaged } => {
                (line.from_ns, line.dropped) = (Some(*from_ns), Some(*dropped));
                line.damaged = *damaged;
                EntryType::Gap
            }
        });
        line
    }

    fn set_event(&mut self, event: &SocketEvent) -> EntryType {
        self.socket = Some(Address(event.socket));
        (self.lport, self.rport) = (Some(event.lport), Some(event.rport));
        (self.within_ns, self.cc) = (event.within_ns, event.cc);
        if let Some(connection) = &event.connection {
            self.set_connection(connection);
        }
        if let Some(figures) = &event.figures {
            self.set_figures(figures);
        }
        let (kind, state) = match event.kind {
            Kind::Birth { state } => (EntryType::Birth, state),
            Kind::Endpoints { state } => (EntryType::Endpoints, state),
            Kind::Found { state } => (EntryType::Found, state),
            Kind::End { state } => (EntryType::End, state),
            Kind::Seen { state, unlocked } => {
                self.unlocked = unlocked;
                (EntryType::Seen, state)
            }
            Kind::FilteredOut => return EntryType::FilteredOut,
            Kind::Transition { from, to, place } => {
                (self.from, self.to, self.place) = (Some(from), Some(to), place);
                return EntryType::Transition;
            }
        };
        self.state = Some(state);
        kind
    }

    fn set_connection(&mut self, connection: &Connection) {
        // Its ports are those of the event.
        let Connection { endpoints, netns, cookie, owner } = *connection;
        let Endpoints { laddr, raddr, zone, .. } = endpoints;
        (self.laddr, self.raddr, self.zone) = (Some(laddr), Some(raddr), zone);
        (self.netns, self.cookie, self.cgroup_id) = (Some(netns), cookie, owner.cgroup);
        self.pid = owner.process.map(|process| process.pid);
        self.comm = owner.process.and_then(|process| process.comm);
    }

    fn set_figures(&mut self, figures: &Figures) {
        let has_threshold = figures.snd_ssthresh != INFINITE_SSTHRESH;
        self.snd_cwnd = Some(figures.snd_cwnd);
        self.snd_ssthresh = has_threshold.then_some(figures.snd_ssthresh);
        self.prior_cwnd = Some(figures.prior_cwnd);
        // The kernel counts in eighths, which a decimal fraction tells exactly.
        self.srtt_us = Some(f64::from(figures.srtt_us) / 8.0);
        self.packets_out = Some(figures.packets_out);
        self.sacked_out = Some(figures.sacked_out);
        self.lost_out = Some(figures.lost_out);
        self.retrans_out = Some(figures.retrans_out);
        self.undo_retrans = figures.undo_retrans;
        self.retrans_stamp = figures.retrans_stamp;
        self.rcv_tsecr = figures.rcv_tsecr;
        self.icsk_pending = figures.pending;
        self.undo_marker = figures.undo_marker;
        self.timestamps = figures.timestamps;
        self.frto = figures.frto;
        self.tfo_failed = figures.tfo_failed;
        self.ack_now = figures.ack_now;
        self.handshake = figures.handshake;
        if let Some(account) = &figures.account {
            self.set_account(account);
        }
        if let Some(path) = &figures.path {
            self.set_path(path);
        }
        if let Some(receiving) = &figures.receiving {
            self.set_receiving(receiving);
        }
    }

    fn set_path(&mut self, path: &PathFigures) {
        self.bytes_acked = Some(path.bytes_acked);
        self.rtt_min_us = path.rtt_min_us;
        (self.rate_delivered, self.rate_interval_us) = (path.rate_delivered, path.rate_interval_us);
        (self.delivered_ce, self.dsack_dups) = (path.delivered_ce, path.dsack_dups);
        (self.reord_seen, self.snd_wnd) = (path.reord_seen, path.snd_wnd);
        (self.unsent, self.quiet, self.rto) = (path.unsent, path.quiet, path.rto);
        (self.total_rto_time_ms, self.mss) = (path.total_rto_time_ms, path.mss);
        self.retransmits = path.retransmits;
        (self.cwnd_limited, self.app_limited) = (path.cwnd_limited, path.app_limited);
        self.no_space = path.no_space;
    }

    fn set_receiving(&mut self, receiving: &Receiving) {
        self.bytes_received = Some(receiving.bytes_received);
        (self.rcv_ooopack, self.data_segs_in) = (receiving.rcv_ooopack, receiving.data_segs_in);
        (self.unread, self.rcv_window) = (receiving.unread, receiving.window);
        (self.window_clamp, self.rcv_space) = (receiving.window_clamp, receiving.rcv_space);
        let rcv_rtt_us = receiving.rcv_rtt_us;
        self.rcv_rtt_us = (rcv_rtt_us != 0).then(|| f64::from(rcv_rtt_us) / 8.0);
        self.rcvbuf = receiving.rcvbuf;
        (self.error, self.error_soft) = (receiving.error, receiving.error_soft);
        (self.probes_out, self.backoff) = (receiving.probes_out, receiving.backoff);
        self.max_pacing_rate = receiving.max_pacing_rate;
        (self.buffer_locked, self.keepalive) = (receiving.buffer_locked, receiving.keepalive);
    }

    fn told(&self) -> Option<Told> {
        let (path, receiving) = (self.path(), self.receiving());
        self.account().map(|account| Told { account, path, receiving })
    }

    fn path(&self) -> Option<PathFigures> {
        Some(PathFigures {
            bytes_acked: self.bytes_acked?,
            rtt_min_us: self.rtt_min_us,
            rate_delivered: self.rate_delivered,
            rate_interval_us: self.rate_interval_us,
            delivered_ce: self.delivered_ce,
            dsack_dups: self.dsack_dups,
            reord_seen: self.reord_seen,
            snd_wnd: self.snd_wnd,
            unsent: self.unsent,
            quiet: self.quiet,
            total_rto_time_ms: self.total_rto_time_ms,
            rto: self.rto,
            mss: self.mss,
            retransmits: self.retransmits,
            cwnd_limited: self.cwnd_limited,
            app_limited: self.app_limited,
            no_space: self.no_space,
        })
    }

    fn receiving(&self) -> Option<Receiving> {
        Some(Receiving {
            bytes_received: self.bytes_received?,
            rcv_ooopack: self.rcv_ooopack,
            data_segs_in: self.data_segs_in,
            unread: self.unread,
            window: self.rcv_window,
            window_clamp: self.window_clamp,
            rcv_rtt_us: eighths(self.rcv_rtt_us.unwrap_or(0.0)),
            rcv_space: self.rcv_space,
            rcvbuf: self.rcvbuf,
            error: self.error,
            error_soft: self.error_soft,
            probes_out: self.probes_out,
            backoff: self.backoff,
            max_pacing_rate: self.max_pacing_rate,
            buffer_locked: self.buffer_locked,
            keepalive: self.keepalive,
        })
    }

    fn set_account(&mut self, account: &Account) {
        let Account { chrono: [busy, rwnd, sndbuf], delivered, retransmitted } = *account;
        self.busy = Some(busy);
        self.rwnd_limited = Some(rwnd);
        self.sndbuf_limited = Some(sndbuf);
        self.delivered = Some(delivered);
        self.total_retrans = Some(retransmitted);
    }

    fn set_ongoing(&mut self, ongoing: &Ongoing) -> EntryType {
        self.set_connection(&ongoing.connection);
        let Endpoints { lport, rport, .. } = ongoing.connection.endpoints;
        (self.lport, self.rport) = (Some(lport), Some(rport));
        (self.socket, self.born_ns) = (Some(Address(ongoing.id.socket)), Some(ongoing.id.born_ns));
        (self.cc, self.cause) = (ongoing.cc, ongoing.cause);
        (self.state, self.since_ns) = (Some(ongoing.state), Some(ongoing.since_ns));
        self.seen_ns = (ongoing.seen_ns != ongoing.since_ns).then_some(ongoing.seen_ns);
        (self.found, self.found_late) = (ongoing.found, ongoing.found_late);
        let had_timeout = ongoing.last_rto_ns != ongoing.id.born_ns;
        self.last_rto_ns = had_timeout.then_some(ongoing.last_rto_ns);
        let Window { undo, cwnd, ssthresh } = ongoing.window;
        (self.undo, self.cwnd, self.ssthresh) = (undo, cwnd, ssthresh);
        if let Some((at_ns, told)) = &ongoing.told {
            self.account_ns = Some(*at_ns);
            self.set_account(&told.account);
            told.path.iter().for_each(|path| self.set_path(path));
            told.receiving.iter().for_each(|receiving| self.set_receiving(receiving));
        }
        EntryType::Flow
    }

    fn ongoing(&self) -> Result<Ongoing, &'static str> {
        let born_ns = self.born_ns.ok_or("no born_ns")?;
        let since_ns = self.since_ns.ok_or("no since_ns")?;
        Ok(Ongoing {
            id: FlowId { socket: self.socket.ok_or("no socket")?.0, born_ns },
            connection: self.connection().ok_or("no laddr, raddr, lport or rport")?,
            cc: self.cc,
            state: self.state.ok_or("no state")?,
            since_ns,
            seen_ns: self.seen_ns.unwrap_or(since_ns),
            cause: self.cause,
            found: self.found,
            found_late: self.found_late,
            last_rto_ns: self.last_rto_ns.unwrap_or(born_ns),
            told: self.account_ns.zip(self.told()),
            window: Window { undo: self.undo, cwnd: self.cwnd, ssthresh: self.ssthresh },
        })
    }

    fn entry(self) -> Result<Entry, &'static str> {
        let at_ns = self.at_ns;
        let body = match self.r#type.ok_or("no type")? {
            EntryType::Surveyed => Body::Surveyed(self.surveys.ok_or("no surveys")?),
            EntryType::Gap => Body::Gap {
                from_ns: self.from_ns.ok_or("no from_ns")?,
                dropped: self.dropped.ok_or("no dropped")?,
                damaged: self.damaged,
            },
            EntryType::Flow => Body::Ongoing(Box::new(self.ongoing()?)),
            kind => Body::Socket(self.event(kind)?),
        };
        Ok(Entry { at_ns, body })
    }

    fn event(&self, kind: EntryType) -> Result<SocketEvent, &'static str> {
        let state = || self.state.ok_or("no state");
        Ok(SocketEvent {
            socket: self.socket.ok_or("no socket")?.0,
            lport: self.lport.ok_or("no lport")?,
            rport: self.rport.ok_or("no rport")?,
            kind: match kind {
                EntryType::Birth => Kind::Birth { state: state()? },
                EntryType::Endpoints => Kind::Endpoints { state: state()? },
                EntryType::Found => Kind::Found { state: state()? },
                EntryType::End => Kind::End { state: state()? },
                EntryType::Seen => Kind::Seen { state: state()?, unlocked: self.unlocked },
                EntryType::Transition => Kind::Transition {
                    from: self.from.ok_or("no from")?,
                    to: self.to.ok_or("no to")?,
                    place: self.place,
                },
                EntryType::FilteredOut | EntryType::Flow | EntryType::Surveyed | EntryType::Gap => {
                    Kind::FilteredOut
                }
            },
            within_ns: self.within_ns,
            cc: self.cc,
            connection: self.connection(),
            figures: self.figures().map(Box::new),
        })
    }

    fn connection(&self) -> Option<Connection> {
        let (laddr, raddr) = self.laddr.zip(self.raddr)?;
        let (lport, rport) = self.lport.zip(self.rport)?;
        let process = self.pid.map(|pid| Process { pid, comm: self.comm });
        Some(Connection {
            endpoints: Endpoints { laddr, lport, raddr, rport, zone: self.zone },
            netns: self.netns.unwrap_or(0),
            cookie: self.cookie,
            owner: Owner { cgroup: self.cgroup_id, process },
        })
    }

    fn account(&self) -> Option<Account> {
        self.busy.map(|busy| Account {
            chrono: [busy, self.rwnd_limited.unwrap_or(0), self.sndbuf_limited.unwrap_or(0)],
            delivered: self.delivered.unwrap_or(0),
            retransmitted: self.total_retrans.unwrap_or(0),
        })
    }

    fn figures(&self) -> Option<Figures> {
        Some(Figures {
            snd_cwnd: self.snd_cwnd?,
            snd_ssthresh: self.snd_ssthresh.unwrap_or(INFINITE_SSTHRESH),
            prior_cwnd: self.prior_cwnd.unwrap_or(0),
            srtt_us: eighths(self.srtt_us.unwrap_or(0.0)),
            packets_out: self.packets_out.unwrap_or(0),
            sacked_out: self.sacked_out.unwrap_or(0),
            lost_out: self.lost_out.unwrap_or(0),
            retrans_out: self.retrans_out.unwrap_or(0),
            undo_retrans: self.undo_retrans,
            retrans_stamp: self.retrans_stamp,
            rcv_tsecr: self.rcv_tsecr,
            pending: self.icsk_pending,
            undo_marker: self.undo_marker,
            timestamps: self.timestamps,
            frto: self.frto,
            tfo_failed: self.tfo_failed,
            ack_now: self.ack_now,
            handshake: self.handshake,
            account: self.account(),
            path: self.path(),
            receiving: self.receiving(),
        })
    }
}

/// As the kernel counts. Too large or too small a number ends at the bound.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn eighths(microseconds: f64) -> u32 {
    (microseconds * 8.0) as u32
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
