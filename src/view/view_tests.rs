//! Every format of one report, to the letter. Blanks at a line's end count.

use jiff::Timestamp;

use super::*;
use tcpcong_core::model::{
    Beginning, Cause, Connection, Endpoints, Filter, FlowId, Names, OngoingSpells, Owner,
    PortRange, RejectedMethod, Report, Row, SpellLengths, Start, State, StateTimes, Summary,
    Totals,
};
use tcpcong_core::sink::{Output, Sink};

fn row(lport: u16, addrs: (&str, &str), times_ms: [u64; 5]) -> Row {
    let mut times = StateTimes::default();
    for (time, ms) in times.0.iter_mut().zip(times_ms) {
        *time = ms * 1_000_000 + 999;
    }
    Row {
        id: FlowId { socket: 1, born_ns: 0 },
        connection: Connection {
            endpoints: Endpoints {
                laddr: addrs.0.parse().unwrap(),
                lport,
                raddr: addrs.1.parse().unwrap(),
                rport: 5201,
                zone: 0,
            },
            netns: 4_026_531_833,
            cookie: Some(12),
            owner: Owner::default(),
        },
        names: Names::default(),
        cc: None,
        state: State::Loss,
        times,
        changes: 66,
        rtos: 3,
        repeated_rtos: 2,
        waited: StateTimes::default(),
        stats: None,
        spell_ns: 5_000,
        beginning: Beginning::Transition(Cause::Rto),
        exact: true,
        uncertain_ns: 0,
        ended: false,
    }
}

fn report() -> Report {
    let rows = vec![
        row(39_684, ("10.1.0.1", "10.2.0.1"), [280, 1, 3, 703, 15]),
        row(40_000, ("fd77::1", "2001:db8:0:1:2:3:4:5"), [123_456, 20, 30, 40, 50]),
        row(50_000, ("192.168.100.100", "192.168.100.200"), [0, 0, 0, 0, 1000]),
    ];
    let mut totals = Totals::default();
    for row in &rows {
        totals.add(row);
    }
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    Report {
        flows: rows.len(),
        rows,
        totals,
        flows_alive: 12,
        flows_quiet: 9,
        flows_ended: 4,
        flows_ended_quiet: 4,
        ..Report::of_nothing(at, 500, 1_000_000_500)
    }
}

fn shown(view: &mut dyn Sink, report: &Report) -> (String, String) {
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    view.interval(report, &mut Output { data: &mut data, remarks: &mut remarks }).unwrap();
    (String::from_utf8(data).unwrap(), String::from_utf8(remarks).unwrap())
}

#[test]
fn the_table_is_the_old_tools() {
    let (data, remarks) = shown(&mut TableView::new(Unit::Milliseconds, false), &report());
    let lines: Vec<_> = data.split('\n').collect();
    assert_eq!(
        lines,
        [
            "",
            "LAddrPort            RAddrPort             Open_ms Dod_ms Rcov_ms Cwr_ms  Los_ms Chgs ",
            "10.1.0.1/39684        10.2.0.1/5201         280     1      703     3       15     66   ",
            "192.168.100.100/50000 192.168.100.200/5201  0       0      0       0       1000   66   ",
            "LAddrPort6                       RAddrPort6                       Open_ms Dod_ms Rcov_ms Cwr_ms  Los_ms Chgs ",
            "fd77::1/40000                    2001:db8:0:1:2:3:4:5/5201        123456  20      40      30     50     66   ",
            "",
        ]
    );
    assert_eq!(remarks, "");
}

#[test]
fn microseconds_are_cut_not_rounded_and_an_empty_report_is_a_blank_line() {
    let mut view = TableView::new(Unit::Microseconds, false);
    let mut report = report();
    report.keep(|row| row.connection.endpoints.lport == 39_684);
    let (data, _) = shown(&mut view, &report);
    assert_eq!(
        data.lines().nth(2),
        Some(
            "10.1.0.1/39684        10.2.0.1/5201         280000  1000   703000  3000    15000  66   "
        )
    );
    assert!(data.contains("Open_us Dod_us Rcov_us Cwr_us  Los_us Chgs "), "{data}");
    report.rows.clear();
    assert_eq!(shown(&mut view, &report).0, "\n");
}

