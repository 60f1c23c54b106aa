//! A life as a band of letters, one for each stretch of time: the worst state in it. Not
//! here: colours.

use tcpcong_core::model::{Spell, State, StateTimes};

/// One letter of a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BandCell {
    /// The worst state in that time.
    pub(crate) state: State,
    /// Whether it was that for half of the time at least.
    pub(crate) is_most: bool,
}

impl BandCell {
    /// Small where it was that for less than half of the time.
    pub(crate) fn letter(self) -> char {
        let letter = self.state.letter();
        if self.is_most { letter } else { letter.to_ascii_lowercase() }
    }
}

/// So many letters for the time from the one instant to the other; nothing where the
/// connection was not seen.
pub(crate) fn band(
    spells: &[Spell],
    (from_ns, to_ns): (u64, u64),
    cells: usize,
) -> Vec<Option<BandCell>> {
    let cell_ns = (to_ns.saturating_sub(from_ns) / (cells as u64).max(1)).max(1);
    let of_cell = |cell: u64| {
        let from_ns = from_ns + cell * cell_ns;
        let (state, is_most) = worst_of(&within(spells, from_ns, from_ns + cell_ns)?);
        Some(BandCell { state, is_most })
    };
    (0..cells as u64).map(of_cell).collect()
}

/// The time by state between two instants; nothing where it was not seen.
fn within(spells: &[Spell], from_ns: u64, to_ns: u64) -> Option<StateTimes> {
    let first = spells.partition_point(|spell| spell.to_ns <= from_ns);
    let mut times = None;
    for spell in spells[first..].iter().take_while(|spell| spell.from_ns < to_ns) {
        let inside = spell.to_ns.min(to_ns).saturating_sub(spell.from_ns.max(from_ns));
        times.get_or_insert_with(StateTimes::default)[spell.state] += inside;
    }
    times
}

/// The worst state that a flow was in, and whether for half of the time at least.
pub(crate) fn worst_of(times: &StateTimes) -> (State, bool) {
    let worst = State::ALL.into_iter().rev().find(|state| times[*state] > 0);
    let state = worst.unwrap_or(State::Open);
    (state, 2 * times[state] >= times.total_ns())
}

/// A length in six characters.
pub(crate) fn length(ns: u64) -> String {
    let seconds = ns as f64 / 1e9;
    match ns {
        0..1_000_000 => format!("{}us", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{}ms", ns / 1_000_000),
        1_000_000_000..100_000_000_000 => format!("{seconds:.1}s"),
        _ if seconds < 6000.0 => format!("{:.0}m", seconds / 60.0),
        _ if seconds < 360_000.0 => format!("{:.0}h", seconds / 3600.0),
        _ => format!("{:.0}d", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_six_characters_at_most() {
        let lengths = [0, 999_999, 1_000_000, 999_999_999, 1_500_000_000, 99_990_000_000];
        for ns in
            lengths.into_iter().chain([100_000_000_000, 6_000_000_000_000, 900_000_000_000_000])
        {
            assert!(length(ns).chars().count() <= 6, "{}", length(ns));
        }
    }

    #[test]
    fn a_band_has_the_worst_state_of_each_stretch_and_says_whether_it_lasted() {
        let spell = |from_ns, to_ns, state| Spell {
            from_ns,
            to_ns,
            state,
            beginning: tcpcong_core::model::Beginning::Unseen,
        };
        let spells = [spell(10, 20, State::Open), spell(20, 23, State::Loss)];
        let letters = |cells| -> String {
            let cells = band(&spells, (0, 30), cells).into_iter();
            cells.map(|cell| cell.map_or(' ', BandCell::letter)).collect()
        };
        assert_eq!(letters(3), " OL");
        assert_eq!(letters(2), "Ol");
    }
}
