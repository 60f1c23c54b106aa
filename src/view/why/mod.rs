//! What `tcpcong why` prints: verdicts with their evidence, for people and for programs.
//! Not here: how a verdict is found.

mod data;
mod facts;
mod follow;
mod listing;
mod page;
mod subject;
mod text;
mod wrap;

use std::io;

use serde::Serialize;

pub(super) use facts::facts;
pub use subject::Subject;

use self::follow::Followed;
use self::listing::Listing;
use self::page::Page;
use super::{JsonView, RunParams, json, trust};
use tcpcong_core::model::{Coverage, Report, Start, Summary, Timelines};
use tcpcong_core::sink::{Output, Sink};
#[cfg(feature = "serve")]
use tcpcong_core::why::Finding;
use tcpcong_core::why::{VerdictField, VerdictOrder, Verdicts};

/// How verdicts are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyForm {
    /// In sentences.
    Text,
    /// These columns, aligned, with titles.
    Columns(Vec<VerdictField>),
    /// The same as comma-separated values.
    Csv(Vec<VerdictField>),
    /// The same as JSON lines.
    Json(Vec<VerdictField>),
}

impl WhyForm {
    /// Its columns.
    #[must_use]
    pub fn columns(&self) -> &[VerdictField] {
        match self {
            Self::Text => &[],
            Self::Columns(columns) | Self::Csv(columns) | Self::Json(columns) => columns,
        }
    }

    /// Whether a program reads it: then all verdicts are in it.
    fn is_data(&self) -> bool {
        matches!(self, Self::Csv(_) | Self::Json(_))
    }
}

/// What of a watch is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyStyle {
    /// How.
    pub form: WhyForm,
    /// In which order; without it those that were held up most first.
    pub order: Option<VerdictOrder>,
    /// So many at most.
    pub top: Option<usize>,
    /// Those that nothing holds up as well.
    pub all: bool,
    /// The person asked for some connections by name: what is said of them is said even if
    /// nothing holds them up.
    pub named: bool,
    /// They are shown in depth: in these words they were asked for.
    pub page: Option<String>,
    /// Watches follow one another, and what has changed is told.
    pub follow: bool,
    /// How long a watch is, where somebody waits for it, seconds.
    pub seconds: Option<u64>,
}

/// Where text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paper {
    /// Letters in a line.
    pub width: usize,
    /// Whether it shows other letters than ASCII's.
    pub unicode: bool,
}

/// Prints what a watch has found.
#[derive(Debug)]
pub struct WhyView {
    style: WhyStyle,
    params: RunParams,
    paper: Paper,
    /// The lives of those that are shown in depth, ...
    timelines: Timelines,
    /// ... and the verdicts on them, which wait for the last of their lives.
    waiting: Option<Verdicts>,
    followed: Followed,
    printed_titles: bool,
}

impl WhyView {
    /// In this style, for a run that was asked for so.
    #[must_use]
    pub fn new(style: WhyStyle, params: RunParams, paper: Paper) -> Self {
        Self {
            style,
            params,
            paper,
            timelines: Timelines::default(),
            waiting: None,
            followed: Followed::default(),
            printed_titles: false,
        }
    }

    /// Whether each connection's life is wanted.
    fn has_pages(&self) -> bool {
        self.style.page.is_some() && !self.style.follow
    }

    fn print(&mut self, verdicts: &Verdicts, out: &mut Output<'_>) -> io::Result<()> {
        let listing = Listing::new(verdicts, &self.style);
        match self.style.form.clone() {
            WhyForm::Json(columns) => {
                for finding in &listing.shown {
                    let life = self.has_pages().then(|| Page::life(finding, &self.timelines));
                    data::object(&columns, finding, verdicts, life.flatten(), out.data)?;
                }
            }
            WhyForm::Csv(columns) => {
                if !std::mem::replace(&mut self.printed_titles, true) {
                    data::names(&columns, out.data)?;
                }
                data::lines(&columns, &listing, verdicts, out.data)?;
            }
            WhyForm::Columns(columns) => {
                data::table(&columns, &listing, out.data)?;
                listing.say_calm(out.data)?;
            }
            WhyForm::Text if self.style.follow => {
                self.followed.print(&listing, verdicts, &self.style, out.data)?;
            }
            WhyForm::Text if self.has_pages() => {
                let page = Page { verdicts, timelines: &self.timelines, paper: self.paper };
                page.print(&listing, &self.style, out)?;
            }
            WhyForm::Text => text::print(&listing, self.paper.width, out.data)?,
        }
        out.data.flush()?;
        if !(self.style.form.is_data() || self.style.follow || self.has_pages()) {
            listing.say_how_many(&self.style, out.remarks)?;
        }
        if verdicts.not_taken > 0 {
            let connections = trust::counted(verdicts.not_taken, "connection");
            writeln!(
                out.remarks,
                "tcpcong: {connections} more were not watched: there was no room"
            )?;
        }
        if verdicts.dropped > 0 {
            let dropped = verdicts.dropped;
            writeln!(
                out.remarks,
                "tcpcong: {dropped} entries were lost: causes among them are not in this"
            )?;
        }
        Ok(())
    }
}

impl Sink for WhyView {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        if let WhyForm::Json(_) = self.style.form {
            return JsonView::new(self.params.clone(), &[], false).started(start, out);
        }
        trust::at_start(start, out.remarks)?;
        let Some(seconds) = self.style.seconds else { return Ok(()) };
        if self.style.follow {
            writeln!(out.remarks, "tcpcong: a verdict each {seconds} s; Ctrl-C ends it")
        } else {
            writeln!(out.remarks, "tcpcong: watching for {seconds} s; Ctrl-C ends it sooner")
        }
    }

    fn interval(&mut self, report: &Report, _: &mut Output<'_>) -> io::Result<()> {
        if self.has_pages() {
            self.timelines.add(report);
        }
        Ok(())
    }

    fn verdicts(&mut self, verdicts: &Verdicts, out: &mut Output<'_>) -> io::Result<()> {
        if self.has_pages() {
            self.waiting = Some(verdicts.clone());
            return Ok(());
        }
        self.print(verdicts, out)
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        if let Some(verdicts) = self.waiting.take() {
            self.print(&verdicts, out)?;
        }
        let coverage = &Coverage::of(summary);
        let verdicts = summary.verdicts as u64;
        let WhyForm::Json(_) = self.style.form else {
            return trust::at_end_of_lines(start, (verdicts, "verdict"), coverage, out.remarks);
        };
        let (attach, limitations) = (&*start.attach, &*start.limitations);
        let estimated = start.estimated;
        let end = End { r#type: "end", verdicts, coverage, attach, limitations, estimated };
        json::print(&end, out.data)?;
        out.data.flush()
    }
}

/// One verdict as an object.
#[cfg(feature = "serve")]
pub(crate) fn print_verdict(
    columns: &[VerdictField],
    finding: &Finding,
    verdicts: &Verdicts,
    data: &mut dyn io::Write,
) -> io::Result<()> {
    data::object(columns, finding, verdicts, None, data)
}

/// What a watch could not see.
#[derive(Serialize)]
struct End<'a> {
    r#type: &'static str,
    verdicts: u64,
    #[serde(flatten)]
    coverage: &'a Coverage,
    attach: &'a str,
    limitations: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
}
