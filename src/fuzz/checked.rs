//! A sink that adds up what passes through it. Not here: what it looks like.

use std::io::{self, Write};

use tcpcong_core::model::{IntervalSums, Report, Row, Start, State, StateTimes, Summary, Totals};
use tcpcong_core::sink::{Output, Sink, TransitionBatch};
use tcpcong_core::why::Verdicts;

/// So many reports of one file are endless: those of ten days, each second.
const REPORTS_MOST: u64 = 864_000;

/// Takes everything.
pub(super) struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Another sink, and the first thing that did not add up.
pub(super) struct Checked {
    inner: Box<dyn Sink>,
    /// Reports have the rows of their totals.
    has_rows: bool,
    reports: u64,
    /// Where the last interval ended.
    last_ns: Option<u64>,
    pub(super) wrong: Option<String>,
    /// It was read to its end.
    pub(super) is_whole: bool,
}

impl Checked {
    pub(super) fn new(inner: Box<dyn Sink>, has_rows: bool) -> Self {
        Self { inner, has_rows, reports: 0, last_ns: None, wrong: None, is_whole: false }
    }

    fn check(&mut self, is_right: bool, what: &str) -> io::Result<()> {
        if is_right {
            return Ok(());
        }
        self.wrong.get_or_insert_with(|| what.to_owned());
        Err(io::Error::other("it does not add up"))
    }
}

fn sum_ns(times: &StateTimes) -> u64 {
    State::ALL.iter().map(|state| times[*state]).sum()
}

/// Each moment of the observed life that is in the interval is in one state.
fn is_conserved(row: &Row, report: &Report) -> bool {
    let from_ns = report.from_ns.max(row.id.born_ns);
    let lived_ns = report.to_ns.saturating_sub(from_ns);
    let sum_ns = sum_ns(&row.times);
    if row.ended { sum_ns <= lived_ns } else { sum_ns == lived_ns }
}

impl Sink for Checked {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.last_ns = Some(start.at_ns);
        self.inner.started(start, out)
    }

    fn transitions(&mut self, batch: &TransitionBatch, out: &mut Output<'_>) -> io::Result<()> {
        self.inner.transitions(batch, out)
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        self.reports += 1;
        self.check(self.reports < REPORTS_MOST, "reports without end")?;
        let follows = self.last_ns.replace(report.to_ns) == Some(report.from_ns);
        self.check(follows && report.to_ns >= report.from_ns, "an interval does not follow")?;
        let groups = report.groups.iter().flat_map(|groups| &groups.listed);
        let rows: Vec<_> =
            report.rows.iter().chain(groups.flat_map(|group| &group.rows)).cloned().collect();
        for row in &rows {
            let is_right = is_conserved(row, report);
            if !is_right && std::env::var_os("TCPCONG_FUZZ_CASE").is_some() {
                println!("{}..{}: {row:#?}", report.from_ns, report.to_ns);
            }
            self.check(is_right, "the times of a row do not sum to its part of the interval")?;
        }
        let adds_up = !self.has_rows || Totals::of(&rows) == report.totals;
        self.check(adds_up, "the sums are not those of the rows")?;
        self.inner.interval(report, out)
    }

    fn sums(&mut self, sums: &IntervalSums, out: &mut Output<'_>) -> io::Result<()> {
        self.check(sums.to_ns >= sums.from_ns, "sums of a time that goes back")?;
        self.inner.sums(sums, out)
    }

    fn verdicts(&mut self, verdicts: &Verdicts, out: &mut Output<'_>) -> io::Result<()> {
        self.inner.verdicts(verdicts, out)
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        self.inner.ended(start, summary, out)
    }
}
