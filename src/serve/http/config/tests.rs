//! Files, good and bad, and what is said about the bad ones; here all but TLS, which is in
//! `tests/`.

mod tls;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::super::tests::certificates::Authority;
use super::*;

/// `htpasswd` of the password `hunter2`.
const HASH: &str = "$2y$04$abcdefghijklmnopqrstuuGfqRhWw6GgDZfmAQLLdrYbf7TSl7gqm";

/// Certificates, made once.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    DIRECTORY
        .get_or_init(|| {
            let directory = TempDir::new().unwrap();
            let authority = Authority::with_both(directory.path()).unwrap();
            authority
                .openssl("pkey -in server.key -aes256 -passout pass:secret -out locked.key")
                .unwrap();
            fs::write(directory.path().join("empty.pem"), "nothing of the kind\n").unwrap();
            directory
        })
        .path()
}

fn path() -> PathBuf {
    directory().join("web.yml")
}

fn read(text: &str) -> Result<WebConfig, WebConfigError> {
    WebConfig::parse(&path(), text.as_bytes())
}

/// What is said about the file, without its directory.
fn said(text: &str) -> String {
    let error = read(text).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error.replace(&format!("{}/", directory().display()), "")
}

/// A section of TLS that is good, and these lines.
fn with_tls(lines: &str) -> String {
    format!("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{lines}")
}

#[test]
fn a_file_that_says_nothing_changes_nothing() {
    for text in ["", "# nothing\n", "{}", "tls_server_config:\nbasic_auth_users:\n", "---\n"] {
        let config = read(text).unwrap();
        assert!(!config.is_tls() && !config.authenticates(), "{text:?}");
        assert_eq!((config.headers.len(), config.rate), (0, None), "{text:?}");
    }
}

#[test]
fn a_file_with_everything_is_read() {
    let hash = bcrypt::hash("hunter2", 4).unwrap();
    let config = read(&format!(
        "tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans:
    - scraper.example
  min_version: TLS12
  max_version: TLS13
  cipher_suites:
    - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    - TLS_RSA_WITH_AES_128_CBC_SHA
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256, X25519, CurveP521]
http_server_config:
  http2: true
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: 1
    Content-Security-Policy: ''
basic_auth_users:
  alice: {hash}
  \"0123\": '{hash}'
rate_limit:
  interval: 100ms
  burst: 20
"
    ))
    .unwrap();
    let tls = config.tls.as_ref().unwrap();
    assert_eq!(tls.clients, ClientAuth::RequireAndVerifyClientCert);
    assert!(!tls.server.ignore_client_order);
    let suites = &tls.server.crypto_provider().cipher_suites;
    assert_eq!(suites.iter().filter(|suite| suite.tls13().is_none()).count(), 1);
    assert_eq!(tls.server.crypto_provider().kx_groups.len(), 2);
    let headers: Vec<_> =
        config.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(headers.len(), 4);
    assert!(headers.contains(&("x-xss-protection", b"1")));
    let names: Vec<_> = config.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["alice", "0123"]);
    assert!(config.users.iter().all(|user| user.cost == 4 && user.hash == hash));
    let burst = NonZeroU32::new(20).unwrap();
    assert_eq!(config.rate, Some(Rate { interval: Duration::from_millis(100), burst }));
    assert!(config.authenticates() && config.is_tls());
    assert!(!format!("{config:?}").contains(&hash));
}

#[test]
fn keys_that_there_are_not_are_named_with_their_line() {
    assert_eq!(
        said("# \ntls_config:\n  cert_file: a\n"),
        "web.yml:2: tls_config: no such key; there are tls_server_config, http_server_config, \
         basic_auth_users, rate_limit"
    );
    assert_eq!(
        said("rate_limit:\n  interval: 1s\n  bursts: 3\n"),
        "web.yml:3: rate_limit.bursts: no such key; there are interval, burst"
    );
    assert_eq!(
        said("http_server_config: {https: true}\n"),
        "web.yml:1: http_server_config.https: no such key; there are http2, headers"
    );
    assert!(
        said(&with_tls("  certfile: a\n")).starts_with("web.yml:4: tls_server_config.certfile: ")
    );
    assert_eq!(
        said("rate_limit:\n  burst: 1\nrate_limit:\n  burst: 2\n"),
        "web.yml:3: rate_limit: is there twice, first in line 1"
    );
}

#[test]
fn values_of_another_shape_are_named_with_their_line() {
    for (text, expected) in [
        ("- a\n", "web.yml:1: the file: keys with values are expected here, not a list"),
        (
            "just words\n",
            "web.yml:1: the file: keys with values are expected here, not a single value",
        ),
        (
            "basic_auth_users:\n  - alice\n",
            "web.yml:1: basic_auth_users: keys with values are expected here, not a list",
        ),
        (
            "http_server_config:\n  http2: perhaps\n",
            "web.yml:2: http_server_config.http2: true or false is expected here",
        ),
        (
            "rate_limit:\n  interval: [1s]\n",
            "web.yml:2: rate_limit.interval: a single value is expected here, not a list",
        ),
        (
            "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  cipher_suites: A\n",
            "web.yml:4: tls_server_config.cipher_suites: a list is expected here, not a single value",
        ),
        (
            "http_server_config:\n  headers:\n    X-XSS-Protection: {a: 1}\n",
            "web.yml:3: http_server_config.headers.X-XSS-Protection: a single value is expected here, \
             not keys with values",
        ),
    ] {
        assert_eq!(said(text), expected);
    }
}

