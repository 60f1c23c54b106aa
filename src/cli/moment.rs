//! Instants of a recording, as people tell them. Not here: what is done there.

use clap::Args as Group;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::UsageError;
use super::args::RECORDINGS;

/// Which part of a recording.
#[derive(Debug, Default, Group)]
pub struct Part {
    /// Of a recording: begin there; a time of day (14:03:05), a time (2026-03-01T14:03:05Z), or
    /// so long after its start (90s, 2m)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = RECORDINGS)]
    pub since: Option<String>,
    /// Of a recording: end there; as --since
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = RECORDINGS)]
    pub until: Option<String>,
}

/// A part of a recording; without anything all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Range {
    /// It begins there.
    pub since: Option<Moment>,
    /// It ends there.
    pub until: Option<Moment>,
}

impl Part {
    pub(super) fn range(&self) -> Result<Range, UsageError> {
        let moment = |option: &str, text: Option<&String>| {
            let parse = |text: &String| {
                Moment::parse(text).map_err(|why| UsageError(format!("{option} {text}: {why}")))
            };
            text.map(parse).transpose()
        };
        Ok(Range {
            since: moment("--since", self.since.as_ref())?,
            until: moment("--until", self.until.as_ref())?,
        })
    }
}

/// An instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// At this time of day, here, after the recording's start.
    OfDay(Time),
    /// At this time of a day, here.
    Local(DateTime),
    /// Then.
    At(Timestamp),
    /// So long after the recording's start.
    After(SignedDuration),
}

impl Moment {
    /// Reads one; or says what would be one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let of_day = || text.contains(':').then(|| text.parse().ok()).flatten().map(Self::OfDay);
        let local = || text.parse().ok().map(Self::Local);
        let at = || text.parse().ok().map(Self::At);
        let after = || {
            // With colons it would be a time of day that there is not.
            let text = Some(text).filter(|text| !text.contains(':'))?;
            let after: SignedDuration = text.parse().ok()?;
            (!after.is_negative()).then_some(Self::After(after))
        };
        at().or_else(of_day).or_else(after).or_else(local).ok_or_else(|| {
            "not a time of day such as 14:03:05, nor a time such as 2026-03-01T14:03:05Z, nor a \
             time from the recording's start on such as 90s or 2m"
                .to_owned()
        })
    }

    /// When that was, in a recording that began at `start`.
    #[must_use]
    pub fn of(self, start: Timestamp) -> Timestamp {
        self.in_zone(start, &TimeZone::system())
    }

    fn in_zone(self, start: Timestamp, zone: &TimeZone) -> Timestamp {
        let local = |time: DateTime| time.to_zoned(zone.clone()).map(|time| time.timestamp());
        match self {
            Self::At(at) => at,
            Self::After(after) => start.saturating_add(after).unwrap_or(Timestamp::MAX),
            Self::Local(time) => local(time).unwrap_or(start),
            Self::OfDay(time) => {
                // A recording that began within that second has it.
                let first = start.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(start);
                let day = start.to_zoned(zone.clone()).date();
                let days = [Some(day), day.tomorrow().ok()].into_iter().flatten();
                let times = days.filter_map(|day| local(day.to_datetime(time)).ok());
                times.into_iter().find(|at| *at > first).unwrap_or(start)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        let start = "2026-03-01T23:59:30.5Z".parse().expect("a time");
        Moment::parse(text).expect("a moment").in_zone(start, &TimeZone::UTC).to_string()
    }

    #[test]
    fn times_of_day_offsets_and_timestamps_are_told_apart() {
        assert_eq!(of("23:59:40"), "2026-03-01T23:59:40Z");
        assert_eq!(of("23:59:30"), "2026-03-01T23:59:30Z", "it began within that second");
        assert_eq!(of("00:10"), "2026-03-02T00:10:00Z", "the day after");
        assert_eq!(of("23:59"), "2026-03-02T23:59:00Z");
        assert_eq!(of("2026-03-02T01:00:00+01:00"), "2026-03-02T00:00:00Z");
        assert_eq!(of("2026-03-02 00:00:05.25"), "2026-03-02T00:00:05.25Z");
        assert_eq!(of("90s"), "2026-03-02T00:01:00.5Z");
        assert_eq!(of("2m"), "2026-03-02T00:01:30.5Z");
        assert_eq!(of("0s"), "2026-03-01T23:59:30.5Z");
        assert_eq!(of("1h 30m"), "2026-03-02T01:29:30.5Z");
    }

    #[test]
    fn what_is_no_moment_is_refused_with_what_would_be() {
        for text in
            ["", "90", "-5s", "yesterday", "25:00", "25:00:00", "14:3", "5 parsecs", "2026-13-01"]
        {
            let said = Moment::parse(text).expect_err(text);
            assert!(said.contains("90s") && !said.contains('\n'), "{text}: {said}");
        }
    }
}
