use super::*;
use crate::view::trust;
use tcpcong_core::model::sample::{Script, figures, start};
use tcpcong_core::model::{Ledger, LedgerOptions, Name, PortRange, Process, State, Timelines};

const MS: u64 = 1_000_000;

/// What a replay of a script would have handed over: three connections, of which two leave Open.
fn collected(comm: &str) -> Collected {
    let script = Script::default()
        .birth(1, 0)
        .birth(2, 100 * MS)
        .birth(3, 200 * MS)
        .transition(1, 300 * MS, State::Open, State::Loss)
        .with(figures(1, 10, true))
        .transition(1, 450 * MS, State::Loss, State::Loss)
        .with(figures(1, 10, true))
        .transition(1, 900 * MS, State::Loss, State::Open)
        .with(figures(2, 10, true))
        .transition(2, 400 * MS, State::Open, State::Recovery)
        .end(2, 500 * MS, State::Recovery);
    let options = LedgerOptions {
        list_quiet: true,
        transitions: true,
        spells: true,
        samples: true,
        ..LedgerOptions::default()
    };
    let mut ledger = Ledger::new(0, options);
    script.entries.iter().for_each(|entry| ledger.apply(entry));
    let mut report = ledger.close(1000 * MS, jiff::Timestamp::UNIX_EPOCH);
    report.transitions = ledger.take_transitions();
    for row in &mut report.rows {
        let comm = Name::from_text(comm);
        row.connection.owner.process = Some(Process { pid: 7, comm });
    }
    let mut timelines = Timelines::default();
    timelines.add(&report);
    let summary = tcpcong_core::model::Summary::of(&report);
    let (trust, exact) = trust::in_a_sentence(&start(0), &summary);
    Collected {
        name: "a.jsonl.zst".to_owned(),
        start: Some(start(0)),
        ended_ns: 1000 * MS,
        lives: timelines.into_lives(),
        trust,
        exact,
        ..Collected::default()
    }
}

fn page(runs: Vec<Collected>, top: usize) -> Page {
    Page::new(runs, top, &Filter::default())
}

fn written(page: &Page) -> String {
    let mut bytes = Vec::new();
    page.write(&mut bytes).expect("memory takes everything");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_recording_is_summed_up_in_words() {
    let page = page(vec![collected("curl")], 2);
    assert_eq!(
        words::sentences(&page.runs[0]),
        [
            "1.00 s of 3 connections, recorded from 2023-11-14 22:13:20 UTC on, on Linux 6.18.0, \
             attached by tracepoint:btf.",
            "Together they lived 2.20 s and were outside Open for 31.8 % of that: Loss 600.0 ms \
             (27.3 %), Recovery 100.0 ms (4.5 %). 3 transitions, 2 retransmission timeouts.",
            "Longest outside Open was 127.0.0.1:1 > 127.0.0.1:80 (pid 7(curl)): 600.0 ms of 1.00 s.",
            "Shown are the 2 connections that were longest outside Open; 1 others are left out, \
             and in the sums all the same.",
        ]
    );
    assert_eq!(
        page.described().collect::<Vec<_>>(),
        ["a.jsonl.zst: 2 of 3 connections are in the page; exact: 3 transitions, nothing missed"]
    );
}

#[test]
fn filters_are_told() {
    let ports = PortRange { first: 80, last: 443 };
    let filter = Filter { rport: Some(ports), comm: Some("a\tb".to_owned()), ..Filter::default() };
    let page = Page::new(vec![collected("curl")], 9, &filter);
    let said = "Filters left out all connections but those with remote port 80 to 443, process \
                name a\u{fffd}b.";
    assert!(words::sentences(&page.runs[0]).iter().any(|sentence| sentence == said));
}

#[test]
fn spells_are_counted_as_they_end_and_those_that_go_on_apart() {
    let page = page(vec![collected("curl")], 1);
    let run = &page.runs[0];
    let ended: Vec<u64> = run.lengths.iter().map(|of| of.iter().sum()).collect();
    assert_eq!((&ended[..], run.ongoing), (&[2, 0, 0, 1, 1][..], [2, 0, 0, 0, 0]));
    // 600 ms are 2^19 microseconds and more.
    assert_eq!(run.lengths[4].len(), 20);
}

#[test]
fn a_name_stays_text_wherever_it_stands() {
    let page = written(&page(vec![collected("</script><i>'")], 9));
    assert!(!page.contains("</script><i>"), "markup got out");
    assert!(page.contains("&lt;/script&gt;&lt;i&gt;&#39;"), "not in the table");
    assert!(page.contains(r"\u003c/script>\u003ci>'"), "not in the data");
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
}

#[test]
fn the_page_names_no_other_place_but_in_a_licence() {
    let page = written(&page(vec![collected("curl")], 9));
    let addresses = page.matches("http://").count() + page.matches("https://").count();
    // The first line of uPlot says where it is from.
    assert_eq!(addresses, page.matches("https://github.com/leeoniya/uPlot").count());
    assert!(page.contains("default-src 'none'; script-src 'sha256-"));
    assert!(page.contains("Permission is hereby granted"), "no licence");
}

#[test]
fn a_template_takes_parts_as_they_are() {
    let mut out = Vec::new();
    let parts = [("a", "{{b}}".to_owned()), ("b", "2".to_owned())];
    html::fill("1 {{a}} {{b}} {{c}}.", &parts, &mut out).expect("memory takes everything");
    assert_eq!(String::from_utf8_lossy(&out), "1 {{b}} 2 .");
}
