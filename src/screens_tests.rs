//! What each command shows on terminals of 80 and of 200 columns, to the blank: data and
//! remarks in the order in which they come. The entries are a script's, so that the same
//! comes each time; `src/snapshots/` has the screens.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::rc::Rc;

use tcpcong_core::compare;
use tcpcong_core::model::sample::{Script, account, figures, start};
use tcpcong_core::model::{Body, Entry, Figures, State};
use tcpcong_core::session::Session;
use tcpcong_core::sink::Output;
use tcpcong_core::source::{End, NoEnrichment, Replay};

use super::diff::{diff_view, plan_diff};
use super::export::exporter;
use super::*;
use crate::cli;
use crate::view::{ExportView, Paper, RecordView};

const START_NS: u64 = 5_000_000_000;
const WIDTHS: [usize; 2] = [80, 200];

fn ms(ms: u64) -> u64 {
    START_NS + ms * 1_000_000
}

/// Three connections: one that loses much, one over IPv6 that is marked, one that is idle.
fn replay() -> Replay {
    let window = |cwnd, prior, undo| Figures {
        srtt_us: 8 * 24_500,
        packets_out: cwnd,
        lost_out: 3,
        ..figures(cwnd, prior, undo)
    };
    let measured = |sending, rwnd, delivered, retransmitted| {
        account([sending, rwnd, 0], delivered, retransmitted)
    };
    let script = Script::default()
        .birth(1, ms(0))
        .with(measured(0, 0, 0, 0))
        .birth(2, ms(10))
        .with(measured(0, 0, 0, 0))
        .birth(3, ms(20))
        .with(measured(0, 0, 0, 0))
        .transition(1, ms(200), State::Open, State::Disorder)
        .with(window(40, 0, false))
        .transition(1, ms(212), State::Disorder, State::Recovery)
        .with(window(40, 0, false))
        .transition(1, ms(480), State::Recovery, State::Open)
        .with(window(28, 40, false))
        .transition(2, ms(500), State::Open, State::Cwr)
        .with(window(20, 0, false))
        .transition(2, ms(530), State::Cwr, State::Open)
        .with(window(10, 20, false))
        .transition(1, ms(700), State::Open, State::Loss)
        .with(window(28, 0, false))
        .transition(1, ms(1100), State::Loss, State::Loss)
        .with(window(1, 28, false))
        .seen(1, ms(1500), State::Loss)
        .with(measured(300, 0, 900, 60))
        .seen(2, ms(1510), State::Open)
        .with(measured(300, 250, 700, 0))
        .seen(3, ms(1520), State::Open)
        .with(measured(0, 0, 1, 0));
    let entries: Vec<_> = script.entries.into_iter().map(with_ends).collect();
    Replay::new(start(START_NS), entries).ending(End::Exhausted, ms(2000))
}

/// The entry, between ends of a usual length.
fn with_ends(mut entry: Entry) -> Entry {
    let Body::Socket(event) = &mut entry.body else { return entry };
    let (laddr, raddr) = match event.socket {
        2 => ("2001:db8:a:b:21d:9ff:fe12:3456", "2001:db8:77::1"),
        _ => ("10.1.0.1", "10.2.0.129"),
    };
    (event.lport, event.rport) = (49_150 + event.lport, 5201);
    if let Some(connection) = &mut event.connection {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let ends = &mut connection.endpoints;
        (ends.laddr, ends.raddr) = (address(laddr), address(raddr));
        (ends.lport, ends.rport) = (event.lport, event.rport);
    }
    entry
}

/// stdout and stderr as one terminal shows them.
#[derive(Clone, Default)]
struct Terminal(Rc<RefCell<Vec<u8>>>);

impl io::Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shown(plan: &Plan, sink: &mut dyn Sink) -> String {
    shown_of(&mut replay(), plan, sink)
}

fn shown_of(source: &mut dyn Source, plan: &Plan, sink: &mut dyn Sink) -> String {
    let terminal = Terminal::default();
    let session = Session {
        source,
        enrichment: &mut NoEnrichment,
        sink,
        out: Output { data: &mut terminal.clone(), remarks: &mut terminal.clone() },
        backlog: &(),
    };
    session.run(plan).expect("a run");
    String::from_utf8(terminal.0.take()).expect("text")
}

