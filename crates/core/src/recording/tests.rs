//! Recordings of scripts: what is replayed is what was told, and what is damaged is said.

use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::lines::Whose;
use super::*;
use crate::model::sample::{Script, account, figures, row, start};
use crate::model::{
    Body, Entry, Ledger, Lookups, Name, Names, Process, Report, Row, State, Workload,
};
use crate::session::{Plan, Product, Session};
use crate::sink::{Output, Sink, TransitionBatch};
use crate::source::{End, Enrichment, Reached, Replay, Source, TakeEntry, Wait};

const START_NS: u64 = 5_000_000_000;
pub(super) const MS: u64 = 1_000_000;

pub(super) fn ms(ms: u64) -> u64 {
    START_NS + ms * MS
}

/// Memory that is read afterwards.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("nobody panics").clone()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Entries of all kinds.
pub(super) fn script() -> Script {
    Script::default()
        .birth(1, ms(0))
        .with(account([1, 2, 3], 4, 5))
        .birth(2, ms(10))
        .endpoints(2, ms(20), State::Open)
        .transition(1, ms(200), State::Open, State::Recovery)
        .with(figures(20, 40, true))
        .seen(2, ms(250), State::Open)
        .seen_unlocked(1, ms(251), State::Recovery)
        .surveyed(ms(260), ms(240))
        .transition(1, ms(300), State::Recovery, State::Open)
        .with(figures(20, 40, true))
        .birth(3, ms(400))
        .filtered_out(3, ms(410))
        .gap(ms(500), ms(600), 7)
        .transition(2, ms(1000), State::Open, State::Loss)
        .transition(1, ms(1500), State::Open, State::Loss)
        .with(figures(1, 20, true))
        .end(2, ms(1600), State::Loss)
}

/// An owner that comes to be known with time, and answers like that of this machine.
pub(super) struct Learning(pub(super) u32);

impl Enrichment for Learning {
    fn maintain(&mut self, _: &Ledger) -> anyhow::Result<()> {
        Ok(())
    }

    fn identify(&mut self, rows: &mut [Row], _: Lookups, _: &Ledger) -> anyhow::Result<()> {
        self.0 += u32::from(!rows.is_empty());
        for row in rows {
            let comm = Name::from_text("curl");
            row.connection.owner.process =
                (self.0 > 1).then_some(Process { pid: 100 + self.0 / 3, comm });
            let unit = Some("a.service".to_owned());
            row.names = Names {
                netns: Some("blue".into()),
                cgroup: Some("/a.service".into()),
                workload: Some(Arc::new(Workload { unit, container: None, pod: None })),
                interface: None,
            };
        }
        Ok(())
    }
}

/// A source whose first survey takes longer than a short interval, whose wall clock is set at
/// some time, and two of whose intervals end late.
struct Odd(Replay);

impl Source for Odd {
    fn begin(&mut self, take: TakeEntry<'_>) -> anyhow::Result<()> {
        self.0.next(Wait { until_ns: Some(ms(305)), promptly: false }, take).map(|_| ())
    }

    fn start(&self) -> &crate::model::Start {
        self.0.start()
    }

    fn next(&mut self, wait: Wait, take: TakeEntry<'_>) -> anyhow::Result<Reached> {
        let is_late = |until_ns: &u64| [ms(1000), ms(2050)].contains(until_ns);
        let late_ns = wait.until_ns.filter(is_late).map(|at| at + 50 * MS);
        let wait = Wait { until_ns: late_ns.or(wait.until_ns), ..wait };
        let reached = self.0.next(wait, take)?;
        Ok(Reached { not_before_ns: late_ns.unwrap_or(0), ..reached })
    }

    fn wall(&self, at_ns: u64) -> jiff::Timestamp {
        let set = if at_ns > ms(700) { 3600 } else { 0 };
        self.0.wall(at_ns) + Duration::from_secs(set)
    }

