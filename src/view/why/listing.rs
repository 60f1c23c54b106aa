//! Which verdicts are listed, and in which order. Not here: how one looks.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::{WhyForm, WhyStyle};
use crate::view::counted;
use tcpcong_core::model::FlowId;
use tcpcong_core::why::{About, Finding, Verdict, Verdicts};

/// The verdicts of a watch as they are listed.
pub(super) struct Listing<'v> {
    pub(super) shown: Vec<&'v Finding>,
    /// Those that nothing holds up, and that are not listed for that.
    pub(super) calm: Vec<&'v Finding>,
    in_all: usize,
}

impl<'v> Listing<'v> {
    pub(super) fn new(verdicts: &'v Verdicts, style: &WhyStyle) -> Self {
        let mut shown: Vec<_> = verdicts.findings.iter().collect();
        // The others come in order.
        let first_calm = shown.iter().position(|finding| finding.judgement.verdict.is_calm());
        shown[first_calm.unwrap_or(verdicts.findings.len())..].sort_by_key(|one| place(one));
        if let Some(order) = style.order {
            order.apply(&mut shown);
        }
        let is_calm = |finding: &&Finding| finding.judgement.verdict.is_calm();
        let lists_calm = style.all
            || style.form.is_data()
            || style.page.is_some()
            || style.named && shown.iter().all(is_calm);
        let calm = if lists_calm {
            Vec::new()
        } else {
            let (calm, others) = shown.into_iter().partition(is_calm);
            shown = others;
            calm
        };
        // In depth, it is how many pages there are.
        let is_page = style.page.is_some() && style.form == WhyForm::Text && !style.follow;
        shown.truncate(style.top.filter(|_| !is_page).unwrap_or(usize::MAX));
        Self { shown, calm, in_all: verdicts.in_all }
    }

    /// That there are others, which nothing holds up.
    pub(super) fn say_calm(&self, data: &mut dyn Write) -> io::Result<()> {
        match self.in_a_line() {
            Some(line) => {
                let them = if self.calm.len() == 1 { "it" } else { "them" };
                writeln!(data, "{line}: --all lists {them}")
            }
            None => Ok(()),
        }
    }

    fn in_a_line(&self) -> Option<String> {
        let first = self.calm.first()?;
        let noun = if matches!(first.about, About::Group(_)) { "group" } else { "connection" };
        let mut counts: Vec<(Verdict, u64)> = Vec::new();
        for finding in &self.calm {
            match counts.iter_mut().find(|(verdict, _)| *verdict == finding.judgement.verdict) {
                Some((_, count)) => *count += 1,
                None => counts.push((finding.judgement.verdict, 1)),
            }
        }
        counts.sort_by_key(|(_, count)| Reverse(*count));
        let mut parts = counts.into_iter().map(|(verdict, count)| (in_short(verdict), count));
        let (what, count) = parts.next()?;
        let were = if count == 1 { "was" } else { "were" };
        let first = format!("{} {were} {what}", counted(count, noun));
        let others = parts.map(|(what, count)| format!(", {count} {what}"));
        Some(first + &others.collect::<String>())
    }

    pub(super) fn say_how_many(&self, style: &WhyStyle, to: &mut dyn Write) -> io::Result<()> {
        let (shown, in_all) = (self.shown.len(), self.in_all);
        if shown == 0 && !self.calm.is_empty() {
            // The line that sums them up says it.
            return Ok(());
        }
        match style.order {
            Some(order) => writeln!(to, "tcpcong: {shown} of {in_all}, in the order of {order}"),
            None => writeln!(to, "tcpcong: {shown} of {in_all}, the most held up first"),
        }
    }
}

/// Of those that nothing holds up the ones that send or receive most come first, and the idle
/// ones last.
fn place(finding: &Finding) -> (bool, Reverse<u64>, Option<FlowId>) {
    let stats = &finding.evidence.stats;
    let segments = stats.delivered_in_all().max(stats.traffic.segments_in);
    let id = match &finding.about {
        About::Flow(row) => Some(row.id),
        About::Group(_) => None,
    };
    (finding.judgement.verdict != Verdict::Healthy, Reverse(segments), id)
}

/// A verdict as it is said of several.
fn in_short(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::ApplicationIdle => "idle",
        other => other.name(),
    }
}
