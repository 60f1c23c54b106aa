//! `struct tcp_info` as the figures that the ledger takes. What it does not tell stays as it is
//! where nothing is known. Not here: when figures are taken.

use super::answer::{Sighting, TcpInfo};
use tcpcong_core::model::{Account, Figures, PathFigures, Receiving};

/// What of the look before bears on the figures of this one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Before {
    /// The congestion window then.
    pub(super) cwnd: u32,
    /// What is told has happened so long ago, nanoseconds.
    pub(super) ago_ns: u64,
}

/// Of a socket that was just looked at, on a kernel whose jiffy lasts so long.
pub(super) fn figures(sighting: &Sighting<'_>, before: Before, tick_ns: u64) -> Figures {
    let Sighting { info, .. } = *sighting;
    Figures {
        snd_cwnd: info.snd_cwnd(),
        snd_ssthresh: info.snd_ssthresh(),
        prior_cwnd: before.cwnd,
        // The kernel tells whole microseconds.
        srtt_us: info.rtt_us().saturating_mul(8),
        packets_out: info.unacked(),
        sacked_out: info.sacked(),
        lost_out: info.lost(),
        retrans_out: info.retrans(),
        handshake: sighting.handshake,
        account: info.has_account().then(|| account(info, tick_ns)),
        path: Some(path(sighting, before, tick_ns)),
        receiving: Some(receiving(sighting)),
        ..Figures::default()
    }
}

/// `tcp_get_info_chrono_stats()` (net/ipv4/tcp.c) counts what was limited as busy too.
fn account(info: TcpInfo<'_>, tick_ns: u64) -> Account {
    let (rwnd_us, sndbuf_us) = (info.rwnd_limited_us(), info.sndbuf_limited_us());
    let sending_us = info.busy_us().saturating_sub(rwnd_us).saturating_sub(sndbuf_us);
    Account {
        chrono: [sending_us, rwnd_us, sndbuf_us].map(|us| jiffies(us, 1000, tick_ns)),
        delivered: info.delivered(),
        retransmitted: info.total_retrans(),
    }
}

fn path(sighting: &Sighting<'_>, before: Before, tick_ns: u64) -> PathFigures {
    let Sighting { info, no_space, .. } = *sighting;
    let (rate_delivered, rate_interval_us) = rate(info.delivery_rate(), info.snd_mss());
    let since_ack_ms = u64::from(info.last_ack_recv_ms());
    let quiet_ms = since_ack_ms.saturating_sub(before.ago_ns / 1_000_000);
    PathFigures {
        bytes_acked: info.bytes_acked(),
        rtt_min_us: Some(info.min_rtt_us()).filter(|us| *us != u32::MAX).unwrap_or(0),
        rate_delivered,
        rate_interval_us,
        delivered_ce: info.delivered_ce(),
        dsack_dups: info.dsack_dups(),
        reord_seen: info.reord_seen(),
        snd_wnd: info.snd_wnd(),
        unsent: info.notsent_bytes(),
        quiet: jiffies(quiet_ms, 1_000_000, tick_ns),
        total_rto_time_ms: info.total_rto_time_ms(),
        rto: jiffies(info.rto_us().into(), 1000, tick_ns),
        mss: info.snd_mss(),
        retransmits: info.retransmits(),
        cwnd_limited: info.unacked() > 0 && info.unacked() >= info.snd_cwnd(),
        app_limited: info.app_limited(),
        no_space,
    }
}

fn receiving(sighting: &Sighting<'_>) -> Receiving {
    let Sighting { info, unread, rcvbuf, .. } = *sighting;
    Receiving {
        bytes_received: info.bytes_received(),
        rcv_ooopack: info.rcv_ooopack(),
        data_segs_in: info.data_segs_in(),
        unread,
        window: info.rcv_wnd(),
        window_clamp: 0,
        rcv_rtt_us: info.rcv_rtt_us().saturating_mul(8),
        rcv_space: info.rcv_space(),
        rcvbuf,
        probes_out: info.probes(),
        backoff: info.backoff(),
        max_pacing_rate: Some(info.max_pacing_rate()).filter(|rate| *rate != u64::MAX),
        keepalive: info.unacked() == 0 && info.notsent_bytes() == 0,
        ..Receiving::default()
    }
}

/// So many units of `unit_ns` in jiffies, of which the kernel keeps 32 bits.
#[expect(clippy::cast_possible_truncation)]
fn jiffies(time: u64, unit_ns: u64, tick_ns: u64) -> u32 {
    (time.saturating_mul(unit_ns) / tick_ns.max(1)) as u32
}

/// A rate of bytes a second as segments of this size, and in what time, microseconds.
fn rate(bytes: u64, mss: u32) -> (u32, u32) {
    // The more segments the finer the time, which has 32 bits.
    [1_000_000_u32, 1000, 1]
        .into_iter()
        .find_map(|segments| {
            let sent = u128::from(segments) * u128::from(mss) * 1_000_000;
            let us = u32::try_from(sent.checked_div(bytes.into())?).ok()?;
            Some((segments, us))
        })
        .filter(|(_, us)| *us > 0)
        .unwrap_or((0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_told_as_the_kernel_measured_it() {
        for bytes in [1000, 120_000, 12_500_000, 1_250_000_000, 50_000_000_000_u64] {
            let (rate_delivered, rate_interval_us) = rate(bytes, 1448);
            let path = PathFigures {
                rate_delivered,
                rate_interval_us,
                mss: 1448,
                ..PathFigures::default()
            };
            let bits = path.delivery_rate_bits().expect("a rate");
            assert!(bits.abs_diff(8 * bytes) * 1000 <= 8 * bytes, "{bytes}: {bits}");
        }
        assert_eq!(
            (rate(0, 1448), rate(5, 0), rate(1, 1448)),
            ((0, 0), (0, 0), (1, 1_448_000_000))
        );
    }

    #[test]
    fn times_are_counted_in_jiffies() {
        assert_eq!(jiffies(204_000, 1000, 4_000_000), 51);
        assert_eq!(jiffies(u64::MAX, 1000, 0), u32::MAX);
    }
}
