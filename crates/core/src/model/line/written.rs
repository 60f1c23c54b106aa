//! What a line says of an entry. Not here: which keys there are, and how a reader makes an
//! entry of them again.

use super::{Address, EntryLine, EntryType, INFINITE_SSTHRESH};
use crate::model::cause::Window;
use crate::model::{
    Account, Body, Connection, Endpoints, Entry, Figures, Kind, Ongoing, PathFigures, Receiving,
    SocketEvent,
};

impl EntryLine {
    pub(super) fn of(entry: &Entry) -> Self {
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

    fn set_account(&mut self, account: &Account) {
        let Account { chrono: [busy, rwnd, sndbuf], delivered, retransmitted } = *account;
        self.busy = Some(busy);
        self.rwnd_limited = Some(rwnd);
        self.sndbuf_limited = Some(sndbuf);
        self.delivered = Some(delivered);
        self.total_retrans = Some(retransmitted);
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
}
