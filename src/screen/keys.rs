//! What keys do, and the file in which a person says otherwise. Not here: what comes of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::Deserialize;

use super::theme::Theme;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Help,
    Quit,
    QuitAndLeave,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Back,
    Forward,
    Freeze,
    Open,
    Close,
    Filter,
    Sort,
    Reverse,
    Group,
    Columns,
    All,
    NextPane,
    Longer,
    Shorter,
}

/// All of them: the name in the configuration, the usual keys, and what it does.
pub(super) const ACTIONS: [(Action, &str, &[&str], &str); 23] = [
    (Action::Help, "help", &["?", "h", "f1"], "this help"),
    (Action::Up, "up", &["up", "k"], "up"),
    (Action::Down, "down", &["down", "j"], "down"),
    (Action::PageUp, "page-up", &["pageup", "ctrl-b"], "a page up"),
    (Action::PageDown, "page-down", &["pagedown", "ctrl-f"], "a page down"),
    (Action::First, "first", &["g", "home"], "to the first"),
    (Action::Last, "last", &["end"], "to the last; in menus and details G too"),
    (Action::Open, "open", &["enter"], "details of the connection"),
    (Action::Close, "close", &["esc"], "close what is open"),
    (Action::NextPane, "next-pane", &["tab"], "to the next pane"),
    (Action::Filter, "filter", &["/"], "filter, until it is cleared"),
    (Action::Sort, "sort", &["s"], "sort by a column"),
    (Action::Reverse, "reverse", &["I"], "reverse the order"),
    (Action::Group, "group", &["G"], "group by a key"),
    (Action::Columns, "columns", &["o"], "choose columns"),
    (Action::All, "all", &["a"], "list quiet connections too, or not"),
    (Action::Freeze, "freeze", &["space"], "freeze, or go on"),
    (Action::Back, "back", &["left"], "back by an interval"),
    (Action::Forward, "forward", &["right"], "forward by an interval"),
    (Action::Longer, "longer", &["+", "="], "longer intervals"),
    (Action::Shorter, "shorter", &["-"], "shorter intervals"),
    (Action::Quit, "quit", &["q", "ctrl-c"], "quit"),
    (Action::QuitAndLeave, "quit-and-leave", &["Q"], "quit, and leave the screen"),
];

/// A key, with what is held down.
type Key = (KeyCode, KeyModifiers);

/// Which key does what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bindings(BTreeMap<String, Action>);

impl Default for Bindings {
    fn default() -> Self {
        let mut bindings = Self(BTreeMap::new());
        for (action, _, keys, _) in ACTIONS {
            bindings.0.extend(keys.iter().map(|key| ((*key).to_owned(), action)));
        }
        bindings
    }
}

impl Bindings {
    pub(super) fn action(&self, event: KeyEvent) -> Option<Action> {
        self.0.get(&name_of((event.code, event.modifiers))).copied()
    }

    /// The keys of an action, as a person reads them, the usual ones first.
    pub(super) fn keys(&self, action: Action) -> Vec<String> {
        let usual = ACTIONS.iter().find(|(one, ..)| *one == action).map_or(&[][..], |one| one.2);
        let place = |key: &str| usual.iter().position(|usual| *usual == key);
        let mut keys: Vec<_> = self.0.iter().filter(|(_, of)| **of == action).collect();
        keys.sort_by_key(|(key, _)| place(key).unwrap_or(usize::MAX));
        keys.into_iter().map(|(key, _)| shown(key)).collect()
    }

    /// Gives an action these keys instead. Says what is wrong.
    fn set(&mut self, name: &str, keys: &[String]) -> Result<(), String> {
        let Some((action, ..)) = ACTIONS.iter().find(|(_, there, ..)| *there == name) else {
            let names: Vec<_> = ACTIONS.iter().map(|(_, name, ..)| *name).collect();
            return Err(format!("no action is called {name}; there are {}", names.join(", ")));
        };
        self.0.retain(|_, of| of != action);
        for key in keys {
            if !is_key(key) {
                return Err(format!("{key} is no key, such as x, X, ctrl-x, f5, enter or space"));
            }
            self.0.insert(key.clone(), *action);
        }
        Ok(())
    }
}

/// A key's name, as the configuration has it: capitals stand for themselves.
fn name_of((code, modifiers): Key) -> String {
    let name = match code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(letter) => letter.to_string(),
        KeyCode::F(number) => format!("f{number}"),
        other => format!("{other:?}").to_lowercase(),
    };
    if modifiers.contains(KeyModifiers::CONTROL) { format!("ctrl-{name}") } else { name }
}

fn shown(key: &str) -> String {
    match key {
        "up" => "↑".to_owned(),
        "down" => "↓".to_owned(),
        "left" => "←".to_owned(),
        "right" => "→".to_owned(),
        "pageup" => "PgUp".to_owned(),
        "pagedown" => "PgDn".to_owned(),
        key if key.chars().count() == 1 => key.to_owned(),
        key => key[..1].to_uppercase() + &key[1..],
    }
}

