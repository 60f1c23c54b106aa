//! A trace for Perfetto (ui.perfetto.dev): a slice for each spell, counters beside them, and
//! a track that says what was not seen. Not here: how packets are written, and which tracks
//! there are. docs/export.md describes what is in it.

use std::io::{self, Write};

use jiff::Timestamp;

use super::packets::{Note, Packets};
use super::spells::beginning;
use super::tracks::{Counter, TRUST, Tracks, trust_track};
use super::{ExportedSpell, Exporter};
use crate::view::trust;
use tcpcong_core::model::{Change, Gap, Report, Row, Sample, Start, Transition};

/// Categories, by which a viewer can filter.
const STATE: &str = "congestion_state";
const TIMEOUT: &str = "timeout";
const COVERAGE: &str = "coverage";

/// Writes it.
pub struct Perfetto {
    packets: Packets,
    tracks: Tracks,
    /// Where the last gap's slice ended: gaps may overlap, and slices may not.
    gaps_until_ns: u64,
}

impl Perfetto {
    /// To this file.
    #[must_use]
    pub fn new(to: Box<dyn Write>) -> Self {
        Self { packets: Packets::new(to), tracks: Tracks::default(), gaps_until_ns: 0 }
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let from_ns = gap.from_ns.max(self.gaps_until_ns);
        let to_ns = gap.to_ns.max(from_ns);
        self.gaps_until_ns = to_ns;
        let notes = [
            ("entries_dropped", Note::Number(gap.dropped)),
            ("from_ns", Note::Number(gap.from_ns)),
            ("to_ns", Note::Number(gap.to_ns)),
        ];
        self.packets.slice(TRUST, (from_ns, to_ns), (COVERAGE, "entries lost"), &notes)
    }
}

impl Exporter for Perfetto {
    fn started(&mut self, start: &Start) -> io::Result<()> {
        self.packets.begin()?;
        self.packets.clocks(start.at_ns, start.at)?;
        self.packets.track(trust_track())?;
        let (limitations, tool) =
            (start.limitations.join("; "), concat!("tcpcong ", env!("CARGO_PKG_VERSION")));
        let mut notes = vec![
            ("exported_by", Note::Text(tool)),
            ("kernel", Note::Text(&start.kernel)),
            ("attach", Note::Text(&start.attach)),
            ("limitations", Note::Text(&limitations)),
        ];
        if start.estimated {
            notes.push(("times", Note::Text("estimated")));
        }
        self.packets.instant(TRUST, start.at_ns, (COVERAGE, "recording begins"), &notes)
    }

    fn sample(&mut self, flow: u64, row: &Row, sample: &Sample, _: Timestamp) -> io::Result<()> {
        let Self { packets, tracks, .. } = self;
        let track = tracks.of_flow(flow, row, packets)?;
        let at_ns = sample.at_ns;
        track.set(Counter::Cwnd, at_ns, sample.cwnd.into(), packets)?;
        // It may be without bound again, which no number is.
        let unbounded = track.has(Counter::Ssthresh).then_some(0);
        if let Some(ssthresh) = sample.ssthresh.or(unbounded) {
            track.set(Counter::Ssthresh, at_ns, ssthresh.into(), packets)?;
        }
        if let Some(srtt_us) = sample.srtt_us {
            track.set(Counter::Rtt, at_ns, srtt_us.into(), packets)?;
        }
        let rate = sample.account.and_then(|[delivered, _]| track.rate(at_ns, delivered));
        if let Some((since_ns, rate)) = rate {
            track.set(Counter::DeliveryRate, since_ns, rate, packets)?;
        }
        Ok(())
    }

    fn spell(&mut self, exported: &ExportedSpell<'_>) -> io::Result<()> {
        let ExportedSpell { flow, row, spell, began, end, exact, .. } = exported;
        let Self { packets, tracks, .. } = self;
        let track = tracks.of_flow(*flow, row, packets)?.uuid;
        let cause = spell.beginning.cause().map(|cause| cause.to_string());
        let mut notes = vec![("beginning", Note::Word(beginning(spell.beginning)))];
        notes.extend(cause.as_deref().map(|cause| ("cause", Note::Word(cause))));
        notes.push(("ended_by", Note::Word(end.name())));
        notes.extend(end.next().map(|next| ("next", Note::Word(next.name()))));
        notes.push(("exact", Note::Is(*exact)));
        notes.extend(began.iter().flat_map(|began| figures(began)));
        let times = (spell.from_ns, spell.to_ns);
        packets.slice(track, times, (STATE, spell.state.name()), &notes)
    }

    fn repeated_rto(&mut self, flow: u64, row: &Row, again: &Transition) -> io::Result<()> {
        let Self { packets, tracks, .. } = self;
        let track = tracks.of_flow(flow, row, packets)?.uuid;
        let cause = again.cause.to_string();
        let mut notes = vec![("cause", Note::Word(&cause))];
        notes.extend(figures(again));
        packets.instant(track, again.at_ns, (TIMEOUT, "repeated RTO"), &notes)
    }

    fn flow_ended(&mut self, flow: u64, at_ns: Option<u64>) -> io::Result<()> {
        let track = self.tracks.remove(flow);
        let Some((mut track, at_ns)) = track.zip(at_ns) else { return Ok(()) };
        track.end(at_ns, &mut self.packets)
    }

    fn interval(&mut self, report: &Report) -> io::Result<()> {
        self.packets.clocks(report.to_ns, report.at)?;
        report.gaps.iter().try_for_each(|gap| self.gap(gap))?;
        if let Some(what) = trust::of_report(report) {
            let notes = [("what", Note::Text(&what))];
            self.packets.instant(TRUST, report.to_ns, (COVERAGE, "not exact"), &notes)?;
        }
        self.packets.flush()
    }

    fn ended(&mut self, at_ns: u64, trust: &str) -> io::Result<()> {
        let notes = [("trust", Note::Text(trust))];
        self.packets.instant(TRUST, at_ns, (COVERAGE, "recording ends"), &notes)?;
        self.packets.flush()
    }
}

/// What a transition shows of the socket, as far as it is known.
fn figures<'n>(one: &Transition) -> impl Iterator<Item = (&'n str, Note<'n>)> {
    let Change { before: cwnd_before, after: cwnd_after } = one.cwnd;
    let Change { before: ssthresh_before, after: ssthresh_after } = one.ssthresh;
    let figures = [
        ("cwnd_before", cwnd_before),
        ("cwnd_after", cwnd_after),
        ("ssthresh_before", ssthresh_before),
        ("ssthresh_after", ssthresh_after),
        ("srtt_us", Some(one.srtt_us).filter(|srtt_us| *srtt_us != 0)),
        ("in_flight", Some(one.in_flight)),
        ("lost", Some(one.lost)),
        ("retransmitted", Some(one.retransmitted)),
    ];
    figures.into_iter().filter_map(|(key, number)| Some((key, Note::Number(number?.into()))))
}
