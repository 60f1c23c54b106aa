//! The old tool's histograms: ended spells by length, one section a state.
//! Layout and section titles are the old tool's to the letter.

use std::io::{self, Write};

use super::{BANNER, Subject, Unit, head, trust};
use tcpcong_core::model::{Report, SpellLengths, Start, State, Summary};
use tcpcong_core::sink::{Output, Sink};

/// Prints reports as histograms.
#[derive(Debug)]
pub struct HistogramView {
    unit: Unit,
    timestamp: bool,
}

impl HistogramView {
    /// Lengths in `unit`; the time of day above each report if `timestamp`.
    #[must_use]
    pub fn new(unit: Unit, timestamp: bool) -> Self {
        Self { unit, timestamp }
    }

    fn sections(&self, spells: &SpellLengths, data: &mut dyn Write) -> io::Result<()> {
        State::ALL.into_iter().try_for_each(|state| self.section(state, spells.of(state), data))
    }

    fn section(&self, state: State, counts: &[u64], data: &mut dyn Write) -> io::Result<()> {
        let Some(last) = counts.iter().rposition(|count| *count > 0) else { return Ok(()) };
        let unit = match self.unit {
            Unit::Milliseconds => "msecs",
            Unit::Microseconds => "usecs",
        };
        // Lengths of 2^32 and more get wider columns and shorter bars.
        let wide = last > 31;
        let (bar, number) = if wide { (20, 20) } else { (40, 10) };
        writeln!(data, "\ntcp_congest_state = {}", state.name())?;
        if wide {
            writeln!(data, "               {unit:<29} : count     distribution")?;
        } else {
            writeln!(data, "     {unit:<19} : count     distribution")?;
        }
        let most = counts.iter().copied().max().unwrap_or(0);
        for (slot, count) in counts.iter().enumerate().take(last + 1) {
            let (low, high) = slot_bounds(slot);
            let stars = stars(*count, most, bar);
            writeln!(
                data,
                "{low:>number$} -> {high:<number$} : {count:<8} |{:<bar$}|",
                "*".repeat(stars)
            )?;
        }
        Ok(())
    }
}

/// The shortest and the longest length, in units, that a slot counts.
pub(super) fn slot_bounds(slot: usize) -> (u64, u64) {
    let low = if slot == 0 { 0 } else { 1 << slot };
    (low, u64::MAX >> (63 - slot))
}

/// A star for each full step of the largest count, rounded down.
fn stars(count: u64, most: u64, width: usize) -> usize {
    let steps = u128::from(count) * width as u128 / u128::from(most.max(1));
    usize::try_from(steps).unwrap_or(width).min(width)
}

impl Sink for HistogramView {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        trust::at_start(start, out.remarks)?;
        writeln!(out.data, "{BANNER}")?;
        out.data.flush()
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        head(report, self.timestamp, out.data)?;
        match &report.groups {
            None => {
                if let Some(spells) = &report.spells {
                    self.sections(spells, out.data)?;
                }
            }
            Some(groups) => {
                for (group, spells) in groups.listed.iter().zip(&report.group_spells) {
                    writeln!(out.data, "\n{}", Subject::of_group(group).text)?;
                    self.sections(spells, out.data)?;
                }
            }
        }
        out.data.flush()?;
        trust::ongoing_spells(report, out.remarks)?;
        trust::at_report(report, out.remarks)
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        trust::at_end(start, summary, out.remarks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_meet_without_gap_or_overlap() {
        assert_eq!(slot_bounds(0), (0, 1));
        assert_eq!(slot_bounds(1), (2, 3));
        for slot in 1..64 {
            assert_eq!(slot_bounds(slot).0, slot_bounds(slot - 1).1 + 1, "slot {slot}");
        }
        assert_eq!(slot_bounds(63).1, u64::MAX);
    }

    #[test]
    fn bars_are_in_proportion_and_never_too_long() {
        assert_eq!(stars(27, 44, 40), 24);
        assert_eq!(stars(1, 12, 40), 3);
        assert_eq!(stars(1, 2, 40), 20);
        assert_eq!(stars(44, 44, 40), 40);
        assert_eq!(stars(0, 0, 40), 0);
        assert_eq!(stars(u64::MAX, u64::MAX, 20), 20);
    }
}
