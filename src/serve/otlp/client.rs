//! One push: over the connection that there is, or a new one. Not here: when, nor what follows.

use std::sync::Arc;

use hyper::Request;
use hyper::header::{HeaderValue, USER_AGENT};
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

use super::connection::{Answer, Body, Connection};
use super::message::Message;
use super::outcome::Outcome;
use super::{OtlpConfig, Protocol, grpc, http};

const AGENT: HeaderValue = HeaderValue::from_static(concat!("tcpcong/", env!("CARGO_PKG_VERSION")));

/// What pushes.
pub(super) struct Client {
    config: OtlpConfig,
    tls: Option<Arc<ClientConfig>>,
    connection: Option<Connection>,
}

impl Client {
    /// Not connected yet.
    pub(super) fn new(config: OtlpConfig, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { config, tls, connection: None }
    }

    /// Pushes a message, within the time that a push has.
    pub(super) async fn push(&mut self, message: &Message) -> Outcome {
        let Ok(request) = self.request(message) else {
            return Outcome::Refused("no request can be made of it".to_owned());
        };
        let limit = self.config.timeout;
        match timeout(limit, self.exchange(request)).await {
            Ok(Ok(answer)) => match self.config.protocol {
                Protocol::Grpc => grpc::outcome(&answer),
                Protocol::Http => http::outcome(&answer),
            },
            Ok(Err(why)) => Outcome::Later(why, None),
            Err(_) => Outcome::Later(format!("no answer within {limit:?}"), None),
        }
    }

    fn request(&self, message: &Message) -> Result<Request<Body>, hyper::http::Error> {
        let endpoint = &self.config.endpoint;
        let mut request = match self.config.protocol {
            Protocol::Grpc => grpc::request(endpoint, message)?,
            Protocol::Http => http::request(endpoint, message)?,
        };
        request.headers_mut().insert(USER_AGENT, AGENT);
        request.headers_mut().extend(self.config.headers.all().clone());
        Ok(request)
    }

    /// A receiver may close a connection that is idle at any time; then a new one is made, once.
    async fn exchange(&mut self, request: Request<Body>) -> Result<Answer, String> {
        if let Some(mut kept) = self.connection.take()
            && kept.is_alive().await
            && let Ok(answer) = kept.exchange(request.clone()).await
        {
            self.connection = Some(kept);
            return Ok(answer);
        }
        let OtlpConfig { endpoint, protocol, .. } = &self.config;
        let mut made = Connection::make(endpoint, *protocol, self.tls.as_ref()).await?;
        let answer = made.exchange(request).await?;
        self.connection = Some(made);
        Ok(answer)
    }
}
