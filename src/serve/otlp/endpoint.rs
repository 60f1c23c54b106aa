//! Where a receiver is: a URL, in its parts. Not here: which one, nor how it is reached.

use hyper::Uri;

/// What it is appended to by whoever names a receiver and no signal.
const METRICS_PATH: &str = "/v1/metrics";

/// A receiver's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether the connection is to be encrypted.
    pub is_tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port, where none is named that of the scheme.
    pub port: u16,
    /// Host and port as the URL has them.
    pub authority: String,
    /// The path, and what follows it.
    pub path: String,
}

impl Endpoint {
    /// Of `http://host:4317` and the like; otherwise what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "not a URL such as http://localhost:4317".to_owned();
        let url: Uri = text.trim().parse().map_err(|_| wrong())?;
        let is_tls = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = url.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            return Err("no names or passwords here: a header has them".to_owned());
        }
        let host = authority.host();
        // What is after a colon and no port would be left out.
        let has_colon = authority.as_str().len() > host.len();
        if host.is_empty() || (has_colon && authority.port_u16().is_none()) {
            return Err(wrong());
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let path = url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { is_tls, host, port, authority: authority.as_str().to_owned(), path })
    }

    /// Whether it has a path.
    pub(super) fn has_path(&self) -> bool {
        self.path != "/"
    }

    /// The same, with what metrics have below it.
    pub(super) fn of_metrics(mut self) -> Self {
        let path = self.path.trim_end_matches('/');
        if !path.ends_with(METRICS_PATH) {
            self.path = format!("{path}{METRICS_PATH}");
        }
        self
    }

    /// As it is said on stderr.
    pub(super) fn shown(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{scheme}://{}{}", self.authority, path.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_its_scheme_host_port_and_path() {
        let endpoint = Endpoint::parse("https://[::1]:4318/otlp").unwrap();
        assert!(endpoint.is_tls);
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("::1", 4318));
        assert_eq!(endpoint.authority, "[::1]:4318");
        assert_eq!(endpoint.clone().of_metrics().path, "/otlp/v1/metrics");
        let plain = Endpoint::parse("http://receiver").unwrap();
        assert_eq!((plain.is_tls, plain.port, plain.has_path()), (false, 80, false));
        assert_eq!(plain.of_metrics().shown(), "http://receiver/v1/metrics");
        let whole = Endpoint::parse("http://receiver:4318/v1/metrics").unwrap();
        assert_eq!(whole.of_metrics().path, "/v1/metrics");
    }

    #[test]
    fn what_is_no_url_of_a_receiver_is_refused() {
        for text in [
            "",
            "localhost:4317",
            "ftp://x",
            "http://",
            "unix:/run/x",
            "http://a b",
            "http://x:99999",
            "http://x:port",
            "/v1/metrics",
        ] {
            assert!(Endpoint::parse(text).unwrap_err().starts_with("not a URL"), "{text}");
        }
        assert!(Endpoint::parse("http://me:secret@x:1").unwrap_err().starts_with("no names"));
    }
}
