//! Verdicts of a watch: evidence of each row or group, judged and put in order. Not here: what
//! is watched, nor when.

use crate::model::{Arrangement, By, Group, Report, Row, grouped};
use crate::why::{About, Evidence, Finding, Verdicts, Watch, judge};

/// The verdict on each row or group: those most held up first, then those that send the
/// most, and the idle and healthy ones last.
pub(super) fn verdicts(report: Report, watch: &Watch, arrangement: &Arrangement) -> Verdicts {
    let found = evidence(report.rows, watch, arrangement.by.as_ref());
    let findings = found.into_iter().map(|(about, evidence)| {
        let judgement = judge(&evidence);
        Finding { about, evidence, judgement }
    });
    let mut findings: Vec<_> = findings.collect();
    findings.sort_by_cached_key(Finding::rank);
    let in_all = findings.len();
    findings.truncate(arrangement.top.unwrap_or(usize::MAX));
    let Report { at, from_ns, to_ns, .. } = report;
    let (not_taken, dropped) = (watch.not_taken(), watch.dropped);
    Verdicts { findings, in_all, at, from_ns, to_ns, not_taken, dropped }
}

fn evidence(rows: Vec<Row>, watch: &Watch, by: Option<&By>) -> Vec<(About, Evidence)> {
    let Some(by) = by else {
        let of_row = |row| {
            let evidence = watch.evidence(&row);
            (About::Flow(Box::new(row)), evidence)
        };
        return rows.into_iter().map(of_row).collect();
    };
    let of_group = |group: Group| {
        let evidence: Vec<_> = group.rows.iter().map(|row| watch.evidence(row)).collect();
        (About::Group(group), Evidence::sum(&evidence))
    };
    grouped(rows, |row| by.of_row(row)).into_iter().map(of_group).collect()
}
