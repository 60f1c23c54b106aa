//! OTLP over gRPC: a unary call as an HTTP/2 request, and what its answer means. Not here: the
//! connection.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use hyper::{Request, StatusCode, Uri};
use prost::Message as _;

use super::connection::{Answer, Body};
use super::endpoint::Endpoint;
use super::message::Message;
use super::outcome::{Outcome, shown};

const METHOD: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
/// Headers with bytes in them may have their padding or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The request.
pub(super) fn request(
    endpoint: &Endpoint,
    message: &Message,
) -> Result<Request<Body>, hyper::http::Error> {
    let scheme = if endpoint.is_tls { "https" } else { "http" };
    let url = Uri::builder()
        .scheme(scheme)
        .authority(endpoint.authority.as_str())
        .path_and_query(METHOD)
        .build()?;
    let mut request = Request::post(url)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(TE, HeaderValue::from_static("trailers"));
    if message.is_gzip {
        request = request.header("grpc-encoding", HeaderValue::from_static("gzip"));
    }
    request.body(Body::new(framed(message)))
}

fn framed(message: &Message) -> Bytes {
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + message.bytes.len());
    bytes.push(message.is_gzip.into());
    // Four gigabytes never come together.
    let length = u32::try_from(message.bytes.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&message.bytes);
    bytes.into()
}

/// What an answer means. Its status comes behind it, or before it where that is all.
pub(super) fn outcome(answer: &Answer) -> Outcome {
    let said = [&answer.trailers, &answer.headers]
        .into_iter()
        .find_map(|headers| Some((headers, text(headers, "grpc-status")?)));
    let Some((headers, code)) = said else {
        return without_status(answer.status);
    };
    if code == "0" {
        let message = answer.body.get(PREFIX_BYTES..).unwrap_or_default();
        let is_compressed = answer.body.first() == Some(&1);
        return if is_compressed { Outcome::Sent } else { Outcome::of_answer(message) };
    }
    let details = details(headers);
    let message = text(headers, "grpc-message").map(percent_decoded).unwrap_or_default();
    let what = format!("it answers {}{}", name(code), shown(&message));
    let after = details.as_ref().and_then(retry_delay);
    // The specification of OTLP/gRPC, Failures: RESOURCE_EXHAUSTED where the receiver says when.
    match code {
        "1" | "4" | "10" | "11" | "14" | "15" => Outcome::Later(what, after),
        "8" if after.is_some() => Outcome::Later(what, after),
        _ => Outcome::Refused(what),
    }
}

/// Something between has answered; what that means says gRPC's `http-grpc-status-mapping`.
fn without_status(status: StatusCode) -> Outcome {
    let what = format!("it answers {}, and not in gRPC", status.as_u16());
    match status.as_u16() {
        429 | 502..=504 => Outcome::Later(what, None),
        _ => Outcome::Refused(what),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn details(headers: &HeaderMap) -> Option<Status> {
    let bytes = BASE64.decode(text(headers, "grpc-status-details-bin")?).ok()?;
    Status::decode(bytes.as_slice()).ok()
}

fn retry_delay(status: &Status) -> Option<Duration> {
    let info = status.details.iter().find(|detail| detail.type_url == RETRY_INFO)?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).ok()?;
    Some(Duration::new(seconds, u32::try_from(delay.nanos).ok()?.min(999_999_999)))
}

/// `grpc-message` has percent signs for what is not ASCII.
fn percent_decoded(text: &str) -> String {
    super::pairs::decoded(text).unwrap_or_else(|| text.to_owned())
}

fn name(code: &str) -> &str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    code.parse().ok().and_then(|code: usize| NAMES.get(code).copied()).unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(trailers: &[(&'static str, String)]) -> Answer {
        let trailers = trailers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let (headers, body) = (HeaderMap::new(), Bytes::from_static(&[0, 0, 0, 0, 0]));
        Answer { status: StatusCode::OK, headers, body, trailers }
    }

    fn of_code(code: usize, details: Option<&Status>) -> Outcome {
        let mut trailers =
            vec![("grpc-status", code.to_string()), ("grpc-message", "no%20room".to_owned())];
        if let Some(details) = details {
            trailers.push(("grpc-status-details-bin", BASE64.encode(details.encode_to_vec())));
        }
        outcome(&answer(&trailers))
    }

    fn retry_info(seconds: i64) -> Status {
        let info = RetryInfo { retry_delay: Some(Delay { seconds, nanos: 500_000_000 }) };
        let any = Any { type_url: RETRY_INFO.to_owned(), value: info.encode_to_vec() };
        Status { code: 8, message: String::new(), details: vec![any] }
    }

    #[test]
    fn only_codes_that_may_be_tried_again_are() {
        assert_eq!(of_code(0, None), Outcome::Sent);
        for code in 1..=16 {
            let outcome = of_code(code, None);
            let is_retryable = [1, 4, 10, 11, 14, 15].contains(&code);
            assert_eq!(matches!(outcome, Outcome::Later(_, None)), is_retryable, "{code}");
            assert_eq!(matches!(outcome, Outcome::Refused(_)), !is_retryable, "{code}");
        }
        assert_eq!(
            of_code(8, None),
            Outcome::Refused("it answers RESOURCE_EXHAUSTED: no room".to_owned())
        );
    }

    #[test]
    fn a_receiver_without_room_may_say_when_it_will_have_some() {
        let after = Some(Duration::from_millis(3500));
        let later = |what: &str| Outcome::Later(format!("it answers {what}: no room"), after);
        assert_eq!(of_code(8, Some(&retry_info(3))), later("RESOURCE_EXHAUSTED"));
        assert_eq!(of_code(14, Some(&retry_info(3))), later("UNAVAILABLE"));
        let forged = of_code(14, Some(&retry_info(-3)));
        assert_eq!(forged, Outcome::Later("it answers UNAVAILABLE: no room".to_owned(), None));
    }

    #[test]
    fn what_is_no_grpc_says_so() {
        let mut answer = answer(&[]);
        answer.status = StatusCode::NOT_FOUND;
        let refused = Outcome::Refused("it answers 404, and not in gRPC".to_owned());
        assert_eq!(outcome(&answer), refused);
        answer.status = StatusCode::BAD_GATEWAY;
        assert!(matches!(outcome(&answer), Outcome::Later(..)));
    }

    #[test]
    fn a_message_has_its_length_before_it() {
        let message = Message { bytes: Bytes::from_static(b"abc"), is_gzip: true };
        assert_eq!(framed(&message), Bytes::from_static(b"\x01\0\0\0\x03abc"));
    }
}
