//! The results of all kernels as one page, `docs/kernels.md`.
//! Not what they are worth: `results` says what is red.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::causes::{self, HIDDEN_FEW, HIDDEN_ONE_IN};
use super::judge::{
    CROWDED, EMULATED, FLASH_NS, LACKING_FEW, LACKING_ONE_IN, LOST_FEW, LOST_ONE_IN, MARKED_FEW,
    MARKED_ONE_IN, UNNOTICED_IN_CROWD_ONE_IN, UNNOTICED_IN_SCENARIO_FEW,
    UNNOTICED_IN_SCENARIO_ONE_IN, UNNOTICED_ONE_IN,
};
use super::lines::{Cell, Verdict, Way};
use super::paths::{CASES, Case};
use super::results::Results;
use super::scenario;
use super::support::compare::Bounds;
use super::verdicts::expected;
use super::ways;

const INTRODUCTION: &str = "\
# Kernels

Written by `make test-kernels`; the figures differ from run to run.

Each kernel is Debian's for its cloud images, for x86-64, in a machine that QEMU
emulates with two CPUs. There, one tcpcong for each way of attaching traced the
same traffic at the same time, and each one's reports, one a second, were compared
with one record of the kernel's own events: the tracepoints `tcp_cong_state_set`
and `inet_sock_set_state`, and in 5.10, which does not have the first, a kprobe at
cubic's `bictcp_state`, which is called just before the state is stored.

No kernel but these was run, and nothing on arm64: for that the programs are only
compiled.
";

const NOT_RUN: &str = "**not run**";

const VERDICTS: &str = "
## Verdicts

At last the cases of `tcpcong demo --case` with netem between the ends, slower than there, so
that emulated machines can carry them: what `tcpcong why` says of each, by the way of attaching
that it chooses, at the end that sends and at the one that receives, cubic's where no other
congestion control is named. What it says with netem is what it says in user space
(docs/why.md), or it is **red**; where two are possible at the end that receives, it depends on
how many packets were lost in the watch. A case that differs is run once more with fewer beside
it. A machine that is busy is the tight place itself, so *path full* may come before a case's own
verdict, if that is the second cause; and its first survey may be late, so that confidence may
be low where not all of the watch was measured. What a kernel *cannot* have has shown nothing.

";

fn causes_legend() -> String {
    format!(
        "
## Causes

After that one `tcpcong trace` for each way reported the causes of traffic to which only
some can apply. A scenario is **red** where a cause that it provokes was not reported, or
one that it cannot have, or `unknown` more than {HIDDEN_FEW} times; or where the client's timeouts,
recoveries, undone losses and undone recoveries are not as many as the kernel's own
counters say (`TCPTimeouts`; `TCPSackRecovery` and `TCPRenoRecovery`; `TCPLossUndo`;
`TCPFullUndo` and `TCPPartialUndo`, and some of `TCPDSACKUndo`), but for one in {HIDDEN_ONE_IN} and {HIDDEN_FEW}, which the
kernel's skipping of a run may hide, or by callers a call that made two transitions.

"
    )
}

/// What a cell shows, and when it is red.
fn legend() -> String {
    let ms = |ns: u64| ns as f64 / 1e6;
    let Bounds { event_ns, largest_ns, beyond_one_in, few, interrupted, near_ns, .. } = EMULATED;
    let (crowded, often) = (ms(CROWDED.event_ns), CROWDED.beyond_one_in);
    let (event, largest, near, flash) = (ms(event_ns), ms(largest_ns), ms(near_ns), ms(FLASH_NS));
    format!(
        "\
In emulation chance has its say: a cause's scenario or a verdict that is red is tried once
more, and a kernel with anything red is run again if there is time, and shown as it was
then. A cell shows the transitions that were seen and those that
there were, in all intervals; the same for repeated timeouts (`+`); and the largest
error of one state's time in one interval of one flow. It is **red** where

- a flow has no row that ought to have one, or one that it ought not to have;
- the states of a flow do not sum up, to the nanosecond, to the interval that it
  lived through, whatever was missed but for its birth;
- transitions or repeated timeouts differ from the truth, in all or in an interval
  (events within {near} ms of its ends may be on either side). A way by callers may
  lack spells of less than {flash} ms: one call may have made and unmade them;
- times are off by more than {event} ms an event in the mean, but for the {interrupted} worst
  intervals; or in more than one interval in {beyond_one_in} and {few} (where all threads share a
  CPU {crowded} ms, and in one in {often}); or by more than {largest} ms anywhere. That
  is generous, as an emulator that has to wait looks like a late event: these times
  say little about real machines, where the bound is 2 µs an event
  (`tests/accuracy.rs`);
- more than one transition in {LACKING_ONE_IN} and {LACKING_FEW} was not seen at all;
- more than one interval in {MARKED_ONE_IN} and {MARKED_FEW} is *marked* (but in `nested`);
- the scenario did not bring about what it is for.

*Marked* are intervals of flows that the tool itself called not exact because it
had missed a transition; their times and counts are held to nothing, as is the time
before that it says may be wrong, but what they lack of the transitions shows. A
kernel skips a program where another interrupts it, and if the state returns to what
it was before the next event nobody can tell: counts and times of so many flows may
*differ* as runs were skipped, by the kernel's count and the tool's, and by that of
the truth's own kprobe in 5.10, but of all flows only one in {UNNOTICED_ONE_IN}, of a
scenario's {UNNOTICED_IN_SCENARIO_FEW}, or one in {UNNOTICED_IN_SCENARIO_ONE_IN} (in `nested` one in {UNNOTICED_IN_CROWD_ONE_IN}). All ways at once, and few
CPUs, make that more frequent than it is elsewhere; from 7.2 on, where a program may be
preempted by another thread's, `fentry` is skipped as well, and the tracepoint with types
seldom, as it has a second program for that.

In `nested` a probe of the test's own counts the calls that interrupt one for another
socket. Kretprobes must not *lose* the socket of the one that is interrupted: more than
one in {LOST_ONE_IN} and {LOST_FEW} is **red** (the kernel may skip a run).
"
    )
}

