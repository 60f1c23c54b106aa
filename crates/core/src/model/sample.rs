//! Rows and reports for tests: nothing in them comes from a kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{
    Account, Body, Cause, Change, Connection, Endpoints, Entry, Figures, FlowId, Kind, Name, Owner,
    Place, Process, Report, Row, SocketEvent, Start, State, StateTimes, SurveyedNamespace, Totals,
    Transition,
};

/// A row in which all that can be unknown is, and nothing has happened.
#[must_use]
pub fn row(lport: u16) -> Row {
    let addr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let connection = Connection {
        endpoints: Endpoints { laddr: addr, lport, raddr: addr, rport: 80, zone: 0 },
        netns: 1,
        cookie: None,
        owner: Owner::default(),
    };
    Row::new(FlowId { socket: lport.into(), born_ns: 0 }, connection)
}

/// A run that began at this instant, when the wall clock showed 2023-11-14T22:13:20Z.
#[must_use]
pub fn start(at_ns: u64) -> Start {
    Start {
        at: Timestamp::from_second(1_700_000_000).unwrap_or_default(),
        at_ns,
        kernel: "6.18.0".to_owned(),
        attach: "tracepoint:btf".to_owned(),
        attach_rejected: Vec::new(),
        limitations: Vec::new(),
        max_flows: 100,
        buffer_bytes: 8 << 20,
        namespaces: 1,
        namespaces_unreached: 0,
        estimated: false,
        only: Vec::new(),
    }
}

/// The beginning of the row's flow, which has connected.
#[must_use]
pub fn birth(row: &Row) -> Entry {
    let event = SocketEvent {
        socket: row.id.socket,
        lport: row.connection.endpoints.lport,
        rport: row.connection.endpoints.rport,
        kind: Kind::Birth { state: State::Open },
        within_ns: 0,
        cc: None,
        connection: Some(row.connection),
        figures: None,
    };
    Entry { at_ns: row.id.born_ns, body: Body::Socket(event) }
}

/// Entries, one after the other. Socket n is that of [`row`] n.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// What it tells.
    pub entries: Vec<Entry>,
    /// The local port of what follows, if it is not that of the socket's row.
    lport: Option<u16>,
}

impl Script {
    fn socket(mut self, socket: u16, at_ns: u64, kind: Kind, with_connection: bool) -> Self {
        let row = row(self.lport.unwrap_or(socket));
        let Entry { body: Body::Socket(event), .. } = birth(&row) else { return self };
        let connection = event.connection.filter(|_| with_connection);
        let event = SocketEvent { socket: socket.into(), kind, connection, ..event };
        self.entries.push(Entry { at_ns, body: Body::Socket(event) });
        self
    }

    /// Its life begins in Open.
    #[must_use]
    pub fn birth(self, socket: u16, at_ns: u64) -> Self {
        self.socket(socket, at_ns, Kind::Birth { state: State::Open }, true)
    }

    /// Both ends are its own.
    #[must_use]
    pub fn endpoints(self, socket: u16, at_ns: u64, state: State) -> Self {
        self.socket(socket, at_ns, Kind::Endpoints { state }, true)
    }

    /// A filter does not want it.
    #[must_use]
    pub fn filtered_out(self, socket: u16, at_ns: u64) -> Self {
        self.socket(socket, at_ns, Kind::FilteredOut, false)
    }

    /// It goes from one state to the other.
    #[must_use]
    pub fn transition(self, socket: u16, at_ns: u64, from: State, to: State) -> Self {
        let place = Place::Unknown;
        self.socket(socket, at_ns, Kind::Transition { from, to, place }, false)
    }

    /// Its life ends in this state.
    #[must_use]
    pub fn end(self, socket: u16, at_ns: u64, state: State) -> Self {
        self.socket(socket, at_ns, Kind::End { state }, true)
    }

    /// A survey has met it in this state.
    #[must_use]
    pub fn seen(self, socket: u16, at_ns: u64, state: State) -> Self {
        self.socket(socket, at_ns, Kind::Seen { state, unlocked: false }, true)
    }

    /// The same, without its lock.
    #[must_use]
    pub fn seen_unlocked(self, socket: u16, at_ns: u64, state: State) -> Self {
        self.socket(socket, at_ns, Kind::Seen { state, unlocked: true }, true)
    }

