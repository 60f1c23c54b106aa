//! Figures over the watch as a line of little bars. Not here: which figures.

use super::super::Paper;
use tcpcong_core::model::{Life, Sample};

/// From nothing to the most.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same where there is nothing but ASCII.
const MARKS: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

/// A figure, for each stretch of the watch where it is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    cells: Vec<Option<f64>>,
    lowest: f64,
    highest: f64,
    last: f64,
}

impl Series {
    /// What stays as it is until it changes, by samples.
    pub(super) fn gauge(
        life: &Life,
        span: (u64, u64),
        cells: usize,
        of: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Self> {
        let points = life.samples.iter().filter_map(|one| Some((one.at_ns, of(one)?)));
        let points: Vec<_> = points.filter(|(at_ns, _)| *at_ns <= span.1).collect();
        let mut values = points.iter().map(|(_, value)| *value);
        let last = values.next_back()?;
        let (lowest, highest) = values.fold((last, last), |(lowest, highest), value: f64| {
            (lowest.min(value), highest.max(value))
        });
        let mut present = None;
        let mut points = points.into_iter().peekable();
        let of_cell = |cell| {
            let (_, to_ns) = stretch(span, cells, cell);
            let mut sum = (0.0, 0.0);
            while let Some((_, value)) = points.next_if(|(at_ns, _)| *at_ns <= to_ns) {
                present = Some(value);
                sum = (sum.0 + value, sum.1 + 1.0);
            }
            if sum.1 > 0.0 { Some(sum.0 / sum.1) } else { present }
        };
        Some(Self { cells: (0..cells).map(of_cell).collect(), lowest, highest, last })
    }

    /// How fast a counter grows, a second: between two samples evenly.
    pub(super) fn rate(
        life: &Life,
        span: (u64, u64),
        cells: usize,
        of: impl Fn(&Sample) -> Option<u64>,
    ) -> Option<Self> {
        let points = life.samples.iter().filter_map(|one| Some((one.at_ns, of(one)?)));
        let points: Vec<_> = points.filter(|(at_ns, _)| *at_ns <= span.1).collect();
        let mut grown = vec![(0.0, 0_u64); cells];
        for pair in points.windows(2) {
            let [(from_ns, before), (to_ns, after)] = *pair else { continue };
            let lasting_ns = to_ns.saturating_sub(from_ns).max(1);
            let per_ns = after.saturating_sub(before) as f64 / lasting_ns as f64;
            for (cell, (amount, known_ns)) in grown.iter_mut().enumerate() {
                let (begins, ends) = stretch(span, cells, cell);
                let within_ns = to_ns.min(ends).saturating_sub(from_ns.max(begins));
                *amount += per_ns * within_ns as f64;
                *known_ns += within_ns;
            }
        }
        let of_cell =
            |(amount, known_ns): (f64, u64)| (known_ns > 0).then(|| amount * 1e9 / known_ns as f64);
        let cells: Vec<_> = grown.into_iter().map(of_cell).collect();
        let known = || cells.iter().copied().flatten();
        let last = known().next_back()?;
        let (lowest, highest) = (known().fold(last, f64::min), known().fold(last, f64::max));
        Some(Self { cells, lowest, highest, last })
    }

    /// The least, the most, and the last, in this unit, which is so much.
    pub(super) fn in_words(&self, unit: &str, one: f64) -> String {
        let [lowest, highest, last] =
            [self.lowest, self.highest, self.last].map(|value| short(value / one));
        format!("least {lowest}, most {highest}, last {last} {unit}")
    }

    /// The same in a unit of which there are so many in each.
    pub(super) fn times(self, many: f64) -> Self {
        let cells = self.cells.into_iter().map(|value| value.map(|value| value * many)).collect();
        Self {
            cells,
            lowest: self.lowest * many,
            highest: self.highest * many,
            last: self.last * many,
        }
    }

    /// The largest value.
    pub(super) fn most(&self) -> f64 {
        self.highest
    }

    /// A letter for each stretch, the higher the more; a blank where it is not known.
    pub(super) fn drawn(&self, paper: Paper) -> String {
        let letters = if paper.unicode { BARS } else { MARKS };
        let highest = self.cells.iter().copied().flatten().fold(0.0, f64::max);
        let letter = |value: &Option<f64>| {
            let Some(value) = value else { return ' ' };
            let share = if highest > 0.0 { value / highest } else { 0.0 };
            // From 0 to 7: a share is from 0 to 1.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let at = (share * 7.0).round() as usize;
            letters[at.min(7)]
        };
        self.cells.iter().map(letter).collect()
    }
}

/// From when to when a cell is.
fn stretch((from_ns, to_ns): (u64, u64), cells: usize, cell: usize) -> (u64, u64) {
    let at = |cell: usize| {
        let part = u128::from(to_ns.saturating_sub(from_ns)) * cell as u128;
        from_ns + u64::try_from(part / (cells as u128).max(1)).unwrap_or(0)
    };
    (at(cell), at(cell + 1))
}

/// With three digits that count, or as many as there are before the point.
pub(in super::super) fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        0.0..9.995 => format!("{value:.2}"),
        9.995..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Bits a second: in which unit so many are told, and how many one of it is.
pub(in super::super) fn rate_unit(most: f64) -> (&'static str, f64) {
    match most {
        1e9.. => ("Gbit/s", 1e9),
        1e6..1e9 => ("Mbit/s", 1e6),
        1e3..1e6 => ("kbit/s", 1e3),
        _ => ("bit/s", 1.0),
    }
}

#[cfg(test)]
mod tests {
    use tcpcong_core::model::sample::{Script, account};
    use tcpcong_core::model::{Figures, Ledger, LedgerOptions, State, Timelines};

