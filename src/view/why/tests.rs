//! Watches from scripts: which verdicts are shown, in which order, and what has changed.

use std::time::Duration;

use super::session_tests::{ms, printed, scripted};
use super::{Paper, RunParams, WhyForm, WhyStyle, WhyView};
use tcpcong_core::model::sample::{Script, account, figures};
use tcpcong_core::model::{Figures, LedgerOptions, PathFigures, Receiving, State};
use tcpcong_core::session::{Plan, Product};
use tcpcong_core::source::End;
use tcpcong_core::why::{VerdictField, VerdictOrder};

const PAPER: Paper = Paper { width: 80, unicode: true };

fn style(form: WhyForm) -> WhyStyle {
    WhyStyle {
        form,
        order: None,
        top: None,
        all: false,
        named: false,
        page: None,
        follow: false,
        seconds: None,
    }
}

/// What a watch of this length prints of the script, on stdout and on stderr.
fn watched(script: Script, style: WhyStyle, lasting_ms: u64) -> (String, String) {
    let follow = style.follow.then_some(Duration::from_secs(1));
    let plan = Plan {
        product: Product::Verdicts,
        verdicts_every: follow,
        each_look: style.page.is_some(),
        ledger: LedgerOptions {
            list_quiet: true,
            transitions: true,
            spells: true,
            samples: true,
            tick_ns: Some(4_000_000),
            ..LedgerOptions::default()
        },
        ..Plan::default()
    };
    let mut view = WhyView::new(style, RunParams::default(), PAPER);
    let source = scripted(script, End::Exhausted, lasting_ms);
    let (data, remarks, _) = printed(source, &mut view, &plan);
    (data, remarks)
}

/// One that is in Loss, one that sends without a loss, and two that are idle.
fn four() -> Script {
    let measured = |sending, delivered| account([sending, 0, 0], delivered, 0);
    let script = (1..=4)
        .fold(Script::default(), |script, socket| script.birth(socket, ms(0)).with(measured(0, 0)));
    let script = script
        .transition(1, ms(100), State::Open, State::Loss)
        .with(figures(1, 20, true))
        .seen(1, ms(900), State::Loss)
        .with(measured(200, 50));
    [(2, 230, 9000), (3, 0, 1), (4, 0, 2)].into_iter().fold(
        script,
        |script, (socket, sending, delivered)| {
            script.seen(socket, ms(900), State::Open).with(measured(sending, delivered))
        },
    )
}

/// The local ports of the lines that have the verdict on a connection.
fn ports(data: &str) -> Vec<&str> {
    let subjects = data.lines().filter_map(|line| line.split_once("127.0.0.1:"));
    subjects.filter_map(|(_, rest)| rest.split(' ').next()).collect()
}

#[test]
fn what_nothing_holds_up_is_summed_up_in_a_line_unless_it_is_asked_for() {
    let (data, remarks) = watched(four(), style(WhyForm::Text), 1000);
    assert_eq!(ports(&data), ["1"], "{data}");
    let last = data.lines().last();
    assert_eq!(last, Some("2 connections were idle, 1 healthy: --all lists them"), "{data}");
    assert!(remarks.contains("tcpcong: 1 of 4, the most held up first\n"), "{remarks}");
    let all = WhyStyle { all: true, ..style(WhyForm::Text) };
    let (data, _) = watched(four(), all, 1000);
    assert_eq!(ports(&data), ["1", "2", "4", "3"], "those that send before those that idle");
    let columns = vec![VerdictField::named("lport").expect("a field")];
    let (data, _) = watched(four(), style(WhyForm::Csv(columns.clone())), 1000);
    assert_eq!(data.lines().count(), 5, "data leaves nothing out: {data}");
    let (data, _) = watched(four(), style(WhyForm::Columns(columns)), 1000);
    assert!(data.starts_with("LPort\n    1\n2 connections"), "{data}");
}

#[test]
fn what_was_named_is_listed_if_it_is_all_there_is() {
    let idle = || Script::default().birth(1, ms(0)).with(account([0; 3], 0, 0));
    let idle = || idle().seen(1, ms(900), State::Open).with(account([0; 3], 1, 0));
    let (data, remarks) = watched(idle(), style(WhyForm::Text), 1000);
    assert_eq!(data, "1 connection was idle: --all lists it\n");
    assert!(!remarks.contains(" of 1"), "{remarks}");
    let named = WhyStyle { named: true, ..style(WhyForm::Text) };
    assert_eq!(ports(&watched(idle(), named.clone(), 1000).0), ["1"]);
    let (data, _) = watched(four(), named, 1000);
    assert_eq!(ports(&data), ["1"], "it is not all there is");
}

