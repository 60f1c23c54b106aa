//! One flow: its life as a band, its windows and round-trip time, its last transitions,
//! and the verdict on it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Borders, Chart, Dataset, GraphType};

use tcpcong_core::model::{Change, Life, Report, Sample, State, Transition};
use tcpcong_core::why::Judgement;

use super::super::app::{App, Detail};
use super::super::theme::DIM;
use crate::view::{band, counted, harmless, length};

/// Returns how far up its transitions can be scrolled.
pub(super) fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) -> usize {
    let (Some(detail), Some(number)) = (&app.detail, app.shown()) else { return 0 };
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(if detail.has_focus { app.theme.title() } else { DIM })
        .title(Span::styled(" details ", app.theme.title()));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let Some(life) = app.history.life(detail.id, number) else {
        let text = "it is in none of the intervals up to this one (Esc closes)";
        frame.render_widget(Line::styled(text, DIM), inner);
        return 0;
    };
    let [words, band, charts, transitions] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(2),
        Constraint::Fill(3),
        Constraint::Fill(2),
    ])
    .areas(inner);
    for (line, y) in in_words(app, &life, number).into_iter().zip(words.y..) {
        frame.render_widget(line, Rect { y, height: 1, ..words });
    }
    let Some(kept) = app.kept() else { return 0 };
    let from_ns = app.history.back_from(number).last().map_or(0, |kept| kept.report.from_ns);
    let span = (from_ns.max(life.began_ns()), kept.report.to_ns.max(from_ns + 1));
    draw_band(app, &life, span, band, frame);
    let [windows, times] = Layout::horizontal([Constraint::Fill(1); 2]).areas(charts);
    draw_windows(app, &life, span, windows, frame);
    draw_times(app, &life, span, times, frame);
    draw_transitions(app, (detail, &life, &kept.report), transitions, frame)
}

/// Which connection, what it spends its time in, and what holds it up.
fn in_words(app: &App, life: &Life, number: u64) -> [Line<'static>; 3] {
    let endpoints = &life.connection.endpoints;
    let ends = format!("{} → {}", endpoints.local(&life.names), endpoints.remote(&life.names));
    let owner = life.connection.owner.process.map(|process| {
        let comm = process.comm.map(|comm| harmless(&comm.to_string())).unwrap_or_default();
        format!("  {comm} ({})", process.pid)
    });
    let cc = life.cc.map(|cc| format!("  {}", harmless(&cc.to_string())));
    let which = format!("{ends}{}{}", owner.unwrap_or_default(), cc.unwrap_or_default());
    let total = life.times.total_ns().max(1) as f64;
    let mut times = vec![Span::raw(format!("{} seen: ", length(life.times.total_ns())))];
    for state in State::ALL.into_iter().filter(|state| life.times[*state] > 0) {
        times.push(Span::styled(state.letter().to_string(), app.theme.state(state)));
        times.push(format!(" {:.1} %  ", 100.0 * life.times[state] as f64 / total).into());
    }
    let (changes, rtos) = (counted(life.changes, "transition"), counted(life.rtos, "timeout"));
    times.push(format!("{changes}, {rtos}").into());
    if !life.exact {
        let uncertain = format!("  not exact: {} uncertain", length(life.uncertain_ns));
        times.push(Span::styled(uncertain, app.theme.warning()));
    }
    let verdict = app.history.verdict(life.id, number).map_or_else(String::new, |found| {
        let Judgement { verdict, confidence, second, because, .. } = found;
        let second = second.map_or(String::new(), |second| format!(" and {second}"));
        format!("verdict: {verdict}{second} (confidence: {}): {because}", confidence.name())
    });
    [Line::styled(harmless(&which), app.theme.title()), Line::from(times), Line::raw(verdict)]
}

/// The life as a band, and its scale.
fn draw_band(app: &App, life: &Life, span: (u64, u64), area: Rect, frame: &mut Frame<'_>) {
    let cells = u64::from(area.width);
    let cell_ns = ((span.1 - span.0) / cells.max(1)).max(1);
    let spans = band(&life.spells, span, usize::from(area.width)).into_iter().map(|cell| {
        let Some(cell) = cell else { return Span::raw(" ") };
        Span::styled(cell.letter().to_string(), app.theme.filled(cell.state))
    });
    frame.render_widget(spans.collect::<Line>(), Rect { height: 1, ..area });
    let scale = Line::from(vec![
        Span::raw(format!("-{}", length(span.1 - span.0))),
        Span::raw(format!("  (a letter is {})", length(cell_ns))),
    ]);
    let below = Rect { y: area.y + 1, height: 1, ..area };
    frame.render_widget(scale.style(DIM), below);
    frame.render_widget(Line::styled("now", DIM).right_aligned(), below);
}

