//! Runs from a script: entries in, what every sink prints out, byte by byte.

use std::cell::Cell;
use std::time::Duration;

use crate::view::{
    ColumnsView, CsvView, Extras, Form, HistogramView, JsonView, Paper, RunParams, Style,
    TableView, TransitionsView, Unit, WhyForm, WhyStyle, WhyView, WithExtras,
};
use tcpcong_core::model::sample::{Script, figures, start};
use tcpcong_core::model::{Body, Entry, LedgerOptions, State, TransitionField, field};
use tcpcong_core::session::{Backlog, Ending, Plan, Product, Session};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_core::source::{End, NoEnrichment, Replay};
use tcpcong_core::why::VerdictField;

const START_NS: u64 = 5_000_000_000;
const MS: u64 = 1_000_000;

/// The script, which ends with `end`, so many milliseconds after the start.
pub(super) fn scripted(script: Script, end: End, after_ms: u64) -> Replay {
    Replay::new(start(START_NS), script.entries).ending(end, START_NS + after_ms * MS)
}

pub(super) fn ms(ms: u64) -> u64 {
    START_NS + ms * MS
}

/// One connection that loses, recovers, and loses again after the first second.
fn script() -> Script {
    Script::default()
        .birth(1, ms(0))
        .with(figures(10, 10, false))
        .transition(1, ms(200), State::Open, State::Recovery)
        .with(figures(20, 40, true))
        .transition(1, ms(300), State::Recovery, State::Open)
        .with(figures(20, 40, true))
        .transition(1, ms(1500), State::Open, State::Loss)
        .with(figures(1, 20, true))
}

/// What a run of the plan prints, on stdout and on stderr.
pub(super) fn printed(
    mut source: Replay,
    sink: &mut dyn Sink,
    plan: &Plan,
) -> (String, String, Ending) {
    printed_slowly(&mut source, sink, plan, &())
}

fn printed_slowly(
    source: &mut Replay,
    sink: &mut dyn Sink,
    plan: &Plan,
    backlog: &dyn Backlog,
) -> (String, String, Ending) {
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    let session = Session {
        source,
        enrichment: &mut NoEnrichment,
        sink,
        out: Output { data: &mut data, remarks: &mut remarks },
        backlog,
    };
    let ending = session.run(plan).expect("a run");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(data), text(remarks), ending)
}

fn every_second(ledger: LedgerOptions) -> Plan {
    Plan { interval: Some(Duration::from_secs(1)), ledger, ..Plan::default() }
}

const BANNER: &str = "Tracing tcp congestion control status duration... Hit Ctrl-C to end.\n";
const TITLES: &str =
    "LAddrPort            RAddrPort             Open_ms Dod_ms Rcov_ms Cwr_ms  Los_ms Chgs \n";

#[test]
fn the_table_is_of_each_interval_to_its_end_and_the_last_to_the_end_of_the_script() {
    let source = scripted(script(), End::Exhausted, 2250);
    let mut view = TableView::new(Unit::Milliseconds, false);
    let (data, remarks, ending) =
        printed(source, &mut view, &every_second(LedgerOptions::default()));
    let rows = [
        "127.0.0.1/1           127.0.0.1/80          900     0      100     0       0      2    \n",
        "127.0.0.1/1           127.0.0.1/80          500     0      0       0       500    1    \n",
        "127.0.0.1/1           127.0.0.1/80          0       0      0       0       250    0    \n",
    ];
    let expected = rows.map(|row| format!("\n{TITLES}{row}")).concat();
    assert_eq!(data, format!("{BANNER}{expected}"));
    assert_eq!(remarks, "tcpcong: exact: 3 transitions in 3 reports, nothing missed\n");
    assert_eq!(ending, Ending::Done);
}

#[test]
fn a_signal_ends_it_with_a_last_report() {
    let source = scripted(script(), End::Signal, 1100);
    let mut view = TableView::new(Unit::Milliseconds, false);
    let (data, _, ending) = printed(source, &mut view, &every_second(LedgerOptions::default()));
    // The second report is of a quiet connection.
    assert_eq!(data.matches(TITLES).count(), 1);
    assert_eq!(ending, Ending::Interrupted);
}

