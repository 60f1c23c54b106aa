//! The service as a sink: counters, the last report, and what is kept in memory, brought up to
//! date each second. Not here: who asks for any of it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use super::http::Rejection;
use super::metrics::{Account, LabelBy, Snapshot, Value, table};
use super::otlp::Exporter;
use super::state::{HindsightRequest, Shared};
use crate::lines::LinesSink;
use tcpcong_core::model::{IntervalSums, Report, Start, SumKey, Summary};
use tcpcong_core::recording::{Hindsight, Recorder};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_core::why::Verdicts;

/// Who listens is looked for so often at most, ...
const LOOK_PAUSE: Duration = Duration::from_secs(5);
/// ... and after so many times of how long that took.
const LOOK_PAUSE_TIMES: u32 = 100;

/// What is kept in memory, and what keeps it.
pub struct Kept {
    /// What is kept.
    pub hindsight: Hindsight,
    /// What keeps it.
    pub recorder: Recorder,
}

/// Called once there are figures. Returns what is to be called each second.
pub type Begin<'s> = Box<dyn FnOnce(&mut Output<'_>) -> io::Result<EachSecond<'s>> + 's>;

/// Called each second.
pub type EachSecond<'s> = Box<dyn FnMut(&mut Output<'_>) + 's>;

/// The ports at which somebody listens.
struct Listening {
    ports: BTreeSet<u16>,
    /// Not before then.
    look_again: Option<Instant>,
}

impl Listening {
    /// Looks if there is a port at which nobody was seen to listen.
    fn look_for(&mut self, sums: &IntervalSums) {
        let is_known = |key: SumKey| match key {
            SumKey::Lport(port) => port == 0 || self.ports.contains(&port),
            _ => true,
        };
        if !sums.by_key.iter().all(|one| is_known(one.key)) {
            self.look();
        }
    }

    /// Looks, unless that was just now.
    fn look(&mut self) {
        let began = Instant::now();
        if self.look_again.is_none_or(|time| began >= time) {
            self.ports = tcpcong_live::listening_ports();
            let took = began.elapsed();
            self.look_again = Some(began + LOOK_PAUSE.max(took * LOOK_PAUSE_TIMES));
        }
    }
}

/// The sink.
pub struct ServeSink<'s> {
    account: Account,
    shared: Arc<Shared>,
    kept: Option<Kept>,
    exporter: Option<Exporter>,
    requests: Receiver<HindsightRequest>,
    start: Option<Start>,
    lines: Option<LinesSink>,
    /// Where ports are a label, of this machine.
    listening: Option<Listening>,
    begin: Option<Begin<'s>>,
    each_second: Option<EachSecond<'s>>,
}

impl<'s> ServeSink<'s> {
    /// With counters from 0, of this machine as it is or of a recording, and what is to be called
    /// once they are there.
    #[must_use]
    pub fn new(
        account: Account,
        live: bool,
        (shared, requests): (Arc<Shared>, Receiver<HindsightRequest>),
        kept: Option<Kept>,
        lines: Option<LinesSink>,
        exporter: Option<Exporter>,
        begin: Begin<'s>,
    ) -> Self {
        let (begin, each_second, start) = (Some(begin), None, None);
        let looks = account.label() == LabelBy::Lport && live;
        let listening = looks.then(|| Listening { ports: BTreeSet::new(), look_again: None });
        Self {
            account,
            shared,
            kept,
            exporter,
            requests,
            start,
            lines,
            listening,
            begin,
            each_second,
        }
    }

    /// Serves the figures as they are now, the service's own among them.
    pub fn update(&mut self) {
        let mut snapshot = self.account.snapshot();
        self.add_http(&mut snapshot);
        if let Some(lines) = &self.lines {
            let counters = lines.counters();
            let mut add = |metric, count| snapshot.add(metric, Vec::new(), Value::Count(count));
            add(&table::LINES_WRITTEN, counters.written());
            add(&table::LINES_DROPPED, counters.dropped());
        }
        if let Some(exporter) = &self.exporter {
            exporter.add(&mut snapshot);
        }
        let snapshot = Arc::new(snapshot);
        self.shared.scraped.update(Arc::clone(&snapshot));
        if let Some(exporter) = &self.exporter {
            exporter.offer(snapshot);
        }
        self.shared.touch();
    }

    fn look_who_listens(&mut self) {
        if let Some(listening) = &mut self.listening {
            listening.look();
        }
    }

    fn add_http(&self, snapshot: &mut Snapshot) {
        for (class, count) in self.shared.http.responses() {
            let labels = vec![("code", Cow::from(class))];
            snapshot.add(&table::HTTP_REQUESTS, labels, Value::Count(count));
        }
        for reason in Rejection::ALL {
            let labels = vec![("reason", Cow::from(reason.name()))];
            let count = self.shared.http.rejected(reason);
            snapshot.add(&table::HTTP_REJECTED, labels, Value::Count(count));
        }
    }

    /// Hands over what is kept, to whoever has asked for it.
    fn answer_requests(&self) {
        let Some(Kept { hindsight, recorder }) = &self.kept else { return };
        while let Ok(answer) = self.requests.try_recv() {
            let kept = hindsight.kept(recorder);
            // Who has stopped waiting does not hear.
            _ = answer.send(kept.map_err(|error| format!("{error:#}")));
        }
    }
}

impl Sink for ServeSink<'_> {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.account.begin(start);
        self.look_who_listens();
        self.start = Some(start.clone());
        if let Some(lines) = &mut self.lines {
            lines.started(start, out)?;
        }
        self.update();
        self.each_second = self.begin.take().map(|begin| begin(out)).transpose()?;
        Ok(())
    }

    fn sums(&mut self, sums: &IntervalSums, out: &mut Output<'_>) -> io::Result<()> {
        let Self { account, listening, .. } = self;
        if let Some(listening) = listening {
            listening.look_for(sums);
        }
        let listens = |port| listening.as_ref().is_none_or(|one| one.ports.contains(&port));
        account.add(sums, SystemTime::now(), &listens);
        self.update();
        self.answer_requests();
        if let Some(call) = &mut self.each_second {
            call(out);
        }
        Ok(())
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        self.account.add_report(report);
        self.look_who_listens();
        if let Some(lines) = &mut self.lines {
            lines.interval(report, out)?;
        }
        self.update();
        if let Some(start) = &self.start {
            self.shared.set_report(start.clone(), report.of_flows());
        }
        Ok(())
    }

    fn verdicts(&mut self, verdicts: &Verdicts, out: &mut Output<'_>) -> io::Result<()> {
        self.lines.as_mut().map_or(Ok(()), |lines| lines.verdicts(verdicts, out))
    }

    fn ended(&mut self, start: &Start, sums: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        if let Some(lines) = &mut self.lines {
            lines.ended(start, sums, out)?;
        }
        self.answer_requests();
        self.update();
        self.shared.end();
        if let Some(exporter) = &mut self.exporter {
            exporter.end();
        }
        Ok(())
    }
}
