//! What a replay hands over, kept until the page is made of it: lives, sums and verdicts. Not
//! here: how any of it is written.

use std::collections::HashMap;
use std::io;

use tcpcong_core::model::{FlowId, Gap, Life, Report, Start, Summary, Timelines};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_core::why::{About, Finding, Verdicts};

use crate::view::trust;

/// Keeps the lives of all flows that reports have rows of.
#[derive(Debug, Default)]
pub struct LivesView {
    timelines: Timelines,
    start: Option<Start>,
    summary: Summary,
    gaps: Vec<Gap>,
    ended_ns: u64,
}

/// A recording that was read.
#[derive(Debug, Default)]
pub struct Collected {
    pub(super) name: String,
    /// Nothing only of what was never read.
    pub(super) start: Option<Start>,
    pub(super) ended_ns: u64,
    pub(super) lives: Vec<Life>,
    pub(super) gaps: Vec<Gap>,
    pub(super) verdicts: HashMap<FlowId, Finding>,
    /// How far to trust it, in words.
    pub(super) trust: String,
    pub(super) exact: bool,
    /// Rows of intervals that filters left out for want of knowledge.
    pub(super) unknown: usize,
}

/// Keeps the verdicts on single flows.
#[derive(Debug, Default)]
pub struct VerdictsKept(HashMap<FlowId, Finding>);

impl LivesView {
    /// All of it, once the replay is over. `damage` is what could not be read, a line each.
    #[must_use]
    pub fn collected(self, name: &str, verdicts: VerdictsKept, damage: &str) -> Collected {
        let mut summary = self.summary;
        let unknown = summary.filtered_out.unknown;
        // The page says which filters there were.
        summary.filtered_out = tcpcong_core::model::FilteredOut::default();
        let (trust, exact) = match &self.start {
            Some(start) => trust::in_a_sentence(start, &summary),
            None => (String::new(), false),
        };
        let exact = exact && damage.is_empty();
        let damage = damage.lines().map(|line| line.trim_start_matches("tcpcong: "));
        let trust = std::iter::once(&*trust).chain(damage).collect::<Vec<_>>().join("; ");
        Collected {
            name: name.to_owned(),
            start: self.start,
            ended_ns: self.ended_ns,
            lives: self.timelines.into_lives(),
            gaps: self.gaps,
            verdicts: verdicts.0,
            trust,
            exact,
            unknown,
        }
    }
}

impl Sink for LivesView {
    fn started(&mut self, start: &Start, _: &mut Output<'_>) -> io::Result<()> {
        self.ended_ns = start.at_ns;
        self.start = Some(start.clone());
        Ok(())
    }

    fn interval(&mut self, report: &Report, _: &mut Output<'_>) -> io::Result<()> {
        self.timelines.add(report);
        self.gaps.extend(&report.gaps);
        self.ended_ns = report.to_ns;
        Ok(())
    }

    fn ended(&mut self, _: &Start, summary: &Summary, _: &mut Output<'_>) -> io::Result<()> {
        self.summary = *summary;
        Ok(())
    }
}

impl Sink for VerdictsKept {
    fn verdicts(&mut self, verdicts: &Verdicts, _: &mut Output<'_>) -> io::Result<()> {
        for finding in &verdicts.findings {
            if let About::Flow(row) = &finding.about {
                self.0.insert(row.id, finding.clone());
            }
        }
        Ok(())
    }
}
