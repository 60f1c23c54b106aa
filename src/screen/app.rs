//! What the screen shows at a moment, and what keys and the mouse make of it. Not here:
//! the terminal, and the drawing.

mod menu;

use std::time::Duration;

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Rect};

use tcpcong_core::model::{FlowId, Report, Start, Summary};

use super::columns::Column;
use super::history::{History, Kept};
use super::keys::{Action, Bindings};
use super::list::{Item, Subject, Wishes, list};
use super::theme::Theme;

pub(super) use menu::{Choice, Menu, MenuKind};

/// Intervals that keys choose among, milliseconds.
const INTERVALS_MS: [u64; 10] = [100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000];

/// How the program is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Quit {
        /// What is on the screen stays there.
        leave: bool,
    },
}

/// What keys go to.
#[derive(Debug)]
pub(super) enum Mode {
    List,
    Help {
        scroll: u16,
    },
    /// A filter is being typed; what it was before.
    Filter {
        before: String,
    },
    Menu(Menu),
}

/// The details of a flow.
#[derive(Debug)]
pub(super) struct Detail {
    pub(super) id: FlowId,
    /// Keys go to it, not to the list.
    pub(super) has_focus: bool,
    /// So many of the last transitions are below what is shown.
    pub(super) scroll: usize,
}

/// Where things were drawn, for the mouse.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) lines: Rect,
    pub(super) titles: Vec<(Rect, Column)>,
}

/// All that the screen shows.
#[derive(Debug)]
pub(super) struct App {
    pub(super) theme: Theme,
    pub(super) bindings: Bindings,
    pub(super) start: Option<Start>,
    pub(super) history: History,
    /// What all intervals could not see, and whether there will be more.
    pub(super) summary: Summary,
    pub(super) has_ended: bool,
    /// A recording is shown.
    pub(super) is_replay: bool,
    /// It stands at this interval.
    pub(super) frozen: Option<u64>,
    pub(super) interval: Duration,
    pub(super) wishes: Wishes,
    pub(super) columns: Vec<Column>,
    pub(super) mode: Mode,
    pub(super) detail: Option<Detail>,
    /// The lines, and where in them one is.
    pub(super) items: Vec<Item>,
    pub(super) at: usize,
    pub(super) offset: usize,
    pub(super) places: Places,
}

impl App {
    pub(super) fn new(
        (bindings, theme): (Bindings, Theme),
        interval: Duration,
        wishes: Wishes,
    ) -> Self {
        Self {
            theme,
            bindings,
            start: None,
            history: History::default(),
            summary: Summary::default(),
            has_ended: false,
            is_replay: false,
            frozen: None,
            interval,
            wishes,
            columns: Column::usual(),
            mode: Mode::List,
            detail: None,
            items: Vec::new(),
            at: 0,
            offset: 0,
            places: Places::default(),
        }
    }

    /// The number of the interval that is shown, where there is one.
    pub(super) fn shown(&self) -> Option<u64> {
        let (first, last) = self.history.range()?;
        Some(self.frozen.map_or(last, |number| number.clamp(first, last)))
    }

    pub(super) fn kept(&self) -> Option<&Kept> {
        self.history.get(self.shown()?)
    }

    pub(super) fn selected(&self) -> Option<&Item> {
        self.items.get(self.at)
    }

    /// Takes the next interval.
    pub(super) fn add(&mut self, report: Report) {
        self.summary.add(&report);
        self.history.add(report);
        if self.frozen.is_none() {
            self.relist();
        }
    }

    /// Makes the list anew; who was selected stays so.
    fn relist(&mut self) {
        let subject = self.selected().map(Item::subject);
        let Some(number) = self.shown() else { return };
        self.items = list(&self.history, number, &self.wishes);
        // Who stands at the top watches the top.
        let stays = self.at > 0 || self.detail.is_some();
        let found = subject.filter(|_| stays).and_then(|subject| self.place_of(&subject));
        self.at = found.unwrap_or(self.at).min(self.items.len().saturating_sub(1));
    }