#[test]
fn an_order_is_of_all_and_the_first_of_it_are_listed() {
    let order = VerdictOrder::parse("-lport");
    let all = WhyStyle { order, top: Some(2), all: true, ..style(WhyForm::Text) };
    let (data, remarks) = watched(four(), all, 1000);
    assert_eq!(ports(&data), ["4", "3"]);
    assert!(remarks.contains("tcpcong: 2 of 4, in the order of -lport\n"), "{remarks}");
}

#[test]
fn a_line_comes_when_a_verdict_is_new_or_has_changed() {
    let script = four()
        .transition(1, ms(1000), State::Loss, State::Open)
        .with(figures(1, 20, true))
        .seen(1, ms(1900), State::Open)
        .with(account([200, 0, 0], 50, 0));
    let follow = |all| WhyStyle { follow: true, all, ..style(WhyForm::Text) };
    let (data, _) = watched(script.clone(), follow(false), 3000);
    let lines: Vec<_> = data.lines().collect();
    assert_eq!(ports(&data), ["1", "1"], "{data}");
    // HH:MM:SS, whose hours are the machine's own.
    assert!(lines[0].get(9..).is_some_and(|line| line.starts_with("path loss ")), "{data}");
    assert!(lines[1].get(9..).is_some_and(|line| line.starts_with("application idle ")), "{data}");
    let (data, _) = watched(script.clone(), follow(true), 3000);
    let first = ports(&data).len();
    assert!(first >= 5, "{data}");
    let json = WhyStyle { form: WhyForm::Json(Vec::new()), ..follow(false) };
    let (data, _) = watched(script, json, 3000);
    let verdicts = data.lines().filter(|line| line.contains(r#""type":"verdict""#));
    assert_eq!(verdicts.count(), 12, "all of them, each time");
}

#[test]
fn a_page_has_rates_of_both_ways_and_what_a_timeout_cost() {
    let told = |acked: u64, received: u64, delivered| Figures {
        srtt_us: 8 * 40_000,
        path: Some(PathFigures { bytes_acked: acked, mss: 1448, ..PathFigures::default() }),
        receiving: Some(Receiving { bytes_received: received, ..Receiving::default() }),
        ..account([0; 3], delivered, 0)
    };
    let script = Script::default()
        .birth(1, ms(0))
        .seen(1, ms(100), State::Open)
        .with(told(0, 0, 0))
        .transition(1, ms(500), State::Open, State::Loss)
        .with(figures(1, 20, true))
        .transition(1, ms(700), State::Loss, State::Open)
        .with(figures(10, 20, true))
        .seen(1, ms(900), State::Open)
        .with(told(100_000, 1_000_000, 100));
    let page = || WhyStyle { page: Some(":1".to_owned()), ..style(WhyForm::Text) };
    let (data, _) = watched(script.clone(), page(), 1000);
    let has = |line: &str| assert!(data.contains(line), "{line} is missing: {data}");
    has("\n    delivered least 1.00, most 1.00, last 1.00 Mbit/s\n");
    has("\n    received  least 10.0, most 10.0, last 10.0 Mbit/s\n");
    has("\n    srtt      least 40.0, most 40.0, last 40.0 ms\n");
    has("  open            -    200ms  ");
    has("\n    receiving 1.00 MB came in 0 segments;");
    has("bytes_acked:100000");
    has("bytes_received:1000000");
    let json = WhyStyle { form: WhyForm::Json(Vec::new()), ..page() };
    let (data, _) = watched(script, json, 1000);
    assert!(data.contains(r#","samples":[{"at_ns":"#), "{data}");
    assert!(data.contains(r#","loss_ns":200000000,"ended_by":""#), "{data}");
}

#[test]
fn nobody_of_that_name_is_said() {
    let page = WhyStyle { page: Some("process 7".to_owned()), ..style(WhyForm::Text) };
    let (data, remarks) = watched(Script::default(), page, 1000);
    assert_eq!(data, "");
    assert!(remarks.starts_with("tcpcong: there was no connection of process 7\n"), "{remarks}");
}
