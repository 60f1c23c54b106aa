//! OTLP over HTTP/1.1: the request, and what its answer means. Not here: the connection.

use std::time::{Duration, SystemTime};

use hyper::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER,
};
use hyper::{Request, StatusCode};
use prost::Message as _;

use super::connection::{Answer, Body};
use super::endpoint::Endpoint;
use super::grpc::Status;
use super::message::Message;
use super::outcome::{Outcome, shown};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// The request.
pub(super) fn request(
    endpoint: &Endpoint,
    message: &Message,
) -> Result<Request<Body>, hyper::http::Error> {
    let mut request = Request::post(&endpoint.path)
        .header(HOST, &endpoint.authority)
        .header(CONTENT_TYPE, PROTOBUF)
        .header(ACCEPT, PROTOBUF);
    if message.is_gzip {
        request = request.header(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    request.body(Body::new(message.bytes.clone()))
}

/// What an answer means: which codes may be tried again says the specification of OTLP/HTTP.
pub(super) fn outcome(answer: &Answer) -> Outcome {
    let status = answer.status;
    if status.is_success() {
        return Outcome::of_answer(&answer.body);
    }
    let said = shown(&explanation(answer));
    let what = format!("it answers {}{said}", status.as_u16());
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::Later(what, retry_after(&answer.headers, SystemTime::now()))
        }
        _ => Outcome::Refused(what),
    }
}

/// A receiver explains itself by a `google.rpc.Status`, others in words.
fn explanation(answer: &Answer) -> String {
    let content = answer.headers.get(CONTENT_TYPE);
    let content = content.and_then(|content| content.to_str().ok()).unwrap_or_default();
    if content == "application/x-protobuf" {
        let status = Status::decode(answer.body.clone()).unwrap_or_default();
        return status.message;
    }
    if !content.starts_with("text/plain") {
        return String::new();
    }
    let text = String::from_utf8_lossy(&answer.body);
    text.lines().next().unwrap_or_default().to_owned()
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let date = SystemTime::from(date);
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn answer(
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &'static [u8],
    ) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers, body: body.into(), trailers: HeaderMap::new() }
    }

    #[test]
    fn only_what_may_be_tried_again_is() {
        assert_eq!(outcome(&answer(200, &[], b"")), Outcome::Sent);
        for status in [429, 502, 503, 504] {
            let outcome = outcome(&answer(status, &[("retry-after", "7")], b""));
            let seven = Some(Duration::from_secs(7));
            assert_eq!(outcome, Outcome::Later(format!("it answers {status}"), seven));
        }
        for status in [301, 400, 401, 404, 408, 413, 500, 501] {
            let outcome = outcome(&answer(status, &[("retry-after", "7")], b""));
            assert_eq!(outcome, Outcome::Refused(format!("it answers {status}")));
        }
    }

    #[test]
    fn what_a_receiver_says_is_passed_on() {
        let text = answer(400, &[("content-type", "text/plain; charset=utf-8")], b"too old\nx");
        assert_eq!(outcome(&text), Outcome::Refused("it answers 400: too old".to_owned()));
        let status =
            answer(400, &[("content-type", "application/x-protobuf")], b"\x08\x03\x12\x03bad");
        assert_eq!(outcome(&status), Outcome::Refused("it answers 400: bad".to_owned()));
        let page = answer(404, &[("content-type", "text/html")], b"<html>");
        assert_eq!(outcome(&page), Outcome::Refused("it answers 404".to_owned()));
    }

    #[test]
    fn a_receiver_may_say_when_in_seconds_or_by_a_date() {
        let after = |value: &'static str| {
            let headers = answer(503, &[("retry-after", value)], b"").headers;
            // Sun, 06 Nov 1994 08:49:37 GMT is 784111777.
            retry_after(&headers, UNIX_EPOCH + Duration::from_secs(784_111_770))
        };
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
    }
}