    fn losses(&mut self) -> anyhow::Result<(crate::model::Losses, usize)> {
        let losses = crate::model::Losses { recursion_misses: 3, ..Default::default() };
        Ok((losses, 2))
    }
}

/// All that a sink is handed.
#[derive(Default)]
struct All(Vec<String>);

impl Sink for All {
    fn transitions(&mut self, batch: &TransitionBatch, _: &mut Output<'_>) -> io::Result<()> {
        for (transition, row) in &batch.lines {
            let since = Duration::from_nanos(batch.now_ns - transition.at_ns);
            self.0.push(format!("{} {transition:?} {row:?}", batch.wall - since));
        }
        Ok(())
    }

    fn interval(&mut self, report: &Report, _: &mut Output<'_>) -> io::Result<()> {
        self.0.push(format!("{report:?}"));
        Ok(())
    }
}

fn run(source: &mut dyn Source, enrichment: &mut dyn Enrichment, plan: &Plan) -> Vec<String> {
    let mut all = All::default();
    let session = Session {
        source,
        enrichment,
        sink: &mut all,
        out: Output { data: &mut io::sink(), remarks: &mut io::sink() },
        backlog: &(),
    };
    session.run(plan).expect("a run");
    all.0
}

pub(super) fn plans() -> [Plan; 3] {
    let every = |ms| Plan { interval: Some(Duration::from_millis(ms)), ..Plan::default() };
    let transitions = Plan { lookups: Lookups::default(), ..Plan::transitions(None) };
    [every(1000), Plan { outputs: Some(2), ..every(250) }, transitions]
}

/// What a run of the script with this plan gives, and its recording.
pub(super) fn recorded(plan: &Plan) -> (Vec<String>, Vec<u8>) {
    let memory = Memory::default();
    let recorder = Recorder::new(Box::new(memory.clone()), 4_000_000).expect("memory");
    let replay = Replay::new(start(START_NS), script().entries).ending(End::Signal, ms(2250));
    let (mut source, mut owners) = (Odd(replay), Learning(0));
    let mut source = recorder.source(&mut source);
    let all = run(&mut source, &mut recorder.enrichment(&mut owners, Lookups::default()), plan);
    recorder.finish().expect("memory");
    let bytes = memory.0.lock().expect("nobody panics").clone();
    (all, bytes)
}

pub(super) fn open(bytes: &[u8]) -> anyhow::Result<Recording> {
    Recording::open(Box::new(Cursor::new(bytes.to_vec())))
}

fn replayed(bytes: &[u8], plan: &Plan) -> (Vec<String>, Damage) {
    let mut recording = open(bytes).expect("a recording");
    let mut owners = recording.owners();
    let all = run(&mut recording, &mut owners, plan);
    (all, recording.damage())
}

/// All entries of a recording, whenever they come.
pub(super) fn entries(mut recording: Recording) -> Vec<Entry> {
    let mut entries = Vec::new();
    let wait = Wait { until_ns: None, promptly: false };
    while recording.next(wait, &mut |entry| entries.push(entry)).expect("entries").end.is_none() {}
    entries
}

#[test]
fn a_replay_hands_over_what_the_run_did() {
    for plan in plans() {
        let (live, bytes) = recorded(&plan);
        assert!(!live.is_empty());
        let (again, damage) = replayed(&bytes, &plan);
        for (again, live) in again.iter().zip(&live) {
            assert_eq!(again, live, "{:?}", plan.product);
        }
        assert_eq!(again.len(), live.len());
        assert_eq!(damage, Damage::default());
    }
}

#[test]
fn every_entry_comes_back() {
    let (_, bytes) = recorded(&plans()[0]);
    let recording = open(&bytes).expect("a recording");
    assert_eq!(recording.tick_ns(), 4_000_000);
    assert_eq!(recording.start(), &start(START_NS));
    assert_eq!(entries(recording), script().entries);
}

