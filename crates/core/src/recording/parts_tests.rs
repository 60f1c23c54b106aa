//! Parts of a recording: each is one by itself, and all together are the run.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use super::again_tests::surveys;
use super::range_tests::{Sums, add, part};
use super::tests::{Learning, MS, Memory, entries, ms, open, script};
use super::*;
use crate::model::sample::start;
use crate::model::{Body, Entry, LedgerOptions, Lookups};
use crate::session::{Plan, Session};
use crate::sink::{EachTransition, Output};
use crate::source::{End, Replay, Source as _};

const ALL: Lookups = Lookups { owners: true, cgroups: true, netns: true, costs: true };

/// Files in memory.
#[derive(Clone, Default)]
struct Files(Rc<RefCell<Vec<Vec<u8>>>>);

impl Write for Files {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut files = self.0.borrow_mut();
        if files.is_empty() {
            files.push(Vec::new());
        }
        files.last_mut().expect("one").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Parts for Files {
    fn next(&mut self, _: u64) -> io::Result<()> {
        self.0.borrow_mut().push(Vec::new());
        Ok(())
    }
}

/// The script, and surveys after it.
fn all_entries() -> Vec<Entry> {
    let mut all = script().entries;
    let later = |entry: Entry| Entry { at_ns: entry.at_ns + 3000 * MS, ..entry };
    all.extend(surveys(100, 20).into_iter().map(later));
    all
}

fn run(recorder: &Recorder, entries: Vec<Entry>) {
    let mut replay = Replay::new(start(ms(0)), entries).ending(End::Signal, ms(24_000));
    let mut owners = Learning(0);
    let session = Session {
        source: &mut recorder.source(&mut replay),
        enrichment: &mut recorder.enrichment(&mut owners, ALL),
        sink: &mut EachTransition(|_: &_, _: &_| ()),
        out: Output { data: &mut io::sink(), remarks: &mut io::sink() },
        backlog: &(),
    };
    let ledger = LedgerOptions {
        transitions: true,
        list_quiet: true,
        tick_ns: Some(4_000_000),
        ..LedgerOptions::default()
    };
    let interval = Some(Duration::from_secs(1));
    session.run(&Plan { interval, ledger, ..Plan::default() }).expect("a run");
}

fn whole() -> Vec<u8> {
    let memory = Memory::default();
    let recorder = Recorder::new(Box::new(memory.clone()), 4_000_000).expect("memory");
    run(&recorder, all_entries());
    recorder.finish().expect("memory");
    memory.bytes()
}

#[test]
fn each_part_is_a_recording_and_together_they_sum_to_the_run() {
    let files = Files::default();
    let limits = Limits::of_size(1);
    let recorder =
        Recorder::in_parts(Box::new(files.clone()), Box::new(files.clone()), limits, 4_000_000);
    let recorder = recorder.expect("memory");
    run(&recorder, all_entries());
    recorder.finish().expect("memory");
    let files = files.0.borrow();
    assert!(files.len() > 5, "{} parts", files.len());
    let reports: Vec<_> = files.iter().map(|file| part(file, None, None)).collect();
    let (mut sums, mut all) = (Sums::new(), Sums::new());
    for (report, next) in reports.iter().zip(&reports[1..]) {
        assert_eq!(report.to_ns, next.from_ns);
    }
    for report in &reports {
        add(&mut sums, &report.rows);
    }
    let whole = part(&whole(), None, None);
    add(&mut all, &whole.rows);
    assert_eq!(sums, all);
    assert_eq!(reports.iter().map(|one| one.losses.entries_dropped).sum::<u64>(), 7);
    for file in files.iter() {
        let mut recording = open(file).expect("a recording");
        let rows = part(file, None, None).rows;
        assert!(rows.iter().all(|row| row.names.netns.as_deref() == Some("blue")));
        while recording
            .next(crate::source::Wait { until_ns: None, promptly: false }, &mut |_| ())
            .expect("entries")
            .end
            .is_none()
        {}
        assert!(recording.was_stopped());
        assert_eq!(recording.damage(), Damage::default());
    }
}

#[test]
fn hindsight_is_the_last_of_the_run_as_a_recording() {
    let hindsight = Hindsight::new(Duration::from_secs(8));
    let recorder = hindsight.recorder(4_000_000).expect("memory");
    run(&recorder, all_entries());
    let memory = Memory::default();
    let written = hindsight.write(&recorder, Box::new(memory.clone())).expect("memory");
    let bytes = memory.bytes();
    assert_eq!(written.bytes, bytes.len() as u64);
    assert!(!written.is_short);
    let seconds = written.length.as_secs_f64();
    assert!((8.0..10.5).contains(&seconds), "{seconds} s");
    let recording = open(&bytes).expect("a recording");
    let since_ns = recording.start().at_ns;
    assert!(recording.start().at > start(0).at);
    // What it says, it says as the whole recording does of that time.
    let expected = part(&whole(), Some(since_ns), None);
    assert_eq!(part(&bytes, None, None), expected);
    assert!(!expected.rows.is_empty());
    let found = entries(recording);
    let known = found.iter().filter(|entry| matches!(entry.body, Body::Ongoing(_))).count();
    let flows_known_then = expected.rows.iter().filter(|row| row.id.born_ns < since_ns).count();
    assert_eq!(known, flows_known_then);
    assert!(!found.iter().any(|entry| matches!(entry.body, Body::Gap { .. })));
    let told: Vec<_> = found.into_iter().filter(|entry| entry.at_ns > since_ns).collect();
    let last: Vec<_> = all_entries().into_iter().filter(|entry| entry.at_ns >= since_ns).collect();
    assert_eq!(told, last);
}
