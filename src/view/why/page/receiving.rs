//! What a connection received, and how its application reads, in words. Not here: who of the
//! two is to blame.

use nix::errno::Errno;

use super::super::wrap;
use super::figures::last;
use super::sections::Section;
use super::series::short;
use tcpcong_core::model::{Life, Receiving};

/// Where there is anything to say of it.
pub(super) fn receiving(life: &Life, width: usize) -> Option<Section> {
    let first = life.samples.iter().find_map(|sample| sample.receiving)?;
    let last = last(life)?.receiving?;
    let facts = facts(&first, &last);
    let lines = wrap::facts(facts.into_iter(), width);
    (!lines.is_empty()).then_some(Section { is_apart: true, title: "receiving", lines })
}

fn facts(first: &Receiving, last: &Receiving) -> Vec<String> {
    let mut facts = Vec::new();
    let came = last.bytes_received.saturating_sub(first.bytes_received);
    let segments = last.data_segs_in.wrapping_sub(first.data_segs_in);
    let late = last.rcv_ooopack.wrapping_sub(first.rcv_ooopack);
    if came > 0 || last.unread > 0 {
        facts.push(format!("{} came in {segments} segments", bytes(came)));
        facts.push(format!("{late} of them out of order"));
        facts.push(format!("{} not read by the application", bytes(last.unread.into())));
        facts.push(format!("window {}", bytes(last.window.into())));
        let fixed = if last.buffer_locked { ", set by the application" } else { "" };
        facts.push(format!("buffer {}{fixed}", bytes(last.rcvbuf.into())));
        if last.rcv_rtt_us >> 3 > 0 {
            let rtt_ms = f64::from(last.rcv_rtt_us >> 3) / 1e3;
            facts.push(format!("round trip as seen here {} ms", short(rtt_ms)));
        }
    }
    if last.probes_out > 0 {
        let probes = if last.keepalive { "keep-alive probes" } else { "probes of a zero window" };
        facts.push(format!("{} {probes} without an answer", last.probes_out));
    }
    let error = |error: u16| Errno::from_raw(error.into()).desc().to_lowercase();
    if last.error > 0 {
        facts.push(format!("it ended with: {}", error(last.error)));
    }
    if last.error_soft > 0 {
        facts.push(format!("an ICMP message said: {}", error(last.error_soft)));
    }
    facts
}

/// In a unit that needs no more than three digits before the point.
fn bytes(bytes: u64) -> String {
    let amount = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", short(amount / 1e3)),
        1_000_000..1_000_000_000 => format!("{} MB", short(amount / 1e6)),
        _ => format!("{} GB", short(amount / 1e9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_how_it_is_read_is_said_and_nothing_of_one_that_only_sends() {
        let first = Receiving::default();
        assert!(facts(&first, &first).is_empty());
        let last = Receiving {
            bytes_received: 12_345_678,
            data_segs_in: 9000,
            rcv_ooopack: 3,
            unread: 65_536,
            rcvbuf: 131_072,
            buffer_locked: true,
            rcv_rtt_us: 8 * 40_100,
            ..first
        };
        assert_eq!(
            facts(&first, &last).join("; "),
            "12.3 MB came in 9000 segments; 3 of them out of order; 65.5 kB not read by the \
             application; window 0 bytes; buffer 131 kB, set by the application; round trip as \
             seen here 40.1 ms"
        );
        let dead = Receiving { probes_out: 6, keepalive: true, error_soft: 113, ..first };
        assert_eq!(
            facts(&first, &dead).join("; "),
            "6 keep-alive probes without an answer; an ICMP message said: no route to host"
        );
    }
}
