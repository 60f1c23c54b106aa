//! What options and OpenTelemetry's variables say of a push: where to, how, how often, and with
//! what. Options count before variables, those of metrics before those of all signals. Not here:
//! the push.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::endpoint::Endpoint;
use super::headers::Headers;
use super::{pairs, tls};

/// How often the SDKs push, where nobody says.
const INTERVAL: Duration = Duration::from_secs(60);
/// Figures are a second old at most, and a receiver should not wait longer than an hour.
const INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3600)];
/// A push has so long, where nobody says.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The port that stands for gRPC.
const GRPC_PORT: u16 = 4317;

/// What is wrong with an option or a variable, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct OtlpError(String);

/// The options as they are given.
#[derive(Debug, Clone, Default)]
pub struct OtlpOptions {
    /// `--otlp.endpoint`.
    pub endpoint: Option<String>,
    /// `--otlp.protocol`.
    pub protocol: Option<String>,
    /// `--otlp.interval`.
    pub interval: Option<String>,
    /// `--otlp.header`, each.
    pub headers: Vec<String>,
}

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// Protobuf in HTTP/1.1 requests.
    Http,
}

/// A push, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpConfig {
    /// Where to.
    pub endpoint: Endpoint,
    /// How.
    pub protocol: Protocol,
    /// From one push to the next.
    pub interval: Duration,
    /// A push has so long.
    pub timeout: Duration,
    /// Whether messages are compressed.
    pub gzip: bool,
    /// What goes with each.
    pub headers: Headers,
    /// Whom to trust instead of whom this machine does.
    pub certificate: Option<PathBuf>,
    /// What is said of this machine beside what is found, and instead of it.
    pub resource: Vec<(String, String)>,
}

/// Something that was said, and by what.
struct Said {
    name: &'static str,
    value: String,
}

impl Said {
    fn wrong(&self, what: impl fmt::Display) -> OtlpError {
        let joint = if self.name.starts_with('-') { ' ' } else { '=' };
        OtlpError(format!("{}{joint}{}: {what}", self.name, without_password(&self.value)))
    }
}

/// Where a URL has a name and a password, stars instead of them. A password may have any
/// characters, also those that end a host.
fn without_password(value: &str) -> Cow<'_, str> {
    let Some((before, rest)) = value.rsplit_once('@') else { return value.into() };
    let scheme = ["http://", "https://"].into_iter().find(|scheme| before.starts_with(scheme));
    format!("{}***@{rest}", scheme.unwrap_or_default()).into()
}

/// What options and variables there are.
struct Sources<'s> {
    variable: &'s dyn Fn(&str) -> Option<String>,
}