#[test]
fn what_is_not_yaml_is_said_to_be_none_and_is_not_quoted() {
    let line = "this is not YAML as it should be; indentation, quotes or colons may be why";
    assert_eq!(said("rate_limit:\n  burst: \"1\n"), format!("web.yml:2: {line}"));
    for text in [
        "basic_auth_users:\n  alice: hunter2: x\n",
        "basic_auth_users:\n  alice: \"hunter2\n",
        "basic_auth_users: hunter2\n",
        "basic_auth_users:\n  alice:\n    - hunter2\n",
        "basic_auth_users:\n  alice: hunter2\n",
        "basic_auth_users:\n alice: &a hunter2\n bob: *hunter\n",
        "basic_auth_users:\n\talice: hunter2\n",
        "tls_server_config:\n  cert_file: server.crt\n  key: hunter2\n",
        "tls_server_config:\n  key: [hunter2]\n  cert: x\n",
        "hunter2\n",
        "!!binary hunter2\n",
    ] {
        assert!(!said(text).contains("hunter2"), "{text:?}: {}", said(text));
    }
    assert_eq!(
        WebConfig::parse(&path(), b"a: \xff").unwrap_err().to_string(),
        format!("{}: it is not UTF-8", path().display())
    );
}

#[test]
fn a_character_that_is_wrong_or_missing_shows_no_secret() {
    let secret = &HASH[20..];
    let text = format!(
        "tls_server_config: {{key: \"{secret}\"}}\nbasic_auth_users:\n  alice: {HASH}\n  bob: \"{HASH}\"\n\
         rate_limit:\n  interval: 1s\n  burst: 3\n"
    );
    for position in 0..text.len() {
        for wrong in ["", ":", "\"", "\n", "- ", "{", "[", "&", "*", "!", "\t", "|", "\0", "é"] {
            let mut text = text.clone();
            text.replace_range(position..=position, wrong);
            if let Err(error) = read(&text) {
                let error = error.to_string();
                let shown = (0..secret.len() - 8).any(|at| error.contains(&secret[at..at + 8]));
                assert!(!shown && !error.contains('\n'), "{text}\n{error}");
            }
        }
    }
}

#[test]
fn passwords_have_to_be_hashes_that_can_be_checked_in_time() {
    let hash = "a password's bcrypt hash is expected here, as `htpasswd -nBC 10 \"\"` prints it after \
                the colon";
    assert_eq!(
        said("basic_auth_users:\n  a: b\n  c: d\n"),
        format!("web.yml:2: basic_auth_users.a: {hash}")
    );
    assert_eq!(said("basic_auth_users:\n  a:\n"), format!("web.yml:2: basic_auth_users.a: {hash}"));
    let short = &HASH[..40];
    assert_eq!(
        said(&format!("basic_auth_users:\n  a: {short}\n")),
        format!("web.yml:2: basic_auth_users.a: {hash}")
    );
    let slow = HASH.replace("$04$", "$15$");
    assert_eq!(
        said(&format!("basic_auth_users:\n  a: {slow}\n")),
        "web.yml:2: basic_auth_users.a: with a hash of cost 15, passwords that wait to be checked would not be within the 30 s that a request has; 14 is the most"
    );
    assert_eq!(
        said(&format!("basic_auth_users:\n  'a:b': {HASH}\n")),
        "web.yml:2: basic_auth_users.(not shown): no client can send a name that is empty or has a colon"
    );
}

#[test]
fn headers_are_those_that_may_be_set() {
    assert_eq!(
        said("http_server_config:\n  headers:\n    Server: x\n"),
        "web.yml:3: http_server_config.headers.Server: this header cannot be set; there are \
         Content-Security-Policy, X-Frame-Options, X-Content-Type-Options, X-XSS-Protection, \
         Strict-Transport-Security"
    );
    assert_eq!(
        said("http_server_config:\n  headers:\n    X-Frame-Options: allow\n"),
        "web.yml:3: http_server_config.headers.X-Frame-Options: it can only be deny or sameorigin"
    );
    assert_eq!(
        said("http_server_config:\n  headers:\n    X-XSS-Protection: \"a\\nb\"\n"),
        "web.yml:3: http_server_config.headers.X-XSS-Protection: it has a character that no header \
         can have"
    );
}

#[test]
fn a_rate_has_a_time_and_a_burst() {
    assert_eq!(read("rate_limit:\n  interval: 0\n").unwrap().rate, None);
    assert_eq!(read("rate_limit:\n  interval: 0s\n  burst: 3\n").unwrap().rate, None);
    for (text, expected) in [
        (
            "rate_limit:\n  interval: 5\n  burst: 3\n",
            "web.yml:2: rate_limit.interval: a time is expected here, as 1s, 100ms or 1m30s; 0 is no \
             limit",
        ),
        (
            "rate_limit:\n  interval: 1s\n  burst: 0\n",
            "web.yml:3: rate_limit.burst: a number of requests, 1 at least, is expected here",
        ),
        (
            "rate_limit:\n  interval: 1s\n",
            "web.yml:2: rate_limit.burst: a number of requests, 1 at least, is expected here",
        ),
        (
            "rate_limit:\n  burst: 3\n",
            "web.yml:2: rate_limit.burst: an interval is missing, as in `interval: 1s`",
        ),
    ] {
        assert_eq!(said(text), expected);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = WebConfig::read(&directory().join("none.yml")).unwrap_err().to_string();
    let expected =
        format!("cannot read {}/none.yml: No such file or directory", directory().display());
    assert_eq!(error, expected);
}
