//! A connection to the receiver, in whichever protocol: made when it is needed, and kept. Not
//! here: what goes over it.

use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Protocol;
use super::endpoint::Endpoint;

/// What is sent.
pub(super) type Body = Full<Bytes>;
/// A receiver has no reason to say more.
const ANSWER_MOST_BYTES: usize = 65536;

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

/// A connection.
pub(super) enum Connection {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Connection {
    /// Makes one.
    pub(super) async fn make(
        endpoint: &Endpoint,
        protocol: Protocol,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, String> {
        let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
        let stream = stream.map_err(|error| reason(&error))?;
        stream.set_nodelay(true).map_err(|error| reason(&error))?;
        match tls {
            None => Self::over(stream, protocol).await,
            Some(config) => {
                let name = ServerName::try_from(endpoint.host.clone());
                let name = name.map_err(|_| "its name cannot be in a certificate".to_owned())?;
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name, stream).await;
                Self::over(stream.map_err(|error| reason(&error))?, protocol).await
            }
        }
    }

    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        protocol: Protocol,
    ) -> Result<Self, String> {
        let stream = TokioIo::new(stream);
        // An error of the connection's own comes with the request that it concerns.
        Ok(match protocol {
            Protocol::Http => {
                let (sender, driver) =
                    http1::handshake(stream).await.map_err(|error| described(&error))?;
                tokio::spawn(driver);
                Self::Http1(sender)
            }
            Protocol::Grpc => {
                let handshake = http2::handshake(TokioExecutor::new(), stream).await;
                let (sender, driver) = handshake.map_err(|error| described(&error))?;
                tokio::spawn(driver);
                Self::Http2(sender)
            }
        })
    }

    /// Whether the receiver has not closed it meanwhile.
    pub(super) async fn is_alive(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Sends a request, and reads all of the answer.
    pub(super) async fn exchange(&mut self, request: Request<Body>) -> Result<Answer, String> {
        let response = match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        };
        read(response.map_err(|error| described(&error))?).await
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_MOST_BYTES).collect().await;
    let body = body.map_err(|error| format!("its answer cannot be read: {error}"))?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes(), trailers })
}

/// The innermost reason, which is what a person can do something about.
fn described(error: &hyper::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Without the number that Rust adds to what the system says.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => nix::errno::Errno::from_raw(errno).desc().to_owned(),
        None => error.to_string(),
    }
}
