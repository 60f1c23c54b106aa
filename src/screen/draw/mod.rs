//! Draws the screen. Not here: what is on it, which `app` knows.

mod detail;
mod flows;
mod head;
mod popup;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::app::{App, Mode};
use super::theme::DIM;

/// Less than this is too little.
const LEAST: (u16, u16) = (60, 12);
/// From so many lines on details stand below the list, not in its place.
const LINES_FOR_BOTH: u16 = 36;

/// Draws all of it.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (width, height) = LEAST;
        let text = format!("tcpcong top needs {width} columns and {height} lines");
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    }
    let [top, middle, bottom] = Layout::vertical([
        Constraint::Length(head::LINES),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(area);
    head::draw(app, top, frame);
    let (list, details) = panes(app, middle);
    match list {
        Some(list) => flows::draw(app, list, frame),
        None => app.places = super::app::Places::default(),
    }
    let most = details.map_or(0, |details| detail::draw(app, details, frame));
    if let Some(detail) = &mut app.detail {
        detail.scroll = detail.scroll.min(most);
    }
    footer(app, bottom, frame);
    let most = popup::draw(app, middle, frame);
    if let Mode::Help { scroll } = &mut app.mode {
        *scroll = most.min(*scroll);
    }
}

/// Where the list is, and where the details.
fn panes(app: &App, area: Rect) -> (Option<Rect>, Option<Rect>) {
    if app.detail.is_none() {
        return (Some(area), None);
    }
    if area.height < LINES_FOR_BOTH {
        return (None, Some(area));
    }
    let halves = Layout::vertical([Constraint::Fill(2), Constraint::Fill(3)]);
    let [list, details] = halves.areas(area);
    (Some(list), Some(details))
}

/// What keys there are, or the filter that is being typed.
fn footer(app: &App, area: Rect, frame: &mut Frame<'_>) {
    if let Mode::Filter { .. } = app.mode {
        let text = format!("filter: {}", app.wishes.filter);
        let end = u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
        let line = Line::from(vec![text.into(), "   Enter keeps it, Esc undoes it".into()]);
        frame.render_widget(line, area);
        frame.set_cursor_position((area.x + end.min(area.width - 1), area.y));
        return;
    }
    frame.render_widget(Line::styled(popup::hints(app, area.width), DIM), area);
}
