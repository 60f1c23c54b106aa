//! What the tracing thread and those who answer clients share. Not here: who asks, nor what is
//! counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::http::HttpCounters;
use super::metrics::Scraped;
use tcpcong_core::model::{Report, Start};
use tcpcong_core::recording::KeptHindsight;

/// Without another update for so long something is wrong.
const STALE: Duration = Duration::from_secs(60);
/// What is kept in memory is handed over each second.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request for what is kept in memory: where its answer goes.
pub type HindsightRequest = Sender<Result<KeptHindsight, String>>;

/// The shared state.
#[derive(Debug)]
pub struct Shared {
    /// What is scraped.
    pub scraped: Scraped,
    /// What the server counts.
    pub http: Arc<HttpCounters>,
    began: Instant,
    /// When the figures were updated last, milliseconds after that.
    updated_ms: AtomicU64,
    over: AtomicBool,
    report: Mutex<Option<(Start, Arc<Report>)>>,
    hindsight: Result<Mutex<Sender<HindsightRequest>>, &'static str>,
}

impl Shared {
    /// With what is scraped. Where some time is kept in memory, requests for it come out at the
    /// other end; where none is, this is why.
    #[must_use]
    pub fn new(
        scraped: Scraped,
        keeps: Result<(), &'static str>,
    ) -> (Arc<Self>, Receiver<HindsightRequest>) {
        let (sender, requests) = channel();
        let shared = Self {
            scraped,
            http: Arc::default(),
            began: Instant::now(),
            updated_ms: AtomicU64::new(0),
            over: AtomicBool::new(false),
            report: Mutex::default(),
            hindsight: keeps.map(|()| Mutex::new(sender)),
        };
        (Arc::new(shared), requests)
    }

    /// The figures have been updated.
    pub fn touch(&self) {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.updated_ms.store(passed, Ordering::Relaxed);
    }

    /// Nothing more will come, and that is as it should be.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// How old the figures are, where they are older than they should be.
    #[must_use]
    pub fn is_stale(&self) -> Option<Duration> {
        let updated = Duration::from_millis(self.updated_ms.load(Ordering::Relaxed));
        let age = self.began.elapsed().saturating_sub(updated);
        (age > STALE && !self.over.load(Ordering::Relaxed)).then_some(age)
    }

    /// The last report, and how the run began.
    #[must_use]
    pub fn report(&self) -> Option<(Start, Arc<Report>)> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next report.
    pub fn set_report(&self, start: Start, report: Report) {
        let next = Some((start, Arc::new(report)));
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// What is kept in memory. Waits for it, for ten seconds at most; or says
    /// why there is none.
    pub fn hindsight(&self) -> Result<KeptHindsight, String> {
        let requests = self.hindsight.as_ref().map_err(|why| (*why).to_owned())?;
        let (sender, answer) = channel();
        let sent = requests.lock().unwrap_or_else(PoisonError::into_inner).send(sender);
        let gone = "tracing has ended".to_owned();
        if sent.is_err() {
            return Err(gone);
        }
        match answer.recv_timeout(PATIENCE) {
            Ok(kept) => kept,
            Err(RecvTimeoutError::Disconnected) => Err(gone),
            Err(RecvTimeoutError::Timeout) => Err("tracing is too busy to hand it over".to_owned()),
        }
    }
}
