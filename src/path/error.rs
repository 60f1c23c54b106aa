//! Why a path could not be raised: one error type, also for the demo on it.
//! It does not decide what happens then; the caller prints it and ends.

use std::io;
use std::time::Duration;

/// A step of raising a path, or what runs on it, that failed.
///
/// Each message says what was tried, what the system answered and what the
/// person at the keyboard can do. The answer is part of the message and is
/// therefore not repeated as `source()`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The caller lacks `CAP_SYS_ADMIN` or `CAP_NET_ADMIN`.
    #[error(
        "could not {tried}: {answer}; the demo builds its own network, which needs \
         CAP_SYS_ADMIN and CAP_NET_ADMIN: run it as root, e.g. with sudo"
    )]
    NotPermitted {
        /// What was tried, as a verb phrase.
        tried: &'static str,
        /// What the kernel answered.
        answer: io::Error,
    },

    /// The machine has no TUN driver, or hides it.
    #[error(
        "could not open /dev/net/tun: {answer}; load the driver with `modprobe tun`, \
         or start the container with --device /dev/net/tun"
    )]
    NoTun {
        /// What the kernel answered.
        answer: io::Error,
    },

    /// The kernel was built without network namespaces.
    #[error(
        "could not {tried}: {answer}; this kernel was built without network namespaces \
         (CONFIG_NET_NS), which the demo cannot do without"
    )]
    NoNamespaces {
        /// What was tried, as a verb phrase.
        tried: &'static str,
        /// What the kernel answered.
        answer: io::Error,
    },

    /// Any other step that the kernel refused.
    #[error(
        "could not {tried}: {answer}; nothing of the demo is left behind, so it can be \
         started again, and `ulimit -a` and `dmesg | tail` may tell why it failed"
    )]
    Refused {
        /// What was tried, as a verb phrase.
        tried: &'static str,
        /// What the kernel answered.
        answer: io::Error,
    },

    /// Everything was built, but no connection came about.
    #[error(
        "could not connect the demo's two namespaces: no answer within {} s; a firewall \
         rule or a security policy that reaches into new network namespaces may be in the way",
        waited.as_secs()
    )]
    NoConnection {
        /// How long it was waited for.
        waited: Duration,
    },
}

impl PathError {
    /// Sorts a refusal by what the person can do about it.
    pub(crate) fn refused(tried: &'static str, answer: impl Into<io::Error>) -> Self {
        let answer = answer.into();
        match answer.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted { tried, answer },
            _ => Self::Refused { tried, answer },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;

    #[test]
    fn a_missing_privilege_asks_for_root() {
        let error = PathError::refused("make a network namespace", Errno::EPERM);
        let text = error.to_string();
        assert!(text.starts_with("could not make a network namespace: "));
        assert!(text.contains("Operation not permitted"), "{text}");
        assert!(text.contains("sudo"), "{text}");
    }

    #[test]
    fn any_other_answer_is_passed_on() {
        let error = PathError::refused("start a thread", Errno::EAGAIN);
        assert!(matches!(error, PathError::Refused { .. }));
        assert!(error.to_string().contains("temporarily unavailable"));
    }
}