#[test]
fn a_recording_can_be_watched_at_another_interval() {
    let (_, bytes) = recorded(&plans()[0]);
    let (reports, _) = replayed(&bytes, &Plan { product: Product::Reports, ..Plan::default() });
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert!(report.contains("pid: 10"), "whose they are is known: {report}");
}

/// Of frames of a few lines each.
fn in_many_frames() -> (Vec<u8>, Vec<usize>) {
    let memory = Memory::default();
    let mut frames = frames::FrameWriter::new(Box::new(memory.clone())).expect("memory");
    let start = lines::StartLine {
        version: VERSION,
        tick_ns: 1,
        losses_before: crate::model::Losses::default(),
        start: start(START_NS),
    };
    frames.begin(&lines::Note::Start(start)).expect("memory");
    let length = || memory.0.lock().expect("nobody panics").len();
    let mut ends = vec![length()];
    for entries in script().entries.chunks(3) {
        for entry in entries {
            frames.line(entry.at_ns, entry).expect("memory");
        }
        frames.flush().expect("memory");
        ends.push(length());
    }
    let bytes = memory.0.lock().expect("nobody panics").clone();
    (bytes, ends)
}

#[test]
fn what_is_cut_off_anywhere_loses_the_frame_that_is_cut_and_no_more() {
    let (bytes, ends) = in_many_frames();
    for length in 0..=bytes.len() {
        let whole = ends.iter().filter(|end| **end <= length).count();
        let Ok(recording) = open(&bytes[..length]) else {
            assert_eq!(whole, 0, "at {length}");
            continue;
        };
        let expected = script().entries.into_iter().take((whole - 1) * 3).collect::<Vec<_>>();
        assert_eq!(entries(recording), expected, "at {length}");
        let (_, damage) = replayed(&bytes[..length], &plans()[0]);
        let cut_off = (length - ends[whole - 1]) as u64;
        let told = damage.cut_off + damage.damaged;
        assert_eq!(told, cut_off, "at {length}");
        // What is shorter than a magic number tells not even that it was to be a frame.
        assert!(damage.damaged < 4, "at {length}: {damage:?}");
    }
}

#[test]
fn a_flipped_bit_is_a_gap_of_as_many_entries_and_shows_nothing_wrong() {
    let (bytes, ends) = in_many_frames();
    let all = script().entries;
    for at in ends[0]..bytes.len() {
        for bit in [0, 3, 7] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let frame = ends.iter().filter(|end| **end <= at).count() - 1;
            let recording = open(&bytes).expect("the beginning is whole");
            let found = entries(recording);
            let (before, after) = (&all[..3 * frame], &all[(3 * frame + 3).min(all.len())..]);
            assert_eq!(&found[..before.len()], before, "byte {at}, bit {bit}");
            assert_eq!(&found[found.len() - after.len()..], after, "byte {at}, bit {bit}");
            let between = &found[before.len()..found.len() - after.len()];
            match between {
                // A reserved bit that nobody heeds.
                same if *same == all[3 * frame..(3 * frame + 3).min(all.len())] => {}
                [] => assert!(after.is_empty(), "byte {at}, bit {bit}"),
                [Entry { body: Body::Gap { dropped, .. }, .. }] => {
                    // Three entries, and the line that begins a frame.
                    assert_eq!(*dropped, 4, "byte {at}, bit {bit}");
                }
                other => panic!("byte {at}, bit {bit}: {other:?}"),
            }
        }
    }
}

/// Each report: from when to when, and how many rows are not exact.
#[derive(Default)]
struct Inexact(Vec<(u64, u64, u64)>);

impl Sink for Inexact {
    fn interval(&mut self, report: &Report, _: &mut Output<'_>) -> io::Result<()> {
        self.0.push((report.from_ns, report.to_ns, report.totals.inexact));
        Ok(())
    }
}