#[test]
fn quiet_connections_alone_are_said_beside_the_bare_line() {
    let mut report = report();
    report.rows.clear();
    (report.flows, report.totals) = (0, Totals::default());
    let (data, remarks) = shown(&mut TableView::new(Unit::Milliseconds, false), &report);
    assert_eq!(data, "\n");
    assert_eq!(remarks, "tcpcong: 9 connections stayed in Open (--all lists such)\n");
    report.flows_quiet = 0;
    assert_eq!(shown(&mut TableView::new(Unit::Milliseconds, false), &report).1, "");
}

#[test]
fn the_time_of_day_has_a_line_of_its_own() {
    let (data, _) = shown(&mut TableView::new(Unit::Milliseconds, true), &report());
    let line = data.lines().nth(1).unwrap_or_default();
    assert_eq!(line.len(), 8, "{line}");
    assert_eq!(line.match_indices(':').map(|found| found.0).collect::<Vec<_>>(), [2, 5], "{line}");
}

#[test]
fn histograms_are_the_old_tools() {
    let mut report = report();
    let mut counts: [Vec<u64>; 5] = std::array::from_fn(|_| vec![0; 64]);
    counts[State::Recovery as usize][..5].copy_from_slice(&[3, 33, 62, 0, 14]);
    counts[State::Loss as usize][40] = 1;
    report.spells = Some(SpellLengths { unit_ns: 1_000_000, counts });
    report.ongoing_spells[State::Loss as usize] =
        OngoingSpells { count: 2, longest_ns: 3_210_000_000 };
    let (data, remarks) = shown(&mut HistogramView::new(Unit::Milliseconds, false), &report);
    let lines: Vec<_> = data.lines().collect();
    assert_eq!(
        lines[..9],
        [
            "",
            "",
            "tcp_congest_state = recovery",
            "     msecs               : count     distribution",
            "         0 -> 1          : 3        |*                                       |",
            "         2 -> 3          : 33       |*********************                   |",
            "         4 -> 7          : 62       |****************************************|",
            "         8 -> 15         : 0        |                                        |",
            "        16 -> 31         : 14       |*********                               |",
        ]
    );
    assert_eq!(
        lines[9..12],
        [
            "",
            "tcp_congest_state = loss",
            "               msecs                         : count     distribution"
        ]
    );
    assert_eq!(
        lines.last().copied(),
        Some("       1099511627776 -> 2199023255551        : 1        |********************|")
    );
    assert_eq!(remarks, "tcpcong: spells not ended yet: loss 2 (longest 3210.0 ms)\n");
}

