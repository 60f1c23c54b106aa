//! In words, for a person: how far the figures can be trusted.
//! Which figures those are is the model's business.

use std::io::{self, Write};

use tcpcong_core::compare::Recorded;
use tcpcong_core::model::{Coverage, Losses, Report, Start, State, Summary};

/// Before the first report, only if there is something to say.
pub(super) fn at_start(start: &Start, to: &mut dyn Write) -> io::Result<()> {
    if start.estimated {
        let limitations = start.limitations.join("; ");
        writeln!(
            to,
            "tcpcong: an estimate: sockets are looked at from time to time, which does not see: \
             {limitations} (docs/sample.md)"
        )?;
    } else if !start.limitations.is_empty() {
        let (attach, limitations) = (&start.attach, start.limitations.join("; "));
        writeln!(to, "tcpcong: attached by {attach}, which does not see: {limitations}")?;
    }
    if !start.only.is_empty() {
        let only = start.only.join(" ");
        writeln!(to, "tcpcong: the recording was made with {only}: it has no other connections")?;
    }
    if start.namespaces_unreached > 0 {
        let unreached = unreached(start.namespaces_unreached, start.estimated);
        writeln!(to, "tcpcong: {unreached}")?;
    }
    Ok(())
}

/// After a report, only if there is something to say.
pub(super) fn at_report(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    unlisted(report, to)?;
    all_quiet(report, to)?;
    match of_report(report) {
        Some(what) => writeln!(to, "tcpcong: {what}"),
        None => Ok(()),
    }
}

/// What of a report is not exact, and why, if anything.
pub(super) fn of_report(report: &Report) -> Option<String> {
    let inexact = report.totals.inexact + report.filtered_out.inexact;
    // What cannot be entered, and that all are estimates, is said at the start and at the end.
    if report.losses.is_exact() && (inexact == 0 || report.estimated) {
        return None;
    }
    let mut summary = Summary::of(report);
    summary.namespaces_unreached = 0;
    let remarks = remarks(&summary, report.estimated);
    let inexact = match report.totals.inexact {
        _ if report.estimated => String::new(),
        0 => String::new(),
        1 => " in 1 row".to_owned(),
        rows => format!(" in {rows} rows"),
    };
    let why = if remarks.is_empty() {
        "a transition was missed before".to_owned()
    } else {
        remarks.join("; ")
    };
    let what = if report.estimated { "an estimate" } else { "not exact" };
    Some(format!("{what}{inexact}: {why}{}", between(report)))
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

/// That there are connections, though none is listed.
fn all_quiet(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    let quiet = report.flows_quiet;
    if report.flows > 0 || report.filtered_out.rows > 0 || quiet == 0 {
        return Ok(());
    }
    writeln!(to, "tcpcong: {} stayed in Open (--all lists such)", counted(quiet, "connection"))
}

/// Spells that are still open, which a histogram does not show.
pub(super) fn ongoing_spells(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    let open: Vec<_> = State::ALL
        .iter()
        .zip(report.ongoing_spells)
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
    conclude(start, &seen, &remarks(summary, start.estimated), to)
}

/// After an export of what `exported` says, always.
pub(super) fn at_end_of_export(
    start: &Start,
    exported: &str,
    summary: &Summary,
    to: &mut dyn Write,
) -> io::Result<()> {
    // Rows are counted in each interval, which nobody asked for.
    let selected = match (summary.filtered_out.rows, summary.filtered_out.unknown) {
        (0, _) => "",
        (_, 0) => " (without those that filters left out)",
        _ => " (without those that filters left out, some as it is not known whose they are)",
    };
    let remarks = remarks(summary, start.estimated);
    conclude(start, &format!("exported {exported}{selected}"), &remarks, to)
}

/// After the last of `told` lines about `noun`, always.
pub(super) fn at_end_of_lines(
    start: &Start,
    (told, noun): (u64, &str),
    coverage: &Coverage,
    to: &mut dyn Write,
) -> io::Result<()> {
    let Coverage { filtered_out, filtered_out_unknown, losses, namespaces_unreached } = *coverage;
    let (told, unknown) = (counted(told, noun), unknown(filtered_out_unknown));
    let seen = if filtered_out == 0 {
        told
    } else {
        format!("{told} (without {filtered_out} that filters left out{unknown})")
    };
    let summary = Summary { losses, namespaces_unreached, ..Summary::default() };
    conclude(start, &seen, &remarks(&summary, start.estimated), to)
}

/// How far a whole run can be trusted, in one sentence; and whether nothing was missed.
pub(crate) fn in_a_sentence(start: &Start, summary: &Summary) -> (String, bool) {
    let seen = counted(summary.changes, "transition");
    let remarks = remarks(summary, start.estimated);
    let mut said = Vec::new();
    // Memory takes everything.
    _ = conclude(start, &seen, &remarks, &mut said);
    let said = String::from_utf8_lossy(&said);
    let sentence = said.trim().trim_start_matches("tcpcong: ").to_owned();
    let is_exact = remarks.is_empty() && start.limitations.is_empty() && !start.estimated;
    (sentence, is_exact)
}

/// How many were left out although they might have been wanted.
fn unknown(filtered_out: usize) -> String {
    match filtered_out {
        0 => String::new(),
        some => format!(", {some} of them as it is not known whose they are"),
    }
}

/// After the comparison of two recordings, always: of one of them.
pub(super) fn of_recording(side: char, recorded: &Recorded, to: &mut dyn Write) -> io::Result<()> {
    let Recorded { start, summary, .. } = recorded;
    if !start.limitations.is_empty() && !start.estimated {
        let (attach, limitations) = (&start.attach, start.limitations.join("; "));
        writeln!(to, "tcpcong: {side}: by {attach}, which does not see: {limitations}")?;
    }
    let seen = format!(
        "{} of {}{}",
        counted(summary.changes, "transition"),
        counted(recorded.connections as u64, "connection"),
        selected(summary)
    );
    writeln!(
        to,
        "tcpcong: {side}: {}",
        conclusion(start, &seen, &remarks(summary, start.estimated))
    )
}

fn conclude(start: &Start, seen: &str, remarks: &[String], to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "tcpcong: {}", conclusion(start, seen, remarks))
}

