//! The screen, drawn to a terminal of the test's own, to the blank; and what keys do.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use tcpcong_core::model::sample::{Script, account, figures, start};
use tcpcong_core::model::{
    Body, Entry, Figures, Ledger, LedgerOptions, Name, Process, Report, State,
};

use tcpcong_core::sink::{Output, Sink};

use super::app::{App, Next};
use super::draw::draw;
use super::keys::Bindings;
use super::list::Wishes;
use super::theme::Theme;

const MS: u64 = 1_000_000;
const START_NS: u64 = 5_000_000_000;

fn ms(ms: u64) -> u64 {
    START_NS + ms * MS
}

/// Figures as a sender has them, of an account of its own.
fn sending(cwnd: u32, ssthresh: u32, delivered: u32) -> Figures {
    Figures {
        snd_ssthresh: ssthresh,
        srtt_us: 8 * 24_500,
        packets_out: cwnd,
        account: account([100, 0, 0], delivered, delivered / 20).account,
        ..figures(cwnd, 40, true)
    }
}

/// Five seconds of four connections: one that loses much, one over IPv6 that is marked, one
/// that ends, and one that is idle.
fn script() -> Script {
    let mut script = Script::default();
    for socket in 1..=4 {
        script = script.birth(socket, ms(u64::from(socket))).with(sending(10, 0x7fff_ffff, 0));
    }
    for second in 0..5 {
        let at = |offset: u64| ms(1000 * second + offset);
        let delivered = u32::try_from(second).expect("a few") * 800;
        script = script
            .transition(1, at(200), State::Open, State::Recovery)
            .with(sending(40 - delivered / 200, 28, delivered + 100))
            .transition(1, at(480), State::Recovery, State::Open)
            .with(sending(28, 28, delivered + 300))
            .transition(2, at(500), State::Open, State::Cwr)
            .with(sending(20, 0x7fff_ffff, delivered))
            .transition(2, at(530), State::Cwr, State::Open)
            .with(sending(10, 10, delivered));
        if second == 3 {
            script = script
                .transition(1, at(600), State::Open, State::Loss)
                .with(sending(1, 14, delivered + 400))
                .transition(1, at(900), State::Loss, State::Loss)
                .with(sending(1, 14, delivered + 400))
                .transition(1, at(950), State::Loss, State::Open)
                .with(sending(2, 14, delivered + 410))
                .transition(3, at(960), State::Open, State::Disorder)
                .with(sending(9, 14, 17))
                .end(3, at(970), State::Disorder);
        }
    }
    script
}

/// With ends and an owner of a usual length.
fn dressed(mut entry: Entry) -> Entry {
    let Body::Socket(event) = &mut entry.body else { return entry };
    let Some(connection) = &mut event.connection else { return entry };
    let (laddr, raddr) = match event.socket {
        2 => ("2001:db8:a:b:21d:9ff:fe12:3456", "2001:db8:77::1"),
        _ => ("10.1.0.1", "10.2.0.129"),
    };
    let ends = &mut connection.endpoints;
    (ends.laddr, ends.raddr) = (laddr.parse().expect("one"), raddr.parse().expect("one"));
    (ends.lport, ends.rport) = (49_150 + event.lport, 5201);
    let comm = Name::from_text(["iperf3", "nginx: \u{1b}[2J"][usize::from(event.socket == 2)]);
    connection.owner.process = Some(Process { pid: 4_100_000 + u32::from(event.lport), comm });
    event.cc = Name::from_text("cubic");
    entry
}

/// The reports of each second.
fn reports() -> Vec<Report> {
    let options = LedgerOptions {
        list_quiet: true,
        transitions: true,
        spells: true,
        samples: true,
        tick_ns: Some(4 * MS),
        ..LedgerOptions::default()
    };
    let mut ledger = Ledger::new(START_NS, options);
    let mut entries = script().entries.into_iter().map(dressed).peekable();
    let mut reports = Vec::new();
    for second in 1..=5 {
        while let Some(entry) = entries.next_if(|entry| entry.at_ns < ms(1000 * second)) {
            ledger.apply(&entry);
        }
        let at = Timestamp::from_second(1_700_000_000 + second.cast_signed()).expect("a time");
        let mut report = ledger.close(ms(1000 * second), at);
        report.transitions = ledger.take_transitions();
        reports.push(report);
    }
    reports
}

fn empty() -> App {
    let look = (Bindings::default(), Theme::new(true));
    let mut app = App::new(look, Duration::from_secs(1), Wishes::default());
    app.start = Some(start(START_NS));
    app
}

