//! A configuration in use: its limiter, and the passwords that were good. Not the file it is
//! read from.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio_rustls::rustls::crypto::ring::{cipher_suite, default_provider};

use super::WebConfig;

/// More users than this have their passwords hashed again.
const MOST_KNOWN: usize = 256;

pub(super) struct Web {
    pub(super) config: WebConfig,
    limiter: Option<DefaultDirectRateLimiter>,
    known: Known,
}

impl Web {
    pub(super) fn new(config: WebConfig) -> Self {
        let quota = config
            .rate
            .and_then(|rate| Some(Quota::with_period(rate.interval)?.allow_burst(rate.burst)));
        Self { config, limiter: quota.map(RateLimiter::direct), known: Known::new() }
    }

    /// Whether one more request may come now.
    pub(super) fn is_within_rate(&self) -> bool {
        self.limiter.as_ref().is_none_or(|limiter| limiter.check().is_ok())
    }

    /// Whether this password has been found to be the user's.
    pub(super) fn is_known(&self, user: &str, password: &[u8]) -> bool {
        self.known.digest(user, password).is_some_and(|digest| self.known.has(&digest))
    }

    /// From now on it has.
    pub(super) fn remember(&self, user: &str, password: &[u8]) {
        if let Some(digest) = self.known.digest(user, password) {
            self.known.add(digest);
        }
    }
}

/// Salted SHA-256 of users with passwords that were good: bcrypt is slow on purpose, and
/// Prometheus sends the same password each time.
struct Known {
    /// None where the system has no randomness; then nothing is remembered.
    salt: Option<[u8; 32]>,
    digests: Mutex<HashSet<Vec<u8>>>,
}

impl Known {
    fn new() -> Self {
        let mut salt = [0; 32];
        let salt = default_provider().secure_random.fill(&mut salt).ok().map(|()| salt);
        Self { salt, digests: Mutex::default() }
    }

    fn digest(&self, user: &str, password: &[u8]) -> Option<Vec<u8>> {
        let suite = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13()?;
        let length = (user.len() as u64).to_be_bytes();
        let text = [&self.salt?[..], &length, user.as_bytes(), password].concat();
        Some(suite.common.hash_provider.hash(&text).as_ref().to_vec())
    }

    fn has(&self, digest: &[u8]) -> bool {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn add(&self, digest: Vec<u8>) {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.len() >= MOST_KNOWN {
            digests.clear();
        }
        digests.insert(digest);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::super::config::Rate;
    use super::*;

    #[test]
    fn a_password_is_known_for_its_user_only() {
        let web = Web::new(WebConfig::default());
        assert!(!web.is_known("ab", b"c"));
        web.remember("ab", b"c");
        assert!(web.is_known("ab", b"c"));
        assert!(!web.is_known("a", b"bc"));
        assert!(!Web::new(WebConfig::default()).is_known("ab", b"c"));
    }

    #[test]
    fn a_burst_is_let_through_and_then_no_more() {
        let rate = Rate { interval: Duration::from_secs(3600), burst: NonZeroU32::new(3).unwrap() };
        let web = Web::new(WebConfig { rate: Some(rate), ..WebConfig::default() });
        let through = (0..10).filter(|_| web.is_within_rate()).count();
        assert_eq!(through, 3);
    }
}
