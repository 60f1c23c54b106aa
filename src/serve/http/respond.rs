//! From a request's head to its answer: limits, methods, authentication, the page, and the
//! headers of every answer. Not the connection it comes by.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING, VARY,
    WWW_AUTHENTICATE,
};
use hyper::http::uri::Authority;
use hyper::{Method, Response, StatusCode, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;

use super::admission::Admission;
use super::authentication::{Authentication, Hashing, takes_hashing};
use super::body::{AnswerBody, Unsent};
use super::pace::Pace;
use super::server::State;
use super::trust::{self, Client};
use super::web::Web;
use super::{Answer, Content, HttpCounters, Pages, Request, gzip, landing};

/// Slow pages that are answered at a time.
const MOST_SLOW: usize = 2;
/// Of whole answers that clients have not taken yet.
const MOST_UNSENT_BYTES: usize = 32 << 20;

/// What every connection needs.
pub(super) struct Shared {
    pub(super) pages: Arc<dyn Pages>,
    pub(super) counters: Arc<HttpCounters>,
    pub(super) state: watch::Receiver<State>,
    pub(super) admission: Arc<Admission>,
    unsent: Arc<Unsent>,
    hashing: Hashing,
    slow: Arc<Semaphore>,
    hostname: String,
}

/// An answer, and what is held until a slow one has been written.
type Answered = (Answer, Option<OwnedSemaphorePermit>);

impl Shared {
    pub(super) fn new(
        pages: Arc<dyn Pages>,
        counters: Arc<HttpCounters>,
        state: watch::Receiver<State>,
        admission: Arc<Admission>,
    ) -> Self {
        Self {
            pages,
            counters,
            state,
            admission,
            unsent: Arc::default(),
            hashing: Hashing::new(),
            slow: Arc::new(Semaphore::new(MOST_SLOW)),
            hostname: trust::hostname(),
        }
    }

    /// The configuration that holds now.
    pub(super) fn web(&self) -> Arc<Web> {
        Arc::clone(&self.state.borrow().web)
    }

    /// Answers one request.
    pub(super) async fn respond(
        &self,
        request: hyper::Request<Incoming>,
        client: Client,
        pace: Arc<Pace>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        pace.asks();
        let web = self.web();
        let (answer, permit) = self.answer(&request, client, &web).await;
        let is_head = request.method() == Method::HEAD;
        let mut response = self.response(answer, permit, is_head, pace);
        for (name, value) in &web.config.headers {
            response.headers_mut().insert(name, value.clone());
        }
        self.counters.count_response(response.status().as_u16());
        Ok(response)
    }

    async fn answer(
        &self,
        request: &hyper::Request<Incoming>,
        client: Client,
        web: &Arc<Web>,
    ) -> Answered {
        let header = request.headers().get(AUTHORIZATION);
        let is_health = self.pages.is_health(request.uri().path());
        // Guesses stay within the rate.
        let is_free = is_health && !takes_hashing(header, web);
        if !is_free && !web.is_within_rate() {
            let answer = Answer::line(429, "too many requests: rate_limit of --web.config.file");
            return (answer.with_header(RETRY_AFTER.as_str(), "1"), None);
        }
        if let Some(refusal) = refusal(request) {
            return (refusal, None);
        }
        let authentication = self.hashing.authenticate(header, web).await;
        match authentication {
            Authentication::Unneeded | Authentication::Passed => (),
            Authentication::Failed => {
                let answer = Answer::line(401, "a user and a password are needed here")
                    .with_header(WWW_AUTHENTICATE.as_str(), "Basic realm=\"tcpcong\"");
                return (answer, None);
            }
            Authentication::Busy => return (busy("too many passwords are being checked"), None),
        }
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let asked = match Request::new(target) {
            Ok(asked) => asked,
            Err(error) => return (Answer::line(400, error.to_string()), None),
        };
        let is_trusted = authentication == Authentication::Passed
            || client.verified
            || self.is_trusted_here(request, client, web);
        let headers = request.headers();
        let asked = asked
            .accepting(&joined(headers, &ACCEPT), &joined(headers, &ACCEPT_ENCODING))
            .trusting(is_trusted);
        // Many who do not read would have as many copies of a page in memory.
        let is_full = !is_health && self.unsent.bytes() > MOST_UNSENT_BYTES;
        if is_full && !self.admission.make_memory() {
            return (busy("too much is waiting to be read"), None);
        }
        self.page(asked, client).await
    }

    /// Whether being on this machine is enough, and the client is there.
    fn is_trusted_here(
        &self,
        request: &hyper::Request<Incoming>,
        client: Client,
        web: &Web,
    ) -> bool {
        let authority = request.uri().authority().map(Authority::as_str);
        client.is_local()
            && !web.config.asks_who()
            && trust::is_from_here(request.headers(), authority, &self.hostname)
    }

    async fn page(&self, asked: Request, client: Client) -> Answered {
        if asked.path() == "/" {
            return (landing::landing(&*self.pages), None);
        }
        let pages = Arc::clone(&self.pages);
        if !pages.is_slow(asked.path()) {
            return (page(&*pages, &asked, client), None);
        }
        let Ok(permit) = Arc::clone(&self.slow).try_acquire_owned() else {
            return (busy("this page takes long, and others are waiting for it"), None);
        };
        // The page goes on without a client that leaves, and the permit with it.
        match spawn_blocking(move || (page(&*pages, &asked, client), permit)).await {
            Ok((answer, permit)) => (answer, Some(permit)),
            Err(_) => (Answer::line(500, "this page could not be made"), None),
        }
    }

    fn response(
        &self,
        answer: Answer,
        permit: Option<OwnedSemaphorePermit>,
        is_head: bool,
        pace: Arc<Pace>,
    ) -> Response<AnswerBody> {
        let Answer { status, content_type, content, headers: others, .. } = answer;
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&content_type) {
            headers.insert(CONTENT_TYPE, value);
        }
        for (name, value) in others {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
                headers.append(name, value);
            }
        }
        let whole = match &content {
            Content::Bytes(bytes) => Some(bytes.len()),
            Content::Cached(cached) => Some(cached.bytes().len()),
            Content::Stream(_) => None,
        };
        if let Some(length) = whole {
            headers.append(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
            if is_head {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
        }
        let body = match content {
            _ if is_head => AnswerBody::whole(Bytes::new(), pace),
            Content::Bytes(bytes) => AnswerBody::whole(self.unsent.counted(bytes), pace),
            Content::Cached(cached) => AnswerBody::whole(self.unsent.shared(&cached), pace),
            Content::Stream(stream) => AnswerBody::written(stream, permit, pace),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        *response.headers_mut() = headers;
        response
    }
}

/// A page of ours, compressed where that is worth it.
fn page(pages: &dyn Pages, asked: &Request, client: Client) -> Answer {
    let mut answer = pages.answer(asked);
    if answer.unknown {
        answer = landing::not_found(pages.links());
    }
    if client.is_local() || !gzip::is_accepted(asked.accept_encoding()) {
        return answer;
    }
    let compressed = match &answer.content {
        Content::Bytes(bytes) => gzip::compressed(bytes).map(Content::Bytes),
        Content::Cached(cached) => cached.compressed().map(Content::Cached),
        Content::Stream(_) => None,
    };
    let Some(compressed) = compressed else { return answer };
    answer.content = compressed;
    answer.with_header(CONTENT_ENCODING.as_str(), "gzip")
}

/// What is wrong with a request, whoever it comes from.
fn refusal(request: &hyper::Request<Incoming>) -> Option<Answer> {
    let headers = request.headers();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let answer = Answer::line(405, "nothing can be done here but GET and HEAD");
        return Some(closing(answer.with_header(ALLOW.as_str(), "GET, HEAD")));
    }
    if request.version() == Version::HTTP_11 && !headers.contains_key(HOST) {
        return Some(closing(Answer::line(400, "the header Host is missing")));
    }
    if !request.body().is_end_stream() || headers.contains_key(TRANSFER_ENCODING) {
        return Some(closing(Answer::line(413, "a request has no body here")));
    }
    None
}

/// What comes after this request may be its body.
fn closing(answer: Answer) -> Answer {
    answer.with_header(CONNECTION.as_str(), "close")
}

fn busy(why: &str) -> Answer {
    Answer::line(503, format!("{why}; ask again in a few seconds"))
        .with_header(RETRY_AFTER.as_str(), "5")
}

/// The values of a header that may be there more than once.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(", ")
}