    /// All sockets of the rows' namespace were met.
    #[must_use]
    pub fn surveyed(mut self, at_ns: u64, began_ns: u64) -> Self {
        let namespaces = vec![SurveyedNamespace { netns: row(0).connection.netns, began_ns }];
        self.entries.push(Entry { at_ns, body: Body::Surveyed(namespaces) });
        self
    }

    /// So many entries were lost between these instants.
    #[must_use]
    pub fn gap(mut self, from_ns: u64, to_ns: u64, dropped: u64) -> Self {
        self.entries
            .push(Entry { at_ns: to_ns, body: Body::Gap { from_ns, dropped, damaged: false } });
        self
    }

    /// Sockets have this local port from here on.
    #[must_use]
    pub fn ports(mut self, lport: u16) -> Self {
        self.lport = Some(lport);
        self
    }

    /// The last entry happened between two looks that lay so far apart.
    #[must_use]
    pub fn within(mut self, within_ns: u64) -> Self {
        if let Some(Entry { body: Body::Socket(event), .. }) = self.entries.last_mut() {
            event.within_ns = within_ns;
        }
        self
    }

    /// The last entry comes with these figures.
    #[must_use]
    pub fn with(mut self, figures: Figures) -> Self {
        if let Some(Entry { body: Body::Socket(event), .. }) = self.entries.last_mut() {
            event.figures = Some(Box::new(figures));
        }
        self
    }
}

/// With this window, and what it was before the last reduction.
#[must_use]
pub fn figures(snd_cwnd: u32, prior_cwnd: u32, undo_marker: bool) -> Figures {
    Figures { snd_cwnd, prior_cwnd, undo_marker, ack_now: true, ..Figures::default() }
}

/// With this account: jiffies sending, limited by the receiver, by the send buffer.
#[must_use]
pub fn account(chrono: [u32; 3], delivered: u32, retransmitted: u32) -> Figures {
    let account = Account { chrono, delivered, retransmitted };
    Figures { account: Some(account), ..Figures::default() }
}

/// A transition of the row of port 1, of which nothing else is known.
#[must_use]
pub fn transition(at_ns: u64, from: State, to: State, cause: Cause) -> Transition {
    let Row { id, connection, .. } = row(1);
    let unknown = Change { before: None, after: None };
    Transition {
        at_ns,
        id,
        connection,
        cc: None,
        from,
        to,
        cause,
        spell_ns: 0,
        exact: true,
        cwnd: unknown,
        ssthresh: unknown,
        srtt_us: 0,
        in_flight: 0,
        sacked: 0,
        lost: 0,
        retransmitted: 0,
        waited_ns: None,
        path: None,
    }
}

/// A report of these rows, as the ledger makes it.
#[must_use]
pub fn report(rows: Vec<Row>) -> Report {
    Report {
        flows: rows.len(),
        totals: Totals::of(&rows),
        rows,
        ..Report::of_nothing(Timestamp::UNIX_EPOCH, 0, 1_000_000_000)
    }
}

/// Rows of all kinds, many of them alike in something.
pub fn rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(any_row(), 0..30)
}

fn any_row() -> impl Strategy<Value = Row> {
    let figures = (any::<[u32; 5]>(), 0..5_usize, 0..9_u32, 0..3_u32, any::<bool>(), any::<bool>());
    let who = (0..4_u16, 0..4_u16, any::<bool>(), 0..3_u8, 0..3_u8);
    (figures, who).prop_map(|((times, state, changes, repeated_rtos, exact, ended), who)| {
        let (lport, host, six, process, cgroup) = who;
        let raddr: IpAddr = if six {
            Ipv6Addr::new(0x2001, 0xdb8, 0, host, 0, 0, 0, host).into()
        } else {
            Ipv4Addr::from(u32::from(host) << 7).into()
        };
        let mut row = row(lport);
        row.connection.endpoints.raddr = raddr;
        row.times = StateTimes(times.map(|time| u64::from(time % 4) * 1_000_000));
        (row.state, row.changes, row.repeated_rtos) = (State::ALL[state], changes, repeated_rtos);
        (row.exact, row.ended, row.uncertain_ns) = (exact, ended, u64::from(!exact) * 77);
        row.cc = Name::from_text(["", "cubic", "bbr"][usize::from(process)]);
        let comm = Name::from_text(["", "curl", "nginx"][usize::from(cgroup)]);
        row.connection.owner.process =
            (process > 0).then_some(Process { pid: process.into(), comm });
        row.names.cgroup = [None, Some("/a"), Some("/a/b")][usize::from(cgroup)].map(Arc::from);
        row
    })
}
