//! Chosen columns, groups and orders in every format, to the letter.

use std::sync::Arc;

use super::*;
use tcpcong_core::model::sample::{report, row};
use tcpcong_core::model::{
    Arrangement, By, Field, Name, Order, Process, Start, State, StateTimes, Summary, Workload,
    field,
};
use tcpcong_core::sink::{Output, Sink};

const MS: u64 = 1_000_000;

fn rows() -> Report {
    let mut rows = vec![row(1), row(50_000), row(65_535)];
    rows[0].connection.endpoints.raddr = "2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap();
    rows[0].times = StateTimes([900 * MS + 1, 0, 0, 0, 100 * MS]);
    rows[0].state = State::Loss;
    rows[1].connection.endpoints.raddr = "10.0.0.1".parse().unwrap();
    rows[1].times = StateTimes([1, 2, 0, 12_345 * MS, 0]);
    rows[1].changes = 7;
    rows[1].connection.owner.process =
        Some(Process { pid: 4242, comm: Name::from_text("a, \"b\"") });
    rows[1].connection.owner.cgroup = Some(77);
    rows[1].names.cgroup = Some(Arc::from("/a\u{1b}[2J"));
    rows[1].names.workload =
        Some(Arc::new(Workload { unit: Some("web.service".into()), container: None, pod: None }));
    rows[2].connection.endpoints.raddr = "10.0.0.2".parse().unwrap();
    (rows[2].exact, rows[2].ended) = (false, true);
    report(rows)
}

fn columns(names: &str) -> Vec<&'static Field> {
    names.split(',').map(|name| field(name).unwrap_or_else(|| panic!("{name}"))).collect()
}

fn by(name: &str) -> Arrangement {
    Arrangement { by: By::parse(name), ..Arrangement::default() }
}

fn shown(view: &mut dyn Sink, report: &Report) -> (String, String) {
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    view.interval(report, &mut Output { data: &mut data, remarks: &mut remarks }).unwrap();
    (String::from_utf8(data).unwrap(), String::from_utf8(remarks).unwrap())
}

fn table(names: &str, colour: bool, report: &Report) -> String {
    shown(&mut ColumnsView::new(columns(names), Unit::Milliseconds, false, colour), report).0
}

