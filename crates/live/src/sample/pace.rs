//! When it is time to look. Pure, but for the clock's readings that it is told. Not here: the
//! looking.

/// Looking takes such a part of the time at most.
const ONE_IN: u64 = 10;
/// A look comes so long before an interval's end, beside the time that it takes, nanoseconds.
const LEAD_NS: u64 = 200_000;

/// The pace of looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_field_names)] // units are part of names
pub(super) struct Pace {
    /// From one look to the next, as it was asked for.
    every_ns: u64,
    /// How long a look takes, on the mean of the last few.
    took_ns: u64,
    /// When the last one began; 0: there was none.
    began_ns: u64,
    /// So many came later than asked.
    late: u64,
}

impl Pace {
    pub(super) fn new(every_ns: u64) -> Self {
        Self { every_ns, took_ns: 0, began_ns: 0, late: 0 }
    }

    /// From one look to the next, as it is: longer than asked for where looking takes long.
    pub(super) fn every_ns(&self) -> u64 {
        self.every_ns.max(self.took_ns.saturating_mul(ONE_IN))
    }

    /// How many looks came later than asked.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// When the next look is due, and whether that is for the interval's end at
    /// `boundary_ns`: what is found just before belongs to the interval.
    pub(super) fn due(&self, boundary_ns: u64) -> (u64, bool) {
        let every_ns = self.every_ns();
        let due_ns = self.began_ns.saturating_add(every_ns);
        let lead_ns = LEAD_NS + self.took_ns + self.took_ns / 2;
        let last_ns = boundary_ns.saturating_sub(lead_ns);
        // Not more than half as far from the one before, nor a quarter farther.
        let is_near = last_ns >= self.began_ns.saturating_add(every_ns / 2)
            && last_ns <= due_ns.saturating_add(every_ns / 4);
        if is_near { (last_ns, true) } else { (due_ns, false) }
    }

    /// A look began and ended then.
    pub(super) fn looked(&mut self, began_ns: u64, ended_ns: u64) {
        let took_ns = ended_ns.saturating_sub(began_ns);
        let since_ns = began_ns.saturating_sub(self.began_ns);
        if self.began_ns == 0 {
            self.took_ns = took_ns;
        } else {
            // What an interval's end put off is no later than asked.
            let allowed_ns = self.every_ns + self.every_ns / 4 + 2 * LEAD_NS.max(self.every_ns / 8);
            self.late += u64::from(since_ns > allowed_ns);
            self.took_ns = (3 * self.took_ns + took_ns) / 4;
        }
        self.began_ns = began_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn looked(every_ms: u64, began_ms: u64, took_ms: u64) -> Pace {
        let mut pace = Pace::new(every_ms * MS);
        pace.looked(began_ms * MS, (began_ms + took_ms) * MS);
        pace
    }

    #[test]
    fn looks_keep_their_distance_and_one_comes_just_before_an_intervals_end() {
        let pace = looked(100, 500, 2);
        assert_eq!(pace.due(1000 * MS), (600 * MS, false));
        let lead_ns = 3 * MS + LEAD_NS;
        assert_eq!(pace.due(600 * MS), (600 * MS - lead_ns, true));
        assert_eq!(pace.due(620 * MS), (620 * MS - lead_ns, true));
        assert_eq!(pace.due(640 * MS), (600 * MS, false), "there will be another one");
        assert_eq!(pace.due(540 * MS), (600 * MS, false), "that is too soon");
        assert_eq!(pace.due(u64::MAX), (600 * MS, false));
    }

    #[test]
    fn where_looking_takes_long_looks_are_rarer_and_counted_as_late() {
        let mut pace = looked(100, 0, 30);
        pace.looked(100 * MS, 130 * MS);
        assert_eq!((pace.every_ns(), pace.late()), (300 * MS, 0));
        assert_eq!(pace.due(u64::MAX), (400 * MS, false));
        pace.looked(400 * MS, 430 * MS);
        assert_eq!(pace.late(), 1);
    }
}
