//! Why a transition was made, told from the socket's figures at that moment and from
//! what the one before left. Not here: the causes' names.

use serde::{Deserialize, Serialize};

use super::{Cause, Change, Figures, Name, Place, State, UndoBy};

/// `TCP_INFINITE_SSTHRESH`, `include/net/tcp.h`.
pub(super) const NO_SSTHRESH: u32 = 0x7fff_ffff;
/// `ICSK_TIME_REO_TIMEOUT`, `include/net/inet_connection_sock.h`.
const REO_TIMEOUT: u8 = 6;

/// Whether there was an `undo_marker` when the present Recovery or Loss began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Undo {
    #[default]
    No,
    Armed,
    /// Its beginning was not seen.
    Unknown,
}

/// What the next transition's cause and sizes are told by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) undo: Undo,
    /// After the last transition, segments; 0: none was told.
    pub(super) cwnd: u32,
    pub(super) ssthresh: u32,
}

/// What a transition is told with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Explained {
    pub(super) cause: Cause,
    pub(super) cwnd: Change,
    pub(super) ssthresh: Change,
}

impl Window {
    /// Of a socket that is met in the midst of its life.
    pub(super) fn met_in(state: State) -> Self {
        let undo = if state >= State::Recovery { Undo::Unknown } else { Undo::No };
        Self { undo, ..Self::default() }
    }

    /// A transition was missed.
    pub(super) fn lose_track(&mut self) {
        self.undo = Undo::Unknown;
    }

    /// Of the transition that comes next.
    pub(super) fn explain(
        &mut self,
        (from, to): (State, State),
        place: Place,
        cc: Option<Name>,
        now: &Figures,
    ) -> Explained {
        let cause = self.cause((from, to), place, cc, now);
        let (cwnd_before, ssthresh_before) = (self.cwnd, self.ssthresh);
        self.cwnd = now.snd_cwnd;
        self.ssthresh = now.snd_ssthresh;
        if matches!(to, State::Recovery | State::Loss) {
            self.undo = if now.undo_marker { Undo::Armed } else { Undo::No };
        }
        // The kernel keeps what the window was before the first of several reductions
        // (tcp_init_cwnd_reduction(), tcp_enter_loss()), and has none for a packet that
        // was too big; before anything else the window is taken to be what it was after
        // the last transition.
        let cwnd_before = match cause {
            Cause::Pmtu | Cause::TfoFail => self.cwnd,
            _ if to >= State::Cwr && from <= State::Disorder => now.prior_cwnd,
            _ => cwnd_before,
        };
        let known = |size: u32| (size != 0 && size != NO_SSTHRESH).then_some(size);
        Explained {
            cause,
            cwnd: Change { before: known(cwnd_before), after: known(self.cwnd) },
            ssthresh: Change { before: known(ssthresh_before), after: known(self.ssthresh) },
        }
    }

    fn cause(
        &self,
        (from, to): (State, State),
        place: Place,
        cc: Option<Name>,
        now: &Figures,
    ) -> Cause {
        match to {
            State::Loss => cause_of_loss(from, place, now),
            State::Recovery => cause_of_recovery(now),
            State::Cwr => cause_of_cwr(place, cc),
            State::Disorder if from != State::Recovery => Cause::Reordering,
            State::Open | State::Disorder => self.cause_of_return(from, now),
        }
    }