#[test]
fn a_table_is_as_wide_as_what_is_in_it() {
    assert_eq!(
        table("raddr,lport,recovery,pid,exact,cgroup", false, &rows()),
        "
RAddr                                   LPort  Recovery_ms   PID  Exact  Cgroup
2001:db8:1111:2222:3333:4444:5555:6666      1            0     -  yes    -
10.0.0.1                                50000        12345  4242  yes    /a\u{fffd}[2J
10.0.0.2                                65535            0     -  no     -
"
    );
    assert_eq!(table("raddr", false, &report(Vec::new())), "\n");
}

#[test]
fn a_table_has_as_much_of_a_container_as_others_show_and_data_all() {
    let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let mut row = row(1);
    let workload = Workload { unit: None, container: Some(id.into()), pod: None };
    row.names.workload = Some(Arc::new(workload));
    let report = report(vec![row]);
    assert_eq!(table("container", false, &report), "\nContainer\n0123456789ab\n");
    let (data, _) = shown(&mut CsvView::new(columns("container")), &report);
    assert!(data.contains(id), "{data}");
}

#[test]
fn microseconds_and_the_time_of_day_are_as_in_the_other_table() {
    let mut view = ColumnsView::new(columns("loss,changes"), Unit::Microseconds, true, false);
    let (data, _) = shown(&mut view, &rows());
    let lines: Vec<_> = data.lines().collect();
    assert_eq!(lines[1].len(), 8, "{data}");
    assert_eq!(lines[2..], ["Loss_us  Chgs", " 100000     0", "      0     7", "      0     0"]);
}

#[test]
fn colour_marks_titles_and_time_in_recovery_and_loss_and_moves_nothing() {
    let (plain, coloured) =
        (table("loss,recovery,open", false, &rows()), table("loss,recovery,open", true, &rows()));
    assert!(
        coloured.contains("\u{1b}[1mLoss_ms\u{1b}[0m  \u{1b}[1mRecovery_ms\u{1b}[0m"),
        "{coloured}"
    );
    assert!(coloured.contains("    \u{1b}[31m100\u{1b}[0m            0"), "{coloured}");
    assert!(coloured.contains("      0        \u{1b}[33m12345\u{1b}[0m        0\n"), "{coloured}");
    let mut bare = coloured;
    for code in ["1", "31", "33", "0"] {
        bare = bare.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(bare, plain);
}

#[test]
fn csv_has_its_names_once_and_quotes_what_needs_it() {
    let mut view = CsvView::new(columns("comm,open,pid,ended,exact,cgroup"));
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    let start = Start {
        at: jiff::Timestamp::UNIX_EPOCH,
        at_ns: 0,
        kernel: String::new(),
        attach: String::new(),
        attach_rejected: Vec::new(),
        limitations: Vec::new(),
        max_flows: 1,
        buffer_bytes: 8 << 20,
        namespaces: 1,
        namespaces_unreached: 0,
        estimated: false,
        only: Vec::new(),
    };
    view.started(&start, &mut Output { data: &mut data, remarks: &mut remarks }).unwrap();
    let head = "time,interval_ns,comm,open_ns,pid,ended,exact,cgroup\n";
    assert_eq!(String::from_utf8(data).unwrap(), head);
    let (data, remarks) = shown(&mut view, &rows());
    assert_eq!(
        data,
        "1970-01-01T00:00:00.000000000Z,1000000000,,900000001,,false,true,\n\
         1970-01-01T00:00:00.000000000Z,1000000000,\"a, \"\"b\"\"\",1,4242,false,true,/a\u{fffd}[2J\n\
         1970-01-01T00:00:00.000000000Z,1000000000,,0,,true,false,\n"
    );
    assert!(remarks.starts_with("tcpcong: not exact in 1 row: "), "{remarks}");
    assert_eq!(CsvView::default_columns().len(), 20);
}

#[test]
fn json_has_the_columns_that_were_asked_for_and_null_for_what_is_unknown() {
    let mut view =
        JsonView::new(RunParams::default(), &columns("raddr,loss,unit,pid,ended"), false);
    let (data, _) = shown(&mut view, &rows());
    let first =
        r#"{"type":"flow","time":"1970-01-01T00:00:00.000000000Z","interval_ns":1000000000,"#;
    let lines: Vec<_> = data.lines().map(|line| line.strip_prefix(first)).collect();
    assert_eq!(
        lines,
        [
            Some(
                r#""raddr":"2001:db8:1111:2222:3333:4444:5555:6666","loss_ns":100000000,"unit":null,"pid":null,"ended":false}"#
            ),
            Some(
                r#""raddr":"10.0.0.1","loss_ns":0,"unit":"web.service","pid":4242,"ended":false}"#
            ),
            Some(r#""raddr":"10.0.0.2","loss_ns":0,"unit":null,"pid":null,"ended":true}"#),
            None,
        ]
    );
}

#[test]
fn groups_are_lines_of_their_own_kind_and_the_report_counts_them() {
    let mut grouped = rows();
    let arrangement =
        Arrangement { order: Order::parse("-recovery"), top: Some(1), ..by("prefix") };
    arrangement.apply(&mut grouped);
    let columns = by("prefix").by.unwrap().columns();
    let (data, _) = shown(&mut JsonView::new(RunParams::default(), &columns, false), &grouped);
    let lines: Vec<_> = data.lines().collect();
    assert_eq!(
        lines[0],
        concat!(
            r#"{"type":"group","time":"1970-01-01T00:00:00.000000000Z","interval_ns":1000000000,"#,
            r#""prefix":"10.0.0.0/24","flows":2,"open_ns":1,"disorder_ns":2,"cwr_ns":0,"#,
            r#""recovery_ns":12345000000,"loss_ns":0,"changes":7,"rtos":0,"repeated_rtos":0,"#,
            r#""exact":false,"uncertain_ns":0,"ended":1}"#
        )
    );
    assert!(
        lines[1].contains(
            r#""flows":3,"flows_shown":2,"flows_filtered_out":0,"flows_filtered_out_unknown":0,"groups":2,"groups_shown":1,"#
        ),
        "{data}"
    );
    // All of them, of what is not listed as well.
    assert!(lines[1].contains(r#""loss_ns":100000000,"changes":7"#), "{data}");
    let mut view = ColumnsView::new(columns, Unit::Milliseconds, false, false);
    let (data, remarks) = shown(&mut view, &grouped);
    assert_eq!(
        data,
        "
Prefix       Flows  Open_ms  Disorder_ms  CWR_ms  Recovery_ms  Loss_ms  Chgs  RTOs  RepRTOs  Exact  Uncert_ms  Ended
10.0.0.0/24      2        0            0       0        12345        0     7     0        0  no             0      1
"
    );
    assert!(remarks.starts_with("tcpcong: 1 of 2 groups\ntcpcong: not exact in 1 row: "));
}

#[test]
fn the_last_line_says_what_was_counted_and_what_was_not() {
    let mut report = rows();
    report.keep(|row| row.exact);
    Arrangement { top: Some(1), ..Arrangement::default() }.apply(&mut report);
    let summary = Summary::of(&report);
    assert_eq!((summary.filtered_out.rows, summary.unlisted), (1, 1));
    let mut remarks = Vec::new();
    let start = |limitations| Start {
        at: jiff::Timestamp::UNIX_EPOCH,
        at_ns: 0,
        kernel: String::new(),
        attach: "kprobe:callers".into(),
        attach_rejected: Vec::new(),
        limitations,
        max_flows: 1,
        buffer_bytes: 8 << 20,
        namespaces: 1,
        namespaces_unreached: 0,
        estimated: false,
        only: Vec::new(),
    };
    trust::at_end(&start(Vec::new()), &summary, &mut remarks).unwrap();
    assert_eq!(
        String::from_utf8(remarks).unwrap(),
        "tcpcong: exact: 7 transitions in 1 report (without 1 row that filters left out; with 1 \
         row that --top did not list), nothing missed\n"
    );
}
