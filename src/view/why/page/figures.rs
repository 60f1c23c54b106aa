//! The kernel's own figures of a socket, as `ss -ti` names them. Not here: what they were
//! before.

use tcpcong_core::model::{Life, PathFigures, Receiving, Sample};

type Figure = (&'static str, fn(&Sample) -> Option<String>);

/// Each with its value, as last seen.
pub(super) fn figures(life: &Life) -> Vec<String> {
    let mut figures: Vec<_> = life.cc.iter().map(ToString::to_string).collect();
    let Some(last) = last(life) else { return figures };
    for (name, of) in FIGURES {
        figures.extend(of(&last).map(|value| match &*value {
            "" => (*name).to_owned(),
            value => format!("{name}:{value}"),
        }));
    }
    figures
}

/// What the socket looked like last, each part as it was last told.
pub(super) fn last(life: &Life) -> Option<Sample> {
    let before = || life.samples.iter().rev();
    let last = *before().next()?;
    Some(Sample {
        account: before().find_map(|sample| sample.account),
        path: before().find_map(|sample| sample.path),
        receiving: before().find_map(|sample| sample.receiving),
        ..last
    })
}

/// In the order in which `ss` has them; without a value it is so or not.
const FIGURES: &[Figure] = &[
    ("backoff", |sample| of_receiving(sample, |one| unless_0(one.backoff))),
    ("rtt", |sample| sample.srtt_us.map(milliseconds)),
    ("mss", |sample| of_path(sample, |path| shown(path.mss))),
    ("cwnd", |sample| Some(sample.cwnd.to_string())),
    ("ssthresh", |sample| sample.ssthresh.map(|size| size.to_string())),
    ("bytes_acked", |sample| of_path(sample, |path| shown(path.bytes_acked))),
    ("bytes_received", |sample| of_receiving(sample, |one| shown(one.bytes_received))),
    ("data_segs_in", |sample| of_receiving(sample, |one| shown(one.data_segs_in))),
    ("delivery_rate", |sample| {
        of_path(sample, |path| path.delivery_rate_bits().map(|bits| format!("{bits}bps")))
    }),
    ("delivered", |sample| sample.account.map(|[delivered, _]| delivered.to_string())),
    ("delivered_ce", |sample| of_path(sample, |path| unless_0(path.delivered_ce))),
    ("app_limited", |sample| of_path(sample, |path| path.app_limited.then(String::new))),
    ("cwnd_limited", |sample| of_path(sample, |path| path.cwnd_limited.then(String::new))),
    ("in_flight", |sample| Some(sample.in_flight.to_string())),
    ("retrans", |sample| sample.account.map(|[_, again]| again.to_string())),
    ("lost", |sample| (sample.lost > 0).then(|| sample.lost.to_string())),
    ("dsack_dups", |sample| of_path(sample, |path| unless_0(path.dsack_dups))),
    ("reord_seen", |sample| of_path(sample, |path| unless_0(path.reord_seen))),
    ("rcv_rtt", |sample| {
        of_receiving(sample, |one| Some(one.rcv_rtt_us >> 3).filter(|us| *us > 0).map(milliseconds))
    }),
    ("rcv_space", |sample| of_receiving(sample, |one| shown(one.rcv_space))),
    ("rcv_wnd", |sample| of_receiving(sample, |one| shown(one.window))),
    ("rcv_ooopack", |sample| of_receiving(sample, |one| unless_0(one.rcv_ooopack))),
    ("snd_wnd", |sample| of_path(sample, |path| shown(path.snd_wnd))),
    ("notsent", |sample| of_path(sample, |path| unless_0(path.unsent))),
    ("total_rto_time", |sample| of_path(sample, |path| unless_0(path.total_rto_time_ms))),
    ("minrtt", |sample| of_path(sample, |path| path.rtt_min().map(milliseconds))),
];

fn of_path(sample: &Sample, of: impl Fn(&PathFigures) -> Option<String>) -> Option<String> {
    sample.path.as_ref().and_then(of)
}

fn of_receiving(sample: &Sample, of: impl Fn(&Receiving) -> Option<String>) -> Option<String> {
    sample.receiving.as_ref().and_then(of)
}

#[expect(clippy::unnecessary_wraps, reason = "as the others")]
fn shown(number: impl Into<u64>) -> Option<String> {
    Some(number.into().to_string())
}

fn unless_0(number: impl Into<u64>) -> Option<String> {
    Some(number.into()).filter(|number| *number > 0).map(|number| number.to_string())
}

fn milliseconds(us: u32) -> String {
    let text = format!("{:.3}", f64::from(us) / 1e3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
