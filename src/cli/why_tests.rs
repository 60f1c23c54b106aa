use super::*;
use crate::cli::{Request, parse};

fn config(line: &str) -> WhyConfig {
    match parse(std::iter::once("tcpcong").chain(line.split_whitespace())) {
        Ok(Request::Why(config)) => config,
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
fn a_number_alone_is_how_long_the_watch_is() {
    let seconds = |line: &str| config(line).duration.map(|duration| duration.as_secs());
    assert_eq!(seconds("why"), Some(10));
    assert_eq!(seconds("why 5"), Some(5));
    assert_eq!(config("why 5"), WhyConfig { bare_seconds: Some(5), ..config("why --seconds 5") });
    assert_eq!(seconds("why --from a"), None);
    assert_eq!(seconds("why 3 --from a"), Some(3));
    assert_eq!(seconds("why --seconds 14334"), Some(14_334));
    assert_eq!(seconds("why :443 14334"), Some(14_334));
    let said = refusal("why 14334");
    assert!(said.contains("pid:14334") && said.contains("--seconds 14334"), "{said}");
    let said = refusal("why 5 --seconds 6");
    assert_eq!(said, "why 5 --seconds 6: both say how long the watch is; one is enough");
    assert_eq!(refusal("why 0"), "why 0: not a whole number of seconds from 1 to 99999999");
    assert!(refusal("why 5 6").contains("pid:5"));
    assert!(refusal("why 1.5").starts_with("why 1.5: not seconds, nor a connection's end"));
}

#[test]
fn a_connection_is_named_by_either_end_and_a_process_by_its_number() {
    let ends = |line: &str| config(line).filter.endpoint.map(|end| end.to_string());
    assert_eq!(ends("why 10.0.0.1:443").as_deref(), Some("10.0.0.1:443"));
    assert_eq!(ends("why [2001:db8::1]:443 5").as_deref(), Some("[2001:db8::1]:443"));
    assert_eq!(ends("why :443").as_deref(), Some(":443"));
    assert_eq!(config("why 5 :443"), config("why :443 5"), "either way round");
    assert_eq!(config("why 5 pid:7"), config("why pid:7 5"));
    for line in ["why pid:1234", "why pid 1234", "why pid:1234 5"] {
        let config = config(line);
        assert_eq!(
            (config.filter.pid, config.style.page.as_deref()),
            (Some(1234), Some("process 1234"))
        );
    }
    assert_eq!(config("why --pid 1234").style.page, None, "a list");
    for bad in ["10.0.0.1", "localhost:443", "::1:443", "10.0.0.1:0", "10.0.0.1:443x"] {
        let said = refusal(&format!("why {bad}"));
        assert!(said.contains("10.0.0.1:443, [2001:db8::1]:443 or :443"), "{said}");
    }
    assert_eq!(refusal("why pid:x"), "pid x: not a process id");
    assert_eq!(refusal("why pid"), "why pid: its number is missing, as pid:1234");
    assert!(refusal("why pid:1 --pid 2").contains("one is enough"));
}

#[test]
fn what_goes_with_what_is_said_in_a_line() {
    for (line, what) in [
        ("why :443 --format csv", "--format csv: not where one connection"),
        ("why :443 -o verdict", "-o: not where one connection"),
        ("why :443 --state loss", "--state: not where one connection"),
        ("why pid:1 --min-time 1s", "--min-time: not where one connection"),
        ("why :443 --by raddr", "--by: not where one connection"),
        ("why --follow -o verdict", "-o: with --follow only with --format csv or json"),
        ("why -o nonsense", "-o nonsense: no column is called nonsense; there are family, "),
        ("why -o verdict,verdict", "-o verdict,verdict: verdict is there twice"),
        ("why --sort -nonsense", "--sort -nonsense: no column is called nonsense; "),
        ("why --top 0", "--top 0: not a whole number of lines"),
        ("why :443 5 6", "unexpected argument '6'"),
    ] {
        let said = refusal(line);
        assert!(said.starts_with(what) && !said.contains('\n'), "{line}: {said}");
    }
    assert_eq!(config("why :443 --follow 5 --format csv").every, Some(Duration::from_secs(5)));
    assert_eq!(config("why --follow --from a").every, Some(Duration::from_secs(10)));
    assert!(matches!(config("why :443 --format json -o verdict").style.form, WhyForm::Json(_)));
}

#[test]
fn only_what_is_shown_or_sorted_by_is_looked_up() {
    assert!(!config("why").lookups.cgroups && config("why").lookups.owners);
    assert!(config("why --format json").lookups.cgroups);
    assert!(config("why --sort unit").lookups.cgroups);
    assert!(config("why -o netns_name").lookups.netns);
    let Ok(Request::Print(text)) = parse(["tcpcong", "why", "-o", "help"]) else {
        panic!("not a text")
    };
    assert_eq!(text.lines().count(), VerdictField::all().count());
}
