//! Spells one by one: the ended ones of an interval, how long they were, and
//! what came after them. Not here: the time in them, which rows have.

use super::{Cause, FlowId, SpellLengths, State};

/// How a spell began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// With the life.
    Birth,
    /// With a transition, and why that was made: unknown where figures were not asked for.
    Transition(Cause),
    /// That was not seen: it went on already when the flow was met, or its state was found
    /// later.
    Unseen,
}

impl Beginning {
    /// Why the transition was made, where there was one.
    #[must_use]
    pub fn cause(self) -> Option<Cause> {
        if let Self::Transition(cause) = self { Some(cause) } else { None }
    }
}

/// A spell that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedSpell {
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// Which flow's.
    pub id: FlowId,
    /// In which state.
    pub state: State,
    /// How it began.
    pub beginning: Beginning,
    /// The state after it; nothing if the life ended with it.
    pub next: Option<State>,
    /// That state was found later, no transition to it was seen; so it may have
    /// ended sooner, and there may have been others between.
    pub found: bool,
    /// How long it was.
    pub length_ns: u64,
}

impl SpellLengths {
    /// Of these spells.
    #[must_use]
    pub fn of_spells<'s>(unit_ns: u64, spells: impl Iterator<Item = &'s EndedSpell>) -> Self {
        let mut lengths = Self::none(unit_ns);
        spells.for_each(|spell| lengths.count(spell));
        lengths
    }

    /// Of none.
    #[must_use]
    pub fn none(unit_ns: u64) -> Self {
        Self { unit_ns, counts: std::array::from_fn(|_| vec![0; 64]) }
    }

    /// Counts one more.
    pub fn count(&mut self, spell: &EndedSpell) {
        let units = spell.length_ns / self.unit_ns.max(1);
        self.counts[spell.state as usize][units.checked_ilog2().unwrap_or(0) as usize] += 1;
    }
}

/// How often each state was seen to follow each: by the one that ended, then by
/// the one after it, the life's end last.
#[must_use]
pub fn matrix(spells: &[EndedSpell]) -> [[u64; 6]; 5] {
    let mut counts = [[0; 6]; 5];
    for spell in spells.iter().filter(|spell| !spell.found) {
        counts[spell.state as usize][spell.next.map_or(5, |next| next as usize)] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(state: State, next: Option<State>, length_ns: u64) -> EndedSpell {
        let id = FlowId { socket: 1, born_ns: 0 };
        EndedSpell {
            at_ns: 1,
            id,
            state,
            beginning: Beginning::Birth,
            next,
            found: false,
            length_ns,
        }
    }

    #[test]
    fn each_spell_is_counted_once_where_it_belongs() {
        let spells = [
            spell(State::Open, Some(State::Loss), 3_999),
            spell(State::Loss, Some(State::Open), 999),
            spell(State::Open, None, 4_000),
            EndedSpell { found: true, ..spell(State::Open, Some(State::Cwr), 5_000) },
        ];
        let counts = matrix(&spells);
        assert_eq!(counts[0], [0, 0, 0, 0, 1, 1]);
        assert_eq!(counts[4], [1, 0, 0, 0, 0, 0]);
        assert_eq!(counts.iter().flatten().sum::<u64>(), 3);
        let lengths = SpellLengths::of_spells(1_000, spells.iter());
        assert_eq!(lengths.of(State::Open)[..3], [0, 1, 2]);
        assert_eq!(lengths.of(State::Loss)[..2], [1, 0]);
    }
}
