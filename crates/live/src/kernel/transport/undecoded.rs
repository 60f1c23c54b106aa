//! Entries as they came out of the kernel: their lines are copied once, and moved on as
//! they are; what is put in order is an index. Not here: what they say.

use crate::kernel::wire::{self, Line, WireError};
use tcpcong_core::model::{Body, Entry};

/// Room for so many lines is kept when it is not used: 1 MiB.
const KEPT_LINES: usize = 1 << 14;

/// Entries that nobody has decoded yet.
#[derive(Debug, Default)]
pub(in crate::kernel) struct Undecoded {
    lines: Vec<Line>,
    gaps: Vec<Body>,
    index: Vec<Place>,
    /// So many of them were taken.
    taken: usize,
}

/// Where an entry is.
#[derive(Debug, Clone, Copy)]
struct Place {
    at_ns: u64,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Lines { first: u32, count: u32 },
    Gap(u32),
}

/// How much there was at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    lines: usize,
    gaps: usize,
    entries: usize,
}

impl Undecoded {
    /// Adds an entry of these lines. One without any shows when it is decoded.
    pub(super) fn push(&mut self, lines: &[Line]) {
        let first = self.lines.len();
        self.lines.extend_from_slice(lines);
        self.add(first);
    }

    /// Adds a line, which belongs to no entry yet.
    pub(super) fn push_line(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// The lines from the `first` on, which belong to no entry yet.
    pub(super) fn lines_from(&self, first: usize) -> &[Line] {
        &self.lines[first..]
    }

    /// How many lines there are.
    pub(super) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// Makes an entry of the lines from the `first` on.
    pub(super) fn add(&mut self, first: usize) {
        let lines = &self.lines[first..];
        let at_ns = lines.first().map_or(0, wire::at_ns);
        let what = What::Lines { first: number(first), count: number(lines.len()) };
        self.index.push(Place { at_ns, what });
    }

    /// Drops the lines from the `first` on, of which nothing was made.
    pub(super) fn drop_lines(&mut self, first: usize) {
        self.lines.truncate(first);
    }

    /// Adds that entries were lost which were made between these instants.
    pub(super) fn push_gap(&mut self, from_ns: u64, to_ns: u64, dropped: u64) {
        let what = What::Gap(number(self.gaps.len()));
        self.gaps.push(Body::Gap { from_ns, dropped, damaged: false });
        self.index.push(Place { at_ns: to_ns.max(from_ns), what });
    }

    /// How much there is now.
    pub(super) fn mark(&self) -> Mark {
        Mark { lines: self.lines.len(), gaps: self.gaps.len(), entries: self.index.len() }
    }

    /// Takes back what was added since.
    pub(super) fn rewind(&mut self, to: Mark) {
        self.lines.truncate(to.lines);
        self.gaps.truncate(to.gaps);
        self.index.truncate(to.entries);
    }

    /// Entries that were not taken yet.
    pub(in crate::kernel) fn len(&self) -> usize {
        self.index.len() - self.taken
    }

    /// When the next one was made.
    pub(in crate::kernel) fn next_ns(&self) -> Option<u64> {
        self.index.get(self.taken).map(|place| place.at_ns)
    }

    /// Takes the next one.
    pub(in crate::kernel) fn next(&mut self) -> Option<Result<Entry, WireError>> {
        let place = *self.index.get(self.taken)?;
        self.taken += 1;
        let entry = match place.what {
            What::Lines { first, count } => {
                wire::entry(&self.lines[first as usize..][..count as usize])
            }
            What::Gap(at) => Ok(Entry { at_ns: place.at_ns, body: self.gaps[at as usize].clone() }),
        };
        if self.taken == self.index.len() {
            self.clear();
        }
        Some(entry)
    }

    /// Puts them in the order of their times.
    pub(in crate::kernel) fn sort(&mut self) {
        self.index[self.taken..].sort_by_key(|place| place.at_ns);
    }

    /// Adds those of `others` that were made before `until_ns`. Both are in order, and are
    /// so afterwards.
    pub(in crate::kernel) fn append_until(&mut self, others: &mut Self, until_ns: u64) {
        if self.len() == 0 {
            // Nothing is copied but the few that are later.
            self.clear();
            std::mem::swap(self, others);
            let later = self.index.partition_point(|place| place.at_ns < until_ns);
            for place in self.index.drain(later..) {
                others.copy_from(place, &self.lines, &self.gaps);
            }
            return;
        }
        let is_in_order = self.index.last().map(|last| last.at_ns) <= others.next_ns();
        while let Some(place) = others.index.get(others.taken).filter(|one| one.at_ns < until_ns) {
            self.copy_from(*place, &others.lines, &others.gaps);
            others.taken += 1;
        }
        if !is_in_order {
            self.sort();
        }
        if others.len() == 0 {
            others.clear();
        }
    }

    fn copy_from(&mut self, place: Place, lines: &[Line], gaps: &[Body]) {
        match place.what {
            What::Lines { first, count } => {
                self.push(&lines[first as usize..][..count as usize]);
            }
            What::Gap(at) => {
                let what = What::Gap(number(self.gaps.len()));
                self.gaps.push(gaps[at as usize].clone());
                self.index.push(Place { at_ns: place.at_ns, what });
            }
        }
    }

    /// Keeps the memory, unless it is much, for others to come.
    fn clear(&mut self) {
        if self.lines.capacity() > KEPT_LINES {
            *self = Self::default();
            return;
        }
        self.lines.clear();
        self.gaps.clear();
        self.index.clear();
        self.taken = 0;
    }
}

/// There are never so many: the log has no room for them.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;
    use crate::kernel::layout;
    use crate::kernel::wire::LINE_BYTES;
    use tcpcong_core::model::{Kind, State};