    fn place_of(&self, subject: &Subject) -> Option<usize> {
        self.items.iter().position(|item| item.subject() == *subject)
    }

    /// Takes what a person does.
    pub(super) fn on_event(&mut self, event: &Event) -> Next {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.on_key(*key),
            Event::Mouse(mouse) => {
                self.on_mouse(*mouse);
                Next::GoOn
            }
            _ => Next::GoOn,
        }
    }

    fn on_key(&mut self, key: KeyEvent) -> Next {
        if matches!(self.mode, Mode::Filter { .. }) {
            return self.on_filter_key(key);
        }
        let Some(action) = self.bindings.action(key) else { return Next::GoOn };
        match (action, &self.mode) {
            (Action::Quit, _) => return Next::Quit { leave: false },
            (Action::QuitAndLeave, _) => return Next::Quit { leave: true },
            (_, Mode::Menu(_)) => self.on_menu(action),
            (_, Mode::Help { scroll }) => self.mode = help_after(action, *scroll),
            _ if self.detail.as_ref().is_some_and(|detail| detail.has_focus) => {
                self.in_detail(action);
            }
            _ => self.in_list(action),
        }
        Next::GoOn
    }

    fn on_filter_key(&mut self, key: KeyEvent) -> Next {
        let Mode::Filter { before } = &mut self.mode else { return Next::GoOn };
        let filter = &mut self.wishes.filter;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => self.mode = Mode::List,
            KeyCode::Esc => {
                *filter = std::mem::take(before);
                self.mode = Mode::List;
            }
            KeyCode::Char('c') if control => return Next::Quit { leave: false },
            KeyCode::Char('u') if control => filter.clear(),
            KeyCode::Char(letter) if !control => filter.push(letter),
            KeyCode::Backspace => _ = filter.pop(),
            _ => {}
        }
        self.relist();
        Next::GoOn
    }

    fn in_list(&mut self, action: Action) {
        let page = usize::from(self.places.lines.height.max(1));
        let last = self.items.len().saturating_sub(1);
        match action {
            Action::Up => self.at = self.at.saturating_sub(1),
            Action::Down => self.at = (self.at + 1).min(last),
            Action::PageUp => self.at = self.at.saturating_sub(page),
            Action::PageDown => self.at = (self.at + page).min(last),
            Action::First => self.at = 0,
            Action::Last => self.at = last,
            Action::Open => self.open(),
            Action::Close if self.detail.is_some() => self.detail = None,
            Action::Close => {
                self.wishes.filter.clear();
                self.relist();
            }
            Action::Filter => {
                self.mode = Mode::Filter { before: self.wishes.filter.clone() };
            }
            Action::Reverse => {
                self.wishes.descending = !self.wishes.descending;
                self.relist();
            }
            Action::All => {
                self.wishes.all = !self.wishes.all;
                self.relist();
            }
            Action::NextPane => {
                if let Some(detail) = &mut self.detail {
                    detail.has_focus = true;
                }
            }
            _ => self.anywhere(action),
        }
        self.follow_selection();
    }

    /// What keys do wherever they go to.
    fn anywhere(&mut self, action: Action) {
        match action {
            Action::Help => self.mode = Mode::Help { scroll: 0 },
            Action::Sort => self.mode = Mode::Menu(self.menu(MenuKind::Sort)),
            Action::Group => self.mode = Mode::Menu(self.menu(MenuKind::Group)),
            Action::Columns => self.mode = Mode::Menu(self.menu(MenuKind::Columns)),
            Action::Freeze => {
                self.frozen = if self.frozen.is_some() { None } else { self.shown() };
                self.relist();
            }
            Action::Back => self.step(-1),
            Action::Forward => self.step(1),
            Action::Longer => self.pace(1),
            Action::Shorter => self.pace(-1),
            _ => {}
        }
    }

    fn in_detail(&mut self, action: Action) {
        let Some(detail) = &mut self.detail else { return };
        match action {
            Action::Up => detail.scroll = detail.scroll.saturating_add(1),
            Action::Down => detail.scroll = detail.scroll.saturating_sub(1),
            Action::PageUp => detail.scroll = detail.scroll.saturating_add(10),
            Action::PageDown => detail.scroll = detail.scroll.saturating_sub(10),
            Action::First => detail.scroll = usize::MAX,
            Action::Last | Action::Group => detail.scroll = 0,
            Action::Close | Action::Open => self.detail = None,
            Action::NextPane => detail.has_focus = false,
            _ => self.anywhere(action),
        }
    }

    fn open(&mut self) {
        match self.selected() {
            Some(Item::Row(row)) => {
                self.detail = Some(Detail { id: row.id, has_focus: false, scroll: 0 });
            }
            // A group opens into its flows.
            Some(Item::Group(group)) => {
                let ids: Vec<_> = group.rows.iter().map(|row| row.id).collect();
                self.wishes.by = None;
                self.relist();
                let of_group = |item: &Item| item.ids().first().is_some_and(|id| ids.contains(id));
                self.at = self.items.iter().position(of_group).unwrap_or(0);
            }
            None => {}
        }
    }

    /// The details are of who is selected.
    fn follow_selection(&mut self) {
        let Some(Item::Row(row)) = self.items.get(self.at) else { return };
        let id = row.id;
        if let Some(detail) = self.detail.as_mut().filter(|detail| detail.id != id) {
            *detail = Detail { id, scroll: 0, ..*detail };
        }
    }

    /// Steps through the intervals that are kept.
    fn step(&mut self, by: i64) {
        let (Some(shown), Some((first, last))) = (self.shown(), self.history.range()) else {
            return;
        };
        self.frozen = Some(shown.saturating_add_signed(by).clamp(first, last));
        self.relist();
    }

    fn pace(&mut self, by: isize) {
        let now = u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX);
        let at = INTERVALS_MS.partition_point(|ms| *ms < now).min(INTERVALS_MS.len() - 1);
        // From between two of them the shorter one is nearer than one down.
        let at = if INTERVALS_MS[at] != now && by > 0 { at } else { at.saturating_add_signed(by) };
        self.interval = Duration::from_millis(INTERVALS_MS[at.min(INTERVALS_MS.len() - 1)]);
    }

    fn on_mouse(&mut self, mouse: MouseEvent) {
        let here = Position { x: mouse.column, y: mouse.row };
        if !matches!(self.mode, Mode::List) {
            return;
        }
        match mouse.kind {
            MouseEventKind::ScrollUp => self.in_list(Action::Up),
            MouseEventKind::ScrollDown => self.in_list(Action::Down),
            MouseEventKind::Down(MouseButton::Left) if self.places.lines.contains(here) => {
                let line = self.offset + usize::from(here.y - self.places.lines.y);
                match line {
                    line if line >= self.items.len() => {}
                    line if line == self.at => self.in_list(Action::Open),
                    line => {
                        self.at = line;
                        self.follow_selection();
                    }
                }
            }
            MouseEventKind::Down(MouseButton::Left) => {
                let title = self.places.titles.iter().find(|(place, _)| place.contains(here));
                if let Some((_, column)) = title {
                    let again = self.wishes.order == *column;
                    self.wishes.descending =
                        if again { !self.wishes.descending } else { column.descends() };
                    self.wishes.order = *column;
                    self.relist();
                }
            }
            _ => {}
        }
    }
}

fn help_after(action: Action, scroll: u16) -> Mode {
    match action {
        Action::Up => Mode::Help { scroll: scroll.saturating_sub(1) },
        Action::Down => Mode::Help { scroll: scroll.saturating_add(1) },
        Action::PageUp => Mode::Help { scroll: scroll.saturating_sub(10) },
        Action::PageDown => Mode::Help { scroll: scroll.saturating_add(10) },
        Action::First => Mode::Help { scroll: 0 },
        _ => Mode::List,
    }
}