#[test]
fn columns_and_comma_separated_values_have_the_same_figures() {
    let columns = || ["lport", "recovery", "loss", "changes"].map(|name| field(name).expect(name));
    let plan = Plan { outputs: Some(1), ..every_second(LedgerOptions::default()) };
    let source = || scripted(script(), End::Exhausted, 9000);
    let colour = false;
    let mut view = ColumnsView::new(columns().into(), Unit::Milliseconds, false, colour);
    let (data, ..) = printed(source(), &mut view, &plan);
    assert_eq!(
        data,
        format!("{BANNER}\nLPort  Recovery_ms  Loss_ms  Chgs\n    1          100        0     2\n")
    );
    let (data, ..) = printed(source(), &mut CsvView::new(columns().into()), &plan);
    let expected = "time,interval_ns,lport,recovery_ns,loss_ns,changes\n\
                    2023-11-14T22:13:21.000000000Z,1000000000,1,100000000,0,2\n";
    assert_eq!(data, expected);
}

#[test]
fn json_has_the_report_with_what_was_lost() {
    let columns: Vec<_> = ["lport", "loss", "exact", "uncertain"].map(field).into();
    let columns: Vec<_> = columns.into_iter().flatten().collect();
    let lossy = Script::default()
        .birth(1, ms(0))
        .transition(1, ms(100), State::Open, State::Loss)
        .gap(ms(400), ms(450), 12);
    let source = scripted(lossy, End::Exhausted, 9000);
    let plan = Plan { outputs: Some(1), ..every_second(LedgerOptions::default()) };
    let mut view = JsonView::new(RunParams::default(), &columns, false);
    let (data, remarks, _) = printed(source, &mut view, &plan);
    let lines: Vec<_> = data.lines().collect();
    let [_, flow, gap, report] = &lines[..] else { panic!("{data}") };
    let time = r#""time":"2023-11-14T22:13:21.000000000Z","interval_ns":1000000000"#;
    assert_eq!(
        *flow,
        format!(
            r#"{{"type":"flow",{time},"lport":1,"loss_ns":900000000,"exact":false,"uncertain_ns":50000000}}"#
        )
    );
    assert_eq!(
        *gap,
        r#"{"type":"gap","time":"2023-11-14T22:13:20.450000000Z","from_ns":5400000000,"to_ns":5450000000,"entries_dropped":12}"#
    );
    assert!(report.contains(r#""exact":false,"inexact_flows":1,"uncertain_ns":50000000"#));
    assert!(
        report.contains(r#""entries_dropped":12,"lines_damaged":0,"gaps":1,"gap_ns":50000000"#)
    );
    assert_eq!(remarks, "");
}

#[test]
fn a_gap_is_said_below_every_table() {
    let lossy = || Script::default().birth(1, ms(0)).gap(ms(400), ms(450), 12);
    let plan = Plan { outputs: Some(1), ..every_second(LedgerOptions::default()) };
    let said = "12 entries lost in 1 gap of 50.0 ms altogether (a larger --buffer helps)";
    let views: [Box<dyn Sink>; 3] = [
        Box::new(TableView::new(Unit::Milliseconds, false)),
        Box::new(HistogramView::new(Unit::Milliseconds, false)),
        Box::new(CsvView::new(Vec::new())),
    ];
    for mut view in views {
        let source = scripted(lossy(), End::Exhausted, 9000);
        let (_, remarks, _) = printed(source, view.as_mut(), &plan);
        let [.., at_report, at_end] = &remarks.lines().collect::<Vec<_>>()[..] else {
            panic!("{remarks}")
        };
        assert!(at_report.contains(said) && at_report.contains("between "), "{at_report}");
        assert_eq!(*at_end, format!("tcpcong: not exact: 0 transitions in 1 report; {said}"));
    }
}

#[test]
fn a_histogram_has_the_spells_that_ended_in_the_interval() {
    let options =
        LedgerOptions { lengths_unit_ns: Some(MS), spells: true, ..LedgerOptions::default() };
    let source = scripted(script(), End::Exhausted, 9000);
    let plan = Plan { outputs: Some(1), ..every_second(options) };
    let view = Box::new(HistogramView::new(Unit::Milliseconds, false));
    let extras = Extras { matrix: true, spells: Some(1) };
    let mut view = WithExtras::new(view, extras, Style::Table, Unit::Milliseconds);
    let (data, remarks, _) = printed(source, &mut view, &plan);
    assert!(data.contains("       128 -> 255        : 1 "), "{data}");
    assert!(data.contains("        64 -> 127        : 1 "), "{data}");
    assert!(data.contains("open              0        0        0        1        0        0\n"));
    let open = "tcpcong: spells not ended yet: open 1 (longest 700.0 ms)\n";
    assert!(remarks.starts_with(open), "{remarks}");
}

/// The trace of this script for two seconds.
fn traced(script: Script, form: Form) -> (String, String) {
    let plan = Plan {
        product: Product::Transitions,
        duration: Some(Duration::from_secs(2)),
        ledger: LedgerOptions { transitions: true, ..LedgerOptions::default() },
        ..Plan::default()
    };
    let mut view = TransitionsView::new(form, RunParams::default());
    let source = scripted(script, End::Exhausted, 9000);
    let (data, remarks, _) = printed(source, &mut view, &plan);
    (data, remarks)
}

#[test]
fn trace_tells_each_transition_until_its_time_is_over_and_none_after() {
    let columns = ["from", "to", "cause", "spell", "cwnd_before", "cwnd_after"];
    let columns: Vec<_> = columns.iter().filter_map(|name| TransitionField::named(name)).collect();
    let late = script().transition(1, ms(2000), State::Loss, State::Open);
    let (data, remarks) = traced(late.clone(), Form::Csv(columns.clone()));
    let expected = "time,from,to,cause,spell_ns,cwnd_before,cwnd_after\n\
        2023-11-14T22:13:20.200000000Z,open,recovery,fast-retransmit,200000000,40,20\n\
        2023-11-14T22:13:20.300000000Z,recovery,open,recovered,100000000,20,20\n\
        2023-11-14T22:13:21.500000000Z,open,loss,rto,1200000000,20,1\n";
    assert_eq!(data, expected);
    assert_eq!(remarks, "tcpcong: exact: 3 transitions, nothing missed\n");
    let (data, _) = traced(late, Form::Json(columns));
    let end = data.lines().last().expect("an end");
    assert!(end.starts_with(r#"{"type":"end","transitions":3,"filtered_out":0,"#), "{end}");
}

#[test]
fn the_trace_fits_a_terminal_of_80_columns_and_is_wide_on_request() {
    let (narrow, _) = traced(script(), Form::Table);
    // The time of day is the machine's own.
    let narrow: Vec<_> = narrow.lines().map(|line| &line[12..]).collect();
    let expected = [
        " LPORT RADDR:PORT         FROM     TO       CAUSE           SPELL_MS",
        "     1 127.0.0.1:80       open     recovery fast-retransmit  200.000",
        "     1 127.0.0.1:80       recovery open     recovered        100.000",
        "     1 127.0.0.1:80       open     loss     rto             1200.000",
    ];
    assert_eq!(narrow, expected);
    assert!(expected.iter().all(|line| line.len() + 12 <= 80));
    let (wide, _) = traced(script(), Form::Wide);
    let wide: Vec<_> = wide.lines().map(|line| &line[15..]).collect();
    let expected = [
        " LADDR:PORT            RADDR:PORT            FROM     TO       CAUSE             SPELL_MS        CWND    SSTHRESH  SRTT_MS   INFL  LOST  RETR",
    ];
    assert_eq!(wide[..1], expected);
    assert_eq!(wide.len(), 4);
}

#[test]
fn trace_says_in_every_form_what_was_lost() {
    let lossy = || script().gap(ms(1600), ms(1650), 3);
    let (data, _) = traced(lossy(), Form::Json(Vec::new()));
    assert!(data.contains(r#""from_ns":6600000000,"to_ns":6650000000,"entries_dropped":3}"#));
    for form in [Form::Table, Form::Csv(Vec::new())] {
        let (_, remarks) = traced(lossy(), form);
        assert!(remarks.contains("3 entries lost in 1 gap of 50.0 ms"), "{remarks}");
        assert!(remarks.contains("tcpcong: not exact: 3 transitions; "), "{remarks}");
    }
}

/// What a watch of a second prints.
fn why_view(form: WhyForm) -> WhyView {
    let style = WhyStyle {
        form,
        order: None,
        top: None,
        all: false,
        named: false,
        page: None,
        follow: false,
        seconds: Some(1),
    };
    WhyView::new(style, RunParams::default(), Paper { width: 80, unicode: true })
}

#[test]
fn verdicts_are_of_the_same_instant_in_times_and_causes() {
    let plan = Plan {
        product: Product::Verdicts,
        duration: Some(Duration::from_secs(1)),
        ledger: LedgerOptions {
            list_quiet: true,
            transitions: true,
            tick_ns: Some(4 * MS),
            ..LedgerOptions::default()
        },
        ..Plan::default()
    };
    let source = || scripted(script(), End::Exhausted, 9000);
    // The timeout came after the watch.
    let mut view = why_view(WhyForm::Json(VerdictField::of_object(None)));
    let (data, ..) = printed(source(), &mut view, &plan);
    let verdict = data.lines().nth(1).expect("a verdict");
    assert!(verdict.contains(r#""verdict":"path loss""#), "{verdict}");
    assert!(verdict.contains(r#""watched_ns":1000000000,"held_up_ns":100000000"#), "{verdict}");
    assert!(verdict.contains(r#""timeouts":0,"syn_timeouts":0"#), "{verdict}");
    assert!(verdict.contains(r#""recoveries":1"#), "{verdict}");
    let mut view = why_view(WhyForm::Text);
    let (data, remarks, _) = printed(source(), &mut view, &plan);
    assert!(data.starts_with("path loss         127.0.0.1:1 > 127.0.0.1:80\n    "), "{data}");
    assert!(data.contains("\n    high confidence, of the sending end; 1.0 s watched; "), "{data}");
    let expected = "tcpcong: watching for 1 s; Ctrl-C ends it sooner\n\
                    tcpcong: 1 of 1, the most held up first\n\
                    tcpcong: exact: 1 verdict, nothing missed\n";
    assert_eq!(remarks, expected);
}

/// Behind for so many questions.
struct Behind(Cell<usize>);

impl Backlog for Behind {
    fn is_behind(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}

#[test]
fn while_the_output_is_behind_the_interval_goes_on_and_nothing_is_lost() {
    let mut source = scripted(script(), End::Exhausted, 3500);
    let mut view = TableView::new(Unit::Milliseconds, false);
    let plan = every_second(LedgerOptions::default());
    let (data, remarks, _) = printed_slowly(&mut source, &mut view, &plan, &Behind(Cell::new(1)));
    let rows = [
        "127.0.0.1/1           127.0.0.1/80          1400    0      100     0       500    3    \n",
        "127.0.0.1/1           127.0.0.1/80          0       0      0       0       1000   0    \n",
        "127.0.0.1/1           127.0.0.1/80          0       0      0       0       500    0    \n",
    ];
    let expected = rows.map(|row| format!("\n{TITLES}{row}")).concat();
    assert_eq!(data, format!("{BANNER}{expected}"));
    assert_eq!(remarks, "tcpcong: exact: 3 transitions in 3 reports, nothing missed\n");
}

#[test]
fn entries_from_after_an_interval_wait_for_the_next() {
    let mut script = script();
    // A survey may tell more than the log so far.
    let ahead = Entry { at_ns: ms(1000), body: Body::Surveyed(Vec::new()) };
    script.entries.insert(3, ahead);
    let source = scripted(script, End::Exhausted, 2000);
    let mut view = TableView::new(Unit::Milliseconds, false);
    let plan = every_second(LedgerOptions::default());
    let (data, ..) = printed(source, &mut view, &plan);
    assert_eq!(data.matches(TITLES).count(), 2);
}