impl Sources<'_> {
    /// The option, or the first of these variables; what is empty counts as not there.
    fn first(
        &self,
        (name, option): (&'static str, Option<&String>),
        variables: &[&'static str],
    ) -> Option<Said> {
        let option = option.map(|value| Said { name, value: value.clone() });
        option.or_else(|| variables.iter().find_map(|name| self.variable(name)))
    }

    fn variable(&self, name: &'static str) -> Option<Said> {
        let value = (self.variable)(name).filter(|value| !value.trim().is_empty())?;
        Some(Said { name, value })
    }
}

impl OtlpConfig {
    /// Of options, and of what `variable` says of the environment. None where nobody says where
    /// to push.
    pub fn new(
        options: &OtlpOptions,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, OtlpError> {
        let sources = Sources { variable };
        let Some((endpoint, is_whole)) = sources.endpoint(options) else {
            sources.protocol(options)?;
            sources.interval(options)?;
            sources.headers(options)?;
            return Ok(None);
        };
        let url = Endpoint::parse(&endpoint.value).map_err(|what| endpoint.wrong(what))?;
        let protocol = sources.protocol(options)?;
        let protocol = protocol.unwrap_or(match url.port {
            GRPC_PORT => Protocol::Grpc,
            _ => Protocol::Http,
        });
        let url = match protocol {
            Protocol::Http if !is_whole => url.of_metrics(),
            _ => url,
        };
        Ok(Some(Self {
            endpoint: url,
            protocol,
            interval: sources.interval(options)?,
            timeout: sources.timeout()?,
            gzip: sources.gzip()?,
            headers: sources.headers(options)?,
            certificate: sources.certificate(),
            resource: sources.resource()?,
        }))
    }

    /// Whether it goes together, and the files that it needs are there and right.
    pub fn check(&self) -> Result<(), OtlpError> {
        if self.protocol == Protocol::Grpc && self.endpoint.has_path() {
            let url = self.endpoint.shown();
            let what = "gRPC has no paths: leave it out, or say --otlp.protocol http";
            return Err(OtlpError(format!("{url}: {what}")));
        }
        if self.endpoint.is_tls {
            tls::client(self.certificate.as_deref(), self.protocol).map_err(OtlpError)?;
        }
        Ok(())
    }
}

impl OtlpOptions {
    /// What is wrong where nobody says where to push. A file's keys are checked each by itself,
    /// so that this is no error of theirs.
    #[must_use]
    pub fn lack(&self) -> Option<OtlpError> {
        let given = [
            ("--otlp.protocol", self.protocol.is_some()),
            ("--otlp.interval", self.interval.is_some()),
            ("--otlp.header", !self.headers.is_empty()),
        ];
        let (name, _) = given.iter().find(|(_, is_given)| *is_given)?;
        Some(OtlpError(format!(
            "{name}: nobody says where to push; --otlp.endpoint http://localhost:4317 would"
        )))
    }
}

impl Sources<'_> {
    /// And whether metrics have nothing below its path.
    fn endpoint(&self, options: &OtlpOptions) -> Option<(Said, bool)> {
        if let Some(value) = options.endpoint.clone() {
            return Some((Said { name: "--otlp.endpoint", value }, false));
        }
        let is = |name, wanted: &str| {
            self.variable(name).is_some_and(|said| said.value.trim().eq_ignore_ascii_case(wanted))
        };
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_METRICS_EXPORTER", "none") {
            return None;
        }
        let whole = self.variable("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT");
        whole
            .map(|said| (said, true))
            .or_else(|| Some((self.variable("OTEL_EXPORTER_OTLP_ENDPOINT")?, false)))
    }

    fn protocol(&self, options: &OtlpOptions) -> Result<Option<Protocol>, OtlpError> {
        let variables = ["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        let said = self.first(("--otlp.protocol", options.protocol.as_ref()), &variables);
        said.map(|said| match said.value.trim() {
            "grpc" => Ok(Protocol::Grpc),
            "http" | "http/protobuf" => Ok(Protocol::Http),
            _ => Err(said.wrong("not grpc or http, which is http/protobuf")),
        })
        .transpose()
    }

    fn interval(&self, options: &OtlpOptions) -> Result<Duration, OtlpError> {
        let [least, most] = INTERVALS;
        if let Some(text) = &options.interval {
            let length = text.parse::<jiff::SignedDuration>().ok();
            let length = length.and_then(|length| Duration::try_from(length).ok());
            return length.filter(|length| (least..=most).contains(length)).ok_or_else(|| {
                OtlpError(format!("--otlp.interval {text}: not a time from 1s to 1h, such as 15s"))
            });
        }
        let length = self.milliseconds("OTEL_METRIC_EXPORT_INTERVAL")?.unwrap_or(INTERVAL);
        Ok(length.clamp(least, most))
    }

    fn timeout(&self) -> Result<Duration, OtlpError> {
        let of_metrics = self.milliseconds("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT")?;
        let timeout = match of_metrics {
            None => self.milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT")?,
            said => said,
        };
        Ok(timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(TIMEOUT))
    }

    fn milliseconds(&self, name: &'static str) -> Result<Option<Duration>, OtlpError> {
        let Some(said) = self.variable(name) else { return Ok(None) };
        let parsed = said.value.trim().parse().ok().map(Duration::from_millis);
        parsed.map(Some).ok_or_else(|| said.wrong("not a whole number of milliseconds"))
    }

    /// Unless somebody says otherwise: whoever receives OTLP takes it.
    fn gzip(&self) -> Result<bool, OtlpError> {
        let variables =
            ["OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
        let said = variables.iter().find_map(|name| self.variable(name));
        said.map_or(Ok(true), |said| match said.value.trim() {
            "gzip" => Ok(true),
            "none" => Ok(false),
            _ => Err(said.wrong("not gzip or none")),
        })
    }

    fn headers(&self, options: &OtlpOptions) -> Result<Headers, OtlpError> {
        let mut headers = Headers::default();
        let variables = ["OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
        let said = variables.iter().find_map(|name| self.variable(name));
        if let Some(said) = said.filter(|_| options.headers.is_empty()) {
            let list = pairs::parse(&said.value).ok_or_else(|| {
                OtlpError(format!("{}: not NAME=VALUE,NAME=VALUE, with %XX for others", said.name))
            })?;
            for (name, value) in list {
                let added = headers.add(&name, &value);
                added.map_err(|what| OtlpError(format!("{}: {what}", said.name)))?;
            }
        }
        for header in &options.headers {
            let (name, value) = header
                .split_once('=')
                .ok_or_else(|| OtlpError("--otlp.header: one is not NAME=VALUE".to_owned()))?;
            let added = headers.add(name.trim(), value.trim());
            added.map_err(|what| OtlpError(format!("--otlp.header {what}")))?;
        }
        Ok(headers)
    }

    fn certificate(&self) -> Option<PathBuf> {
        let variables =
            ["OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
        let said = variables.iter().find_map(|name| self.variable(name));
        said.map(|said| said.value.into())
    }

    fn resource(&self) -> Result<Vec<(String, String)>, OtlpError> {
        let mut resource = match self.variable("OTEL_RESOURCE_ATTRIBUTES") {
            None => Vec::new(),
            Some(said) => pairs::parse(&said.value)
                .ok_or_else(|| said.wrong("not key=value,key=value, with %XX for others"))?,
        };
        if let Some(said) = self.variable("OTEL_SERVICE_NAME") {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), said.value));
        }
        Ok(resource)
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
