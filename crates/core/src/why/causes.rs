//! How often each cause came in a watch. Not here: how a cause is told, which is the model's.

use crate::model::{Cause, State, Transition};

/// How often each cause came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Causes {
    /// Timeouts, first and further ones.
    pub rto: u32,
    /// Of those, timeouts of handshakes.
    pub syn_timeout: u32,
    /// Packets too big for the path.
    pub pmtu: u32,
    /// Data of a SYN that the peer did not take.
    pub tfo_fail: u32,
    /// Losses that acknowledgements or RACK's timer showed.
    pub recovery: u32,
    /// ECN marks.
    pub ecn: u32,
    /// Drops in a local queue.
    pub local_drop: u32,
    /// Losses that a tail loss probe repaired.
    pub tlp: u32,
    /// Acknowledgements out of order.
    pub reordering: u32,
    /// Ends of Loss or Recovery with the window restored.
    pub undo: u32,
    /// Of those, ends of Loss.
    pub undo_of_loss: u32,
    /// Ends of Loss or Recovery without.
    pub recovered: u32,
    /// Of those, ends of Loss.
    pub recovered_of_loss: u32,
    /// What could not be told.
    pub unknown: u32,
}

impl Causes {
    pub(super) fn add(&mut self, transition: &Transition) {
        let count = match transition.cause {
            Cause::Rto | Cause::RtoRepeat => &mut self.rto,
            Cause::SynTimeout => {
                self.syn_timeout += 1;
                &mut self.rto
            }
            Cause::Pmtu => &mut self.pmtu,
            Cause::FastRetransmit | Cause::RackTimer => &mut self.recovery,
            Cause::Ecn => &mut self.ecn,
            Cause::LocalDrop => &mut self.local_drop,
            Cause::Tlp => &mut self.tlp,
            Cause::Reordering => &mut self.reordering,
            Cause::TfoFail => &mut self.tfo_fail,
            Cause::Undo(_) => {
                self.undo_of_loss += u32::from(transition.from == State::Loss);
                &mut self.undo
            }
            Cause::Recovered if matches!(transition.from, State::Loss | State::Recovery) => {
                self.recovered_of_loss += u32::from(transition.from == State::Loss);
                &mut self.recovered
            }
            Cause::Recovered => return,
            Cause::Unknown => &mut self.unknown,
        };
        *count += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let Self {
            rto,
            syn_timeout,
            pmtu,
            tfo_fail,
            recovery,
            ecn,
            local_drop,
            tlp,
            reordering,
            undo,
            undo_of_loss,
            recovered,
            recovered_of_loss,
            unknown,
        } = other;
        self.rto += rto;
        self.syn_timeout += syn_timeout;
        self.pmtu += pmtu;
        self.tfo_fail += tfo_fail;
        self.recovery += recovery;
        self.ecn += ecn;
        self.local_drop += local_drop;
        self.tlp += tlp;
        self.reordering += reordering;
        self.undo += undo;
        self.undo_of_loss += undo_of_loss;
        self.recovered += recovered;
        self.recovered_of_loss += recovered_of_loss;
        self.unknown += unknown;
    }
}