    /// The end of socket 7's life.
    fn line(at_ns: u64) -> Line {
        let mut line = [0; LINE_BYTES];
        line[offset_of!(layout::entry, at_ns)..][..8].copy_from_slice(&at_ns.to_ne_bytes());
        line[offset_of!(layout::entry, socket)] = 7;
        line[offset_of!(layout::entry, kind)] = 6;
        line
    }

    /// When they were made, a gap's with a minus.
    fn times(undecoded: &mut Undecoded) -> Vec<i64> {
        std::iter::from_fn(|| undecoded.next())
            .map(|entry| {
                let Entry { at_ns, body } = entry.expect("an entry");
                match body {
                    Body::Gap { .. } => -at_ns.cast_signed(),
                    Body::Socket(event) => {
                        assert_eq!(event.kind, Kind::End { state: State::Open });
                        at_ns.cast_signed()
                    }
                    Body::Ongoing(_) | Body::Surveyed(_) => panic!("no survey was there"),
                }
            })
            .collect()
    }

    #[test]
    fn entries_come_in_order_and_a_gap_before_what_was_found_after_it() {
        let mut fresh = Undecoded::default();
        for at_ns in [30, 10] {
            fresh.push(&[line(at_ns)]);
        }
        fresh.push_gap(5, 20, 3);
        fresh.push(&[line(20)]);
        fresh.sort();
        assert_eq!((fresh.len(), fresh.next_ns()), (4, Some(10)));
        assert_eq!(times(&mut fresh), [10, -20, 20, 30]);
        assert!(fresh.next().is_none());
    }

    #[test]
    fn what_is_later_stays_and_what_is_late_is_put_where_it_belongs() {
        let (mut all, mut fresh) = (Undecoded::default(), Undecoded::default());
        for at_ns in [10, 20, 30] {
            fresh.push(&[line(at_ns)]);
        }
        all.append_until(&mut fresh, 25);
        assert_eq!((all.len(), fresh.len(), fresh.next_ns()), (2, 1, Some(30)));
        fresh.push(&[line(15)]);
        fresh.sort();
        all.append_until(&mut fresh, 31);
        assert_eq!((all.len(), fresh.len()), (4, 0));
        assert_eq!(times(&mut all), [10, 15, 20, 30]);
    }

    #[test]
    fn what_was_added_can_be_taken_back() {
        let mut fresh = Undecoded::default();
        fresh.push(&[line(10)]);
        let mark = fresh.mark();
        fresh.push(&[line(20)]);
        fresh.push_gap(1, 2, 3);
        fresh.rewind(mark);
        assert_eq!(times(&mut fresh), [10]);
    }

    #[test]
    fn what_is_no_entry_is_an_error_when_it_is_decoded() {
        let mut fresh = Undecoded::default();
        fresh.push(&[]);
        assert!(fresh.next().expect("something").is_err());
    }
}
