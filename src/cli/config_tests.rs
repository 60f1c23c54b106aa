use super::*;
use crate::cli::{Request, UsageError, parse};
use tcpcong_core::model::PortRange;

fn config(line: &str) -> Config {
    match parse(std::iter::once("tcpcong").chain(line.split_whitespace())) {
        Ok(Request::Reports(config) | Request::Demo(config)) => config,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> String {
    match parse(std::iter::once("tcpcong").chain(line.split_whitespace())) {
        Err(UsageError(message)) => message,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_old_tools_command_lines_mean_what_they_meant() {
    let plain = config("");
    assert_eq!(plain.pace, Pace { interval: None, outputs: None });
    assert_eq!(
        (plain.format, plain.unit, plain.timestamp),
        (Format::Table, Unit::Milliseconds, false)
    );
    assert_eq!(plain.options.max_flows, None);
    let ten = config("1 10");
    assert_eq!(ten.pace, Pace { interval: Some(Duration::from_secs(1)), outputs: Some(10) });
    let both = config("-uT 1");
    assert_eq!((both.unit, both.timestamp), (Unit::Microseconds, true));
    assert_eq!(both, config("1 --microseconds --timestamp"));
    assert_eq!(config("-L 3000-3006 1"), config("--localport 3006-3000 1"));
    assert_eq!(config("-R 5000 -d"), config("--dist --remoteport=5000-5000"));
    // Its argument parser took shortened names.
    assert_eq!(config("--micro --time --local 80"), config("-uTL80"));
    assert_eq!(config("-d").histogram_unit_ns, Some(1_000_000));
    assert_eq!(config("-du").histogram_unit_ns, Some(1_000));
}

#[test]
fn ports_are_inclusive_ranges_in_either_order() {
    let range = |first, last| Some(PortRange { first, last });
    assert_eq!(config("-L 1").filter.lport, range(1, 1));
    assert_eq!(config("-L 1-65535").filter.lport, range(1, 65_535));
    assert_eq!(config("-R 9-3").filter.rport, range(3, 9));
    for bad in ["0", "70000", "a-b", "1-2-3", "-5", "1-", "+1", "0-5", "1,2"] {
        let message = refusal(&format!("-L {bad}"));
        assert_eq!(
            message,
            format!("-L {bad}: not a port from 1 to 65535 or a range of them such as 3000-3006")
        );
    }
}

#[test]
fn intervals_are_seconds_from_a_tenth_up() {
    let interval = |text: &str| config(text).pace.interval;
    assert_eq!(interval("0.1"), Some(Duration::from_millis(100)));
    assert_eq!(interval("1.5"), Some(Duration::from_millis(1500)));
    assert_eq!(interval("99999999"), Some(Duration::from_secs(99_999_999)));
    let said = refusal("recrod");
    assert!(said.starts_with("no command is called recrod; there are trace, why"), "{said}");
    for bad in ["0", "-1", "ABC", "0.09", "1e30", "1s"] {
        let message = refusal(bad);
        assert_eq!(
            message,
            format!("interval {bad}: not a number of seconds from 0.1 to 99999999")
        );
    }
}

#[test]
fn counts_are_whole_numbers_from_one_up() {
    for bad in ["0", "-1", "x", "1.5", "99999999999999999999"] {
        let message = refusal(&format!("1 {bad}"));
        assert_eq!(message, format!("outputs {bad}: not a whole number of reports from 1 up"));
    }
    assert_eq!(config("--max-flows 1").options.max_flows, Some(1));
    for bad in ["0", "x", "-3", "4294967296"] {
        assert!(
            refusal(&format!("--max-flows {bad}")).starts_with(&format!("--max-flows {bad}: "))
        );
    }
    assert_eq!(config("demo --seconds 3").pace.outputs, Some(3));
    assert!(refusal("demo --case ecn --seconds 0").starts_with("--seconds 0: not a whole number"));
    assert!(refusal("demo --case nothing").starts_with("--case: no case is called nothing"));
    assert!(refusal("demo --seconds 0").starts_with("--seconds 0: not a whole number"));
}

#[test]
fn whatever_else_is_wrong_is_one_line_too() {
    for (line, what) in [
        ("--format xml", "invalid value 'xml' for '--format <FORMAT>'"),
        ("--foo", "unexpected argument '--foo' found"),
        ("1 2 3", "unexpected argument '3'"),
        ("-L", "a value is required for '--localport <PORT[-PORT]>'"),
    ] {
        let message = refusal(line);
        assert!(message.starts_with(what), "{message}");
        assert!(message.ends_with("; see tcpcong --help") && !message.contains('\n'), "{message}");
    }
}

#[test]
fn texts_are_printed_and_nothing_is_traced() {
    for (line, part) in [
        ("--help", "Usage: tcpcong"),
        ("-h", "--max-flows"),
        ("--version", concat!("tcpcong ", env!("CARGO_PKG_VERSION"))),
        ("--ebpf", "tp_btf/tcp_cong_state_set"),
    ] {
        match parse(["tcpcong", line]) {
            Ok(Request::Print(text)) => assert!(text.contains(part), "{line}: {text}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}
