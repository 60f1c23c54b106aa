//! A run from a script, as lines: they are the views' lines, with host and number. Not here:
//! what becomes of them.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Given, LineOptions, LinesSink};
use crate::view::{Form, JsonView, Paper, RunParams, TransitionsView, WhyForm, WhyStyle, WhyView};
use tcpcong_core::model::sample::{Script, figures, start};
use tcpcong_core::model::{LedgerOptions, State, TransitionField};
use tcpcong_core::session::{Plan, Product, Session};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_core::source::{End, NoEnrichment, Replay};
use tcpcong_core::why::VerdictField;

const START_NS: u64 = 5_000_000_000;
const MS: u64 = 1_000_000;

fn ms(ms: u64) -> u64 {
    START_NS + ms * MS
}

/// One connection that loses and recovers, and entries that were lost.
fn source() -> Replay {
    let script = Script::default()
        .birth(1, ms(0))
        .with(figures(10, 10, false))
        .transition(1, ms(200), State::Open, State::Recovery)
        .with(figures(20, 40, true))
        .transition(1, ms(300), State::Recovery, State::Open)
        .with(figures(20, 40, true))
        .transition(1, ms(1500), State::Open, State::Loss)
        .with(figures(1, 20, true))
        .gap(ms(1600), ms(1650), 3);
    Replay::new(start(START_NS), script.entries).ending(End::Exhausted, ms(2250))
}

fn run(product: Product, sink: &mut dyn Sink) -> (String, String) {
    let ledger = LedgerOptions {
        transitions: true,
        tick_ns: Some(4 * MS),
        list_quiet: product == Product::Verdicts,
        ..LedgerOptions::default()
    };
    let plan = Plan {
        product,
        interval: (product == Product::Reports).then(|| Duration::from_secs(1)),
        ledger,
        ..Plan::default()
    };
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    let session = Session {
        source: &mut source(),
        enrichment: &mut NoEnrichment,
        sink,
        out: Output { data: &mut data, remarks: &mut remarks },
        backlog: &(),
    };
    session.run(&plan).expect("a run");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(data), text(remarks))
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What the sink writes into a file, without what it adds; that is checked.
fn lines(product: Product, of: Option<&str>) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.jsonl");
    let to = path.to_string_lossy();
    let given = Given { to: &to, of, host: Some("web-1"), ..Given::default() };
    let options = LineOptions::parse(&given).expect("right");
    let mut sink = LinesSink::new(&options, &RunParams::default()).expect("a file");
    let (data, remarks) = run(product, &mut sink);
    assert_eq!((data.as_str(), remarks.as_str()), ("", ""));
    let mut lines = parsed(&fs::read_to_string(&path).expect("a file"));
    assert_eq!(sink.counters().written(), lines.len() as u64);
    for (at, line) in lines.iter_mut().enumerate() {
        let line = line.as_object_mut().expect("an object");
        assert_eq!(line.remove("host"), Some("web-1".into()));
        assert_eq!(line.remove("run"), Some(1_700_000_000_000_u64.into()));
        assert_eq!(line.remove("line"), Some((at + 1).into()));
    }
    lines
}

fn of<'l>(lines: &'l [Value], kinds: &[&str]) -> Vec<&'l Value> {
    lines.iter().filter(|line| kinds.iter().any(|kind| line["type"] == *kind)).collect()
}

#[test]
fn flows_gaps_and_reports_are_the_json_views_and_transitions_are_the_traces() {
    let written = lines(Product::Reports, None);
    let columns = LineOptions::flow_columns();
    let mut view = JsonView::new(RunParams::default(), &columns, false);
    let (data, _) = run(Product::Reports, &mut view);
    let expected = parsed(&data);
    let kinds = ["start", "flow", "gap", "report"];
    assert_eq!(of(&written, &kinds), expected.iter().collect::<Vec<_>>());
    assert_eq!(of(&written, &["flow"]).len(), 3);
    let form = Form::Json(TransitionField::usual());
    let mut view = TransitionsView::new(form, RunParams::default());
    let (data, _) = run(Product::Transitions, &mut view);
    let expected = parsed(&data);
    let transitions = of(&expected, &["transition"]);
    assert_eq!(of(&written, &["transition"]), transitions);
    assert_eq!(transitions.len(), 3);
    let end = written.last().expect("a line");
    let ended = serde_json::json!({"type": "end", "time": "2023-11-14T22:13:22.250000000Z"});
    assert_eq!(*end, ended);
    assert_eq!(written.len(), 1 + 3 + 1 + 3 + 3 + 1);
}

#[test]
fn verdicts_are_those_of_why_that_are_not_calm() {
    let written = lines(Product::Verdicts, Some("verdicts"));
    let style = WhyStyle {
        form: WhyForm::Json(VerdictField::of_object(None)),
        order: None,
        top: None,
        all: false,
        named: false,
        page: None,
        follow: false,
        seconds: None,
    };
    let mut view = WhyView::new(style, RunParams::default(), Paper { width: 80, unicode: true });
    let (data, _) = run(Product::Verdicts, &mut view);
    let expected = parsed(&data);
    let verdicts = of(&expected, &["verdict"]);
    assert_eq!(of(&written, &["verdict"]), verdicts);
    assert_eq!(verdicts.len(), 1);
    let [watch] = of(&written, &["watch"])[..] else { panic!("{written:?}") };
    let expected = r#"{"entries_dropped":3,"interval_ns":2250000000,"not_watched":0,"time":"2023-11-14T22:13:22.250000000Z","type":"watch","verdicts":1,"verdicts_shown":1}"#;
    assert_eq!(watch.to_string(), expected);
}

#[test]
fn kinds_that_were_not_asked_for_are_not_written_and_reports_always_are() {
    let written = lines(Product::Reports, Some("verdicts"));
    let kinds: Vec<_> = written.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(kinds, ["start", "report", "gap", "report", "report", "end"]);
}

#[test]
fn a_receiver_that_is_not_there_holds_up_no_run_and_is_said() {
    let given = Given { to: "unix:/nowhere/x.sock", host: Some("h"), ..Given::default() };
    let options = LineOptions::parse(&given).expect("right");
    let mut sink = LinesSink::new(&options, &RunParams::default()).expect("it may come later");
    let counters = sink.counters();
    let began = Instant::now();
    let (_, remarks) = run(Product::Reports, &mut sink);
    // A second's patience at the end.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!((counters.written(), counters.dropped()), (0, 12));
    let last = "tcpcong: lines: unix:/nowhere/x.sock: 12 lines were not taken\n";
    assert!(remarks.ends_with(last), "{remarks}");
}

#[test]
fn a_file_that_cannot_be_made_is_said_at_the_start() {
    let given = Given { to: "/nowhere/a.jsonl", host: Some("h"), ..Given::default() };
    let options = LineOptions::parse(&given).expect("right");
    let error = LinesSink::new(&options, &RunParams::default()).expect_err("no folder");
    let said = "--lines.to /nowhere/a.jsonl: No such file or directory (os error 2)";
    assert_eq!(error.to_string(), said);
}