fn full() -> App {
    let mut app = empty();
    add_all(&mut app);
    app
}

fn add_all(app: &mut App) {
    for report in reports() {
        app.add(report);
    }
}

/// Draws each interval, with the details of the worst connection.
pub(crate) struct DrawnView(App);

impl Default for DrawnView {
    fn default() -> Self {
        Self(empty())
    }
}

impl Sink for DrawnView {
    fn interval(&mut self, report: &Report, _: &mut Output<'_>) -> io::Result<()> {
        self.0.add(report.clone());
        terminal(&mut self.0, 80, 24);
        press(&mut self.0, "\n");
        terminal(&mut self.0, 120, 50);
        press(&mut self.0, "⎋");
        Ok(())
    }
}

fn press(app: &mut App, keys: &str) {
    for letter in keys.chars() {
        let code = match letter {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '←' => KeyCode::Left,
            '→' => KeyCode::Right,
            '↓' => KeyCode::Down,
            '↑' => KeyCode::Up,
            '⎋' => KeyCode::Esc,
            letter => KeyCode::Char(letter),
        };
        let key = Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(app.on_event(&key), Next::GoOn, "{letter}");
    }
}

fn terminal(app: &mut App, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
    terminal.draw(|frame| draw(app, frame)).expect("memory");
    terminal
}

/// The screen, the time of day made out: it depends on where the test runs.
fn screen(app: &mut App, width: u16, height: u16) -> String {
    let text = terminal(app, width, height).backend().to_string();
    let is_time = |word: &str| {
        word.len() >= 8
            && word.bytes().filter(|b| *b == b':').count() == 2
            && word.starts_with(|first: char| first.is_ascii_digit())
            && word.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.')
    };
    let of_line = |line: &str| {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_matches('"');
            if is_time(bare) {
                word.replace(bare, &"#".repeat(bare.len()))
            } else {
                word.to_owned()
            }
        });
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(of_line).collect::<Vec<_>>().join("\n")
}

#[test]
fn screens_of_all_kinds() {
    let sizes = [(80, 24), (200, 50)];
    let kinds = [
        ("empty", ""),
        ("list", ""),
        ("details", "\n"),
        ("frozen", " ←"),
        ("help", "?"),
        ("menu", "s↓"),
        ("filter", "/5202 10.2"),
        ("groups", "aG↓\n"),
    ];
    for (name, keys) in kinds {
        for (width, height) in sizes {
            let mut app = if name == "empty" { empty() } else { full() };
            // Where lines are is known once they were drawn.
            terminal(&mut app, width, height);
            press(&mut app, keys);
            insta::assert_snapshot!(format!("{name}_{width}"), screen(&mut app, width, height));
        }
    }
    insta::assert_snapshot!("tiny", screen(&mut full(), 50, 10));
}

#[test]
fn nothing_is_too_small_or_too_large_to_be_drawn() {
    for keys in ["", "\n", "\n\t", "?", "s", "o", "G", "/x", " ←←", "aG\n"] {
        let mut app = full();
        press(&mut app, keys);
        for width in [1, 20, 59, 60, 61, 79, 80, 120, 333] {
            for height in [1, 5, 11, 12, 13, 24, 36, 40, 90] {
                terminal(&mut app, width, height);
            }
        }
    }
}

