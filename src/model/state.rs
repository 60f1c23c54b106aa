//! The five congestion states, and times by state.
//! Not here: how either is printed.

use std::ops::{Index, IndexMut};

use serde::Serialize;

/// A TCP socket's congestion state, the kernel's `icsk_ca_state`
/// (`enum tcp_ca_state`, include/uapi/linux/tcp.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
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

    /// What has come since `earlier`, state by state.
    ///
    /// A program that read the clock before a boundary and stored after the
    /// boundary was read (the machine held it up in between) moves time of the
    /// former interval from one state to another, so one state may have less
    /// than before. That debt is taken from the states that have gained, so the
    /// sum stays exact.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut gained = [0; 5];
        let mut debt = 0;
        for (state, gain) in gained.iter_mut().enumerate() {
            let (now, before) = (self.0[state], earlier.0[state]);
            *gain = now.saturating_sub(before);
            debt += before.saturating_sub(now);
        }
        while debt > 0 {
            let Some(largest) = gained.iter_mut().max().filter(|gain| **gain > 0) else { break };
            let paid = debt.min(*largest);
            *largest -= paid;
            debt -= paid;
        }
        Self(gained)
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

    #[test]
    fn difference_keeps_the_sum_when_time_has_moved_between_states() {
        let before = StateTimes([100, 0, 0, 0, 10]);
        let now = StateTimes([90, 0, 0, 40, 15]);
        let gained = now.since(&before);
        assert_eq!(gained, StateTimes([0, 0, 0, 30, 5]));
        assert_eq!(gained.total_ns(), now.total_ns() - before.total_ns());
    }
}
