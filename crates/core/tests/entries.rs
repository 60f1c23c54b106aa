//! Entries as text: what is written can be read, and gives the same figures. The file is a
//! recording of a real connection (`tcpcong-live`'s example `record`).

use tcpcong_core::model::{Body, Entry, Ledger, LedgerOptions, Name, Start, State};

const RECORDING: &str = include_str!("../examples/entries.jsonl");

fn recording() -> (Start, Vec<Entry>) {
    let (start, entries) = RECORDING.split_once('\n').expect("a first line");
    let entries = entries.lines().map(|line| serde_json::from_str(line).expect("an entry"));
    (serde_json::from_str(start).expect("a start"), entries.collect())
}

#[test]
fn what_is_read_is_written_as_it_was() {
    let (start, entries) = recording();
    let mut lines = vec![serde_json::to_string(&start).expect("text")];
    lines.extend(entries.iter().map(|entry| serde_json::to_string(entry).expect("text")));
    assert_eq!(lines, RECORDING.lines().collect::<Vec<_>>());
}

#[test]
fn its_states_sum_to_its_life() {
    let (start, entries) = recording();
    let mut ledger = Ledger::new(start.at_ns, LedgerOptions::default());
    let of_socket = |entry: &&Entry| matches!(entry.body, Body::Socket(_));
    let born_ns = entries.iter().find(of_socket).expect("a birth").at_ns;
    let ended_ns = entries.last().expect("an end").at_ns;
    for entry in &entries {
        ledger.apply(entry);
    }
    let report = ledger.close(ended_ns + 1, start.at);
    let [row] = &report.rows[..] else { panic!("{report:?}") };
    assert!(row.exact && row.ended && row.changes > 0 && row.times[State::Recovery] > 0);
    assert_eq!(row.times.total_ns(), ended_ns - born_ns);
}

#[test]
fn names_come_back_byte_by_byte() {
    for bytes in [*b"cubic\0\0\0\0\0\0\0\0\0\0\0", *b"a\x1b[2J\xff\0after it!", [b'x'; 16]] {
        let name = Name::new(bytes).expect("a name");
        let text = serde_json::to_string(&name).expect("text");
        assert_eq!(serde_json::from_str::<Name>(&text).expect("a name"), name, "{text}");
    }
}
