//! One connection in depth, or several that were asked for together: the verdict, then what
//! the watch has seen, section by section. Not here: what a verdict rests on.

mod depth;
mod figures;
mod receiving;
mod reductions;
mod sections;
mod series;
mod waits;

use std::io::{self, Write};

pub(super) use depth::InDepth;
pub(super) use series::{rate_unit, short};

use super::listing::Listing;
use super::text::{self, INDENT};
use super::{Paper, WhyStyle, facts, wrap};
use crate::view::counted;
use sections::Section;
use tcpcong_core::model::{Life, Timelines};
use tcpcong_core::sink::Output;
use tcpcong_core::why::{About, Evidence, Finding, Verdict, Verdicts};

/// So many are shown in depth unless it is said otherwise.
const PAGES: usize = 3;

/// What pages are made of.
pub(super) struct Page<'v> {
    pub(super) verdicts: &'v Verdicts,
    pub(super) timelines: &'v Timelines,
    pub(super) paper: Paper,
}

impl Page<'_> {
    /// The life that a verdict is on, where it is on one.
    pub(super) fn life<'t>(finding: &Finding, timelines: &'t Timelines) -> Option<&'t Life> {
        match &finding.about {
            About::Flow(row) => timelines.get(row.id),
            About::Group(_) => None,
        }
    }

    /// All that was asked for: of several first what they have in common.
    pub(super) fn print(
        &self,
        listing: &Listing<'_>,
        style: &WhyStyle,
        out: &mut Output<'_>,
    ) -> io::Result<()> {
        let asked = style.page.as_deref().unwrap_or_default();
        let findings = &listing.shown;
        if findings.is_empty() {
            return writeln!(out.remarks, "tcpcong: there was no connection of {asked}");
        }
        let pages = style.top.unwrap_or(PAGES);
        if findings.len() > 1 {
            self.print_sum(asked, findings, out.data)?;
        }
        for (at, finding) in findings.iter().take(pages).enumerate() {
            if at > 0 || findings.len() > 1 {
                writeln!(out.data)?;
            }
            self.print_one(finding, out.data)?;
        }
        let others = findings.len().saturating_sub(pages);
        if others > 0 {
            out.data.flush()?;
            let all = findings.len();
            let others = counted(others as u64, "connection");
            writeln!(out.remarks, "tcpcong: {others} besides; --top {all} shows all in depth")?;
        }
        Ok(())
    }

    fn print_sum(
        &self,
        asked: &str,
        findings: &[&Finding],
        data: &mut dyn Write,
    ) -> io::Result<()> {
        let mut counts: Vec<(Verdict, usize)> = Vec::new();
        for finding in findings {
            match counts.iter_mut().find(|(verdict, _)| *verdict == finding.judgement.verdict) {
                Some((_, count)) => *count += 1,
                None => counts.push((finding.judgement.verdict, 1)),
            }
        }
        let counts = counts.iter().map(|(verdict, count)| format!("{count} {verdict}"));
        let counts: Vec<_> = counts.collect();
        let connections = counted(findings.len() as u64, "connection");
        writeln!(data, "{asked}: {connections}: {}", counts.join(", "))?;
        let sum = Evidence::sum(findings.iter().map(|finding| &finding.evidence));
        let width = self.paper.width.saturating_sub(INDENT.len());
        for line in wrap::facts(facts(&sum).into_iter(), width) {
            writeln!(data, "{INDENT}{line}")?;
        }
        Ok(())
    }

    fn print_one(&self, finding: &Finding, data: &mut dyn Write) -> io::Result<()> {
        for line in text::lines(finding, self.paper.width) {
            writeln!(data, "{line}")?;
        }
        let Some(life) = Self::life(finding, self.timelines) else { return Ok(()) };
        let span = (self.verdicts.from_ns, self.verdicts.to_ns);
        for Section { is_apart, title, lines } in
            sections::all(life, &finding.evidence, span, self.paper)
        {
            if is_apart {
                writeln!(data)?;
            }
            for (at, text) in lines.iter().enumerate() {
                let title = if at == 0 { title } else { "" };
                let text = format!("{INDENT}{title:<10}{text}");
                writeln!(data, "{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}