    use super::*;

    const PAPER: Paper = Paper { width: 80, unicode: true };

    /// The life of a connection with these round-trip times and delivered segments.
    fn life(points: &[(u64, u32, u32)]) -> Life {
        let script =
            points.iter().fold(Script::default(), |script, (at_ns, srtt_us, delivered)| {
                let figures = Figures { srtt_us: 8 * srtt_us, ..account([0; 3], *delivered, 0) };
                script.seen(1, *at_ns, State::Open).with(figures)
            });
        let options = LedgerOptions { list_quiet: true, samples: true, ..LedgerOptions::default() };
        let mut ledger = Ledger::new(0, options);
        script.entries.iter().for_each(|entry| ledger.apply(entry));
        let mut timelines = Timelines::default();
        timelines.add(&ledger.close(100, jiff::Timestamp::UNIX_EPOCH));
        timelines.into_lives().remove(0)
    }

    #[test]
    fn a_gauge_stays_until_it_changes_and_is_not_known_before() {
        let life = life(&[(25, 10, 0), (50, 80, 0), (90, 40, 0)]);
        let srtt = |sample: &Sample| sample.srtt_us.map(f64::from);
        let series = Series::gauge(&life, (0, 100), 5, srtt).expect("known");
        assert_eq!(series.drawn(PAPER), " ▂██▅");
        assert_eq!(series.in_words("us", 1.0), "least 10.0, most 80.0, last 40.0 us");
    }

    #[test]
    fn a_rate_is_spread_evenly_between_two_samples() {
        let life = life(&[(0, 1, 0), (50, 1, 100), (100, 1, 400)]);
        let of = |sample: &Sample| sample.account.map(|[delivered, _]| u64::from(delivered));
        let series = Series::rate(&life, (0, 100), 4, of).expect("known");
        assert_eq!(series.drawn(PAPER), "▃▃██");
        assert_eq!(series.in_words("G/s", 1e9), "least 2.00, most 6.00, last 6.00 G/s");
        let ascii = Paper { unicode: false, ..PAPER };
        assert_eq!(series.drawn(ascii), "::##");
        assert_eq!(Series::rate(&life, (0, 100), 4, |_| None), None);
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        assert_eq!(
            [0.0, 0.5, 12.34, 99.96, 1234.5].map(short),
            ["0", "0.50", "12.3", "100", "1234"]
        );
    }
}
