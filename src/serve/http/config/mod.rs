//! The file of `--web.config.file`, as Prometheus' exporter-toolkit has it, checked and made
//! ready to be served by. Not here: who is let in by it.

mod cipher;
mod client;
mod http;
mod san;
mod tls;
mod yaml;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use tokio_rustls::rustls::ServerConfig;

use yaml::{Place, Section};

/// More than any file of this kind has.
const MOST_BYTES: u64 = 1 << 20;

/// What is wrong, in one line that names file, line and key, and no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WebConfigError(String);

/// How to serve. By default without TLS, to everyone, and at any rate.
#[derive(Clone, Default)]
pub struct WebConfig {
    pub(super) tls: Option<Tls>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) users: Vec<User>,
    pub(super) rate: Option<Rate>,
}

#[derive(Clone)]
pub(super) struct Tls {
    pub(super) server: Arc<ServerConfig>,
    pub(super) clients: ClientAuth,
}

/// What a client has to show, by Go's names (`crypto/tls`, `ClientAuthType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuth {
    NoClientCert,
    RequestClientCert,
    RequireAnyClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

impl ClientAuth {
    /// A certificate that is shown was made by a known authority.
    pub(super) fn verifies(self) -> bool {
        matches!(self, Self::VerifyClientCertIfGiven | Self::RequireAndVerifyClientCert)
    }

    /// Nobody is let in without a certificate.
    pub(super) fn requires(self) -> bool {
        matches!(self, Self::RequireAnyClientCert | Self::RequireAndVerifyClientCert)
    }
}

#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    /// By bcrypt.
    pub(super) hash: String,
    /// Its cost: a hash takes twice as long as one of a cost less by one.
    pub(super) cost: u32,
}

/// A token bucket: one request more each `interval`, and so many saved up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) interval: Duration,
    pub(super) burst: NonZeroU32,
}

impl fmt::Debug for WebConfig {
    /// Without hashes and keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WebConfig")
            .field("tls", &self.tls.as_ref().map(|tls| tls.clients))
            .field("headers", &self.headers)
            .field("users", &self.users.iter().map(|user| &user.name).collect::<Vec<_>>())
            .field("rate", &self.rate)
            .finish()
    }
}

impl WebConfig {
    /// Reads the file and all that it names.
    pub fn read(path: &Path) -> Result<Self, WebConfigError> {
        let text = read_file(path)
            .map_err(|why| WebConfigError(format!("cannot read {}: {why}", path.display())))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Self, WebConfigError> {
        let place = Place { file: path };
        let root = yaml::parse(place, text)?;
        let keys = ["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"];
        let mut root = Section::new(place, "", root, &keys)?;
        let tls = root.section("tls_server_config", tls::KEYS)?;
        let http = root.section("http_server_config", http::KEYS)?;
        let rate = root.section("rate_limit", http::RATE_KEYS)?;
        Ok(Self {
            tls: tls.map(tls::read).transpose()?.flatten(),
            headers: http.map(http::headers).transpose()?.unwrap_or_default(),
            users: http::users(&mut root)?,
            rate: rate.map(http::rate).transpose()?.flatten(),
        })
    }

    /// Whether it is HTTPS that is served.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether every client has to show who it is: by a password, or by a certificate that is
    /// verified.
    #[must_use]
    pub fn authenticates(&self) -> bool {
        let clients = self.tls.as_ref().map(|tls| tls.clients);
        !self.users.is_empty() || clients == Some(ClientAuth::RequireAndVerifyClientCert)
    }

    /// Whether clients may have to show who they are, if only some, or without proof. Being
    /// on this machine is no substitute then.
    pub(super) fn asks_who(&self) -> bool {
        let clients = self.tls.as_ref().map(|tls| tls.clients);
        !self.users.is_empty() || !matches!(clients, None | Some(ClientAuth::NoClientCert))
    }
}

/// All of a file, or why it could not be read.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > MOST_BYTES => Err("it has more than 1 MiB".to_owned()),
        Ok(_) => Ok(bytes),
        Err(error) => Err(reason(&error)),
    }
}

/// As the system words it, without its number.
fn reason(error: &std::io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |errno| nix::Error::from_raw(errno).desc().to_owned())
}
