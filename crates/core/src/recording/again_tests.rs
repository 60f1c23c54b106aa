//! Surveys that find the same again: told in short, replayed in whole.

use super::tests::{Memory, entries, ms, open};
use super::*;
use crate::model::sample::{Script, account, start};
use crate::model::{Body, Entry, Kind, Lookups, State};
use crate::session::{Plan, Session};
use crate::sink::{EachTransition, Output};
use crate::source::{NoEnrichment, Replay};

/// So many sockets, which surveys meet once a second for so many seconds.
pub(super) fn surveys(sockets: u16, seconds: u64) -> Vec<Entry> {
    let mut script = Script::default();
    for second in 0..seconds {
        let at = |socket: u16| ms(1000 * second) + 1000 * u64::from(socket) + second * 7;
        for socket in 1..=sockets {
            // Each hundredth sends, and one goes to Loss.
            let sends = u32::from(socket % 100 == 50) * u32::try_from(second).expect("few");
            let state = if socket == 77 { State::Loss } else { State::Open };
            script = script.seen(socket, at(socket), state).with(account([1, 2, 3], sends, 0));
            if socket == 30 && second == 3 {
                script = script.end(20, at(socket) + 1, State::Open);
                script = script.birth(20, at(socket) + 2).seen(20, at(socket) + 3, State::Open);
            }
            // Two at one instant.
            if socket == 40 {
                script = script.transition(90, at(socket), State::Open, State::Disorder);
                script = script.transition(90, at(socket) + 1, State::Disorder, State::Open);
            }
        }
        script = script.surveyed(at(sockets) + 5, at(0));
    }
    script.entries
}

fn recorded(entries: Vec<Entry>) -> Vec<u8> {
    let memory = Memory::default();
    let recorder = Recorder::new(Box::new(memory.clone()), 4_000_000).expect("memory");
    let (mut replay, mut nobody) = (Replay::new(start(ms(0)), entries), NoEnrichment);
    let session = Session {
        source: &mut recorder.source(&mut replay),
        enrichment: &mut recorder.enrichment(&mut nobody, Lookups::default()),
        sink: &mut EachTransition(|_: &_, _: &_| ()),
        out: Output { data: &mut std::io::sink(), remarks: &mut std::io::sink() },
        backlog: &(),
    };
    session.run(&Plan::default()).expect("a run");
    let count = recorder.finish().expect("memory").entries;
    let bytes = memory.bytes();
    assert_eq!(count, super::tests::entries(open(&bytes).expect("a recording")).len() as u64);
    bytes
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = zstd::stream::decode_all(bytes).expect("frames");
    String::from_utf8(text).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn what_is_found_again_is_told_in_short_and_comes_back_in_whole() {
    let all = surveys(3000, 70);
    let bytes = recorded(all.clone());
    assert_eq!(entries(open(&bytes).expect("a recording")), all);
    let lines = lines(&bytes);
    let of = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    let (whole, again) = (of("\"type\":\"seen\""), of("\"type\":\"seen_again\""));
    // At first and after a minute, and those that send.
    assert!((6000..9000).contains(&whole), "{whole} in whole");
    assert!(again < 70 * 12, "{again} in short");
    assert!(bytes.len() < 210_000 * 6, "{} bytes", bytes.len());
}

#[test]
fn after_a_damaged_frame_no_figures_are_shown_but_those_that_were_measured() {
    let all = surveys(300, 6);
    let bytes = recorded(all.clone());
    let frame = zstd::zstd_safe::find_frame_compressed_size;
    let mut at = frame(&bytes).expect("a frame");
    let mut bare = 0;
    while at < bytes.len() {
        let length = frame(&bytes[at..]).expect("a frame");
        let mut damaged = bytes.clone();
        damaged[at + length / 2] ^= 4;
        for entry in entries(open(&damaged).expect("a recording")) {
            let (Body::Socket(event), at_ns) = (&entry.body, entry.at_ns) else { continue };
            let is_bare = matches!(event.kind, Kind::Seen { .. }) && event.figures.is_none();
            bare += u64::from(is_bare);
            let first = all.partition_point(|one| one.at_ns < at_ns);
            let told = all[first..].iter().take(3).any(|one| {
                let Body::Socket(told) = &one.body else { return false };
                let is_same = told == event
                    || is_bare && (told.socket, told.kind) == (event.socket, event.kind);
                one.at_ns == at_ns && is_same
            });
            assert!(told, "{entry:?}");
        }
        at += length;
    }
    assert!(bare > 0, "nothing had to be left open");
}