/// What the command prints.
fn output(line: &str, width: usize) -> String {
    let arguments = std::iter::once("tcpcong").chain(line.split_whitespace());
    // A kernel's tick, whatever this machine's is.
    let with_tick = |mut plan: Plan| {
        plan.ledger.tick_ns = plan.ledger.tick_ns.map(|_| 4_000_000);
        plan
    };
    if line.contains("--help") {
        return help(line, width);
    }
    match cli::parse(arguments.map(OsString::from)).expect("arguments") {
        Request::Reports(config) => {
            shown(&with_tick(plan_reports(&config)), view(&config).as_mut())
        }
        Request::Transitions(config) => {
            shown(&plan_transitions(&config), &mut transitions_view(&config))
        }
        Request::Why(config) => {
            let paper = Paper { width, unicode: true };
            shown(&with_tick(plan_why(&config)), &mut why_view(&config, paper))
        }
        Request::Record(config) => {
            let recorder = Recorder::new(Box::new(io::sink()), 4_000_000).expect("memory");
            let mut view = RecordView::new(recorder.clone(), false);
            let plan = with_tick(record::plan(&config));
            shown_of(&mut recorder.source(&mut replay()), &plan, &mut view)
        }
        Request::Diff(config) => compared(&config),
        Request::Export(config) => {
            let file = Terminal::default();
            let [(format, _)] = &config.outputs[..] else { panic!("one output") };
            let exporter = exporter(*format, Box::new(file.clone())).expect("memory");
            let said = shown(&plan_of_lives(&config.filter), &mut ExportView::new(vec![exporter]));
            String::from_utf8(file.0.take()).expect("text") + &said
        }
        Request::Print(text) => text,
        #[cfg(feature = "serve")]
        Request::Serve(_) => panic!("it prints nothing"),
        Request::Demo(_) | Request::Case(_) | Request::Report(_) | Request::Top(_) => {
            panic!("it is not a command that prints")
        }
    }
}

/// Sixteen connections that lose now and then, for as long as is said.
fn losses(lasting_ms: u64) -> Replay {
    let mut entries = Vec::new();
    for socket in 1..=16 {
        let (from, lasting) = (100 + 20 * u64::from(socket), lasting_ms + u64::from(socket));
        let script = Script::default()
            .birth(socket, ms(0))
            .with(account([0, 0, 0], 0, 0))
            .transition(socket, ms(from), State::Open, State::Recovery)
            .with(Figures { srtt_us: 8 * 24_500, ..figures(40, 0, true) })
            .transition(socket, ms(from + lasting), State::Recovery, State::Open)
            .with(Figures { srtt_us: 8 * 26_000, ..figures(28, 40, true) })
            .seen(socket, ms(1500), State::Open)
            .with(account([300, 0, 0], 900, 60));
        entries.extend(script.entries.into_iter().map(with_ends));
    }
    entries.sort_by_key(|entry| entry.at_ns);
    Replay::new(start(START_NS), entries).ending(End::Exhausted, ms(2000))
}

fn compared(config: &cli::DiffConfig) -> String {
    let recorded = |mut source: Replay| {
        let mut recorder = compare::Recorder::default();
        shown_of(&mut source, &plan_diff(config), &mut recorder);
        recorder.finish(&config.filter, config.by.as_ref()).expect("it began")
    };
    let comparison = compare::compare(recorded(losses(100)), recorded(losses(300)));
    let terminal = Terminal::default();
    let mut out = Output { data: &mut terminal.clone(), remarks: &mut terminal.clone() };
    diff_view(config).show(&comparison, &mut out).expect("memory");
    String::from_utf8(terminal.0.take()).expect("text")
}

