//! In words, for a person: how far the figures can be trusted.
//! Which figures those are is the model's business.

use std::io::{self, Write};

use crate::model::{Report, Start, State, Summary, Unseen};

/// Before the first report, only if there is something to say.
pub(super) fn at_start(start: &Start, to: &mut dyn Write) -> io::Result<()> {
    if !start.cannot_see.is_empty() {
        let (attach, blind) = (&start.attach, start.cannot_see.join("; "));
        writeln!(to, "tcpcong: attached by {attach}, which does not see: {blind}")?;
    }
    if start.namespaces_unreached > 0 {
        writeln!(to, "tcpcong: {}", unreached(start.namespaces_unreached))?;
    }
    Ok(())
}

/// After a report, only if there is something to say.
pub(super) fn at_report(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    unlisted(report, to)?;
    if report.blind.is_exact() && report.totals.inexact + report.left_out.inexact == 0 {
        return Ok(()); // what cannot be entered is said at the start and at the end
    }
    let mut summary = Summary::of(report);
    summary.namespaces_unreached = 0;
    let remarks = remarks(&summary);
    let inexact = match report.totals.inexact {
        0 => String::new(),
        1 => " in 1 row".to_owned(),
        rows => format!(" in {rows} rows"),
    };
    let why = if remarks.is_empty() {
        "a transition was missed before".to_owned()
    } else {
        remarks.join("; ")
    };
    writeln!(to, "tcpcong: not exact{inexact}: {why}")
}

/// That there are more rows or groups than are listed.
fn unlisted(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    let (listed, in_all, noun) = match &report.groups {
        Some(groups) => (groups.listed.len(), groups.in_all, "group"),
        None => (report.rows.len(), report.flows, "row"),
    };
    if listed == in_all {
        return Ok(());
    }
    writeln!(to, "tcpcong: {listed} of {}", counted(in_all as u64, noun))
}

/// Spells that are still open, which a histogram does not show.
pub(super) fn open_spells(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    let open: Vec<_> = State::ALL
        .iter()
        .zip(report.open_spells)
        .filter(|(_, spells)| spells.count > 0)
        .map(|(state, spells)| {
            let (count, longest) = (spells.count, milliseconds(spells.longest_ns));
            format!("{} {count} (longest {longest} ms)", state.name())
        })
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    writeln!(to, "tcpcong: spells not ended yet: {}", open.join(", "))
}

/// After the last report, always.
pub(super) fn at_end(start: &Start, summary: &Summary, to: &mut dyn Write) -> io::Result<()> {
    let seen = format!(
        "{} in {}{}",
        counted(summary.changes, "transition"),
        counted(summary.reports, "report"),
        selected(summary)
    );
    conclude(start, &seen, &remarks(summary), to)
}

/// After the last of `told` lines about `noun`, always.
pub(super) fn at_end_of_lines(
    start: &Start,
    (told, noun): (u64, &str),
    unseen: &Unseen,
    to: &mut dyn Write,
) -> io::Result<()> {
    let Unseen { left_out, left_out_unknown, blind, namespaces_unreached } = *unseen;
    let (told, unknown) = (counted(told, noun), unknown(left_out_unknown));
    let seen = if left_out == 0 {
        told
    } else {
        format!("{told} (without {left_out} that filters left out{unknown})")
    };
    conclude(
        start,
        &seen,
        &remarks(&Summary { blind, namespaces_unreached, ..Summary::default() }),
        to,
    )
}

/// How many were left out although they might have been wanted.
fn unknown(left_out: usize) -> String {
    match left_out {
        0 => String::new(),
        some => format!(", {some} of them as it is not known whose they are"),
    }
}

fn conclude(start: &Start, seen: &str, remarks: &[String], to: &mut dyn Write) -> io::Result<()> {
    if remarks.is_empty() && start.cannot_see.is_empty() {
        writeln!(to, "tcpcong: exact: {seen}, nothing missed")
    } else if remarks.is_empty() {
        writeln!(to, "tcpcong: exact as far as {} sees: {seen}", start.attach)
    } else {
        writeln!(to, "tcpcong: not exact: {seen}; {}", remarks.join("; "))
    }
}

/// What the transitions are of, where filters or `--top` had a say.
fn selected(summary: &Summary) -> String {
    let rows = |count: usize| counted(count as u64, "row");
    let unknown = unknown(summary.left_out.unknown);
    match (summary.left_out.rows, summary.unlisted) {
        (0, 0) => String::new(),
        (out, 0) => format!(" (without {} that filters left out{unknown})", rows(out)),
        (0, unlisted) => format!(" (with {} that --top did not list)", rows(unlisted)),
        (out, unlisted) => format!(
            " (without {} that filters left out{unknown}; with {} that --top did not list)",
            rows(out),
            rows(unlisted)
        ),
    }
}

fn remarks(summary: &Summary) -> Vec<String> {
    let blind = &summary.blind;
    let mut remarks = Vec::new();
    let mut remark = |count: u64, noun: &str, what: &str| {
        if count > 0 {
            remarks.push(format!("{} {what}", counted(count, noun)));
        }
    };
    remark(blind.transitions_missed, "transition", "learned of only afterwards");
    remark(blind.births_missed, "flow", "whose beginning was not seen");
    remark(blind.ends_missed, "flow", "whose end was not seen");
    remark(blind.flows_refused, "flow", "without a record (raise --max-flows)");
    remark(blind.events_unaccounted, "event", "of flows without a record (raise --max-flows)");
    remark(
        blind.rows_lost,
        "ended flow",
        "without a row (a shorter interval or more --max-flows helps)",
    );
    remark(blind.runs_skipped, "run", "of a program skipped by the kernel");
    remark(blind.calls_lost, "call", "whose beginning was not seen");
    remark(
        blind.transitions_untold,
        "transition",
        "that came too fast for what tells them apart (times are right)",
    );
    remark(summary.left_out.inexact, "row", "left out by filters for figures that are not exact");
    if summary.doubtful_ns > 0 {
        let most = milliseconds(summary.doubtful_ns);
        remarks.push(format!("at most {most} ms counted in a wrong state"));
    }
    if summary.namespaces_unreached > 0 {
        remarks.push(unreached(summary.namespaces_unreached));
    }
    remarks
}

fn unreached(namespaces: usize) -> String {
    format!(
        "{} could not be entered (CAP_SYS_ADMIN and CAP_SYS_PTRACE are needed): sockets that were \
         open there before the start show only from their first event on",
        counted(namespaces as u64, "network namespace")
    )
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn milliseconds(ns: u64) -> String {
    format!("{:.1}", ns as f64 / 1e6)
}
