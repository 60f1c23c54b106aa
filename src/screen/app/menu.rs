//! Menus: what there is to choose from, what keys do in one, and what becomes of what was
//! chosen. Not here: how it is drawn.

use tcpcong_core::model::By;

use super::{App, Mode};
use crate::screen::columns::Column;
use crate::screen::keys::Action;

const NO_GROUPS: &str = "none";

/// Something to choose from.
#[derive(Debug)]
pub(in crate::screen) struct Menu {
    pub(in crate::screen) kind: MenuKind,
    pub(in crate::screen) at: usize,
    pub(in crate::screen) items: Vec<Choice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::screen) enum MenuKind {
    Sort,
    Group,
    Columns,
}

#[derive(Debug)]
pub(in crate::screen) struct Choice {
    pub(in crate::screen) name: String,
    pub(in crate::screen) help: &'static str,
    pub(in crate::screen) chosen: bool,
}

impl App {
    pub(super) fn menu(&self, kind: MenuKind) -> Menu {
        let column = |column: Column, chosen| Choice {
            name: column.name().to_owned(),
            help: column.help(),
            chosen,
        };
        let items: Vec<_> = match kind {
            MenuKind::Sort => {
                Column::all().map(|one| column(one, one == self.wishes.order)).collect()
            }
            MenuKind::Columns => {
                Column::all().map(|one| column(one, self.columns.contains(&one))).collect()
            }
            MenuKind::Group => {
                let chosen = self.wishes.by.as_ref().map(ToString::to_string);
                let is_chosen = |key: &str| match &chosen {
                    Some(by) => by == key || by.starts_with(&format!("{key}/")),
                    None => key == NO_GROUPS,
                };
                let keys = std::iter::once(NO_GROUPS.to_owned()).chain(group_keys());
                keys.map(|name| Choice { chosen: is_chosen(&name), name, help: "" }).collect()
            }
        };
        let at = items.iter().position(|item| item.chosen).unwrap_or(0);
        Menu { kind, at: if kind == MenuKind::Columns { 0 } else { at }, items }
    }

    pub(super) fn on_menu(&mut self, action: Action) {
        let Mode::Menu(menu) = &mut self.mode else { return };
        let last = menu.items.len() - 1;
        match action {
            Action::Up => menu.at = menu.at.checked_sub(1).unwrap_or(last),
            Action::Down => menu.at = if menu.at == last { 0 } else { menu.at + 1 },
            Action::PageUp => menu.at = menu.at.saturating_sub(10),
            Action::PageDown => menu.at = (menu.at + 10).min(last),
            Action::First => menu.at = 0,
            Action::Last | Action::Group => menu.at = last,
            Action::Freeze if menu.kind == MenuKind::Columns => {
                let chosen = &mut menu.items[menu.at].chosen;
                *chosen = !*chosen;
            }
            Action::Open | Action::Freeze => self.choose(),
            Action::Close | Action::Sort | Action::Columns => self.mode = Mode::List,
            _ => {}
        }
    }

    fn choose(&mut self) {
        let Mode::Menu(menu) = std::mem::replace(&mut self.mode, Mode::List) else { return };
        let name = &menu.items[menu.at].name;
        match menu.kind {
            MenuKind::Sort => {
                if let Some(column) = Column::named(name) {
                    (self.wishes.order, self.wishes.descending) = (column, column.descends());
                }
            }
            MenuKind::Group => self.wishes.by = By::parse(name),
            MenuKind::Columns => self.choose_columns(&menu),
        }
        self.relist();
    }

    /// Those that were there keep their places.
    fn choose_columns(&mut self, menu: &Menu) {
        let chosen = menu.items.iter().filter(|item| item.chosen);
        let chosen: Vec<_> = chosen.filter_map(|item| Column::named(&item.name)).collect();
        if chosen.is_empty() {
            return;
        }
        self.columns.retain(|column| chosen.contains(column));
        let new: Vec<_> = chosen.into_iter().filter(|one| !self.columns.contains(one)).collect();
        self.columns.extend(new);
    }
}

fn group_keys() -> impl Iterator<Item = String> {
    let names = By::names();
    let keys: Vec<_> =
        names.split(", ").map(|name| name.split('[').next().unwrap_or(name).to_owned()).collect();
    keys.into_iter()
}
