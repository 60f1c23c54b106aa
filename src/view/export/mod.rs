//! A run as spells one by one, with what sockets looked like, for programs that draw or
//! compute: as soon as a spell ends it is handed to each exporter. Not here: the files'
//! formats, which are the exporters'.

mod packets;
mod perfetto;
mod proto;
mod samples;
mod spells;
mod tracks;

use std::io;

use jiff::{SignedDuration, Timestamp};
use rustc_hash::FxHashMap;

use super::trust;
use tcpcong_core::model::{
    Beginning, EndedSpell, FlowId, Gap, Report, Row, Sample, Spell, Start, State, Summary,
    Transition,
};
use tcpcong_core::sink::{Output, Sink};

pub use perfetto::Perfetto;
pub use samples::SamplesCsv;
pub use spells::SpellsCsv;

/// More flows than twice those with a row, and so many, are looked through for ones that
/// are gone without an end.
const KEPT_FREELY: usize = 1024;

/// How a spell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpellEnd {
    /// With a transition to this state.
    Transition(State),
    /// The flow was found in this state later; the spell may have ended sooner.
    Found(State),
    /// With the connection.
    Close,
    /// Not yet, when the recording ended.
    Ongoing,
}

impl SpellEnd {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transition(_) => "transition",
            Self::Found(_) => "found",
            Self::Close => "close",
            Self::Ongoing => "ongoing",
        }
    }

    /// The state after it, where there is one.
    #[must_use]
    pub fn next(self) -> Option<State> {
        match self {
            Self::Transition(next) | Self::Found(next) => Some(next),
            Self::Close | Self::Ongoing => None,
        }
    }
}

/// A spell, and all that is known of it.
#[derive(Debug)]
pub struct ExportedSpell<'a> {
    /// The number of its flow, from 1 on in the order in which they are met.
    pub flow: u64,
    /// Whose it is.
    pub row: &'a Row,
    /// When, in which state, and how it began.
    pub spell: Spell,
    /// The transition with which it began, where that was seen.
    pub began: Option<&'a Transition>,
    /// How it ended.
    pub end: SpellEnd,
    /// Whether beginning and end were seen, and nothing was lost in between.
    pub exact: bool,
    /// What the wall clock showed when it began, as it went when it ended.
    pub from: Timestamp,
}

/// A file that is written as a run goes on. What it does not show it lets pass.
pub trait Exporter {
    /// Before anything else.
    fn started(&mut self, _: &Start) -> io::Result<()> {
        Ok(())
    }

    /// A socket's figures. Those of one flow come in the order of time, before the spells of
    /// the same interval.
    fn sample(&mut self, _flow: u64, _: &Row, _: &Sample, _: Timestamp) -> io::Result<()> {
        Ok(())
    }

    /// A spell that has ended, or with which the recording ends. Those of one flow come in
    /// the order of time.
    fn spell(&mut self, _: &ExportedSpell<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Loss was set again while in Loss.
    fn repeated_rto(&mut self, _flow: u64, _: &Row, _: &Transition) -> io::Result<()> {
        Ok(())
    }

    /// Nothing more comes of a flow. It ended then, if that is known.
    fn flow_ended(&mut self, _flow: u64, _at_ns: Option<u64>) -> io::Result<()> {
        Ok(())
    }

    /// An interval is over: its gaps, its losses, the wall clock.
    fn interval(&mut self, _: &Report) -> io::Result<()> {
        Ok(())
    }

    /// The last call, at this instant. `trust`: how far to trust it, in words.
    fn ended(&mut self, at_ns: u64, trust: &str) -> io::Result<()>;
}

/// What is kept of a living flow.
#[derive(Debug, Default)]
struct Known {
    number: u64,
    /// The transition with which its present spell began.
    began: Option<Transition>,
}

/// Takes reports apart for exporters. The ledger must have been asked for quiet flows,
/// transitions, spells and samples.
pub struct ExportView {
    exporters: Vec<Box<dyn Exporter>>,
    flows: FxHashMap<FlowId, Known>,
    /// How many were met.
    met: u64,
    spells: u64,
    /// The rows of those that were alive at the last interval's end.
    living: Vec<Row>,
    /// That interval's end, and what the wall clock showed at it.
    to: (u64, Timestamp),
    /// When the last gap before this interval ended, `CLOCK_MONOTONIC` nanoseconds.
    last_gap_ns: u64,
    /// This interval's.
    gaps: Vec<Gap>,
}

impl ExportView {
    /// Hands all to each of these.
    #[must_use]
    pub fn new(exporters: Vec<Box<dyn Exporter>>) -> Self {
        Self {
            exporters,
            flows: FxHashMap::default(),
            met: 0,
            spells: 0,
            living: Vec::new(),
            to: (0, Timestamp::UNIX_EPOCH),
            last_gap_ns: 0,
            gaps: Vec::new(),
        }
    }

    fn each(
        &mut self,
        mut call: impl FnMut(&mut dyn Exporter) -> io::Result<()>,
    ) -> io::Result<()> {
        self.exporters.iter_mut().try_for_each(|exporter| call(exporter.as_mut()))
    }

    /// The number of the flow that has this row.
    fn number(&mut self, id: FlowId) -> u64 {
        let met = &mut self.met;
        let known = self.flows.entry(id).or_insert_with(|| {
            *met += 1;
            Known { number: *met, began: None }
        });
        known.number
    }

    fn samples(&mut self, report: &Report, rows: &FxHashMap<FlowId, &Row>) -> io::Result<()> {
        for sample in &report.samples {
            let Some(row) = rows.get(&sample.id) else { continue };
            let flow = self.number(sample.id);
            let at = report.wall(sample.at_ns);
            self.each(|exporter| exporter.sample(flow, row, sample, at))?;
        }
        Ok(())
    }

