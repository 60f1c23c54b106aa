//! The entry that a line says, or what it lacks for one. Not here: which keys there are, and
//! what a writer puts into them.

use super::{EntryLine, EntryType, INFINITE_SSTHRESH};
use crate::model::cause::Window;
use crate::model::{
    Account, Body, Connection, Endpoints, Entry, Figures, FlowId, Kind, Ongoing, Owner,
    PathFigures, Process, Receiving, SocketEvent, Told,
};

impl EntryLine {
    pub(super) fn entry(self) -> Result<Entry, &'static str> {
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

    fn told(&self) -> Option<Told> {
        let (path, receiving) = (self.path(), self.receiving());
        self.account().map(|account| Told { account, path, receiving })
    }

    fn account(&self) -> Option<Account> {
        self.busy.map(|busy| Account {
            chrono: [busy, self.rwnd_limited.unwrap_or(0), self.sndbuf_limited.unwrap_or(0)],
            delivered: self.delivered.unwrap_or(0),
            retransmitted: self.total_retrans.unwrap_or(0),
        })
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
}

/// As the kernel counts. Too large or too small a number ends at the bound.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn eighths(microseconds: f64) -> u32 {
    (microseconds * 8.0) as u32
}
