//! Lengths of time, as people write them. Not here: times of day.

/// Longer than any time that there is.
const TIME_MOST_NS: f64 = 1e18;

/// Nanoseconds of a text such as `500us`, `50ms` or `1.5s`; nothing if it is none.
#[must_use]
pub fn parse_time_ns(text: &str) -> Option<u64> {
    let unit = |(unit, ns)| text.strip_suffix(unit).map(|number| (number, ns));
    [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)]
        .into_iter()
        .find_map(unit)
        .filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
        .and_then(|(number, ns)| Some((number.parse::<f64>().ok()? * ns).round()))
        .filter(|ns| *ns <= TIME_MOST_NS)
        .map(whole_ns)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded, not negative, and no more than TIME_MOST_NS"
)]
fn whole_ns(ns: f64) -> u64 {
    ns as u64
}
