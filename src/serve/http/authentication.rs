//! Basic authentication (RFC 7617) against bcrypt hashes. Not certificates, which the TLS
//! handshake verifies.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::web::Web;

/// Requests that wait for their password to be hashed; more are told to come again.
const MOST_WAITING: usize = 16;

/// How a request's password is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authentication {
    /// Nobody has to have one.
    Unneeded,
    Passed,
    Failed,
    /// Too many are being checked.
    Busy,
}

/// One password at a time is hashed, so that whoever tries many takes one processor at most.
pub(super) struct Hashing {
    waiting: Semaphore,
    running: Arc<Semaphore>,
}

impl Hashing {
    pub(super) fn new() -> Self {
        Self { waiting: Semaphore::new(MOST_WAITING), running: Arc::new(Semaphore::new(1)) }
    }

    /// Checks the header Authorization.
    pub(super) async fn authenticate(
        &self,
        header: Option<&HeaderValue>,
        web: &Arc<Web>,
    ) -> Authentication {
        if web.config.users.is_empty() {
            return Authentication::Unneeded;
        }
        let Some((user, password)) = header.and_then(credentials) else {
            return Authentication::Failed;
        };
        if web.is_known(&user, &password) {
            return Authentication::Passed;
        }
        let Ok(waiting) = self.waiting.try_acquire() else { return Authentication::Busy };
        let running = Arc::clone(&self.running).acquire_owned().await;
        let Ok(running) = running else { return Authentication::Busy };
        drop(waiting);
        // While this one waited, another may have been good.
        if web.is_known(&user, &password) {
            return Authentication::Passed;
        }
        let checked = Arc::clone(web);
        // A client that leaves does not end the hashing, so that the permit stays with it.
        let checking = spawn_blocking(move || {
            let _running = running;
            is_right(&checked, &user, &password)
        });
        match checking.await {
            Ok(true) => Authentication::Passed,
            _ => Authentication::Failed,
        }
    }
}

/// Whether a password has to be hashed to check this header.
pub(super) fn takes_hashing(header: Option<&HeaderValue>, web: &Web) -> bool {
    !web.config.users.is_empty()
        && header
            .and_then(credentials)
            .is_some_and(|(user, password)| !web.is_known(&user, &password))
}

/// Hashes the password, and remembers it if it is right. An unknown user's takes as long as
/// the slowest known one's, so that the time does not tell who is known.
fn is_right(web: &Web, user: &str, password: &[u8]) -> bool {
    let users = &web.config.users;
    let known = users.iter().find(|known| known.name == user);
    let Some(compared) = known.or_else(|| users.iter().max_by_key(|user| user.cost)) else {
        return false;
    };
    let is_same = bcrypt::verify(password, &compared.hash).unwrap_or(false);
    let is_right = is_same && known.is_some();
    if is_right {
        web.remember(user, password);
    }
    is_right
}

/// User and password.
fn credentials(header: &HeaderValue) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::super::WebConfig;
    use super::super::config::User;
    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    #[test]
    fn a_password_may_have_colons_and_a_scheme_any_case() {
        let encoded = STANDARD.encode("prometheus:a:b");
        let expected = Some(("prometheus".to_owned(), b"a:b".to_vec()));
        for scheme in ["Basic", "basic", "BASIC"] {
            assert_eq!(credentials(&header(&format!("{scheme} {encoded}"))), expected);
        }
    }

    #[test]
    fn what_is_not_basic_is_nobody() {
        let nameless = format!("Basic {}", STANDARD.encode("no colon"));
        for text in ["", "Basic", "Basic !", "Bearer YTpi", &nameless] {
            assert_eq!(credentials(&header(text)), None, "{text}");
        }
    }

    #[test]
    fn a_good_password_is_remembered_and_an_unknown_user_is_never_right() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        let users = vec![User { name: "a".to_owned(), hash, cost: 4 }];
        let web = Web::new(WebConfig { users, ..WebConfig::default() });
        assert!(!is_right(&web, "a", b"wrong"));
        assert!(!is_right(&web, "b", b"secret"));
        assert!(!web.is_known("b", b"secret") && !web.is_known("a", b"wrong"));
        assert!(is_right(&web, "a", b"secret"));
        assert!(web.is_known("a", b"secret"));
    }
}
