//! The exporter as the service sees it: it is given snapshots, and never keeps anybody waiting but
//! at the end. Not here: what its thread does.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use tokio::runtime::Builder;
use tokio::sync::watch;

use super::client::Client;
use super::message::Common;
use super::run::{Counters, Feed, Run};
use super::{OtlpConfig, resource, tls};
use crate::serve::metrics::{Snapshot, Value, table};

/// An exporter that pushes, until it is ended or goes.
#[derive(Debug)]
pub struct Exporter {
    feed: watch::Sender<Feed>,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Starts its thread. `began`: when the counters were 0.
    pub fn start(config: &OtlpConfig, began: SystemTime) -> Result<Self> {
        let OtlpConfig { endpoint, protocol, interval, gzip, certificate, .. } = config;
        let tls = endpoint.is_tls.then(|| tls::client(certificate.as_deref(), *protocol));
        let tls = tls.transpose().map_err(anyhow::Error::msg)?;
        let (feed, receiver) = watch::channel(Feed::default());
        let counters = Arc::<Counters>::default();
        let run = Run {
            interval: *interval,
            common: Common { resource: resource::resource(&config.resource), began, gzip: *gzip },
            client: Client::new(config.clone(), tls),
            receiver: endpoint.shown(),
            feed: receiver,
            counters: Arc::clone(&counters),
        };
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // What looks names up.
            .max_blocking_threads(1)
            .thread_name("tcpcong-names")
            .build()
            .context("starting what pushes by OTLP")?;
        let thread = thread::Builder::new().name("tcpcong-otlp".to_owned()).spawn(move || {
            tcpcong_live::leave_signals_to_others();
            _ = tcpcong_live::drop_all_capabilities();
            runtime.block_on(run.run());
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { feed, counters, thread: Some(thread) })
    }

    /// Adds what became of pushes so far.
    pub fn add(&self, snapshot: &mut Snapshot) {
        self.counters.add(snapshot);
    }

    /// These are the figures now.
    pub fn offer(&self, snapshot: Arc<Snapshot>) {
        self.feed.send_modify(|feed| feed.latest = Some((snapshot, SystemTime::now())));
    }

    /// Pushes what is left, which takes two seconds at most, and nothing from then on. What it has
    /// counted stays.
    pub fn end(&mut self) {
        self.feed.send_modify(|feed| feed.is_over = true);
        if let Some(thread) = self.thread.take() {
            // A panic of it has been shown already.
            _ = thread.join();
        }
    }
}

impl Counters {
    pub(super) fn add(&self, snapshot: &mut Snapshot) {
        let Self { sent, failed, dropped } = self;
        for (result, counter) in [("sent", sent), ("failed", failed), ("dropped", dropped)] {
            let count = Value::Count(counter.load(Ordering::Relaxed));
            snapshot.add(&table::OTLP_EXPORTS, vec![("result", Cow::from(result))], count);
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.end();
    }
}
