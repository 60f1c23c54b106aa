//! The list of connections or groups.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use tcpcong_core::model::{Condition, State};

use super::super::app::App;
use super::super::columns::{Column, bar, short_flow, worst};
use super::super::list::{Item, is_condition};
use super::super::theme::{DIM, SELECTED};
use crate::view::{length, worst_of};

/// A connection has so much room at least, and is shown in short where it has less than it
/// takes.
const FLOW: usize = 25;
/// The same of owners, and what they get where there is room.
const OWNER: (usize, usize) = (10, 22);
/// Bars of times are as long as this where there is room.
const BAR: (usize, usize) = (8, 24);
/// The last intervals, at least.
const HISTORY: usize = 8;
/// A field's text is cut off there.
const FIELD: usize = 24;

/// What says that columns are hidden, as `+3`.
const MARK: usize = 3;

/// A column that fits, and its place.
struct Fitted {
    column: Column,
    x: usize,
    width: usize,
}

pub(super) fn draw(app: &mut App, area: Rect, frame: &mut Frame<'_>) {
    let lines = usize::from(area.height.saturating_sub(1));
    app.offset = app.offset.min(app.at).max((app.at + 1).saturating_sub(lines));
    app.offset = app.offset.min(app.items.len().saturating_sub(lines));
    let fitted = fit(app, area.width.into());
    app.places.titles.clear();
    app.places.lines = Rect { y: area.y + 1, height: area.height - 1, ..area };
    for one in &fitted {
        let place = rect(area, one, area.y);
        app.places.titles.push((place, one.column));
        frame.render_widget(title(app, one), place);
    }
    let hidden = app.columns.len() - fitted.len();
    if hidden > 0 {
        let text = format!("+{hidden}");
        let width = u16::try_from(text.len()).unwrap_or(0);
        let place = Rect { x: area.right() - width, y: area.y, width, height: 1 };
        frame.render_widget(Line::styled(text, DIM), place);
    }
    if app.items.is_empty() {
        let place = Rect { y: area.y + 1, height: 1, ..area };
        frame.render_widget(Line::styled(nothing(app), DIM), place);
    }
    let shown = app.items.iter().enumerate().skip(app.offset).take(lines);
    for ((at, item), y) in shown.zip(area.y + 1..) {
        for one in &fitted {
            let place = rect(area, one, y);
            frame.render_widget(cell(app, one, item), place);
        }
        let line = Rect { y, height: 1, ..area };
        if at == app.at {
            frame.buffer_mut().set_style(line, SELECTED);
        } else if item.has_ended() {
            frame.buffer_mut().set_style(line, DIM);
        }
    }
}

fn rect(area: Rect, one: &Fitted, y: u16) -> Rect {
    let cells = |count| u16::try_from(count).unwrap_or(u16::MAX);
    Rect { x: area.x + cells(one.x), y, width: cells(one.width), height: 1 }
}

/// Why nothing is listed.
fn nothing(app: &App) -> String {
    let filter = &app.wishes.filter;
    let wrong = Condition::parse(filter).err().filter(|_| is_condition(filter));
    match (app.kept(), wrong) {
        (None, _) => String::new(),
        (_, Some(wrong)) => wrong,
        _ if !filter.is_empty() => "no connection has that (Esc clears the filter)".to_owned(),
        (Some(kept), _) if kept.report.flows_alive == 0 => "no connections".to_owned(),
        _ => "all connections stay in Open (a lists them)".to_owned(),
    }
}

/// The columns that there is room for, and their widths.
fn fit(app: &App, width: usize) -> Vec<Fitted> {
    let mut fitted: Vec<Fitted> = Vec::new();
    let mut x = 0;
    for column in app.columns.iter().copied() {
        let least = least(app, column);
        let mark = if fitted.len() + 1 < app.columns.len() { MARK } else { 0 };
        if x + least + mark > width {
            break;
        }
        fitted.push(Fitted { column, x, width: least });
        x += least + 1;
    }
    let mut left = (width + 1).saturating_sub(x);
    // The mark of what is hidden needs room too.
    if fitted.len() < app.columns.len() {
        left = left.saturating_sub(MARK);
    }
    for (column, wanted) in [
        (Column::Flow, widest(app)),
        (Column::Owner, OWNER.1),
        (Column::Bar, BAR.1),
        (Column::History, usize::MAX),
    ] {
        if let Some(one) = fitted.iter_mut().find(|one| one.column == column) {
            let more = wanted.saturating_sub(one.width).min(left);
            one.width += more;
            left -= more;
        }
    }
    let mut x = 0;
    for one in &mut fitted {
        one.x = x;
        x += one.width + 1;
    }
    fitted
}

