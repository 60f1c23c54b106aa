//! `tcpcong serve`: options of the push by OTLP, as they are typed. Not here: what they mean, nor
//! OpenTelemetry's variables, which are `serve::otlp`'s.

use clap::Args as Group;

use super::UsageError;
use crate::serve::otlp::{OtlpConfig, OtlpError, OtlpOptions};

const OTLP: &str = "OpenTelemetry";

/// Where metrics are pushed to, and how.
#[derive(Debug, Group)]
pub struct Otlp {
    /// Receiver to push the same metrics to by OTLP, at port 4317 (gRPC) or 4318 (HTTP) mostly;
    /// without this, what the variables of OpenTelemetry say
    #[arg(id = "otlp.endpoint", long = "otlp.endpoint", value_name = "URL", help_heading = OTLP)]
    endpoint: Option<String>,
    /// grpc (the default for port 4317) or http, which is http/protobuf
    #[arg(id = "otlp.protocol", long = "otlp.protocol", value_name = "PROTOCOL", help_heading = OTLP)]
    protocol: Option<String>,
    /// From one push to the next, 60s unless told otherwise
    #[arg(
        id = "otlp.interval",
        long = "otlp.interval",
        value_name = "TIME",
        allow_hyphen_values = true,
        help_heading = OTLP
    )]
    interval: Option<String>,
    /// Header to send with each push, as a token; may be given several times
    #[arg(id = "otlp.header", long = "otlp.header", value_name = "NAME=VALUE", help_heading = OTLP)]
    headers: Vec<String>,
}

impl Otlp {
    /// With what the environment says; and what is wrong where options are given and nobody says
    /// where to push.
    pub(super) fn config(self) -> Result<(Option<OtlpConfig>, Option<OtlpError>), UsageError> {
        let Self { endpoint, protocol, interval, headers } = self;
        let options = OtlpOptions { endpoint, protocol, interval, headers };
        let config = OtlpConfig::new(&options, &|name| std::env::var(name).ok());
        let config = config.map_err(|error| UsageError(error.to_string()))?;
        let lack = if config.is_none() { options.lack() } else { None };
        Ok((config, lack))
    }
}
