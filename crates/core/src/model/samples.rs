//! What a socket looked like at an instant: windows, round-trip time, what is on the way.
//! Not here: how much of anything came in an interval, which rows have.

use super::cause::NO_SSTHRESH;
use super::{Figures, FlowId, PathFigures, Receiving};

/// A socket's figures, of an event or of a survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// Which flow's.
    pub id: FlowId,
    /// Congestion window, segments.
    pub cwnd: u32,
    /// Slow start threshold, segments; nothing where it is without bound.
    pub ssthresh: Option<u32>,
    /// Smoothed round-trip time, microseconds; nothing before the first.
    pub srtt_us: Option<u32>,
    /// Segments in flight, as the kernel estimates (`tcp_packets_in_flight()`).
    pub in_flight: u32,
    /// Segments that count as lost.
    pub lost: u32,
    /// Segments delivered and retransmitted since the connection began, modulo 2^32;
    /// nothing where the socket was busy.
    pub account: Option<[u32; 2]>,
    /// What the way to the peer was like, where that was told.
    pub path: Option<PathFigures>,
    /// What came from the peer, where that was told.
    pub receiving: Option<Receiving>,
}

impl Sample {
    pub(super) fn new(id: FlowId, at_ns: u64, figures: &Figures) -> Self {
        let ssthresh = figures.snd_ssthresh;
        let srtt_us = figures.srtt_us >> 3;
        Self {
            at_ns,
            id,
            cwnd: figures.snd_cwnd,
            ssthresh: (ssthresh != 0 && ssthresh != NO_SSTHRESH).then_some(ssthresh),
            srtt_us: (srtt_us != 0).then_some(srtt_us),
            in_flight: figures.in_flight(),
            lost: figures.lost_out,
            account: figures.account.map(|account| [account.delivered, account.retransmitted]),
            path: figures.path,
            receiving: figures.receiving,
        }
    }
}