#[test]
fn a_name_from_elsewhere_does_not_move_the_cursor() {
    let text = screen(&mut full(), 200, 50);
    assert!(text.contains("nginx: \u{fffd}[2J") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn states_are_told_by_letters_where_there_is_no_colour() {
    let mut app = full();
    app.theme = Theme::new(false);
    let buffer = terminal(&mut app, 80, 24).backend().buffer().clone();
    let coloured = |cell: &ratatui::buffer::Cell| {
        [cell.fg, cell.bg].iter().any(|colour| *colour != ratatui::style::Color::Reset)
    };
    assert!(!buffer.content().iter().any(coloured));
    let mut app = full();
    assert!(terminal(&mut app, 80, 24).backend().buffer().content().iter().any(coloured));
}

#[test]
fn the_worst_stand_first_and_a_filter_stays_until_it_is_cleared() {
    let mut app = full();
    let ports = |app: &App| -> Vec<u16> {
        app.items.iter().map(|item| item.rows()[0].connection.endpoints.lport).collect()
    };
    assert_eq!(ports(&app), [49_151, 49_152]);
    press(&mut app, "a");
    assert_eq!(ports(&app), [49_151, 49_152, 49_154], "the idle one; one has ended before");
    press(&mut app, "I");
    assert_eq!(ports(&app)[2], 49_151);
    press(&mut app, "/open 2001\n");
    assert_eq!(ports(&app), [49_152]);
    app.add(reports().remove(0));
    assert_eq!(ports(&app), [49_152], "also in the next interval");
    press(&mut app, "⎋");
    assert_eq!(ports(&app).len(), 4);
    press(&mut app, "/recovery > 100ms and cc = cubic\n");
    assert_eq!(ports(&app), [49_151], "a condition on columns");
    press(&mut app, "⎋/loss > 5\n");
    let text = screen(&mut app, 120, 24);
    assert!(text.contains("loss: 5 is not a time such as 500us"), "{text}");
}

#[test]
fn frozen_intervals_stay_while_others_come() {
    let mut app = full();
    press(&mut app, " ←←");
    let shown = app.shown();
    assert_eq!(shown, Some(2));
    add_all(&mut app);
    assert_eq!(app.shown(), shown);
    press(&mut app, "→");
    assert_eq!(app.shown(), Some(3));
    press(&mut app, " ");
    assert_eq!(app.shown(), Some(9), "it goes on");
}

#[test]
fn details_are_of_the_selected_one_and_have_its_verdict_and_transitions() {
    let mut app = full();
    press(&mut app, "\n");
    let text = screen(&mut app, 120, 60);
    assert!(text.contains("verdict: path loss"), "{text}");
    assert!(text.contains("rto-repeat") && text.contains("13 in all"), "{text}");
    press(&mut app, "↓");
    let text = screen(&mut app, 120, 60);
    assert!(text.contains("10 in all"), "of the other one now: {text}");
}

#[test]
fn scrolling_ends_where_there_is_nothing_more() {
    let mut app = full();
    press(&mut app, "\n\tg");
    terminal(&mut app, 80, 24);
    press(&mut app, "↑");
    terminal(&mut app, 80, 24);
    let at = |app: &App| app.detail.as_ref().map(|detail| detail.scroll);
    let most = at(&app).expect("details");
    assert!(most > 0 && most < 13, "{most}");
    press(&mut app, "↓");
    assert_eq!(at(&app), Some(most - 1), "it goes down at once");
}

#[test]
fn keys_make_intervals_longer_and_shorter_within_bounds() {
    let mut app = full();
    press(&mut app, "+");
    assert_eq!(app.interval, Duration::from_secs(2));
    press(&mut app, "-----------");
    assert_eq!(app.interval, Duration::from_millis(100));
    app.interval = Duration::from_millis(700);
    press(&mut app, "-");
    assert_eq!(app.interval, Duration::from_millis(500));
    app.interval = Duration::from_millis(700);
    press(&mut app, "+++++++++");
    assert_eq!(app.interval, Duration::from_secs(300));
}

#[test]
fn columns_are_chosen_and_groups_open_into_their_flows() {
    let mut app = full();
    press(&mut app, "o ↓↓ \n");
    let names: Vec<_> = app.columns.iter().map(|column| column.name()).collect();
    assert_eq!(names[..2], ["owner", "times"]);
    let process = "G↓↓↓↓↓↓↓↓↓↓\n";
    press(&mut app, process);
    assert_eq!(app.wishes.by.as_ref().map(ToString::to_string).as_deref(), Some("process"));
    press(&mut app, "\n");
    assert_eq!(app.wishes.by, None);
    assert_eq!(app.items.len(), 2);
}

#[test]
fn the_mouse_selects_opens_and_sorts() {
    let mut app = full();
    terminal(&mut app, 80, 24);
    let click = |app: &mut App, column: u16, row: u16| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        let mouse = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        app.on_event(&Event::Mouse(mouse));
    };
    let lines = app.places.lines;
    click(&mut app, 3, lines.y + 1);
    assert_eq!((app.at, app.detail.is_some()), (1, false));
    click(&mut app, 3, lines.y + 1);
    assert!(app.detail.is_some());
    press(&mut app, "⎋");
    let (title, column) = app.places.titles[0];
    click(&mut app, title.x, title.y);
    assert_eq!((app.wishes.order, app.wishes.descending), (column, false));
    click(&mut app, title.x, title.y);
    assert!(app.wishes.descending);
}

#[test]
fn some_keys_quit() {
    for (letter, leave) in [('q', false), ('Q', true)] {
        let key = Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE));
        assert_eq!(full().on_event(&key), Next::Quit { leave });
    }
    let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    let mut app = full();
    press(&mut app, "/q");
    assert_eq!(app.wishes.filter, "q");
    assert_eq!(app.on_event(&Event::Key(key)), Next::Quit { leave: false });
}
