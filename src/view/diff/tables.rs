//! A comparison as tables that fit 80 columns. Not here: JSON.

use std::io::{self, Write};

use tcpcong_core::compare::{Compared, Comparison, Difference, Lengths, Measure, Unit, Verdict};
use tcpcong_core::model::State;

use super::{DiffView, SIDES, summary};
use crate::view::{Subject, harmless};

pub(super) fn show(
    view: &DiffView,
    comparison: &Comparison,
    data: &mut dyn Write,
) -> io::Result<()> {
    let recordings = comparison.recordings.iter().zip(&view.files);
    for (side, (recorded, file)) in SIDES.into_iter().zip(recordings) {
        let file = harmless(&file.display().to_string());
        writeln!(data, "{side}  {file}\n   {}", summary(recorded))?;
    }
    for group in &comparison.groups {
        writeln!(data)?;
        if !group.key.is_empty() {
            let [a, b] = group.sides.each_ref().map(|side| side.connections.len());
            let subject = harmless(&Subject::of_key(&group.key).text);
            writeln!(data, "{subject}: connections: A {a}, B {b}")?;
        }
        figures(group, data)?;
        spells(group, data)?;
    }
    match comparison.tests {
        0 => Ok(()),
        1 => writeln!(data, "\np: how often chance alone would make as large a difference"),
        tests => writeln!(
            data,
            "\np: how often chance alone would make one of {tests} differences as large"
        ),
    }
}

fn figures(group: &Compared, data: &mut dyn Write) -> io::Result<()> {
    let figures: Vec<_> = group.differences.iter().filter(|one| one.lengths.is_none()).collect();
    if figures.is_empty() {
        return writeln!(data, "no connections, or nothing known of them");
    }
    writeln!(data, "{:<21} {:>9} {:>9} {:>9} VERDICT", "WHAT", "A", "B", "B-A")?;
    for one in figures {
        let shown = one.values.map(|value| scaled(value, one.measure.unit()));
        let [a, b] = shown.map(|value| value.map_or("-".to_owned(), number));
        let difference = scaled(one.difference(), one.measure.unit());
        let difference = difference.map_or("-".to_owned(), signed);
        let (what, verdict) = (title(one.measure), verdict(one, ("higher", "lower")));
        writeln!(data, "{what:<21} {a:>9} {b:>9} {difference:>9} {verdict}")?;
    }
    Ok(())
}

fn spells(group: &Compared, data: &mut dyn Write) -> io::Result<()> {
    let mut has_title = false;
    for one in &group.differences {
        let (Measure::Spells(state), Some(lengths)) = (one.measure, one.lengths) else { continue };
        if !std::mem::replace(&mut has_title, true) {
            writeln!(
                data,
                "\n{:<10} {:>6} {:>7} {:>7} {:>7} {:>7} VERDICT ON THE LENGTHS",
                "SPELLS, MS", "COUNT", "MEDIAN", "P90", "P99", "LONGEST"
            )?;
        }
        let verdict = verdict(one, ("longer", "shorter"));
        let lines = [(state.title(), ""), ("", &*verdict)];
        for ((side, (what, verdict)), lengths) in SIDES.into_iter().zip(lines).zip(lengths) {
            let Lengths { count, median_ns, p90_ns, p99_ns, longest_ns } = lengths;
            let [median, p90, p99, longest] = [median_ns, p90_ns, p99_ns, longest_ns]
                .map(|ns| ns.map_or("-".to_owned(), |ns| number(ns as f64 / 1e6)));
            let line = format!(
                "{what:<8} {side} {count:>6} {median:>7} {p90:>7} {p99:>7} {longest:>7} {verdict}"
            );
            writeln!(data, "{}", line.trim_end())?;
        }
    }
    ongoing(group, data)
}

/// Spells that had not ended: their lengths are in no distribution.
fn ongoing(group: &Compared, data: &mut dyn Write) -> io::Result<()> {
    for (side, population) in SIDES.into_iter().zip(&group.sides) {
        let states = State::ALL.into_iter().zip(population.ongoing);
        let states = states
            .filter(|(_, spells)| spells.count > 0)
            .map(|(state, spells)| format!("{} {}", state.title(), spells.count));
        let states: Vec<_> = states.collect();
        if !states.is_empty() {
            writeln!(data, "not ended in {side}, not in these: {}", states.join(", "))?;
        }
    }
    Ok(())
}

/// The verdict with what it rests on; `words` are for a B that is above A, and below it.
fn verdict(one: &Difference, (above, below): (&str, &str)) -> String {
    let effect = one.effect().map_or("mixed", |effect| effect.name());
    let p = one.p_adjusted.map(chance).unwrap_or_default();
    match one.verdict() {
        Verdict::Higher => format!("{above}, {effect}, {p}"),
        Verdict::Lower => format!("{below}, {effect}, {p}"),
        Verdict::NoEvidence => format!("no evidence, {p}"),
        Verdict::TooFew => {
            let [a, b] = one.connections;
            format!("too few: {a} and {b}")
        }
    }
}

fn chance(p: f64) -> String {
    match p {
        p if p < 0.001 => "p<0.001".to_owned(),
        p if p < 0.1 => format!("p={p:.3}"),
        p => format!("p={p:.2}"),
    }
}

/// In the units of the table: percent, milliseconds.
fn scaled(value: Option<f64>, unit: Unit) -> Option<f64> {
    let by = match unit {
        Unit::Share => 100.0,
        Unit::Microseconds => 1e-3,
        Unit::Nanoseconds => 1e-6,
        Unit::PerSecond | Unit::Segments => 1.0,
    };
    value.map(|value| value * by)
}

fn title(measure: Measure) -> String {
    match measure {
        Measure::Share(state) => format!("% of time in {}", state.title()),
        Measure::Transitions => "transitions/s".to_owned(),
        Measure::Timeouts => "timeouts/s".to_owned(),
        Measure::RepeatedTimeouts => "repeated timeouts/s".to_owned(),
        Measure::Caused(cause) => format!("{}/s", cause.name()),
        Measure::Spells(state) => format!("spells in {}, ms", state.title()),
        Measure::Delivered => "delivered segments/s".to_owned(),
        Measure::Retransmitted => "% retransmitted".to_owned(),
        Measure::Window => "window, segments".to_owned(),
        Measure::RoundTrip => "round trip, ms".to_owned(),
    }
}

/// Four digits that count, where that fits.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1e7 => format!("{value:.1e}"),
        size if size >= 999.95 => format!("{value:.0}"),
        size if size >= 99.995 => format!("{value:.1}"),
        size if size >= 9.9995 => format!("{value:.2}"),
        size if size >= 0.001 => format!("{value:.3}"),
        _ => format!("{value:.0e}"),
    }
}

fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", number(value)) } else { number(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_what_counts_and_fit_their_columns() {
        let shown = [0.0, 0.000_12, 0.012_34, 1.234_56, 12.3456, 123.456, 999.96, 12_345.6, 3.2e9];
        let shown = shown.map(number);
        let expected = ["0", "1e-4", "0.012", "1.235", "12.35", "123.5", "1000", "12346", "3.2e9"];
        assert_eq!(shown, expected);
        assert_eq!([1.0, -1.0, 0.0].map(signed), ["+1.000", "-1.000", "0"]);
        assert_eq!([0.000_1, 0.012_34, 0.456].map(chance), ["p<0.001", "p=0.012", "p=0.46"]);
    }
}