fn conclusion(start: &Start, seen: &str, remarks: &[String]) -> String {
    if start.estimated {
        let said = std::iter::once(format!("{seen}, as far as samples show"));
        format!(
            "an estimate: {}",
            said.chain(remarks.iter().cloned()).collect::<Vec<_>>().join("; ")
        )
    } else if remarks.is_empty() && start.limitations.is_empty() {
        format!("exact: {seen}, nothing missed")
    } else if remarks.is_empty() {
        format!("exact as far as {} sees: {seen}", start.attach)
    } else {
        format!("not exact: {seen}; {}", remarks.join("; "))
    }
}

/// What the transitions are of, where filters or `--top` had a say.
fn selected(summary: &Summary) -> String {
    let rows = |count: usize| counted(count as u64, "row");
    let unknown = unknown(summary.filtered_out.unknown);
    match (summary.filtered_out.rows, summary.unlisted) {
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

fn remarks(summary: &Summary, estimated: bool) -> Vec<String> {
    let losses = &summary.losses;
    let mut remarks = Vec::new();
    let mut remark = |count: u64, noun: &str, what: &str| {
        if count > 0 {
            remarks.push(format!("{} {what}", counted(count, noun)));
        }
    };
    remark(losses.transitions_missed, "transition", "learned of only afterwards");
    remark(losses.births_missed, "flow", "whose beginning was not seen");
    remark(losses.ends_missed, "flow", "whose end was not seen");
    remark(losses.flows_refused, "flow", "without a record (raise --max-flows)");
    remark(losses.events_unaccounted, "event", "of flows without a record (raise --max-flows)");
    remark(
        losses.rows_lost,
        "line",
        "not shown, as too many waited for the interval's end (a shorter one helps)",
    );
    remark(losses.recursion_misses, "run", "of a program skipped by the kernel");
    remark(losses.calls_lost, "call", "whose beginning was not seen");
    remark(
        losses.samples_late,
        "sample",
        "later than asked (looking takes too long, or the machine is busy)",
    );
    if losses.gaps > 0 {
        remarks.push(lost(losses));
    }
    let mut remark = |count: u64, noun: &str, what: &str| {
        if count > 0 {
            remarks.push(format!("{} {what}", counted(count, noun)));
        }
    };
    remark(
        summary.filtered_out.inexact,
        "row",
        "left out by filters for figures that are not exact",
    );
    if summary.uncertain_ns > 0 {
        let most = milliseconds(summary.uncertain_ns);
        let apart = if estimated { ", but for what came and went between two samples" } else { "" };
        remarks.push(format!("at most {most} ms counted in a wrong state{apart}"));
    }
    if summary.namespaces_unreached > 0 {
        remarks.push(unreached(summary.namespaces_unreached, estimated));
    }
    remarks
}

/// That entries were lost, and when.
pub(super) fn gaps(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "tcpcong: {}{}", lost(&report.losses), between(report))
}

fn lost(losses: &Losses) -> String {
    let (gaps, lasted) = (counted(losses.gaps, "gap"), milliseconds(losses.gap_ns));
    let damaged = losses.lines_damaged;
    let lost = losses.entries_dropped.saturating_sub(damaged);
    let entries = if lost == 1 { "1 entry".to_owned() } else { format!("{lost} entries") };
    let lines = format!("{} of the recording damaged or missing", counted(damaged, "line"));
    match (lost, damaged) {
        // How many they were is told with the gap's first part.
        (0, 0) => format!(
            "lines of the recording damaged or missing, in {gaps} of {lasted} ms altogether"
        ),
        (_, 0) => {
            format!("{entries} lost in {gaps} of {lasted} ms altogether (a larger --buffer helps)")
        }
        (0, _) => format!("{lines}, in {gaps} of {lasted} ms altogether"),
        _ => format!("{entries} lost and {lines}, in {gaps} of {lasted} ms altogether"),
    }
}

/// From the first gap's beginning to the last one's end.
fn between(report: &Report) -> String {
    let (from, to) = (report.gaps.iter().map(|gap| gap.from_ns).min(), report.gaps.last());
    let Some((from_ns, to)) = from.zip(to) else { return String::new() };
    let of_day = |at_ns| {
        let local = report.wall(at_ns).to_zoned(jiff::tz::TimeZone::system());
        local.strftime("%H:%M:%S%.3f").to_string()
    };
    format!(", between {} and {}", of_day(from_ns), of_day(to.to_ns))
}

fn unreached(namespaces: usize, estimated: bool) -> String {
    let what = if estimated {
        "sockets there do not show"
    } else {
        "sockets that were open there before the start show only from their first event on"
    };
    format!(
        "{} could not be entered (that takes CAP_SYS_ADMIN, CAP_SYS_PTRACE, and a process or a name \
         in /run/netns): {what}",
        counted(namespaces as u64, "network namespace")
    )
}

pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn milliseconds(ns: u64) -> String {
    format!("{:.1}", ns as f64 / 1e6)
}
