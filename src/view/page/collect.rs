//! What a replay hands over, kept until the page is made of it: lives, sums and verdicts. Not
//! here: how any of it is written.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use tcpcong_core::model::{FlowId, Gap, Life, Report, Start, Summary, Timelines};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_core::why::{About, Finding, Verdicts};

use crate::view::trust;

/// What takes longer is said to go on, where a person sees it.
const LONG_S: u64 = 1;

/// Keeps the lives of all flows that reports have rows of.
#[derive(Debug)]
pub struct LivesView {
    timelines: Timelines,
    start: Option<Start>,
    summary: Summary,
    gaps: Vec<Gap>,
    ended_ns: u64,
    /// A person sees how far it has come.
    live: bool,
    /// When it was said last.
    said: Instant,
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
    /// One that says how far it has come, if `live`.
    #[must_use]
    pub fn new(live: bool) -> Self {
        Self {
            timelines: Timelines::default(),
            start: None,
            summary: Summary::default(),
            gaps: Vec::new(),
            ended_ns: 0,
            live,
            said: Instant::now(),
        }
    }

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

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        self.timelines.add(report);
        self.gaps.extend(&report.gaps);
        self.ended_ns = report.to_ns;
        if self.live && self.said.elapsed().as_secs() >= LONG_S {
            self.said = Instant::now();
            let began_ns = self.start.as_ref().map_or(0, |start| start.at_ns);
            let seconds = (report.to_ns - began_ns) / 1_000_000_000;
            write!(out.remarks, "\rtcpcong: read {seconds} s of the recording")?;
        }
        Ok(())
    }

    fn ended(&mut self, _: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        self.summary = *summary;
        if self.live {
            // What was said is wiped out.
            write!(out.remarks, "\r\x1b[K")?;
        }
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
