//! What has come of a push, by what the receiver has said. Not here: what it says in which
//! protocol, nor what follows.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;

/// More of what a receiver says is not shown.
const SHOWN_MOST: usize = 200;

/// What has come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of it was taken.
    Sent,
    /// It, or a part of it, was refused, and would be again.
    Refused(String),
    /// It may be taken later, after this long where the receiver says so.
    Later(String, Option<Duration>),
}

impl Outcome {
    /// Of the message with which a receiver answers what it has taken. Whatever part it has
    /// refused must not be sent again (OTLP specification, Partial Success).
    pub(super) fn of_answer(bytes: &[u8]) -> Self {
        // An answer that cannot be read says nothing of points that were refused.
        let answer = ExportMetricsServiceResponse::decode(bytes).unwrap_or_default();
        match answer.partial_success {
            Some(partial) if partial.rejected_data_points > 0 => {
                let (points, why) = (partial.rejected_data_points, shown(&partial.error_message));
                Self::Refused(format!("{points} points were rejected{why}"))
            }
            _ => Self::Sent,
        }
    }
}

/// What a receiver says, as it can be shown behind something else.
pub(super) fn shown(text: &str) -> String {
    let text: String = text.chars().filter(|shown| !shown.is_control()).take(SHOWN_MOST).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;

    use super::*;

    #[test]
    fn an_answer_may_say_that_a_part_was_refused() {
        let answer = |rejected_data_points, error_message: &str| {
            let partial = ExportMetricsPartialSuccess {
                rejected_data_points,
                error_message: error_message.to_owned(),
            };
            let answer = ExportMetricsServiceResponse { partial_success: Some(partial) };
            Outcome::of_answer(&answer.encode_to_vec())
        };
        assert_eq!(Outcome::of_answer(&[]), Outcome::Sent);
        assert_eq!(Outcome::of_answer(b"not protobuf"), Outcome::Sent);
        // A warning.
        assert_eq!(answer(0, "deprecated"), Outcome::Sent);
        let refused = Outcome::Refused("7 points were rejected: too\u{fe0f} old".to_owned());
        assert_eq!(answer(7, "too\u{fe0f}\n old"), refused);
    }
}
