//! What the rules weigh: what is known, and what each trouble costs, as times. Not here: when
//! that makes a verdict.

use super::{Evidence, Trigger};
use crate::model::{Limits, State};

/// More than this of what it rests on, unknown, is too much.
pub(super) const UNKNOWN: f64 = 0.2;
/// A watch of a connection that is shorter than this says little, nanoseconds.
pub(super) const SHORT_NS: u64 = 500_000_000;

/// Whether it is known that nothing was acknowledged, not even a SYN.
pub(super) fn is_dead(evidence: &Evidence) -> bool {
    is_measured(evidence) && evidence.stats.delivered_in_all() == 0
}

/// What was sent was measured for so much of the time that the rest says nothing else.
pub(super) fn is_measured(evidence: &Evidence) -> bool {
    evidence.share(evidence.measured_ns) >= 1.0 - UNKNOWN
}

/// The same, but that a SYN may have been.
pub(super) fn no_data_arrived(evidence: &Evidence) -> bool {
    let syn_alone =
        evidence.stats.delivered_in_all() == 1 && evidence.stats.traffic.acked_bytes == 1;
    is_dead(evidence) || (is_measured(evidence) && syn_alone)
}

/// What kept it from sending, outages apart: in one, the kernel's chronograph stays at what it was
/// when data was last written (`tcp_write_xmit()`, `net/ipv4/tcp_output.c`). With what looks have
/// found of the send buffer.
pub(super) fn limits(evidence: &Evidence) -> Limits {
    let Limits { rwnd_ns, sndbuf_ns, .. } = evidence.stats.other;
    let outside = |ns: u64| ns.saturating_sub(evidence.outages.total_ns);
    let open = evidence.stats.open;
    Limits {
        sending_ns: evidence.stats.limits().sending_ns - evidence.buffer_full_ns,
        rwnd_ns: open.rwnd_ns + outside(rwnd_ns),
        sndbuf_ns: open.sndbuf_ns + outside(sndbuf_ns) + evidence.buffer_full_ns,
    }
}

/// Whether more ends of Loss restored the window than did not: nothing had been lost.
pub(super) fn are_spurious(evidence: &Evidence) -> bool {
    evidence.causes.undo_of_loss > evidence.causes.recovered_of_loss
}

/// Time in Recovery and Loss, outages and spurious timeouts apart.
pub(super) fn lossy_ns(evidence: &Evidence) -> u64 {
    let loss_ns = evidence.times[State::Loss].saturating_sub(evidence.outages.total_ns);
    evidence.times[State::Recovery] + if are_spurious(evidence) { 0 } else { loss_ns }
}

/// How much of the time in Recovery was lost: by how much less was delivered in it than in
/// Open, while there was something to send.
pub(super) fn recovery_lost_ns(evidence: &Evidence) -> u64 {
    let recovery_ns = evidence.times[State::Recovery];
    let rate = |state, ns: u64| {
        let delivered = evidence.stats.delivered_in(state);
        (ns > 0).then(|| delivered as f64 / ns as f64)
    };
    let in_open = rate(State::Open, evidence.stats.open.busy_ns());
    let ratio = match (rate(State::Recovery, recovery_ns), in_open) {
        (Some(rate), Some(open)) if open > 0.0 => (rate / open).min(1.0),
        _ => 0.0,
    };
    part(recovery_ns, 1.0 - ratio)
}

/// A part of a time.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // of a time, from 0 to 1
pub(super) fn part(time_ns: u64, of: f64) -> u64 {
    (time_ns as f64 * of) as u64
}

/// What losses cost: Recovery as far as it was slower, timeouts, and the smaller window after
/// losses that no full queue brought about.
pub(super) fn losses_cost_ns(evidence: &Evidence) -> u64 {
    let timeouts_ns = if are_spurious(evidence) { 0 } else { evidence.timeouts_ns() };
    let all_ns = recovery_lost_ns(evidence) + timeouts_ns + smaller_window_ns(evidence);
    all_ns.min(evidence.watched_ns())
}

/// By how much the window was smaller after losses that no full queue brought about, as far as
/// it was the limit.
pub(super) fn smaller_window_ns(evidence: &Evidence) -> u64 {
    evidence.reduced(Trigger::Loss).deficit_ns
}

/// What CWR for this costs: it, or the smaller window during and after it.
pub(super) fn cwr_cost_ns(evidence: &Evidence, trigger: Trigger) -> u64 {
    evidence.times[State::Cwr].max(evidence.reduced(trigger).deficit_ns)
}

/// Of the time in which data was on its way, outages and what losses cost apart, the part that
/// packets waited in queues. A path that is full costs a quarter at least: it carries no more.
pub(super) fn sending_cost_ns(evidence: &Evidence) -> u64 {
    let elsewhere_ns = losses_cost_ns(evidence) + evidence.outages.total_ns;
    let sending_ns = limits(evidence).sending_ns.saturating_sub(elsewhere_ns);
    let looks = &evidence.looks;
    let waiting = f64::from(looks.queueing_us()) / f64::from(looks.srtt_mean_us().max(1));
    part(sending_ns, waiting.max(0.25))
}

/// Which part of the largest window that this end offered came in each round trip.
pub(super) fn window_used(evidence: &Evidence) -> f64 {
    let looks = &evidence.looks;
    let rtt_us = f64::from(if looks.rcv_rtt_us > 0 { looks.rcv_rtt_us } else { looks.rtt_min_us });
    let in_a_round_trip = evidence.recv_rate_bits() / 8.0 * rtt_us / 1e6;
    in_a_round_trip / f64::from(looks.window_most.max(1))
}
