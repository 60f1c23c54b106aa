//! What stands over the rest: help and menus; and the keys in the last line.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use tcpcong_core::model::State;

use super::super::app::{App, Menu, MenuKind, Mode};
use super::super::keys::{ACTIONS, Action};
use super::super::theme::{DIM, SELECTED};

/// Returns how far down the help can be scrolled.
pub(super) fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) -> u16 {
    match &app.mode {
        Mode::Help { scroll } => return help(app, *scroll, area, frame),
        Mode::Menu(menu) => choose(app, menu, area, frame),
        Mode::List | Mode::Filter { .. } => {}
    }
    0
}

/// The keys that there is room for.
pub(super) fn hints(app: &App, width: u16) -> String {
    let hints = [
        (Action::Help, "help"),
        (Action::Quit, "quit"),
        (Action::Open, "details"),
        (Action::Filter, "filter"),
        (Action::Sort, "sort"),
        (Action::Group, "group"),
        (Action::Freeze, if app.frozen.is_some() { "go on" } else { "freeze" }),
        (Action::Columns, "columns"),
        (Action::All, if app.wishes.all { "hide quiet" } else { "all" }),
        (Action::Longer, "interval"),
    ];
    let mut text = String::new();
    for (action, what) in hints {
        let keys = app.bindings.keys(action);
        let Some(key) = keys.first() else { continue };
        let hint = format!("{key} {what}");
        if text.chars().count() + hint.chars().count() + 2 > width.into() {
            break;
        }
        if !text.is_empty() {
            text += "  ";
        }
        text += &hint;
    }
    text
}

/// A box in the middle, as large as what is in it, if there is room.
fn centred(area: Rect, width: usize, height: usize) -> Rect {
    let width = u16::try_from(width + 4).unwrap_or(u16::MAX).min(area.width);
    let height = u16::try_from(height + 2).unwrap_or(u16::MAX).min(area.height);
    let (x, y) = (area.x + (area.width - width) / 2, area.y + (area.height - height) / 2);
    Rect { x, y, width, height }
}

fn boxed(app: &App, title: &str, place: Rect, frame: &mut Frame<'_>) -> Rect {
    frame.render_widget(Clear, place);
    let block = Block::bordered()
        .title(Span::styled(format!(" {title} "), app.theme.title()))
        .border_style(DIM);
    let inner = block.inner(place);
    frame.render_widget(block, place);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

fn help(app: &App, scroll: u16, area: Rect, frame: &mut Frame<'_>) -> u16 {
    let mut lines: Vec<Line<'_>> = ACTIONS
        .iter()
        .map(|(action, _, _, help)| {
            Line::raw(format!("{:<14} {help}", app.bindings.keys(*action).join(" ")))
        })
        .collect();
    lines.push(Line::default());
    for state in State::ALL {
        let what = match state {
            State::Open => "Open: nothing is amiss",
            State::Disorder => "Disorder: acknowledgements out of order",
            State::Cwr => "CWR: the window is reduced, ECN or a local queue",
            State::Recovery => "Recovery: fast retransmit",
            State::Loss => "Loss: the retransmission timer expired",
        };
        let mark = Span::styled(state.letter().to_string(), app.theme.filled(state));
        lines.push(Line::from(vec![mark, format!("{:14}{what}", "").into()]));
    }
    lines.push(Line::raw("~              not every transition was seen"));
    lines.push(Line::raw("times, history a letter for each state; · is all Open"));
    lines.push(Line::raw("mouse          selects, opens, sorts by a title"));
    lines.push(Line::raw("configuration  ~/.config/tcpcong/top.toml"));
    let width = lines.iter().map(Line::width).max().unwrap_or(0);
    let place = centred(area, width, lines.len());
    let inner = boxed(app, "keys", place, frame);
    let most = u16::try_from(lines.len()).unwrap_or(0).saturating_sub(inner.height);
    frame.render_widget(Paragraph::new(lines).scroll((scroll.min(most), 0)), inner);
    most
}

fn choose(app: &App, menu: &Menu, area: Rect, frame: &mut Frame<'_>) {
    let title = match menu.kind {
        MenuKind::Sort => "sort by",
        MenuKind::Group => "group by",
        MenuKind::Columns => "columns: Space chooses, Enter is done",
    };
    let name = menu.items.iter().map(|item| item.name.len()).max().unwrap_or(0);
    let text = |item: &super::super::app::Choice| {
        let mark = if item.chosen { "*" } else { " " };
        format!("{mark} {:<name$}  {}", item.name, item.help)
    };
    let widths = menu.items.iter().map(|item| text(item).chars().count());
    let width = widths.max().unwrap_or(0).max(title.len() + 2);
    let place = centred(area, width, menu.items.len());
    let inner = boxed(app, title, place, frame);
    let lines = usize::from(inner.height);
    let first = menu.at.saturating_sub(lines.saturating_sub(1));
    for ((at, item), y) in menu.items.iter().enumerate().skip(first).take(lines).zip(inner.y..) {
        let style = if at == menu.at { SELECTED } else { ratatui::style::Style::new() };
        let line = Rect { y, height: 1, ..inner };
        frame.render_widget(Line::styled(text(item), style), line);
    }
}