    /// Back to Open, or from Recovery to Disorder, where it is undone before all of the
    /// loss is acknowledged (`tcp_try_undo_partial()`). Recovery and Loss note an
    /// `undo_marker` when they begin, and `tcp_undo_cwnd_reduction()` takes it away when it
    /// restores the window. It does so when all retransmissions were reported as
    /// duplicates (`undo_retrans`), when the ACK echoes an older timestamp than the first
    /// retransmission's (`tcp_packet_delayed()`), or by F-RTO (`tcp_process_loss()`).
    fn cause_of_return(&self, from: State, now: &Figures) -> Cause {
        let may_undo = matches!(from, State::Recovery | State::Loss);
        if self.undo == Undo::No || !may_undo || now.undo_marker {
            return Cause::Recovered;
        }
        if self.undo == Undo::Unknown {
            return Cause::Unknown;
        }
        if now.undo_retrans == 0 {
            return Cause::Undo(Some(UndoBy::Dsack));
        }
        let timestamps = now.timestamps && now.rcv_tsecr != 0;
        let echoes_older = now.rcv_tsecr.wrapping_sub(now.retrans_stamp).cast_signed() < 0;
        if timestamps && now.retrans_stamp != 0 && echoes_older {
            return Cause::Undo(Some(UndoBy::Timestamps));
        }
        if from == State::Loss && now.frto {
            return Cause::Undo(Some(UndoBy::FRto));
        }
        // tcp_try_undo_partial() has cleared the stamp after it compared it.
        let by = (timestamps && now.retrans_stamp == 0).then_some(UndoBy::Timestamps);
        Cause::Undo(by)
    }
}

/// The retransmission timer's handler takes its name off `icsk_pending` before it acts
/// (`tcp_write_timer_handler()`, `net/ipv4/tcp_timer.c`). Where it has not, Loss is set for
/// a packet that was too big (`tcp_simple_retransmit()`), or, from 6.10 on, for the data
/// of a SYN, neither of which can be undone; or an ICMP message has brought the timeout
/// about (`tcp_ld_RTO_revert()`, `net/ipv4/tcp_ipv4.c`, RFC 6069).
fn cause_of_loss(from: State, place: Place, now: &Figures) -> Cause {
    if place == Place::SimpleRetransmit {
        return Cause::Pmtu;
    }
    if from != State::Loss && now.pending != 0 && !now.undo_marker {
        return if now.tfo_failed { Cause::TfoFail } else { Cause::Pmtu };
    }
    if now.handshake {
        return Cause::SynTimeout;
    }
    if from == State::Loss { Cause::RtoRepeat } else { Cause::Rto }
}

/// Recovery begins on an ACK, or when RACK's reordering timer has run out without one
/// (`tcp_rack_reo_timeout()`, `net/ipv4/tcp_recovery.c`).
fn cause_of_recovery(now: &Figures) -> Cause {
    if now.pending == REO_TIMEOUT && !now.ack_now {
        Cause::RackTimer
    } else {
        Cause::FastRetransmit
    }
}

