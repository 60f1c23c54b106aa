//! Colours and letters of the screen. Not here: what is drawn with them.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use ratatui::style::{Color, Modifier, Style};

use tcpcong_core::model::State;

/// What matters less.
pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
/// Where one is.
pub(super) const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// What has a colour, and which; by the names of the configuration.
const COLOURS: [(&str, Color); 7] = [
    ("open", Color::Green),
    ("disorder", Color::Cyan),
    ("cwr", Color::Blue),
    ("recovery", Color::Yellow),
    ("loss", Color::Red),
    ("title", Color::Cyan),
    ("warning", Color::Yellow),
];

/// How things look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    colours: BTreeMap<&'static str, Color>,
    /// Without it letters and bold type tell everything.
    coloured: bool,
}

impl Theme {
    /// The usual colours, if there are to be any.
    #[must_use]
    pub fn new(coloured: bool) -> Self {
        Self { colours: COLOURS.into(), coloured }
    }

    /// Changes one colour. Says what is wrong with the name or the colour.
    pub(super) fn set(&mut self, name: &str, colour: &str) -> Result<(), String> {
        let Some((name, _)) = COLOURS.iter().find(|(there, _)| *there == name) else {
            let names: Vec<_> = COLOURS.iter().map(|(name, _)| *name).collect();
            return Err(format!("no colour is called {name}; there are {}", names.join(", ")));
        };
        let parsed = Color::from_str(colour).map_err(|_| {
            format!("{colour} is no colour, such as red, lightblue, 208 or #ff8700")
        })?;
        self.colours.insert(name, parsed);
        Ok(())
    }

    fn colour(&self, name: &str) -> Style {
        let colour = self.colours.get(name).filter(|_| self.coloured);
        colour.map_or(Style::new(), |colour| Style::new().fg(*colour))
    }

    /// A state's letter.
    pub(super) fn state(&self, state: State) -> Style {
        let style = self.colour(state.name());
        if state >= State::Recovery { style.add_modifier(Modifier::BOLD) } else { style }
    }

    /// A cell that is filled with a state: its letter on its colour.
    pub(super) fn filled(&self, state: State) -> Style {
        let Some(colour) = self.colours.get(state.name()).filter(|_| self.coloured) else {
            return self.state(state);
        };
        Style::new().bg(*colour).fg(Color::Black)
    }

    pub(super) fn title(&self) -> Style {
        self.colour("title").add_modifier(Modifier::BOLD)
    }

    pub(super) fn warning(&self) -> Style {
        self.colour("warning").add_modifier(Modifier::BOLD)
    }
}
