//! Verdicts in sentences. Not here: which, and in which order.

use std::io::{self, Write};

use super::listing::Listing;
use super::wrap::{self, letters};
use super::{Subject, facts};
use tcpcong_core::why::{End, Finding};

/// What stands before everything that is said of a verdict.
pub(super) const INDENT: &str = "    ";

/// All that are listed.
pub(super) fn print(listing: &Listing<'_>, width: usize, data: &mut dyn Write) -> io::Result<()> {
    for finding in &listing.shown {
        for line in lines(finding, width) {
            writeln!(data, "{line}")?;
        }
    }
    listing.say_calm(data)
}

/// One verdict: on what, why, what it rests on, and what to look at next.
pub(super) fn lines(finding: &Finding, width: usize) -> Vec<String> {
    let verdict = named(finding);
    let subject = Subject::new(&finding.about).text;
    let first = format!("{verdict:<17} {subject}");
    let mut lines = if letters(&first) <= width || letters(&verdict) <= 17 {
        vec![first]
    } else {
        vec![verdict, format!("{INDENT}{subject}")]
    };
    let width = width.saturating_sub(INDENT.len());
    let mut add = |more: Vec<String>| {
        lines.extend(more.into_iter().map(|line| format!("{INDENT}{line}")));
    };
    add(wrap::words(&sentence(&finding.judgement.because), width));
    let confidence = format!(
        "{} confidence{}",
        finding.judgement.confidence.name(),
        of_end(finding.judgement.verdict.end())
    );
    let rest = facts(&finding.evidence);
    add(wrap::facts(std::iter::once(confidence).chain(rest), width));
    if let Some(next) = finding.judgement.verdict.next_step() {
        add(wrap::words(&format!("Next: {}", with_stop(next)), width));
    }
    lines
}

/// The verdict, and the second one where there is one.
pub(super) fn named(finding: &Finding) -> String {
    match finding.judgement.second {
        Some(second) => format!("{} and {}", finding.judgement.verdict, second),
        None => finding.judgement.verdict.to_string(),
    }
}

fn of_end(end: End) -> &'static str {
    match end {
        End::Sending => ", of the sending end",
        End::Receiving => ", of the receiving end",
        End::Both => "",
    }
}

/// With a capital first and a stop last.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>());
    with_stop(&(first.unwrap_or_default() + letters.as_str()))
}

fn with_stop(text: &str) -> String {
    let has_stop = text.is_empty() || text.ends_with(['.', '?', '!']);
    format!("{text}{}", if has_stop { "" } else { "." })
}