/// The congestion control `cdg` sets CWR for reasons of its own (`tcp_cdg_backoff()`,
/// `net/ipv4/tcp_cdg.c`). For the rest see `bpf/cwr.h`.
fn cause_of_cwr(place: Place, cc: Option<Name>) -> Cause {
    let is_cdg = cc.is_some() && cc == Name::from_text("cdg");
    match place {
        Place::FastretransAlert => Cause::Ecn,
        Place::Transmit => Cause::LocalDrop,
        Place::TlpAck | Place::KeepOpen => Cause::Tlp,
        Place::EnterCwr if !is_cdg => Cause::LocalDrop,
        Place::Ack if !is_cdg => Cause::Tlp,
        Place::Unknown | Place::SimpleRetransmit | Place::EnterCwr | Place::Ack => Cause::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(states: (State, State), place: Place, now: Figures) -> Cause {
        Window::met_in(State::Open).explain(states, place, None, &now).cause
    }

    fn to_loss(from: State, now: Figures) -> Cause {
        first((from, State::Loss), Place::Unknown, now)
    }

    #[test]
    fn loss_is_a_timeout_unless_no_timer_has_run_out() {
        let timer = Figures { undo_marker: true, ..Figures::default() };
        assert_eq!(to_loss(State::Open, timer), Cause::Rto);
        assert_eq!(to_loss(State::Loss, timer), Cause::RtoRepeat);
        assert_eq!(to_loss(State::Open, Figures { handshake: true, ..timer }), Cause::SynTimeout);
        let pending = Figures { pending: 1, ..Figures::default() };
        assert_eq!(to_loss(State::Open, pending), Cause::Pmtu);
        assert_eq!(to_loss(State::Open, Figures { tfo_failed: true, ..pending }), Cause::TfoFail);
        // An ICMP message has brought it about.
        assert_eq!(to_loss(State::Open, Figures { pending: 1, ..timer }), Cause::Rto);
        let narrow = first((State::Open, State::Loss), Place::SimpleRetransmit, timer);
        assert_eq!(narrow, Cause::Pmtu);
    }

    #[test]
    fn recovery_begins_on_an_ack_or_by_racks_timer() {
        let begun = |pending, ack_now| {
            let now = Figures { pending, ack_now, ..Figures::default() };
            first((State::Disorder, State::Recovery), Place::Unknown, now)
        };
        assert_eq!(begun(REO_TIMEOUT, false), Cause::RackTimer);
        assert_eq!(begun(REO_TIMEOUT, true), Cause::FastRetransmit);
        assert_eq!(begun(1, false), Cause::FastRetransmit);
    }

    #[test]
    fn cwr_is_told_by_where_it_was_set_but_for_cdg() {
        let set = |place, cc| {
            let states = (State::Open, State::Cwr);
            let mut window = Window::met_in(State::Open);
            window.explain(states, place, Name::from_text(cc), &Figures::default()).cause
        };
        assert_eq!(set(Place::FastretransAlert, "cubic"), Cause::Ecn);
        assert_eq!(set(Place::Transmit, "cdg"), Cause::LocalDrop);
        assert_eq!(set(Place::EnterCwr, "cubic"), Cause::LocalDrop);
        assert_eq!(set(Place::EnterCwr, "cdg"), Cause::Unknown);
        assert_eq!(set(Place::TlpAck, "cdg"), Cause::Tlp);
        assert_eq!(set(Place::Ack, "reno"), Cause::Tlp);
        assert_eq!(set(Place::Ack, "cdg"), Cause::Unknown);
        assert_eq!(set(Place::Unknown, "reno"), Cause::Unknown);
    }

    /// Into `from` with an undo marker, and back with these figures.
    fn returned(from: State, now: Figures) -> Cause {
        let mut window = Window::met_in(State::Open);
        let armed = Figures { undo_marker: true, undo_retrans: 3, ..Figures::default() };
        window.explain((State::Open, from), Place::Unknown, None, &armed);
        window.explain((from, State::Open), Place::Unknown, None, &now).cause
    }

    #[test]
    fn a_return_is_an_undo_where_the_marker_is_gone_and_says_how() {
        let marked = Figures { undo_marker: true, ..Figures::default() };
        assert_eq!(returned(State::Recovery, marked), Cause::Recovered);
        let undone = Figures { undo_retrans: 2, ..Figures::default() };
        assert_eq!(returned(State::Recovery, undone), Cause::Undo(None));
        let by = |now| returned(State::Loss, now);
        assert_eq!(by(Figures::default()), Cause::Undo(Some(UndoBy::Dsack)));
        let echo = Figures { timestamps: true, rcv_tsecr: 99, retrans_stamp: 100, ..undone };
        assert_eq!(by(echo), Cause::Undo(Some(UndoBy::Timestamps)));
        assert_eq!(by(Figures { retrans_stamp: 0, ..echo }), Cause::Undo(Some(UndoBy::Timestamps)));
        assert_eq!(by(Figures { frto: true, ..undone }), Cause::Undo(Some(UndoBy::FRto)));
        assert_eq!(returned(State::Cwr, undone), Cause::Recovered);
    }

    #[test]
    fn what_began_unseen_has_an_unknown_end() {
        let mut window = Window::met_in(State::Loss);
        let states = (State::Loss, State::Open);
        let cause = window.explain(states, Place::Unknown, None, &Figures::default()).cause;
        assert_eq!(cause, Cause::Unknown);
    }

    #[test]
    fn a_window_without_bound_is_none() {
        let mut window = Window::met_in(State::Open);
        let now = Figures { snd_cwnd: 5, snd_ssthresh: NO_SSTHRESH, ..Figures::default() };
        let states = (State::Open, State::Disorder);
        let told = window.explain(states, Place::Unknown, None, &now);
        assert_eq!((told.cwnd.before, told.cwnd.after), (None, Some(5)));
        assert_eq!((told.ssthresh.before, told.ssthresh.after), (None, None));
    }
}
