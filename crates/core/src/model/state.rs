//! The five congestion states, and times by state.
//! Not here: how either is printed.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// A TCP socket's congestion state, the kernel's `icsk_ca_state`
/// (`enum tcp_ca_state`, include/uapi/linux/tcp.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is amiss.
    Open,
    /// Duplicate or selective acknowledgements are coming in.
    Disorder,
    /// The window is being reduced: an ECN mark, or a drop in a local queue.
    Cwr,
    /// Fast retransmit.
    Recovery,
    /// The retransmission timer has expired.
    Loss,
}

impl State {
    /// All of them, in the kernel's order.
    pub const ALL: [Self; 5] = [Self::Open, Self::Disorder, Self::Cwr, Self::Recovery, Self::Loss];

    /// The state of a kernel number, if it is one.
    #[must_use]
    pub fn from_kernel(number: u64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|n| Self::ALL.get(n)).copied()
    }

    /// Its name in lower case, as all output spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Disorder => "disorder",
            Self::Cwr => "cwr",
            Self::Recovery => "recovery",
            Self::Loss => "loss",
        }
    }

    /// Its name as the field writes it, for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Disorder => "Disorder",
            Self::Cwr => "CWR",
            Self::Recovery => "Recovery",
            Self::Loss => "Loss",
        }
    }

    /// The first letter of that, where there is no room for more.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Open => 'O',
            Self::Disorder => 'D',
            Self::Cwr => 'C',
            Self::Recovery => 'R',
            Self::Loss => 'L',
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Nanoseconds spent in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateTimes(pub [u64; 5]);

impl StateTimes {
    /// All states together.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.0.iter().sum()
    }

    /// All states but Open.
    #[must_use]
    pub fn outside_open_ns(&self) -> u64 {
        self.0.iter().skip(1).sum()
    }

    /// Adds `other` state by state.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl Index<State> for StateTimes {
    type Output = u64;

    fn index(&self, state: State) -> &u64 {
        &self.0[state as usize]
    }
}

impl IndexMut<State> for StateTimes {
    fn index_mut(&mut self, state: State) -> &mut u64 {
        &mut self.0[state as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_numbers_are_the_enum_of_uapi_tcp_h() {
        let names: Vec<_> = (0..6).map(|n| State::from_kernel(n).map(State::name)).collect();
        assert_eq!(
            names,
            [Some("open"), Some("disorder"), Some("cwr"), Some("recovery"), Some("loss"), None]
        );
    }
}
