//! One connection in depth, for programs. Not here: the verdict on it.

use serde::Serialize;

use super::waits::{Wait, waits};
use tcpcong_core::model::{Beginning, Life, PathFigures, Receiving, Sample, Spell};

/// What the watch has seen of a connection.
#[derive(Debug)]
pub(in super::super) struct InDepth {
    pub(in super::super) samples: Vec<SampleObject>,
    pub(in super::super) spells: Vec<SpellObject>,
    pub(in super::super) waits: Vec<Wait>,
}

/// What its socket looked like.
#[derive(Debug, Serialize)]
pub(in super::super) struct SampleObject {
    at_ns: u64,
    cwnd: u32,
    ssthresh: Option<u32>,
    srtt_us: Option<u32>,
    in_flight: u32,
    lost: u32,
    delivered: Option<u32>,
    retransmitted: Option<u32>,
    #[serde(flatten)]
    path: PathObject,
    #[serde(flatten)]
    receiving: ReceivingObject,
}

/// What the way to the peer was like; nothing where that was not told.
#[derive(Debug, Default, Serialize)]
struct PathObject {
    bytes_acked: Option<u64>,
    rtt_min_us: Option<u32>,
    delivery_rate: Option<u64>,
    mss: Option<u32>,
    snd_wnd: Option<u32>,
    unsent: Option<u32>,
    delivered_ce: Option<u32>,
    dsack_dups: Option<u32>,
    cwnd_limited: Option<bool>,
    app_limited: Option<bool>,
}

/// What came from the peer; nothing where that was not told.
#[derive(Debug, Default, Serialize)]
struct ReceivingObject {
    bytes_received: Option<u64>,
    out_of_order: Option<u32>,
    unread: Option<u32>,
    rcv_wnd: Option<u32>,
    rcv_rtt_us: Option<u32>,
}

/// A stay in one state.
#[derive(Debug, Serialize)]
pub(in super::super) struct SpellObject {
    from_ns: u64,
    to_ns: u64,
    state: &'static str,
    cause: Option<String>,
    seen: bool,
}

impl InDepth {
    /// Of a life between two instants.
    pub(in super::super) fn new(life: &Life, span: (u64, u64)) -> Self {
        let (from_ns, to_ns) = span;
        let samples = life.samples.iter().filter(|one| (from_ns..=to_ns).contains(&one.at_ns));
        let spells =
            life.spells.iter().filter(|spell| spell.to_ns > from_ns && spell.from_ns <= to_ns);
        Self {
            samples: samples.map(SampleObject::from).collect(),
            spells: spells.map(SpellObject::from).collect(),
            waits: waits(life, span),
        }
    }
}

impl From<&Sample> for SampleObject {
    fn from(sample: &Sample) -> Self {
        Self {
            at_ns: sample.at_ns,
            cwnd: sample.cwnd,
            ssthresh: sample.ssthresh,
            srtt_us: sample.srtt_us,
            in_flight: sample.in_flight,
            lost: sample.lost,
            delivered: sample.account.map(|[delivered, _]| delivered),
            retransmitted: sample.account.map(|[_, retransmitted]| retransmitted),
            path: sample.path.as_ref().map(PathObject::from).unwrap_or_default(),
            receiving: sample.receiving.as_ref().map(ReceivingObject::from).unwrap_or_default(),
        }
    }
}

impl From<&PathFigures> for PathObject {
    fn from(path: &PathFigures) -> Self {
        Self {
            bytes_acked: Some(path.bytes_acked),
            rtt_min_us: path.rtt_min(),
            delivery_rate: path.delivery_rate_bits(),
            mss: Some(path.mss),
            snd_wnd: Some(path.snd_wnd),
            unsent: Some(path.unsent),
            delivered_ce: Some(path.delivered_ce),
            dsack_dups: Some(path.dsack_dups),
            cwnd_limited: Some(path.cwnd_limited),
            app_limited: Some(path.app_limited),
        }
    }
}

impl From<&Receiving> for ReceivingObject {
    fn from(receiving: &Receiving) -> Self {
        Self {
            bytes_received: Some(receiving.bytes_received),
            out_of_order: Some(receiving.rcv_ooopack),
            unread: Some(receiving.unread),
            rcv_wnd: Some(receiving.window),
            rcv_rtt_us: Some(receiving.rcv_rtt_us >> 3).filter(|us| *us > 0),
        }
    }
}

impl From<&Spell> for SpellObject {
    fn from(spell: &Spell) -> Self {
        Self {
            from_ns: spell.from_ns,
            to_ns: spell.to_ns,
            state: spell.state.name(),
            cause: spell.beginning.cause().map(|cause| cause.to_string()),
            seen: spell.beginning != Beginning::Unseen,
        }
    }
}