/// The same text as `--help` on a terminal so wide; clap makes it 100 columns at most.
fn help(line: &str, width: usize) -> String {
    let mut command = cli::definition().term_width(width.min(100));
    command.build();
    let name = line.split_whitespace().next().filter(|name| *name != "--help");
    let command = match name {
        Some(name) => command.find_subcommand_mut(name).expect("a subcommand"),
        None => &mut command,
    };
    command.render_long_help().to_string()
}

/// As a terminal breaks lines that are too long for it, the time of day made out.
fn screen(text: &str, width: usize) -> String {
    let mut screen = String::new();
    for line in text.lines() {
        let letters: Vec<_> = without_time(line).chars().collect();
        let rows: Vec<String> = match letters.len() {
            0 => vec![String::new()],
            _ => letters.chunks(width).map(|row| row.iter().collect()).collect(),
        };
        for row in rows {
            // Blanks at its end show.
            writeln!(screen, "{row}|").expect("a string takes it");
        }
    }
    screen
}

/// Without the time of day at its beginning, which depends on where the test runs.
fn without_time(line: &str) -> String {
    let (first, rest) = line.split_at(line.find(' ').unwrap_or(line.len()));
    let is_time = first.len() >= 8 && first.as_bytes()[2] == b':' && first.as_bytes()[5] == b':';
    let made_out = |letter: char| if letter.is_ascii_digit() { '#' } else { letter };
    let first = if is_time { first.chars().map(made_out).collect() } else { first.to_owned() };
    first + rest
}

#[test]
fn every_command_on_terminals_of_80_and_of_200_columns() {
    for (name, line) in [
        ("table", "1 2"),
        ("table_all_microseconds", "--all -u 2 1"),
        ("histogram", "-d 2 1"),
        ("histogram_by", "-d --by raddr 2 1"),
        (
            "columns",
            "--color never -o laddr,lport,raddr,rport,state,open,recovery,loss,rtos,exact 2 1",
        ),
        ("groups", "--color never --by raddr --sort loss --top 1 2 1"),
        ("matrix_and_spells", "--matrix --spells 3 2 1"),
        ("json", "--format json 2 1"),
        ("csv", "--format csv 2 1"),
        ("trace", "trace"),
        ("trace_wide", "trace -o wide"),
        ("trace_columns", "trace -o raddr,rport,from,to,cause,spell"),
        ("trace_json", "trace --format json"),
        ("record", "record -o -"),
        ("record_help", "record --help"),
        ("report_help", "report --help"),
        #[cfg(feature = "serve")]
        ("serve_help", "serve --help"),
        ("export_csv", "export a.jsonl.zst --csv -"),
        ("export_csv_samples", "export a.jsonl.zst --csv-samples -"),
        ("export_help", "export --help"),
        ("trace_csv", "trace --format csv"),
        ("why", "why --seconds 2"),
        ("why_all", "why 2 --all"),
        ("why_by", "why --seconds 2 --by raddr"),
        ("why_columns", "why 2 --all --sort raddr -o laddr,lport,verdict,held_up,loss,exact"),
        ("why_csv", "why 2 --format csv"),
        ("why_follow", "why --follow 1"),
        ("why_page", "why :49151"),
        ("why_page_json", "why :49151 --format json"),
        ("why_pages", "why :5201 --top 2"),
        ("why_fields", "why -o help"),
        ("diff", "diff a.jsonl.zst b.jsonl.zst"),
        ("diff_few", "diff a.jsonl.zst b.jsonl.zst --by lport -L 49151-49152"),
        ("diff_json", "diff a.jsonl.zst b.jsonl.zst --format json"),
        ("diff_help", "diff --help"),
        ("why_json", "why --seconds 2 --format json"),
        ("fields", "-o help"),
        ("trace_fields", "trace -o help"),
        ("help", "--help"),
        ("trace_help", "trace --help"),
        ("why_help", "why --help"),
        ("top_help", "top --help"),
        ("demo_help", "demo --help"),
        ("demo_list", "demo --list"),
    ] {
        for width in WIDTHS {
            let text = screen(&output(line, width), width);
            insta::with_settings!({ description => format!("tcpcong {line}"), omit_expression => true }, {
                insta::assert_snapshot!(format!("{name}_{width}"), text);
            });
        }
    }
}
