//! The pages of the service: metrics for all, and for those who are trusted what leads from them
//! to a connection. Not here: how a page is sent, nor what is on one.

use std::sync::{Arc, Mutex, PoisonError};

use super::http::{Answer, CachedBytes, Link, Pages, Request};
use super::metrics::Format;
use super::state::Shared;
use crate::command::{FlowsPage, WhyPage};

const LINKS: [Link; 6] = [
    Link { path: "/metrics", description: "all metrics" },
    Link {
        path: "/flows?sort=loss&top=20",
        description: "the connections of the last interval, those with the most time in Loss first",
    },
    Link { path: "/why", description: "what holds connections up, by what is kept in memory" },
    Link { path: "/hindsight", description: "that itself, as a recording" },
    Link { path: "/healthz", description: "whether the figures are kept up to date" },
    Link { path: "/readyz", description: "whether there are figures" },
];

/// The pages.
#[derive(Debug)]
pub struct ServicePages {
    shared: Arc<Shared>,
    /// The last metrics that somebody asked for, by format.
    metrics: Mutex<[Option<Arc<CachedBytes>>; 3]>,
}

impl ServicePages {
    /// Of what is shared.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, metrics: Mutex::default() }
    }

    fn metrics(&self, request: &Request) -> Answer {
        let format = Format::wanted(request.accept());
        let Ok(bytes) = self.shared.scraped.encode(format) else {
            return Answer::line(500, "the metrics could not be written in this format");
        };
        let mut all = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = all[format as usize].take().filter(|of| Arc::ptr_eq(of.bytes(), &bytes));
        let cached = cached.unwrap_or_else(|| CachedBytes::new(bytes));
        all[format as usize] = Some(Arc::clone(&cached));
        Answer::cached(format.content_type(), cached).with_header("Vary", "Accept")
    }

    fn health(&self) -> Answer {
        match self.shared.is_stale() {
            None => Answer::line(200, "ok"),
            Some(age) => {
                let seconds = age.as_secs();
                Answer::line(503, format!("the figures are {seconds} s old"))
            }
        }
    }

    fn flows(&self, request: &Request) -> Answer {
        let page = match FlowsPage::asked(request) {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        match self.shared.report() {
            Some((start, report)) => page.answer(&start, &report, request),
            None => Answer::line(503, "no interval has ended yet").with_header("Retry-After", "10"),
        }
    }

    fn why(&self, request: &Request) -> Answer {
        let page = match WhyPage::asked(request) {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        match self.recording() {
            Ok(recording) => page.answer(recording, request),
            Err(why) => Answer::line(503, why),
        }
    }

    fn hindsight(&self, request: &Request) -> Answer {
        if let Some((name, _)) = request.query().first() {
            let name = name.escape_debug();
            return Answer::line(
                400,
                format!("{name}: it has no parameters: all that is kept comes"),
            );
        }
        // It may be larger than all that is kept for answers.
        match self.shared.hindsight() {
            Ok(kept) => Answer::stream("application/zstd", move |out| {
                kept.write(out).map(|_| ()).map_err(std::io::Error::other)
            })
            .with_header("Content-Disposition", "attachment; filename=\"hindsight.jsonl.zst\""),
            Err(why) => Answer::line(503, why),
        }
    }

    /// What is kept in memory, as a recording: made here, so that tracing need not wait.
    fn recording(&self) -> Result<Vec<u8>, String> {
        self.shared.hindsight()?.recording().map_err(|error| format!("{error:#}"))
    }
}

impl Pages for ServicePages {
    fn answer(&self, request: &Request) -> Answer {
        match request.path() {
            "/metrics" => self.metrics(request),
            "/healthz" => self.health(),
            // Nobody is answered before there are figures.
            "/readyz" => Answer::line(200, "ready"),
            "/flows" | "/why" | "/hindsight" if !request.is_trusted() => Answer::forbidden(),
            "/flows" => self.flows(request),
            "/why" => self.why(request),
            "/hindsight" => self.hindsight(request),
            _ => Answer::unknown(),
        }
    }

    fn is_slow(&self, path: &str) -> bool {
        matches!(path, "/flows" | "/why" | "/hindsight")
    }

    fn is_health(&self, path: &str) -> bool {
        matches!(path, "/healthz" | "/readyz")
    }

    fn title(&self) -> &'static str {
        "tcpcong"
    }

    fn description(&self) -> &'static str {
        "How long every TCP connection of this machine spends in each congestion state."
    }

    fn links(&self) -> &[Link] {
        &LINKS
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _};
    use std::thread;
    use std::time::Duration;

    use super::super::http::Content;
    use super::super::metrics::{Account, LabelBy, Scraped, Values};
    use super::*;
    use tcpcong_core::recording::Hindsight;

    fn scraped() -> Scraped {
        Scraped::new(Account::new(Values::new(LabelBy::Nothing, 1), 0.0).spells())
    }

    #[test]
    fn metrics_are_shared_by_those_who_ask_for_them_until_there_are_others() {
        let (shared, _requests) = Shared::new(scraped(), Err("nothing"));
        let pages = ServicePages::new(Arc::clone(&shared));
        let metrics = || {
            let answer = pages.answer(&Request::new("/metrics").unwrap());
            let Content::Cached(cached) = answer.into_content() else { panic!("it is a copy") };
            cached
        };
        let one = metrics();
        assert!(Arc::ptr_eq(&one, &metrics()));
        shared.scraped.update(Arc::default());
        let next = metrics();
        assert!(!Arc::ptr_eq(&one, &next) && Arc::ptr_eq(&next, &metrics()));
    }

    #[test]
    fn what_is_kept_in_memory_is_sent_as_it_is_written() {
        let (shared, requests) = Shared::new(scraped(), Ok(()));
        let hindsight = Hindsight::new(Duration::from_secs(60));
        let kept = hindsight.kept(&hindsight.recorder(10_000_000).unwrap()).unwrap();
        let whole = kept.recording().unwrap();
        let tracing = thread::spawn(move || requests.recv().unwrap().send(Ok(kept)).unwrap());
        let request = Request::new("/hindsight").unwrap().trusting(true);
        let answer = ServicePages::new(shared).answer(&request);
        tracing.join().unwrap();
        assert_eq!(answer.status(), 200);
        let Content::Stream(stream) = answer.into_content() else { panic!("it is a whole answer") };
        // It is less than a pipe has room for.
        let (mut sent, out) = io::pipe().unwrap();
        stream(Box::new(out)).unwrap();
        let mut all = Vec::new();
        sent.read_to_end(&mut all).unwrap();
        assert_eq!(all, whole);
    }
}