/// The whole page.
pub(crate) fn page(all: &[Results]) -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(&attaching(all));
    let _ = writeln!(page, "\n## Scenarios\n\n{}", legend());
    for (name, what) in scenario::descriptions() {
        let _ = writeln!(page, "- `{name}`: {what}");
    }
    page.push_str(&causes_legend());
    for (name, what) in causes::descriptions() {
        let _ = writeln!(page, "- `{name}`: {what}");
    }
    page.push_str(&given(all));
    for results in all {
        page.push_str(&kernel(results));
    }
    page.push_str(&verifier(all));
    page
}

/// The verdicts on each case, by kernel.
fn given(all: &[Results]) -> String {
    let words: Vec<_> = all.iter().map(|results| results.word.as_str()).collect();
    let mut text = VERDICTS.to_owned();
    let columns = ["with netem", "to be said"];
    text.push_str(&head("case", columns.iter().chain(&words)));
    for case in CASES {
        let expected = expected(case).map(|ends| ends.map(|end| end.join(" or ")).join("<br>"));
        let Case { name, makes, cc, .. } = case;
        let cc = if *cc == "cubic" { String::new() } else { format!(", {cc}") };
        let expected = expected.unwrap_or_default();
        let _ = write!(text, "| {name}{cc} | {makes} | {expected} ");
        for results in all {
            let _ = write!(
                text,
                "| {} ",
                results.verdict(case).map_or(NOT_RUN.to_owned(), |it| ruled(it, &expected))
            );
        }
        text.push_str("|\n");
    }
    text
}

fn ruled(verdict: &Verdict, expected: &str) -> String {
    match verdict {
        Verdict { lacks: Some(lacks), .. } => format!("cannot be had: {lacks}"),
        Verdict { red, said, .. } if !red.is_empty() => format!("**red**<br>{}", said.join("<br>")),
        Verdict { said: [near, _], .. }
            if near.starts_with("path full, and") && !expected.starts_with("path full") =>
        {
            near.clone()
        }
        Verdict { tries: 1, .. } => "yes".to_owned(),
        Verdict { .. } => "yes, once more".to_owned(),
    }
}

/// Which way works where.
fn attaching(all: &[Results]) -> String {
    let mut text = "\n## Ways to attach\n\n".to_owned();
    text.push_str(&head("kernel", ["chosen"].iter().chain(&ways::EVERY)));
    let mut why: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut unseen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for results in all {
        let chosen = results.way(ways::AUTO).and_then(|way| way.attach.clone());
        let _ = write!(text, "| {} | {} ", results.word, chosen.as_deref().unwrap_or("none"));
        for name in ways::EVERY {
            let way = results.way(name);
            let _ = write!(text, "| {} ", way.map_or("not tried", works));
            let place = || format!("`{name}` on {}", results.word);
            if let Some(refused) = way.and_then(|way| way.refused.as_ref()) {
                why.entry(reason(name, refused)).or_default().push(place());
            }
            for what in way.map_or(&[][..], |way| &way.limitations) {
                unseen.entry(what.clone()).or_default().push(place());
            }
        }
        text.push_str("|\n");
    }
    for (title, list) in [("Refused", why), ("What a way says that it cannot see", unseen)] {
        let _ = writeln!(text, "\n{title}:\n");
        for (what, places) in list {
            let _ = writeln!(text, "- {what}: {}", places.join(", "));
        }
    }
    text
}

fn works(way: &Way) -> &'static str {
    match way.attach {
        _ if !way.red.is_empty() => "**red**",
        Some(_) => "works",
        None => "refused",
    }
}

