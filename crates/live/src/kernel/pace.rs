//! When surveys are made: of all sockets, and of those that an interval's end needs. Pure, but
//! for the clock's readings that it is told. Not here: what a survey finds.

/// Pause after a survey, in times of how long it took, ...
const PAUSE_TIMES: u64 = 100;
/// ... at least, nanoseconds, ...
const PAUSE_LEAST_NS: u64 = 900_000_000;
/// ... and unless something calls for one.
const PAUSE_NS: u64 = 8_000_000_000;
/// The unit of the table, nanoseconds: an interval is as many of it.
const UNIT_NS: u64 = 1_000_000;
/// How long before an interval's end a survey begins that is to be a part of it, beside
/// the time that it takes.
const LEAD_NS: u64 = 1_000_000;

/// The pace of surveys.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last survey of all ended (0: there was none), and how long it took.
    surveyed_ns: u64,
    took_ns: u64,
    /// How long the last two of the wanted namespaces alone took.
    measuring_took_ns: [u64; 2],
    /// Another one would help.
    look_again: bool,
    /// Entries were lost: it does not even wait.
    look_now: bool,
    /// The interval's end for which a survey was made, and when it was.
    measured_for_ns: u64,
    measured_ns: u64,
}

impl Pace {
    /// Another survey would help.
    pub(super) fn look_again(&mut self) {
        self.look_again = true;
    }

    /// Another survey cannot wait.
    pub(super) fn look_now(&mut self) {
        self.look_now = true;
    }

    /// Whether another one cannot wait.
    pub(super) fn is_urgent(&self) -> bool {
        self.look_now
    }

    /// Whether all sockets were met once.
    pub(super) fn has_looked(&self) -> bool {
        self.surveyed_ns > 0
    }

    /// Whether a survey may be made now: it takes a hundredth of the time at most.
    pub(super) fn may_look(&self, now_ns: u64) -> bool {
        let pause_ns = (PAUSE_TIMES * self.took_ns).max(PAUSE_LEAST_NS);
        now_ns >= self.surveyed_ns + pause_ns
    }

    /// Whether a survey of all is due.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        let is_wanted = self.look_again || now_ns >= self.surveyed_ns + PAUSE_NS;
        self.look_now || (self.may_look(now_ns) && is_wanted)
    }

    /// A survey of all begins: what calls for one from now on calls for another.
    pub(super) fn looks(&mut self) {
        (self.look_again, self.look_now) = (false, false);
    }

    /// A survey of all began, had found the namespaces, and ended then.
    pub(super) fn looked(&mut self, began_ns: u64, found_ns: u64, ended_ns: u64) {
        if !self.has_looked() {
            // One of some is taken to last as long, until that is known.
            self.measuring_took_ns = [ended_ns - found_ns; 2];
        }
        (self.surveyed_ns, self.took_ns) = (ended_ns, ended_ns - began_ns);
    }

    /// When the survey for the interval's end at `boundary_ns` is to begin. One that took long,
    /// as others wanted the CPU, does not have the next one begin long before the end: what comes
    /// after it is the next interval's, but for the time.
    pub(super) fn measure_at(&self, boundary_ns: u64) -> u64 {
        let takes_ns = self.measuring_took_ns[0].min(self.measuring_took_ns[1]);
        let lead_ns = LEAD_NS + takes_ns + takes_ns / 2;
        boundary_ns.saturating_sub(lead_ns)
    }

    /// Whether the survey for this interval's end has begun.
    pub(super) fn is_measured(&self, boundary_ns: u64) -> bool {
        self.measured_for_ns == boundary_ns
    }

    /// The survey for this interval's end begins.
    pub(super) fn measures(&mut self, boundary_ns: u64) {
        self.measured_for_ns = boundary_ns;
    }

    /// It began and ended then.
    pub(super) fn measured(&mut self, began_ns: u64, ended_ns: u64) {
        self.measuring_took_ns = [self.measuring_took_ns[1], ended_ns - began_ns];
        let boundary_ns = self.measured_for_ns;
        // An interval that must wait for this ends so many whole units late.
        let late_ns = ended_ns.saturating_sub(boundary_ns).next_multiple_of(UNIT_NS);
        self.measured_ns = if late_ns > 0 { boundary_ns + late_ns } else { ended_ns };
    }

    /// An interval ends no sooner: what is known of its end was measured then.
    pub(super) fn measured_ns(&self) -> u64 {
        self.measured_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_survey_takes_a_hundredth_of_the_time_unless_entries_were_lost() {
        let mut pace = Pace::default();
        pace.looked(10 * SECOND, 10 * SECOND, 10 * SECOND + SECOND / 50);
        let ended_ns = 10 * SECOND + SECOND / 50;
        pace.look_again();
        assert!(!pace.is_due(ended_ns + 2 * SECOND - 1));
        assert!(pace.is_due(ended_ns + 2 * SECOND));
        pace.looks();
        assert!(!pace.is_due(ended_ns + 8 * SECOND - 1), "nothing calls for one");
        assert!(pace.is_due(ended_ns + 8 * SECOND));
        pace.look_now();
        assert!(pace.is_due(ended_ns));
    }

    #[test]
    fn an_interval_waits_for_its_survey_and_ends_whole_units_late() {
        let mut pace = Pace::default();
        pace.looked(SECOND, SECOND + 40_000_000, SECOND + 42_000_000);
        let boundary_ns = 5 * SECOND;
        assert_eq!(pace.measure_at(boundary_ns), boundary_ns - 4_000_000, "it takes as long");
        pace.measures(boundary_ns);
        assert!(pace.is_measured(boundary_ns));
        pace.measured(boundary_ns - 4_000_000, boundary_ns - 1_000_000);
        assert_eq!(pace.measured_ns(), boundary_ns - 1_000_000);
        pace.measured(boundary_ns - 4_000_000, boundary_ns + 1);
        assert_eq!(pace.measured_ns(), boundary_ns + 1_000_000);
        let next_ns = boundary_ns + SECOND;
        assert_eq!(pace.measure_at(next_ns), next_ns - 5_500_000, "one was slow: 3 ms, not 4");
    }
}