#[test]
fn json_has_a_line_a_flow_and_one_for_the_report() {
    let mut view = JsonView::new(params(), &JsonView::default_columns(), false);
    let mut report = report();
    report.keep(|row| row.connection.endpoints.lport == 39_684);
    let (data, remarks) = shown(&mut view, &report);
    assert_eq!(
        data,
        concat!(
            r#"{"type":"flow","time":"2023-11-14T22:13:20.000000000Z","interval_ns":1000000000,"family":"ipv4","#,
            r#""laddr":"10.1.0.1","lport":39684,"raddr":"10.2.0.1","rport":5201,"netns":4026531833,"#,
            r#""cookie":12,"state":"loss","open_ns":280000999,"disorder_ns":1000999,"cwr_ns":3000999,"#,
            r#""recovery_ns":703000999,"loss_ns":15000999,"changes":66,"rtos":3,"repeated_rtos":2,"#,
            r#""spell_ns":5000,"exact":true,"uncertain_ns":0,"ended":false,"netns_name":null,"#,
            r#""cgroup_id":null,"cgroup":null,"unit":null,"container":null,"pod":null,"pid":null,"#,
            r#""comm":null,"cc":null}"#,
            "\n",
            r#"{"type":"report","time":"2023-11-14T22:13:20.000000000Z","interval_ns":1000000000,"#,
            r#""end_ns":1000000500,"flows":1,"flows_shown":1,"flows_filtered_out":2,"flows_filtered_out_unknown":0,"flows_alive":12,"flows_quiet":9,"flows_ended":4,"#,
            r#""flows_ended_quiet":4,"open_ns":280000999,"disorder_ns":1000999,"cwr_ns":3000999,"#,
            r#""recovery_ns":703000999,"loss_ns":15000999,"changes":66,"rtos":3,"repeated_rtos":2,"#,
            r#""exact":true,"inexact_flows":0,"uncertain_ns":0,"flows_refused":0,"births_missed":0,"#,
            r#""ends_missed":0,"transitions_missed":0,"events_unaccounted":0,"rows_lost":0,"#,
            r#""recursion_misses":0,"calls_lost":0,"entries_dropped":0,"lines_damaged":0,"gaps":0,"gap_ns":0,"namespaces_unreached":0}"#,
            "\n"
        )
    );
    assert_eq!(remarks, "");
}

/// What a run may have been told.
fn params() -> RunParams {
    let raddr = "10.2.0.0/16".parse().ok();
    let rport = Some(PortRange { first: 1, last: 9 });
    let filters = Filter { rport, raddr, state: Some(vec![State::Loss]), ..Filter::default() };
    RunParams { filters, ..RunParams::default() }
}

/// By a way that does not see all.
fn partial_start() -> Start {
    Start {
        at: Timestamp::UNIX_EPOCH,
        at_ns: 5,
        kernel: "6.18.0".into(),
        attach: "fentry:callers".into(),
        attach_rejected: vec![RejectedMethod {
            attach: "tracepoint:btf".into(),
            why: "none".into(),
        }],
        limitations: vec!["flashes".into(), "dust".into()],
        max_flows: 10,
        buffer_bytes: 8 << 20,
        namespaces: 2,
        namespaces_unreached: 0,
        estimated: false,
        only: Vec::new(),
    }
}

#[test]
fn json_begins_with_what_the_run_is() {
    let mut view = JsonView::new(RunParams { interval_ns: Some(1), ..params() }, &[], false);
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    view.started(&partial_start(), &mut Output { data: &mut data, remarks: &mut remarks }).unwrap();
    assert_eq!(
        String::from_utf8(data).unwrap(),
        concat!(
            r#"{"type":"start","schema":1,"tool":"tcpcong","version":""#,
            env!("CARGO_PKG_VERSION"),
            r#"","time":"1970-01-01T00:00:00.000000000Z","start_ns":5,"kernel":"6.18.0","#,
            r#""attach":"fentry:callers","attach_rejected":[{"attach":"tracepoint:btf","#,
            r#""why":"none"}],"limitations":["flashes","dust"],"#,
            r#""interval_ns":1,"filters":{"lport":null,"rport":[1,9],"laddr":null,"#,
            r#""raddr":"10.2.0.0/16","endpoint":null,"state":["loss"],"min_time_ns":null,"min_changes":null,"#,
            r#""pid":null,"comm":null,"cc":null,"cgroup":null,"netns":null},"by":null,"sort":null,"#,
            r#""top":null,"max_flows":10,"buffer_bytes":8388608,"#,
            r#""namespaces":2,"namespaces_unreached":0}"#,
            "\n"
        )
    );
}