/// The tool's line without what every such line has.
fn reason(name: &str, said: &str) -> String {
    let rest = said.split_once(&format!("{name}: ")).map_or(said, |(_, rest)| rest);
    rest.replace('\n', " ")
}

/// One kernel's scenarios by way.
fn kernel(results: &Results) -> String {
    let mut text = format!("\n## {}\n\n`{}`", results.word, results.kernel());
    let conserved: usize = results.cells.iter().map(|cell| cell.conserved).sum();
    let _ = writeln!(text, ": {conserved} flow-intervals sum up to the nanosecond.\n");
    let ways: Vec<_> = results.working().collect();
    text.push_str(&head("scenario", ["flows"].iter().chain(&ways)));
    let mut notes = BTreeSet::new();
    for name in scenario::names() {
        let cells: Vec<_> = ways.iter().map(|way| results.cell(way, name)).collect();
        let flows = cells.iter().flatten().map(|cell| cell.flows).max().unwrap_or(0);
        let _ = write!(text, "| {name} | {flows} ");
        for cell in &cells {
            let _ = write!(text, "| {} ", cell.map_or(NOT_RUN.to_owned(), show));
        }
        text.push_str("|\n");
        let of_scene = cells.iter().flatten().flat_map(|cell| &cell.notes);
        notes.extend(of_scene.map(|note| format!("`{name}`: {note}")));
    }
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        let _ = writeln!(text, "- {note}");
    }
    text.push_str(&told(results, &ways));
    text
}

/// One kernel's causes by way.
fn told(results: &Results, ways: &[&str]) -> String {
    let mut text = "\nCauses:\n\n".to_owned();
    text.push_str(&head("scenario", ["to, cause"].iter().chain(ways)));
    for (scenario, _) in causes::descriptions() {
        let cells: Vec<_> = ways.iter().map(|way| results.causes(way, scenario)).collect();
        let labels: BTreeSet<_> =
            cells.iter().flatten().flat_map(|cell| cell.told.keys()).collect();
        let red = cells.iter().any(|cell| cell.is_none_or(|cell| !cell.red.is_empty()));
        for label in labels {
            let _ = write!(text, "| {scenario} | {label} ");
            for cell in &cells {
                let times = cell.and_then(|cell| cell.told.get(label)).copied().unwrap_or(0);
                let _ = write!(text, "| {times} ");
            }
            text.push_str("|\n");
        }
        if red {
            let _ = writeln!(text, "| {scenario} | **red** {}|", "| ".repeat(ways.len()));
        }
    }
    text
}

fn show(cell: &Cell) -> String {
    let mut text = format!("{}/{}", cell.changes.seen, cell.changes.truth);
    if cell.repeated.truth > 0 || cell.repeated.seen > 0 {
        let _ = write!(text, " +{}/{}", cell.repeated.seen, cell.repeated.truth);
    }
    let _ = write!(text, "<br>{}", rounded(cell.largest_error_us));
    if let Some(lost) = cell.lost {
        let _ = write!(text, ", {lost} lost");
    }
    for (count, what) in [(cell.marked, "marked"), (cell.differ, "differ")] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    if !cell.red.is_empty() {
        text.push_str("<br>**red**");
    }
    text
}

/// A time's order of magnitude: more would differ in every run.
fn rounded(error_us: f64) -> &'static str {
    match error_us {
        _ if error_us < 100.0 => "< 0.1 ms",
        _ if error_us < 1e3 => "< 1 ms",
        _ if error_us < 10e3 => "< 10 ms",
        _ if error_us < 100e3 => "< 100 ms",
        _ => "> 100 ms",
    }
}

/// What the verifier went through, for the table alone and for all at once.
fn verifier(all: &[Results]) -> String {
    let demanding = ways::DEMANDING.map(|it| format!("`tcpcong {}`", it.join(" "))).join(" and ");
    let mut text = format!(
        "\n## Instructions that the verifier processed\n\n\
        For the plain table, and for `tcpcong why`, which asks for causes, costs and owners. \
        A way in which {demanding} do not run is red.\n\n"
    );
    let words: Vec<_> = all.iter().map(|results| results.word.as_str()).collect();
    text.push_str(&head("program", words.iter()));
    let mut programs: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for results in all {
        for (program, count) in results.ways.iter().flat_map(|way| &way.verifier) {
            programs.entry(program).or_default().insert(&results.word, *count);
        }
    }
    for (program, counts) in programs {
        let _ = write!(text, "| `{program}` ");
        for word in &words {
            let count = counts.get(word).map_or("–".to_owned(), u64::to_string);
            let _ = write!(text, "| {count} ");
        }
        text.push_str("|\n");
    }
    text
}

fn head<'a>(first: &str, rest: impl Iterator<Item = &'a &'a str> + Clone) -> String {
    let names: Vec<_> = rest.map(|name| format!(" {name} |")).collect();
    format!("| {first} |{}\n| --- |{}\n", names.concat(), " --- |".repeat(names.len()))
}
