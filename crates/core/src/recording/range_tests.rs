//! Parts of a recording: two that meet are as the whole.

use std::collections::BTreeMap;
use std::io;

use super::tests::{MS, ms, open, plans, recorded};
use crate::model::{FlowId, LedgerOptions, Report, Row};
use crate::session::{Plan, Session};
use crate::sink::{Output, Sink};
use crate::source::Source as _;

#[derive(Default)]
struct Reports(Vec<Report>);

impl Sink for Reports {
    fn interval(&mut self, report: &Report, _: &mut Output<'_>) -> io::Result<()> {
        self.0.push(report.clone());
        Ok(())
    }
}

/// One report on a part of the recording.
pub(super) fn part(bytes: &[u8], since_ns: Option<u64>, until_ns: Option<u64>) -> Report {
    let mut recording = open(bytes).expect("a recording");
    if let Some(since_ns) = since_ns {
        recording.begin_at(since_ns).expect("it is longer");
    }
    if let Some(until_ns) = until_ns {
        recording.end_at(until_ns);
    }
    let mut owners = recording.owners();
    let mut reports = Reports::default();
    let session = Session {
        source: &mut recording,
        enrichment: &mut owners,
        sink: &mut reports,
        out: Output { data: &mut io::sink(), remarks: &mut io::sink() },
        backlog: &(),
    };
    let ledger = LedgerOptions { list_quiet: true, ..LedgerOptions::default() };
    session.run(&Plan { ledger, ..Plan::default() }).expect("a run");
    reports.0.pop().expect("a report")
}

pub(super) type Sums = BTreeMap<FlowId, ([u64; 5], u32)>;

pub(super) fn add(sums: &mut Sums, rows: &[Row]) {
    for row in rows {
        let (times, changes) = sums.entry(row.id).or_default();
        for (sum, time) in times.iter_mut().zip(row.times.0) {
            *sum += time;
        }
        *changes += row.changes;
    }
}

#[test]
fn parts_that_meet_sum_to_the_whole() {
    let (_, bytes) = recorded(&plans()[0]);
    let whole = part(&bytes, None, None);
    let mut all = Sums::new();
    add(&mut all, &whole.rows);
    for at in (1..2240).step_by(37) {
        let at_ns = ms(at) + 1;
        let (before, after) = (part(&bytes, None, Some(at_ns)), part(&bytes, Some(at_ns), None));
        assert_eq!((before.to_ns, after.from_ns), (at_ns, at_ns));
        assert_eq!((before.from_ns, after.to_ns), (whole.from_ns, whole.to_ns));
        let mut sums = Sums::new();
        add(&mut sums, &before.rows);
        add(&mut sums, &after.rows);
        // One was there when the first part ended, and turned out not to be wanted.
        sums.retain(|id, _| all.contains_key(id));
        assert_eq!(sums, all, "at {at} ms");
        // Whose they are and how long the spell has been is known from before.
        for row in &after.rows {
            let same = whole.rows.iter().find(|one| one.id == row.id).expect("a row");
            assert_eq!(row.spell_ns, same.spell_ns, "at {at} ms");
            assert_eq!(row.names, same.names, "at {at} ms");
        }
        assert_eq!(before.losses.entries_dropped + after.losses.entries_dropped, 7, "at {at} ms");
    }
}

#[test]
fn a_part_within_ends_where_it_is_to() {
    let (_, bytes) = recorded(&plans()[0]);
    let report = part(&bytes, Some(ms(1200)), Some(ms(1550)));
    assert_eq!((report.from_ns, report.to_ns), (ms(1200), ms(1550)));
    assert!(report.rows.iter().all(|row| row.times.total_ns() == 350 * MS), "{report:?}");
    assert_eq!(report.totals.changes, 1);
    let wall = open(&bytes).expect("a recording").start().at;
    let hour = jiff::SignedDuration::from_secs(3600);
    let later = jiff::SignedDuration::from_millis(1550) + hour;
    assert_eq!(report.at, wall + later, "the wall clock was set in the meantime");
}

#[test]
fn a_part_after_the_end_is_refused() {
    let (_, bytes) = recorded(&plans()[0]);
    for at in [2250, 9000] {
        let mut recording = open(&bytes).expect("a recording");
        let error = recording.begin_at(ms(at)).expect_err("it is not as long").to_string();
        assert!(error.contains("it ends at"), "{error}");
    }
}
