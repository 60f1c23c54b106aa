use crate::cli::{Config, Format, Request, UsageError, parse};
use crate::view::{Colour, Form};
use tcpcong_core::model::{Filter, Lookups, Netns, State, TransitionField};

fn asked(line: &str) -> Result<Request, UsageError> {
    parse(std::iter::once("tcpcong").chain(line.split_whitespace()))
}

fn config(line: &str) -> Config {
    match asked(line) {
        Ok(Request::Reports(config)) => config,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> String {
    match asked(line) {
        Err(UsageError(message)) => message,
        other => panic!("{line}: {other:?}"),
    }
}

fn names(config: &Config) -> Vec<&str> {
    config.columns.iter().map(|field| field.name).collect()
}

#[test]
fn filters_are_what_they_say() {
    assert_eq!(config("1").filter, Filter::default());
    let filter = |line: &str| config(line).filter;
    assert_eq!(filter("--state loss").state, Some(vec![State::Loss]));
    let both = Some(vec![State::Disorder, State::Loss]);
    assert_eq!(filter("--state Loss,disorder,loss").state, both);
    assert_eq!(filter("--min-changes 0").min_changes, Some(0));
    assert_eq!(filter("--pid 17").pid, Some(17));
    assert_eq!(filter("--comm systemd-resolved").comm.as_deref(), Some("systemd-resolve"));
    assert_eq!(filter("--cc bbr").cc.as_deref(), Some("bbr"));
    assert_eq!(filter("--cgroup /a/b").cgroup.as_deref(), Some("/a/b"));
    assert_eq!(filter("--cgroup /sys/fs/cgroup/a").cgroup.as_deref(), Some("/a"));
    assert_eq!(filter("--cgroup /sys/fs/cgroupless").cgroup.as_deref(), Some("/sys/fs/cgroupless"));
    assert_eq!(filter("--netns blue").netns, Some(Netns::Name("blue".to_owned())));
    assert_eq!(filter("--netns net:[4026531840]").netns, Some(Netns::Inode(4_026_531_840)));
    assert_eq!(filter("--laddr 10.1.2.3/8").laddr, "10.0.0.0/8".parse().ok());
    assert_eq!(filter("--raddr ::ffff:10.0.0.1").raddr, "10.0.0.1".parse().ok());
}

#[test]
fn times_have_a_unit() {
    let time = |text: &str| config(&format!("--min-time {text}")).filter.min_time_ns;
    for (text, ns) in [
        ("0s", 0),
        ("7ns", 7),
        ("500us", 500_000),
        ("50ms", 50_000_000),
        ("1s", 1_000_000_000),
        ("1.5s", 1_500_000_000),
        ("0.1ms", 100_000),
        (".5s", 500_000_000),
    ] {
        assert_eq!(time(text), Some(ns), "{text}");
    }
    for bad in ["5", "ms", "-1s", "1e3s", "1h", "1.2.3s", "1 s", "infs", "99999999999s"] {
        let message = refusal(&format!("--min-time={}", bad.replace(' ', "_")));
        assert!(message.ends_with(": not a time such as 500us, 50ms or 1.5s"), "{message}");
    }
}

#[test]
fn what_makes_no_sense_is_one_line_that_says_what_would() {
    for (line, message) in [
        (
            "--state lost",
            "--state lost: not one of open, disorder, cwr, recovery, loss, nor several with \
             commas between",
        ),
        ("--laddr 10.0.0", "--laddr 10.0.0: not an address, or a prefix such as 10.0.0.0/8"),
        ("--raddr ::/129", "--raddr ::/129: not an address, or a prefix such as 10.0.0.0/8"),
        ("--min-changes -1", "--min-changes -1: not a whole number of transitions"),
        ("--pid 0", "--pid 0: not a process id"),
        ("--pid init", "--pid init: not a process id"),
        ("--comm=", "--comm : not a name"),
        ("--cgroup a", "--cgroup a: not a path that begins with /, as /system.slice"),
        ("--netns=", "--netns : not a name"),
        ("--netns 0", "--netns 0: not the inode number of a namespace"),
        ("--netns 4294967296", "--netns 4294967296: not the inode number of a namespace"),
        ("--top 0", "--top 0: not a whole number of lines from 1 up"),
        (
            "--by port",
            "--by port: not one of raddr, laddr, prefix[/N[/N]], lport, rport, cgroup, unit, \
             container, pod, process, cc, netns",
        ),
        ("-o lport,raddr,lport", "-o lport,raddr,lport: lport is there twice"),
        ("-o open,open_ns", "-o open,open_ns: open_ns is there twice"),
        (
            "-d --by cc --sort loss",
            "--sort: not with -d, whose histograms have no columns and are many with --by alone",
        ),
        ("--matrix --format csv", "--matrix and --spells come with a table or JSON, not with csv"),
        ("--spells 0", "--spells 0: not a whole number of spells from 1 up"),
        (
            "-d --format json --top 3",
            "--top: not with -d, whose histograms have no columns and are many with --by alone",
        ),
        ("trace -o from,from", "-o from,from: from is there twice"),
        ("trace --netns 0", "--netns 0: not the inode number of a namespace"),
        ("-d --format csv", "-d: histograms come as a table or as JSON, not as csv"),
    ] {
        assert_eq!(refusal(line), message, "{line}");
    }
    for line in ["-o lport,nothing", "-o ,", "--sort -nothing"] {
        let message = refusal(line);
        assert!(message.contains("; there are family, laddr, ") && !message.contains('\n'));
    }
    let message = refusal("trace -o raddr,loss");
    assert!(message.starts_with("-o raddr,loss: no column is called loss; there are family, "));
    assert!(refusal("--sort -nothing").starts_with("--sort -nothing: no column is called nothing"));
    assert!(refusal("--color sometimes").starts_with("invalid value 'sometimes' for '--color"));
}

#[test]
fn columns_and_groups_make_a_table_of_their_own() {
    assert_eq!(config("--sort -loss --top 3 --state loss").format, Format::Table);
    let chosen = config("-o raddr,loss,comm");
    assert_eq!((chosen.format, names(&chosen)), (Format::Columns, vec!["raddr", "loss", "comm"]));
    let grouped = config("--by process");
    assert_eq!(grouped.format, Format::Columns);
    assert_eq!(names(&grouped)[..4], ["pid", "comm", "flows", "open"]);
    assert_eq!(names(&config("--by process -o loss,flows")), ["loss", "flows"]);
    assert_eq!(names(&config("--format csv -o loss_ns")), ["loss"]);
    assert_eq!(config("--format csv --by cc").format, Format::Csv);
    assert_eq!(config("--color always").colour, Colour::Always);
    assert_eq!(config("1").colour, Colour::Auto);
}

#[test]
fn only_what_is_needed_is_looked_up() {
    let lookups = |line: &str| {
        let config = config(line);
        assert_eq!(config.options.owners, config.lookups.owners, "{line}");
        let Lookups { owners, cgroups, netns, .. } = config.lookups;
        [owners, cgroups, netns]
    };
    for (line, expected) in [
        ("1", [false, false, false]),
        ("--format csv", [false, false, false]),
        ("--format json", [true, true, true]),
        ("--format json -d", [false, false, false]),
        ("--format json -o loss", [false, false, false]),
        ("--format json -o pid", [true, false, false]),
        ("-o loss,unit", [false, true, false]),
        ("-o cgroup_id,netns,cc", [false, false, false]),
        ("--by netns", [false, false, true]),
        ("--by process -o loss", [true, false, false]),
        ("--sort comm", [true, false, false]),
        ("--pid 1", [true, false, false]),
        ("--cgroup /a", [false, true, false]),
        ("--netns 5", [false, false, false]),
        ("--netns blue", [false, false, true]),
        ("--cc bbr --state loss --laddr ::1", [false, false, false]),
    ] {
        assert_eq!(lookups(line), expected, "{line}");
    }
}

#[test]
fn columns_are_listed_on_request() {
    let Ok(Request::Print(text)) = asked("-o help") else { panic!("not a text") };
    assert!(text.contains("time in Loss\n"), "{text}");
    assert_eq!(text.lines().count(), tcpcong_core::model::FIELDS.len());
    let Ok(Request::Print(text)) = asked("trace -o help") else { panic!("not a text") };
    assert!(text.contains("length of the spell that ended, or of the ongoing one\n"), "{text}");
    assert_eq!(text.lines().count(), TransitionField::all().count());
}

#[test]
fn a_transition_has_columns_in_every_format() {
    let told = |line: &str| match asked(line) {
        Ok(Request::Transitions(config)) => (config.form, config.lookups.owners),
        other => panic!("{line}: {other:?}"),
    };
    let named =
        |names: &[&str]| names.iter().filter_map(|name| TransitionField::named(name)).collect();
    assert_eq!(told("trace"), (Form::Table, false));
    assert_eq!(told("trace -o wide"), (Form::Wide, false));
    assert_eq!(told("trace -o wide --format json"), (Form::Json(TransitionField::usual()), true));
    assert_eq!(told("trace --format json"), (Form::Json(TransitionField::usual()), true));
    assert_eq!(told("trace --format csv -o to,cause"), (Form::Csv(named(&["to", "cause"])), false));
    assert_eq!(told("trace -o pid,spell_ns"), (Form::Columns(named(&["pid", "spell"])), true));
}

#[test]
fn entries_come_with_all_figures_only_where_something_needs_them() {
    let figures = |line: &str| match asked(line) {
        Ok(Request::Reports(config)) => (config.options.figures, config.list_quiet),
        Ok(Request::Transitions(config)) => (config.options.figures, false),
        Ok(Request::Why(config)) => (config.options.figures, true),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(figures("1"), (false, false));
    assert_eq!(figures("-d --raddr ::1"), (false, false), "decided in the kernel");
    assert_eq!(figures("-d --cc bbr"), (false, true));
    assert_eq!(figures("-d --by cc --top 2"), (false, true));
    assert_eq!(figures("--matrix --spells 3"), (false, false));
    assert_eq!(figures("-o lport,busy 1"), (true, false));
    assert_eq!(figures("trace"), (true, false));
    assert_eq!(figures("why"), (true, true));
}
