//! The head: when and what is shown, all flows together, and how far to trust it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use tcpcong_core::model::{State, StateTimes};

use super::super::app::App;
use super::super::columns::bar;
use crate::view::trust_in_a_sentence;

pub(super) const LINES: u16 = 4;
/// Cells of the bar of all flows together.
const BAR: u16 = 20;

pub(super) fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    let lines = [what(app, area.width), flows(app), times(app, area.width), trust(app)];
    for (line, y) in lines.into_iter().zip(area.y..) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

/// The time, the interval, and how that goes on.
fn what(app: &App, width: u16) -> Line<'static> {
    let theme = &app.theme;
    let mut spans = vec![Span::styled("tcpcong top", theme.title())];
    let Some(kept) = app.kept() else {
        spans.push("  waiting for the first interval".into());
        return Line::from(spans);
    };
    let report = &kept.report;
    let local = report.at.to_zoned(jiff::tz::TimeZone::system());
    let seconds = report.interval_ns() as f64 / 1e9;
    spans.push(format!("  {}  {seconds:.1} s", local.strftime("%H:%M:%S")).into());
    if let Some(start) = &app.start {
        spans.push(format!("  {}, Linux {}", start.attach, start.kernel).into());
    }
    let (state, style) = match (app.frozen, app.history.range()) {
        (Some(_), Some((first, last))) => {
            let shown = app.shown().unwrap_or(last);
            let text = format!("FROZEN {} of {}", shown - first + 1, last - first + 1);
            (text, theme.warning())
        }
        _ if app.has_ended => ("END".to_owned(), theme.warning()),
        _ if app.is_replay => ("REPLAY".to_owned(), theme.title()),
        _ => ("LIVE".to_owned(), theme.title()),
    };
    // What matters most stands in the corner, whatever there is room for before it.
    let room = usize::from(width).saturating_sub(state.chars().count() + 2);
    let mut line = Line::from(spans);
    if line.width() > room {
        line.spans.pop();
    }
    let gap = room.saturating_sub(line.width()) + 2;
    line.spans.push(" ".repeat(gap).into());
    line.spans.push(Span::styled(state, style));
    line
}

/// How many flows, and which of them are listed.
fn flows(app: &App) -> Line<'static> {
    let Some(kept) = app.kept() else { return Line::default() };
    let report = &kept.report;
    let all = format!(
        "{} connections: {} quiet, {} ended",
        report.flows_alive, report.flows_quiet, report.flows_ended
    );
    let listed: usize = app.items.iter().map(|item| item.rows().len()).sum();
    let groups = match &app.wishes.by {
        Some(by) => format!(" in {} groups by {by}", app.items.len()),
        None => String::new(),
    };
    let text = format!("{all}; {listed} listed{groups}");
    let mut spans = vec![Span::raw(text)];
    if !app.wishes.filter.is_empty() {
        spans.push(format!("; filter: {}", app.wishes.filter).into());
    }
    Line::from(spans)
}

/// The time of all flows together, by state.
fn times(app: &App, width: u16) -> Line<'static> {
    let mut sum = StateTimes::default();
    if let Some(kept) = app.kept() {
        kept.report.rows.iter().for_each(|row| sum.add(&row.times));
    }
    let total = sum.total_ns().max(1) as f64;
    let mut spans = Vec::new();
    if width >= 100 {
        let cells = bar(&sum, BAR.into());
        spans.extend(
            cells
                .into_iter()
                .map(|state| Span::styled(state.letter().to_string(), app.theme.filled(state))),
        );
        spans.push("  ".into());
    }
    for state in State::ALL {
        let share = 100.0 * sum[state] as f64 / total;
        spans.push(Span::styled(state.letter().to_string(), app.theme.state(state)));
        let name = &state.title()[1..];
        spans.push(format!("{name} {share:.1} %   ").into());
    }
    Line::from(spans)
}

fn trust(app: &App) -> Line<'static> {
    let Some(start) = &app.start else { return Line::default() };
    let (text, is_exact) = trust_in_a_sentence(start, &app.summary);
    if is_exact { Line::raw(text) } else { Line::styled(text, app.theme.warning()) }
}
