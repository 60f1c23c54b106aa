//! OTLP: the same metrics, pushed to an OpenTelemetry receiver. Not here: what they are, nor who
//! else is given them.
//!
//! The messages are opentelemetry-proto's. The SDK's own types cannot be made of points that are
//! there already, nor sent later with the time that they were made at, so what pushes is here: one
//! HTTP client for both protocols, as a unary gRPC call is an HTTP/2 request with five bytes before
//! its message.

mod client;
mod config;
mod connection;
mod endpoint;
mod exporter;
mod grpc;
mod headers;
mod http;
mod message;
mod names;
mod outcome;
mod pairs;
mod queue;
mod resource;
mod run;
mod tls;
mod trouble;

pub use config::{OtlpConfig, OtlpError, OtlpOptions, Protocol};
pub use endpoint::Endpoint;
pub use exporter::Exporter;
pub use headers::Headers;
