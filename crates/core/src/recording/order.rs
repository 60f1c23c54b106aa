//! Lines that cannot be from when they say: passed over, and told as a gap, since who replays
//! them goes through all the time between. Not here: bytes that are damaged, which `frames` skips.

use std::collections::VecDeque;

use super::lines::{Line, Note};
use crate::model::{Body, Entry};

/// A line is no further than this from those before it, nanoseconds: a day. A recording
/// has a line every few seconds, unless the tool was stopped.
const FURTHEST_NS: u64 = 24 * 3_600 * 1_000_000_000;
/// A machine has run no longer than this, nanoseconds: a hundred years.
const UPTIME_MOST_NS: u64 = 100 * 365 * FURTHEST_NS;

/// Whether a recording can begin at this instant (`CLOCK_MONOTONIC`).
pub(super) fn can_begin_at(at_ns: u64) -> bool {
    at_ns < UPTIME_MOST_NS
}

/// What holds lines to their order.
#[derive(Debug)]
pub(super) struct Order {
    /// The latest instant of all lines so far.
    latest_ns: u64,
    /// Lines that were passed over since the last one that was not.
    dropped: u64,
    /// Those that were passed over in all.
    pub(super) out_of_place: u64,
}

impl Order {
    /// Of a recording that begins then.
    pub(super) fn new(start_ns: u64) -> Self {
        Self { latest_ns: start_ns, dropped: 0, out_of_place: 0 }
    }

    /// The next lines, without those that are out of place; where there were any, a gap.
    pub(super) fn keep(&mut self, lines: VecDeque<Line>) -> VecDeque<Line> {
        let mut kept = VecDeque::with_capacity(lines.len());
        for line in lines {
            let Some(at_ns) = instant(&line) else {
                kept.push_back(line);
                continue;
            };
            if at_ns.saturating_sub(self.latest_ns) > FURTHEST_NS || lasts_too_long(&line) {
                self.dropped += 1;
                self.out_of_place += 1;
                continue;
            }
            kept.extend(self.gap(at_ns));
            self.latest_ns = self.latest_ns.max(at_ns);
            kept.push_back(line);
        }
        kept
    }

    /// What was passed over since, and is not told: a gap that ends then.
    fn gap(&mut self, at_ns: u64) -> Option<Line> {
        let dropped = std::mem::take(&mut self.dropped);
        let from_ns = self.latest_ns;
        let gap = Entry {
            at_ns: at_ns.max(from_ns),
            body: Body::Gap { from_ns, dropped, damaged: true },
        };
        (dropped > 0).then_some(Line::Entry(gap))
    }

    /// The same at the recording's end.
    pub(super) fn finish(&mut self) -> Option<Line> {
        self.gap(self.latest_ns)
    }
}

/// When a line is from, if it tells.
fn instant(line: &Line) -> Option<u64> {
    match line {
        Line::Entry(entry) => Some(entry.at_ns),
        Line::Note(Note::Unknown) => None,
        Line::Note(note) => Some(note.at_ns()),
    }
}

fn lasts_too_long(line: &Line) -> bool {
    match line {
        Line::Note(Note::Late { at_ns, until_ns }) => until_ns.saturating_sub(*at_ns) > FURTHEST_NS,
        Line::Note(Note::SeenAgain(line)) => line.lasts_ns() > FURTHEST_NS,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_NS: u64 = 5_000_000_000;

    fn batch(at_ns: u64) -> Line {
        Line::Note(Note::Batch { at_ns })
    }

    fn kept(order: &mut Order, lines: impl IntoIterator<Item = Line>) -> Vec<u64> {
        order.keep(lines.into_iter().collect()).iter().filter_map(instant).collect()
    }

    #[test]
    fn a_line_from_another_day_is_a_gap_until_the_next_that_is_not() {
        let mut order = Order::new(START_NS);
        let far_ns = START_NS + FURTHEST_NS + 1;
        let lines = [batch(START_NS), batch(far_ns), batch(u64::MAX)];
        assert_eq!(kept(&mut order, lines), [START_NS]);
        // In the next frame.
        let told = order.keep([batch(START_NS + 7)].into());
        let Some(Line::Entry(Entry { at_ns, body })) = told.front() else { panic!("{told:?}") };
        assert_eq!(*at_ns, START_NS + 7);
        assert_eq!(*body, Body::Gap { from_ns: START_NS, dropped: 2, damaged: true });
        assert_eq!((told.len(), order.out_of_place), (2, 2));
        assert!(order.finish().is_none());
        assert_eq!(kept(&mut order, [batch(far_ns)]), [far_ns], "it is near that by now");
    }

    #[test]
    fn an_interval_that_lasts_for_days_and_what_is_last_are_told_too() {
        let mut order = Order::new(START_NS);
        let late = Note::Late { at_ns: START_NS, until_ns: u64::MAX };
        assert!(order.keep([Line::Note(late)].into()).is_empty());
        assert!(order.finish().is_some());
        assert!(can_begin_at(START_NS) && !can_begin_at(u64::MAX));
    }
}