/// Points of a figure, seconds before the end.
fn points(life: &Life, end_ns: u64, of: impl Fn(&Sample) -> Option<f64>) -> Vec<(f64, f64)> {
    let before = |at_ns: u64| -(end_ns.saturating_sub(at_ns) as f64) / 1e9;
    let samples = life.samples.iter().filter(|sample| sample.at_ns <= end_ns);
    samples.filter_map(|sample| Some((before(sample.at_ns), of(sample)?))).collect()
}

fn draw_windows(app: &App, life: &Life, span: (u64, u64), area: Rect, frame: &mut Frame<'_>) {
    let cwnd = points(life, span.1, |one| Some(f64::from(one.cwnd)));
    let ssthresh = points(life, span.1, |one| one.ssthresh.map(f64::from));
    let lines = [
        ("cwnd", app.theme.state(State::Open), &cwnd),
        ("ssthresh", app.theme.state(State::Recovery), &ssthresh),
    ];
    chart(("cwnd, ssthresh (segments)", &lines), span, area, frame);
}

fn draw_times(app: &App, life: &Life, span: (u64, u64), area: Rect, frame: &mut Frame<'_>) {
    let rtt = points(life, span.1, |one| one.srtt_us.map(|us| f64::from(us) / 1e3));
    let lines = [("srtt", app.theme.state(State::Disorder), &rtt)];
    chart(("smoothed round-trip time (ms)", &lines), span, area, frame);
}

type Lines<'d> = [(&'d str, ratatui::style::Style, &'d Vec<(f64, f64)>)];

fn chart((title, lines): (&str, &Lines<'_>), span: (u64, u64), area: Rect, frame: &mut Frame<'_>) {
    if area.height < 4 {
        return;
    }
    let values = lines.iter().flat_map(|(_, _, points)| points.iter().map(|(_, y)| *y));
    let most = values.fold(0.0, f64::max).max(1.0) * 1.05;
    let seconds = (span.1 - span.0) as f64 / 1e9;
    let sets =
        lines.iter().filter(|(_, _, points)| !points.is_empty()).map(|(name, style, points)| {
            Dataset::default()
                .name((*name).to_owned())
                .marker(Marker::Braille)
                .graph_type(GraphType::Line)
                .style(*style)
                .data(points)
        });
    let sets: Vec<_> = sets.collect();
    if sets.is_empty() {
        let text = format!("{title}: not known yet");
        frame.render_widget(Line::styled(text, DIM), area);
        return;
    }
    let label =
        |value: f64| if most < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") };
    let chart = Chart::new(sets)
        .block(Block::new().title(Span::styled(title.to_owned(), DIM)))
        .legend_position(None)
        .x_axis(Axis::default().bounds([-seconds, 0.0]).style(DIM))
        .y_axis(
            Axis::default()
                .bounds([0.0, most])
                .labels([label(0.0), label(most / 2.0), label(most)])
                .style(DIM),
        );
    frame.render_widget(chart, area);
}

/// The last ones, the latest below.
fn draw_transitions(
    app: &App,
    (detail, life, report): (&Detail, &Life, &Report),
    area: Rect,
    frame: &mut Frame<'_>,
) -> usize {
    let lines = usize::from(area.height.saturating_sub(1));
    let told = &life.transitions;
    let most = told.len().saturating_sub(lines);
    let below = detail.scroll.min(most);
    let last = told.len() - below;
    let title = format!(
        "{:<15} {:<8}   {:<8} {:<15} {:>7} {:>9} {:>9}  {} in all",
        "TIME",
        "FROM",
        "TO",
        "CAUSE",
        "SPELL",
        "CWND",
        "SSTHRESH",
        told.len()
    );
    frame.render_widget(Line::styled(title, app.theme.title()), Rect { height: 1, ..area });
    let shown = &told[last.saturating_sub(lines)..last];
    for (transition, y) in shown.iter().zip(area.y + 1..) {
        let place = Rect { y, height: 1, ..area };
        frame.render_widget(transition_line(app, transition, report), place);
    }
    most
}

fn transition_line(app: &App, transition: &Transition, report: &Report) -> Line<'static> {
    let Transition { at_ns, from, to, cause, spell_ns, exact, cwnd, ssthresh, .. } = transition;
    let local = report.wall(*at_ns).to_zoned(jiff::tz::TimeZone::system());
    let unseen = if *exact { "" } else { "~" };
    let spell = format!("{unseen}{}", length(*spell_ns));
    Line::from(vec![
        format!("{:<15} ", local.strftime("%H:%M:%S%.6f").to_string()).into(),
        Span::styled(format!("{:<8}", from.name()), app.theme.state(*from)),
        " → ".into(),
        Span::styled(format!("{:<8}", to.name()), app.theme.state(*to)),
        format!(" {:<15} {spell:>7} {:>9} {:>9}", cause.to_string(), sizes(cwnd), sizes(ssthresh))
            .into(),
    ])
}

fn sizes(change: &Change) -> String {
    let size = |size: Option<u32>| size.map_or_else(|| "?".to_owned(), |size| size.to_string());
    format!("{}→{}", size(change.before), size(change.after))
}