#[test]
fn each_interval_of_a_damaged_stretch_is_not_exact() {
    let (mut bytes, ends) = in_many_frames();
    // The second frame of entries: what is told from 200 ms on.
    bytes[ends[1] + 20] ^= 1;
    let (from_ns, to_ns) = (ms(20), ms(251));
    let mut inexact = Inexact::default();
    let session = Session {
        source: &mut open(&bytes).expect("the beginning is whole"),
        enrichment: &mut crate::source::NoEnrichment,
        sink: &mut inexact,
        out: Output { data: &mut io::sink(), remarks: &mut io::sink() },
        backlog: &(),
    };
    let ledger = crate::model::LedgerOptions { list_quiet: true, ..Default::default() };
    let interval = Some(Duration::from_millis(50));
    session.run(&Plan { interval, ledger, ..Plan::default() }).expect("a run");
    let within: Vec<_> =
        inexact.0.iter().filter(|(from, to, _)| *to > from_ns && *from < to_ns).collect();
    assert!(within.len() >= 5, "{:?}", inexact.0);
    assert!(within.iter().all(|(.., inexact)| *inexact > 0), "{:?}", inexact.0);
}

#[test]
fn two_recordings_in_one_file_are_refused() {
    let (bytes, _) = in_many_frames();
    let mut recording = open(&[&bytes[..], &bytes[..]].concat()).expect("a recording");
    let wait = Wait { until_ns: None, promptly: false };
    let error = loop {
        match recording.next(wait, &mut |_| ()) {
            Ok(Reached { end, .. }) => assert_eq!(end, None, "taken for one"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("another recording begins"), "{error}");
}

#[test]
fn what_is_no_recording_is_said_to_be_none() {
    let error = |bytes: &[u8]| match open(bytes) {
        Ok(_) => panic!("taken for a recording"),
        Err(error) => error.to_string(),
    };
    let frame = |text: &str| zstd::bulk::compress(text.as_bytes(), 3).expect("memory");
    assert!(error(b"").contains("does not begin with a frame"));
    assert!(error(b"{\"type\":\"start\"}\n").contains("line 1: missing field"));
    assert!(error(&frame("hello\n")).contains("line 1"));
    assert!(error(&frame("{\"type\":\"stop\",\"at_ns\":1}\n")).contains("how the run began"));
    let (_, bytes) = recorded(&plans()[0]);
    let text = zstd::stream::decode_all(&bytes[..]).expect("frames");
    let text = String::from_utf8(text).expect("text");
    assert!(text.starts_with("{\"type\":\"start\",\"version\":1,"), "{text}");
    let later = text.replacen("\"version\":1", "\"version\":2", 1);
    assert!(error(&frame(&later)).contains("version 2"));
    // Lines of kinds that are not known yet are passed over.
    let more = text.replacen('\n', "\n{\"type\":\"weather\",\"sky\":\"grey\"}\n", 1);
    assert_eq!(entries(open(&frame(&more)).expect("a recording")), script().entries);
}

#[test]
fn a_row_that_nobody_looked_up_keeps_what_the_entries_told() {
    let (_, bytes) = recorded(&plans()[2]);
    let recording = open(&bytes).expect("a recording");
    let mut rows = [row(9)];
    rows[0].connection.owner.process = Some(Process { pid: 7, comm: None });
    let before = rows.clone();
    let ledger = Ledger::new(0, crate::model::LedgerOptions::default());
    let mut owners = recording.owners();
    owners.identify(&mut rows, Lookups::default(), &ledger).expect("memory");
    assert_eq!(rows, before);
}

#[test]
fn who_has_looked_up_less_makes_nothing_known_unknown() {
    let mut full = row(9);
    full.connection.owner.process = Some(Process { pid: 7, comm: None });
    full.names.netns = Some("blue".into());
    full.names.cgroup = Some("/a.slice".into());
    let known = Whose::of(&full);
    let mut less = Whose::of(&row(9));
    less.keep(&known);
    assert_eq!(less, known);
    full.names.netns = Some("green".into());
    let mut more = Whose::of(&full);
    more.keep(&known);
    assert_eq!(more.names().netns.as_deref(), Some("green"));
}
