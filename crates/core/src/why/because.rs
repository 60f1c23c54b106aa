//! Why a verdict is given: what it is that costs, and how much, in a sentence. Not here:
//! the rest of the evidence, which views have.

use super::weigh::{limits, losses_cost_ns, smaller_window_ns, window_used};
use super::{Evidence, Reduced, Trigger, Verdict};
use crate::model::State;

/// The sentence for this verdict on this evidence.
pub(super) fn of(verdict: Verdict, evidence: &Evidence) -> String {
    let looks = &evidence.looks;
    let limits = limits(evidence);
    let known = evidence.knows_rate().then(|| rate(evidence.rate_bits()));
    let rate = known.unwrap_or_else(|| "how fast is not known".to_owned());
    match verdict {
        Verdict::Refused => "the peer's machine refused the connection".to_owned(),
        Verdict::Unreachable => {
            "network or host cannot be reached, said an ICMP message".to_owned()
        }
        Verdict::NotAnswered => not_answered(evidence),
        Verdict::BlackHole => black_hole(evidence),
        Verdict::PeerSilent if evidence.probes == 0 => {
            "keep-alive probes had no answer until it ended".to_owned()
        }
        Verdict::PeerSilent => format!("{} keep-alive probes had no answer", evidence.probes),
        Verdict::PacketsTooBig => packets_too_big(evidence),
        Verdict::Outage => outage(evidence),
        Verdict::SpuriousTimeouts => format!(
            "{} of {} timeouts were for nothing, and took {}",
            evidence.causes.undo_of_loss,
            evidence.causes.rto,
            time(evidence.timeouts_ns())
        ),
        Verdict::Reordering => {
            let taken_ns = evidence.times[State::Disorder] + evidence.times[State::Recovery];
            format!("segments overtaken kept it in Disorder and Recovery for {}", time(taken_ns))
        }
        Verdict::LocalQueue => smaller(
            evidence,
            evidence.reduced(Trigger::LocalDrop),
            ["a drop", "drops"],
            "in this machine's queue",
        ),
        Verdict::TimeoutWaits => format!(
            "{} timeouts: {} waited before them, {} in Loss after",
            evidence.causes.rto,
            time(evidence.waited.total_ns() - evidence.waited[State::Loss]),
            time(evidence.times[State::Loss])
        ),
        Verdict::PathLoss => path_loss(evidence),
        Verdict::EcnMarking => {
            smaller(evidence, evidence.reduced(Trigger::Mark), ["a mark", "marks"], "on the way")
        }
        Verdict::ReceiverWindow => format!(
            "the receiver's window was full for {}: {rate}",
            percent(evidence.share_of_measured(limits.rwnd_ns))
        ),
        Verdict::SendBuffer => format!(
            "the send buffer was full for {}: {rate}",
            percent(evidence.share_of_measured(limits.sndbuf_ns))
        ),
        Verdict::StandingQueue => format!(
            "packets wait {} in a queue, and need {} without: {rate}",
            us(looks.queueing_us()),
            us(looks.rtt_min_us)
        ),
        Verdict::PathFull if looks.queueing_us() >= 1000 => {
            format!("it carries {rate}, and packets wait {} in a queue", us(looks.queueing_us()))
        }
        Verdict::PathFull => format!("it carries {rate}, steadily, and no more"),
        Verdict::SlowReader => format!(
            "the application here had not read all at {} of the looks, up to {}",
            percent(looks.share(looks.unread)),
            bytes(looks.unread_most)
        ),
        Verdict::ReceiveBuffer => receive_buffer(evidence),
        Verdict::InboundLoss => format!(
            "{} of {} segments came while others before them were missing",
            evidence.stats.traffic.out_of_order, evidence.stats.traffic.segments_in
        ),
        Verdict::SenderIdle => format!(
            "nothing has come for {}, though all is read and the window is open",
            time(evidence.mean_ns(evidence.still_ns))
        ),
        Verdict::ApplicationIdle => format!(
            "there was nothing to send for {}",
            percent(evidence.share_of_measured(evidence.stats.open_idle_ns))
        ),
        Verdict::Healthy if evidence.receives() => {
            format!("nothing here held it up: {} came", self::rate(evidence.recv_rate_bits()))
        }
        Verdict::Healthy => format!("nothing held it up: {rate}"),
    }
}

fn not_answered(evidence: &Evidence) -> String {
    match evidence.causes.syn_timeout {
        0 => format!("no answer to the SYN in {}", time(evidence.mean_ns(evidence.unanswered_ns))),
        1 => "no answer to the SYN, nor to another one".to_owned(),
        more => format!("no answer to the SYN, nor to {more} others"),
    }
}