fn least(app: &App, column: Column) -> usize {
    match column {
        Column::Flow => FLOW,
        Column::Owner => OWNER.0,
        Column::State => 8,
        Column::Bar => BAR.0,
        Column::Changes | Column::Retransmitted => 5,
        Column::Rtt => 7,
        Column::Cwnd | Column::Rate => 6,
        Column::History => HISTORY,
        Column::Field(_) => {
            let texts = visible(app).map(|item| text(app, column, item).chars().count());
            texts.chain([column.title().chars().count()]).max().unwrap_or(0).min(FIELD)
        }
    }
}

fn visible(app: &App) -> impl Iterator<Item = &Item> {
    app.items.iter().skip(app.offset).take(app.places.lines.height.into())
}

fn widest(app: &App) -> usize {
    let widths = visible(app).map(|item| text(app, Column::Flow, item).chars().count() + 1);
    widths.max().unwrap_or(FLOW)
}

fn text(app: &App, column: Column, item: &Item) -> String {
    app.shown().map_or_else(String::new, |number| column.text(item, &app.history, number))
}

fn title(app: &App, one: &Fitted) -> Line<'static> {
    let mut text = one.column.title();
    if app.wishes.order == one.column {
        text += if app.wishes.descending { "↓" } else { "↑" };
    }
    Line::styled(aligned(&text, one), app.theme.title())
}

fn cell(app: &App, one: &Fitted, item: &Item) -> Line<'static> {
    match one.column {
        Column::Flow => Line::raw(flow(app, one.width, item)),
        Column::State if item.has_ended() => Line::raw("ended"),
        Column::State => {
            let (state, spell_ns) = worst(item);
            let letter = Span::styled(state.letter().to_string(), app.theme.state(state));
            Line::from(vec![letter, format!(" {:>6}", length(spell_ns)).into()])
        }
        Column::Bar => {
            let cell =
                |state: State| Span::styled(state.letter().to_string(), app.theme.filled(state));
            bar(&item.times(), one.width).into_iter().map(cell).collect()
        }
        Column::History => history(app, one.width, item),
        column => Line::raw(aligned(&text(app, column, item), one)),
    }
}

/// Both ends, or in short, with a mark where not every transition was seen.
fn flow(app: &App, width: usize, item: &Item) -> String {
    let mark = if item.is_exact() { "" } else { "~" };
    let whole = format!("{mark}{}", text(app, Column::Flow, item));
    if whole.chars().count() <= width {
        return whole;
    }
    let short = format!("{mark}{}", short_flow(item));
    let count = short.chars().count();
    if count <= width {
        return short;
    }
    // The ends tell more than the middle.
    let head = (width - 1) / 2;
    let tail = width - 1 - head;
    let first: String = short.chars().take(head).collect();
    let last: String = short.chars().skip(count - tail).collect();
    format!("{first}…{last}")
}

/// A cell for each of the last intervals, the last one to the right.
fn history(app: &App, width: usize, item: &Item) -> Line<'static> {
    let Some(number) = app.shown() else { return Line::default() };
    let band: Vec<_> = app.history.band(&item.ids(), number).take(width).collect();
    let cells = band.into_iter().rev().map(|times| match times {
        None => Span::raw(" "),
        Some(times) if times.outside_open_ns() == 0 => Span::styled("·", Style::new()),
        Some(times) => {
            let (state, is_most) = worst_of(&times);
            let letter = state.letter();
            let letter = if is_most { letter } else { letter.to_ascii_lowercase() };
            Span::styled(letter.to_string(), app.theme.state(state))
        }
    });
    let line: Line<'_> = cells.collect();
    line.right_aligned()
}

fn aligned(text: &str, one: &Fitted) -> String {
    let width = one.width;
    let text: String = text.chars().take(width).collect();
    if one.column.is_numeric() { format!("{text:>width$}") } else { text }
}