    /// The spells that ended. The ledger tells of a transition and of the spell that it
    /// ended in the same order.
    fn spells(&mut self, report: &Report, rows: &FxHashMap<FlowId, &Row>) -> io::Result<()> {
        let mut moves = report.transitions.iter().filter(|one| one.from != one.to).peekable();
        for ended in &report.ended_spells {
            let Some(row) = rows.get(&ended.id) else { continue };
            let end = end_of(ended);
            let by = match end {
                SpellEnd::Transition(next) => moves
                    .next_if(|one| one.id == ended.id && (one.from, one.to) == (ended.state, next)),
                _ => None,
            };
            let flow = self.number(ended.id);
            let known = self.flows.get_mut(&ended.id);
            let began = known.and_then(|known| std::mem::replace(&mut known.began, by.copied()));
            let EndedSpell { at_ns: to_ns, state, beginning, length_ns, .. } = *ended;
            let from_ns = to_ns - length_ns.min(to_ns);
            let spell = Spell { from_ns, to_ns, state, beginning };
            self.spell(flow, row, spell, began.as_ref(), end, report.wall(from_ns))?;
            if end == SpellEnd::Close {
                self.flows.remove(&ended.id);
                self.each(|exporter| exporter.flow_ended(flow, Some(to_ns)))?;
            }
        }
        Ok(())
    }

    fn spell(
        &mut self,
        flow: u64,
        row: &Row,
        spell: Spell,
        began: Option<&Transition>,
        end: SpellEnd,
        from: Timestamp,
    ) -> io::Result<()> {
        self.spells += 1;
        let touches = |gap: &Gap| gap.from_ns <= spell.to_ns && gap.to_ns >= spell.from_ns;
        let is_whole = spell.from_ns >= self.last_gap_ns && !self.gaps.iter().any(touches);
        let seen = spell.beginning != Beginning::Unseen && !matches!(end, SpellEnd::Found(_));
        let exported =
            ExportedSpell { flow, row, spell, began, end, exact: seen && is_whole, from };
        self.each(|exporter| exporter.spell(&exported))
    }

    fn repeated_rtos(&mut self, report: &Report, rows: &FxHashMap<FlowId, &Row>) -> io::Result<()> {
        for one in report.transitions.iter().filter(|one| one.from == one.to) {
            let Some(row) = rows.get(&one.id) else { continue };
            let flow = self.number(one.id);
            self.each(|exporter| exporter.repeated_rto(flow, row, one))?;
        }
        Ok(())
    }

    /// Forgets flows that have no row any more, though they have not ended: what a filter
    /// decides may change in a flow's life.
    fn forget_gone(&mut self, rows: &FxHashMap<FlowId, &Row>) -> io::Result<()> {
        if self.flows.len() <= 2 * rows.len() + KEPT_FREELY {
            return Ok(());
        }
        let gone: Vec<_> = self.flows.extract_if(|id, _| !rows.contains_key(id)).collect();
        gone.into_iter().try_for_each(|(_, known)| {
            self.each(|exporter| exporter.flow_ended(known.number, None))
        })
    }

    /// The spells with which the recording ends.
    fn ongoing_spells(&mut self) -> io::Result<()> {
        let (to_ns, at) = self.to;
        for row in std::mem::take(&mut self.living) {
            let flow = self.number(row.id);
            let began = self.flows.get_mut(&row.id).and_then(|known| known.began.take());
            let Row { state, beginning, spell_ns, .. } = row;
            let from_ns = to_ns - spell_ns.min(to_ns);
            let spell = Spell { from_ns, to_ns, state, beginning };
            let from = at - SignedDuration::from_nanos((to_ns - from_ns).cast_signed());
            self.spell(flow, &row, spell, began.as_ref(), SpellEnd::Ongoing, from)?;
        }
        Ok(())
    }
}

fn end_of(spell: &EndedSpell) -> SpellEnd {
    match spell.next {
        None => SpellEnd::Close,
        Some(next) if spell.found => SpellEnd::Found(next),
        Some(next) => SpellEnd::Transition(next),
    }
}

impl Sink for ExportView {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.to = (start.at_ns, start.at);
        trust::at_start(start, out.remarks)?;
        self.each(|exporter| exporter.started(start))
    }

    fn interval(&mut self, report: &Report, _: &mut Output<'_>) -> io::Result<()> {
        let rows: FxHashMap<_, _> = report.rows.iter().map(|row| (row.id, row)).collect();
        self.gaps.clone_from(&report.gaps);
        self.samples(report, &rows)?;
        self.repeated_rtos(report, &rows)?;
        self.spells(report, &rows)?;
        self.forget_gone(&rows)?;
        self.living.clear();
        self.living.extend(report.rows.iter().filter(|row| !row.ended).cloned());
        self.to = (report.to_ns, report.at);
        let gaps = self.gaps.drain(..).map(|gap| gap.to_ns);
        self.last_gap_ns = gaps.fold(self.last_gap_ns, u64::max);
        self.each(|exporter| exporter.interval(report))
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        self.ongoing_spells()?;
        let (spells, flows) = (trust::counted(self.spells, "spell"), self.met);
        let exported = format!("{spells} of {}", trust::counted(flows, "connection"));
        let mut trust = Vec::new();
        trust::at_end_of_export(start, &exported, summary, &mut trust)?;
        let text = String::from_utf8_lossy(&trust);
        let text = text.trim_end().trim_start_matches("tcpcong: ");
        let at_ns = self.to.0;
        self.each(|exporter| exporter.ended(at_ns, text))?;
        out.remarks.write_all(&trust)
    }
}