fn black_hole(evidence: &Evidence) -> String {
    match evidence.causes.rto {
        0 => {
            format!("nothing was acknowledged in {}", time(evidence.mean_ns(evidence.watched_ns())))
        }
        1 => "nothing was acknowledged, after one timeout".to_owned(),
        more => format!("nothing was acknowledged, after {more} timeouts"),
    }
}

fn packets_too_big(evidence: &Evidence) -> String {
    let stood_ns = evidence.outages.total_ns + evidence.timeouts_ns();
    if evidence.shrunk > 0 {
        format!("it stood for {} until segments became smaller", time(stood_ns))
    } else {
        format!("it stood for {} on one segment while later ones arrived", time(stood_ns))
    }
}

fn outage(evidence: &Evidence) -> String {
    let outages = &evidence.outages;
    let direction = match outages.of_acks {
        0 if outages.goes_on && outages.count == 1 => "which way does not show yet",
        0 => "data was lost, as far as it shows",
        all if all == outages.count => "data had arrived, and acknowledgements had not",
        _ => "data was lost, or acknowledgements were",
    };
    let still = if outages.goes_on { ", and still is not" } else { "" };
    let from = match outages.longest_from_ns.checked_sub(evidence.since_ns) {
        Some(from_ns) => format!("from {} of the watch on", time(from_ns)),
        None => "from before the watch on".to_owned(),
    };
    match outages.count {
        1 => format!(
            "{from} nothing was answered for {}, by {} timeouts{still}; {direction}",
            time(outages.total_ns),
            outages.timeouts
        ),
        more => format!(
            "{more} times nothing was answered, for {} together, the longest {from}{still}; \
             {direction}",
            time(outages.total_ns)
        ),
    }
}

fn path_loss(evidence: &Evidence) -> String {
    let reduced = evidence.reduced(Trigger::Loss);
    let cost = percent(evidence.share(losses_cost_ns(evidence)));
    let retransmitted = evidence.stats.retransmitted_in_all();
    if smaller_window_ns(evidence) > evidence.times[State::Recovery] + evidence.times[State::Loss] {
        let smaller = smaller(evidence, reduced, ["a loss", "losses"], "on the way");
        return format!("{smaller}: {}", rate(evidence.rate_bits()));
    }
    format!("{retransmitted} segments were retransmitted, and losses cost {cost} of the time")
}

fn receive_buffer(evidence: &Evidence) -> String {
    let looks = &evidence.looks;
    format!(
        "{} came: {} of the window of {} in each round trip of {}",
        rate(evidence.recv_rate_bits()),
        percent(window_used(evidence).min(1.0)),
        bytes(looks.window_most),
        us(if looks.rcv_rtt_us > 0 { looks.rcv_rtt_us } else { looks.rtt_min_us })
    )
}

fn smaller(evidence: &Evidence, reduced: &Reduced, [one, many]: [&str; 2], place: &str) -> String {
    let Reduced { count, below_ns, before, after, .. } = *reduced;
    let what = if count == 1 { one.to_owned() } else { format!("{count} {many}") };
    let share = percent(evidence.share(below_ns));
    if count == 0 || after == 0 {
        return format!("{what} {place} made it slow down");
    }
    let sizes = match evidence.flows {
        1 => format!(" ({before} to {after} segments)"),
        _ => String::new(),
    };
    format!("after {what} {place} the window was smaller for {share}{sizes}")
}

/// Bits a second, with three digits.
fn rate(bits: f64) -> String {
    let (number, unit) = match bits {
        bits if bits >= 1e9 => (bits / 1e9, "Gbit/s"),
        bits if bits >= 1e6 => (bits / 1e6, "Mbit/s"),
        bits => (bits / 1e3, "kbit/s"),
    };
    let digits = if number >= 99.95 {
        0
    } else if number >= 9.995 {
        1
    } else {
        2
    };
    format!("{number:.digits$} {unit}")
}

fn time(ns: u64) -> String {
    let seconds = ns as f64 / 1e9;
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

fn us(us: u32) -> String {
    let ms = f64::from(us) / 1e3;
    if ms >= 10.0 { format!("{ms:.0} ms") } else { format!("{ms:.1} ms") }
}

fn bytes(bytes: u32) -> String {
    let kb = f64::from(bytes) / 1e3;
    if kb >= 1e3 { format!("{:.1} MB", kb / 1e3) } else { format!("{kb:.0} kB") }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}
