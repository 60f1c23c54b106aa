//! What the server counts. Not how it is shown.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// There were too many, of connections or of open files.
    Limit,
    /// The client took too long: to send a request's head, or to take the answer.
    Slow,
    /// The TLS handshake failed.
    Tls,
}

impl Rejection {
    /// Each there is.
    pub const ALL: [Self; 3] = [Self::Limit, Self::Slow, Self::Tls];

    /// As a label has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Slow => "slow",
            Self::Tls => "tls",
        }
    }
}

/// Answers by their status, and closed connections by the reason; they never go back.
#[derive(Debug, Default)]
pub struct HttpCounters {
    /// 1xx to 5xx.
    responses: [AtomicU64; 5],
    rejected: [AtomicU64; 3],
    open: AtomicU64,
}

impl HttpCounters {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers of each class that there were: (`"2xx"`, 17) and so on.
    pub fn responses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ["1xx", "2xx", "3xx", "4xx", "5xx"]
            .into_iter()
            .zip(self.responses.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Connections that were closed for this reason.
    #[must_use]
    pub fn rejected(&self, reason: Rejection) -> u64 {
        self.rejected[reason as usize].load(Ordering::Relaxed)
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn count_response(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.responses[class].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_rejection(&self, reason: Rejection) {
        self.rejected[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_open(&self, open: usize) {
        self.open.store(open as u64, Ordering::Relaxed);
    }
}
