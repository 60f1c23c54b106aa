//! Whether a table is coloured. Not here: what, which is the fields' business.

use std::ffi::OsString;

/// What the person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal that shows it, unless the environment says no.
    Auto,
    /// In any case.
    Always,
    /// Not at all.
    Never,
}

impl Colour {
    /// Whether there is to be any, on a terminal or not, in an environment of
    /// these variables (<https://no-color.org>).
    pub fn shows(self, terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                terminal
                    && given("NO_COLOR").is_none()
                    && given("TERM").is_some_and(|term| term != "dumb")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_that_have_it_and_people_who_want_it() {
        let shows = |wish: Colour, terminal: bool, environment: &[(&str, &str)]| {
            wish.shows(terminal, |name| {
                environment.iter().find(|(there, _)| *there == name).map(|(_, value)| value.into())
            })
        };
        let term = ("TERM", "xterm");
        assert!(shows(Colour::Auto, true, &[term]));
        assert!(shows(Colour::Auto, true, &[term, ("NO_COLOR", "")]));
        assert!(!shows(Colour::Auto, true, &[term, ("NO_COLOR", "0")]));
        assert!(!shows(Colour::Auto, true, &[("TERM", "dumb")]));
        assert!(!shows(Colour::Auto, true, &[]));
        assert!(!shows(Colour::Auto, false, &[term]));
        assert!(shows(Colour::Always, false, &[("TERM", "dumb"), ("NO_COLOR", "1")]));
        assert!(!shows(Colour::Never, true, &[term]));
    }
}