fn is_key(name: &str) -> bool {
    const NAMED: [&str; 17] = [
        "enter",
        "esc",
        "tab",
        "backtab",
        "space",
        "backspace",
        "delete",
        "insert",
        "home",
        "end",
        "pageup",
        "pagedown",
        "up",
        "down",
        "left",
        "right",
        "null",
    ];
    let name = name.strip_prefix("ctrl-").unwrap_or(name);
    let function = |number: &str| number.parse().is_ok_and(|number: u8| (1..=24).contains(&number));
    name.chars().count() == 1
        || NAMED.contains(&name)
        || name.strip_prefix('f').is_some_and(function)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    keys: BTreeMap<String, Keys>,
    colors: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Several(Vec<String>),
}

/// What a file says of keys and colours, upon the usual ones. Says what is wrong with it.
pub(super) fn read(text: &str, mut theme: Theme) -> Result<(Bindings, Theme), String> {
    let File { keys, colors } = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        format!("line {line}: {}", error.message())
    })?;
    let mut bindings = Bindings::default();
    for (action, keys) in keys {
        let keys = match keys {
            Keys::One(key) => vec![key],
            Keys::Several(keys) => keys,
        };
        bindings.set(&action, &keys)?;
    }
    for (name, colour) in colors {
        theme.set(&name, &colour)?;
    }
    Ok((bindings, theme))
}

/// The same of the file that was named, or of the usual one where there is one.
pub fn configured(file: Option<&Path>, theme: Theme) -> Result<(Bindings, Theme), String> {
    let (path, must_be) = match (file, usual_file()) {
        (Some(path), _) => (path.to_owned(), true),
        (None, Some(path)) => (path, false),
        (None, None) => return Ok((Bindings::default(), theme)),
    };
    let said = |what: String| format!("{}: {what}", path.display());
    match fs::read_to_string(&path) {
        Ok(text) => read(&text, theme).map_err(said),
        Err(error) if error.kind() == ErrorKind::NotFound && !must_be => {
            Ok((Bindings::default(), theme))
        }
        Err(error) => Err(said(error.to_string())),
    }
}

/// `~/.config/tcpcong/top.toml`, or where the XDG base directory specification has it.
fn usual_file() -> Option<PathBuf> {
    let given = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = given("XDG_CONFIG_HOME").or_else(|| Some(given("HOME")?.join(".config")))?;
    Some(config.join("tcpcong/top.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(bindings: &Bindings, code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        bindings.action(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn every_action_has_a_name_and_keys_of_its_own() {
        let bindings = Bindings::default();
        for (action, name, keys, help) in ACTIONS {
            assert!(!help.is_empty() && keys.iter().all(|key| is_key(key)), "{name}");
            assert_eq!(
                bindings.0.values().filter(|of| **of == action).count(),
                keys.len(),
                "{name}"
            );
        }
        let none = KeyModifiers::NONE;
        assert_eq!(pressed(&bindings, KeyCode::Char('j'), none), Some(Action::Down));
        assert_eq!(
            pressed(&bindings, KeyCode::Char('I'), KeyModifiers::SHIFT),
            Some(Action::Reverse)
        );
        assert_eq!(pressed(&bindings, KeyCode::Char(' '), none), Some(Action::Freeze));
        let quit = pressed(&bindings, KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(quit, Some(Action::Quit));
        assert_eq!(pressed(&bindings, KeyCode::PageUp, none), Some(Action::PageUp));
    }

    #[test]
    fn the_documentation_names_every_action() {
        let text = include_str!("../../docs/top.md");
        for (_, name, ..) in ACTIONS {
            assert!(text.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn a_file_gives_keys_and_colours_or_is_told_what_is_wrong_with_it() {
        let theme = || Theme::new(true);
        let text = "[keys]\nquit = [\"x\", \"f10\"]\nsort = \"S\"\n[colors]\nloss = \"#ff8700\"\n";
        let (bindings, changed) = read(text, theme()).expect("a good file");
        assert_eq!(pressed(&bindings, KeyCode::Char('q'), KeyModifiers::NONE), None);
        assert_eq!(pressed(&bindings, KeyCode::F(10), KeyModifiers::NONE), Some(Action::Quit));
        assert_ne!(changed, theme());
        for (text, message) in [
            ("[keys]\nrun = \"x\"", "no action is called run; there are help, up"),
            ("[keys]\nquit = \"xx\"", "xx is no key, such as x"),
            ("[colors]\nloss = \"reddish\"", "reddish is no colour"),
            ("[colors]\nwin = \"red\"", "no colour is called win; there are open"),
            ("[keys]\n[colours]\n", "line 2: unknown field `colours`"),
            ("[keys", "line 1: "),
        ] {
            let said = read(text, theme()).expect_err(text);
            assert!(said.starts_with(message) && !said.contains('\n'), "{text}: {said}");
        }
    }
}