#[test]
fn estimates_are_called_so_at_the_start_at_the_end_and_in_json() {
    let mut report = report();
    for row in &mut report.rows {
        (row.exact, row.uncertain_ns) = (false, 100_000_000);
    }
    report.totals = Totals::of(&report.rows);
    report.estimated = true;
    let mut start = partial_start();
    (start.attach, start.estimated) = ("sample".into(), true);
    let mut view = TableView::new(Unit::Milliseconds, false);
    let mut remarks = Vec::new();
    view.started(&start, &mut Output { data: &mut Vec::new(), remarks: &mut remarks }).unwrap();
    assert_eq!(
        String::from_utf8(remarks).unwrap(),
        "tcpcong: an estimate: sockets are looked at from time to time, which does not see: \
         flashes; dust (docs/sample.md)\n"
    );
    let (_, remarks) = shown(&mut view, &report);
    assert_eq!(remarks, "", "nothing more than at the start");
    report.losses.samples_late = 3;
    let (_, remarks) = shown(&mut view, &report);
    let rows = report.rows.len();
    let what = format!(
        "3 samples later than asked (looking takes too long, or the machine is busy); at most \
         {rows}00.0 ms counted in a wrong state, but for what came and went between two samples"
    );
    assert_eq!(remarks, format!("tcpcong: an estimate: {what}\n"));
    let (sentence, exact) = crate::view::trust_in_a_sentence(&start, &Summary::of(&report));
    assert!(!exact);
    assert_eq!(sentence, format!("an estimate: 198 transitions, as far as samples show; {what}"));

    let mut view = JsonView::new(RunParams::default(), &[], false);
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    let out = &mut Output { data: &mut data, remarks: &mut remarks };
    view.started(&start, out).unwrap();
    view.interval(&report, out).unwrap();
    let text = String::from_utf8(data).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (first, last) = (&lines[0], &lines[lines.len() - 1]);
    assert_eq!((&first["estimated"], &last["estimated"]), (&true.into(), &true.into()));
    assert_eq!((&last["exact"], &last["samples_late"]), (&false.into(), &3.into()));
}

#[test]
fn what_was_not_seen_is_said_at_the_report_and_at_the_end() {
    let mut report = report();
    report.losses.transitions_missed = 2;
    report.losses.flows_refused = 1;
    report.rows[0].exact = false;
    report.rows[0].uncertain_ns = 340_000_000;
    report.totals = Totals::default();
    for row in &report.rows {
        report.totals.add(row);
    }
    let mut view = TableView::new(Unit::Milliseconds, false);
    let what = "2 transitions learned of only afterwards; \
                1 flow without a record (raise --max-flows); \
                at most 340.0 ms counted in a wrong state";
    let (_, remarks) = shown(&mut view, &report);
    assert_eq!(remarks, format!("tcpcong: not exact in 1 row: {what}\n"));

    let mut start = partial_start();
    start.limitations.clear();
    let mut end = |start: &Start, summary: &Summary| {
        let (mut data, mut remarks) = (Vec::new(), Vec::new());
        view.ended(start, summary, &mut Output { data: &mut data, remarks: &mut remarks }).unwrap();
        assert_eq!(data, b"");
        String::from_utf8(remarks).unwrap()
    };
    let line = end(&start, &Summary::of(&report));
    assert_eq!(line, format!("tcpcong: not exact: 198 transitions in 1 report; {what}\n"));
    assert_eq!(
        end(&start, &Summary { reports: 2, changes: 1, ..Summary::default() }),
        "tcpcong: exact: 1 transition in 2 reports, nothing missed\n"
    );
    assert_eq!(
        end(&partial_start(), &Summary::default()),
        "tcpcong: exact as far as fentry:callers sees: 0 transitions in 0 reports\n"
    );
}

#[test]
fn what_a_way_does_not_see_is_said_before_the_first_report() {
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    let mut out = Output { data: &mut data, remarks: &mut remarks };
    TableView::new(Unit::Milliseconds, false).started(&partial_start(), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(remarks).unwrap(),
        "tcpcong: attached by fentry:callers, which does not see: flashes; dust\n"
    );
}
