//! What the file says of headers, users and the rate of requests. Not of TLS.

use std::num::NonZeroU32;
use std::str::FromStr as _;
use std::time::Duration;

use bcrypt::HashParts;
use hyper::header::{HeaderName, HeaderValue};

use super::yaml::{Section, shown};
use super::{Rate, User, WebConfigError};

pub(super) const KEYS: &[&str] = &["http2", "headers"];
pub(super) const RATE_KEYS: &[&str] = &["interval", "burst"];

/// The headers that may be set, and the values where there are only some.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-XSS-Protection", &[]),
    ("Strict-Transport-Security", &[]),
];

/// A password takes 70 ms at a cost of 10, and each more doubles it: 1.1 s at this one. The last
/// of those that wait is checked after 19 s then; with one more it would be after the 30 s that
/// a request has.
const MOST_COST: u32 = 14;

/// Headers of every answer. `http2` may be there; what is served is HTTP/1.1 all the same.
pub(super) fn headers(
    mut section: Section<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, WebConfigError> {
    section.boolean("http2")?;
    let place = section.place;
    let mut headers = Vec::new();
    for pair in section.pairs("headers")? {
        let error = |what: String| {
            place.error(
                pair.line,
                format!("{}.{}: {what}", section.name("headers"), shown(&pair.name)),
            )
        };
        let Some((name, values)) = HEADERS.iter().find(|(name, _)| *name == pair.name) else {
            let names = HEADERS.map(|(name, _)| name).join(", ");
            return Err(error(format!("this header cannot be set; there are {names}")));
        };
        if pair.text.is_empty() {
            continue;
        }
        if !values.is_empty() && !values.contains(&pair.text.as_str()) {
            return Err(error(format!("it can only be {}", values.join(" or "))));
        }
        let value = HeaderValue::from_str(&pair.text).ok();
        let name = HeaderName::from_str(name).ok();
        let unsendable = || error("it has a character that no header can have".to_owned());
        headers.push(name.zip(value).ok_or_else(unsendable)?);
    }
    Ok(headers)
}

/// Users with the hashes of their passwords, which no message shows.
pub(super) fn users(root: &mut Section<'_>) -> Result<Vec<User>, WebConfigError> {
    let pairs = root.pairs("basic_auth_users")?;
    let mut users = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let error = |what: &str| {
            root.place.error(pair.line, format!("basic_auth_users.{}: {what}", shown(&pair.name)))
        };
        if pair.name.is_empty() || pair.name.contains(':') {
            return Err(error("no client can send a name that is empty or has a colon"));
        }
        let Ok(parts) = HashParts::from_str(&pair.text) else {
            return Err(error(
                "a password's bcrypt hash is expected here, as `htpasswd -nBC 10 \"\"` prints it \
                 after the colon",
            ));
        };
        let cost = parts.get_cost();
        if cost > MOST_COST {
            return Err(error(&format!(
                "with a hash of cost {cost}, passwords that wait to be checked would not be within the \
                 30 s that a request has; {MOST_COST} is the most"
            )));
        }
        users.push(User { name: pair.name, hash: pair.text, cost });
    }
    Ok(users)
}

/// None where the interval is 0.
pub(super) fn rate(mut section: Section<'_>) -> Result<Option<Rate>, WebConfigError> {
    let burst = section.text("burst")?;
    let Some((interval, line)) = section.text("interval")? else {
        if let Some((_, line)) = burst {
            let what = "an interval is missing, as in `interval: 1s`";
            return Err(section.error("burst", line, what));
        }
        return Ok(None);
    };
    let Some(interval) = duration(&interval) else {
        let what = "a time is expected here, as 1s, 100ms or 1m30s; 0 is no limit";
        return Err(section.error("interval", line, what));
    };
    if interval.is_zero() {
        return Ok(None);
    }
    let line = burst.as_ref().map_or(line, |(_, line)| *line);
    let burst = burst.and_then(|(burst, _)| burst.parse::<NonZeroU32>().ok()).ok_or_else(|| {
        section.error("burst", line, "a number of requests, 1 at least, is expected here")
    })?;
    Ok(Some(Rate { interval, burst }))
}

/// As Go writes durations (`time.ParseDuration`), without a sign.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !(character.is_ascii_digit() || character == '.'));
        let (number, after) = rest.split_at(digits?);
        let unit = after.find(|character: char| character.is_ascii_digit());
        let (unit, after) = after.split_at(unit.unwrap_or(after.len()));
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        sum = sum.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, milliseconds) in [
            ("1s", 1000),
            ("100ms", 100),
            ("1m30s", 90_000),
            ("1.5s", 1500),
            ("0", 0),
            ("0s", 0),
            ("2h", 7_200_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in
            ["", "1", "s", "1x", "-1s", "1s2", ".s", "1e9s", "1..5s", "99999999999999999999h"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
