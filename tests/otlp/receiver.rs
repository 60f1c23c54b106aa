//! Receivers of OTLP, over gRPC on the protocol's own crates and over plain HTTP, that remember
//! what came and answer as they are told. Not what ought to come.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};

use crate::support::tool::pause;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A push as it came.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) request: ExportMetricsServiceRequest,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) came: Instant,
}

/// What is to be answered, in place of that it is taken.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Over HTTP: this status, with this header, if there is one.
    Http(u16, Option<(&'static str, &'static str)>),
    /// Over gRPC: this status, with these details.
    Grpc(tonic::Code, Vec<u8>),
    /// So many points were rejected.
    Partial(i64),
    /// Nothing, ever.
    Silence,
}

/// What came, and what is to be answered next.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pushes: Vec<Push>,
    answers: VecDeque<Answer>,
}

/// Remembered from one receiver to the next at the same port.
pub(crate) type Shared = Arc<Mutex<Book>>;

/// In which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Grpc,
    Http,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Grpc, Self::Http];

    /// As the option has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// A receiver, until it is dropped; then its connections are cut.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// At a port of its own.
    pub(crate) fn start(kind: Kind) -> Result<Self> {
        Self::at(([127, 0, 0, 1], 0).into(), kind, &Shared::default(), None)
    }

    /// At this address, with what came before. `identity`: certificate and key, as PEM.
    pub(crate) fn at(
        address: SocketAddr,
        kind: Kind,
        shared: &Shared,
        identity: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let book = Arc::clone(shared);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            let serving = runtime.spawn(async move {
                match kind {
                    Kind::Grpc => serve_grpc(listener, book, identity).await,
                    Kind::Http => serve_http(listener, book, identity).await,
                }
                .expect("a receiver");
            });
            _ = runtime.block_on(stopped);
            serving.abort();
            runtime.shutdown_background();
        });
        let shared = Arc::clone(shared);
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        book(&self.shared).answers.extend(answers);
    }

    /// All that came so far.
    pub(crate) fn pushes(&self) -> Vec<Push> {
        book(&self.shared).pushes.clone()
    }

    /// What came, once it is as wanted.
    pub(crate) fn wait(&self, is_wanted: impl Fn(&[Push]) -> bool) -> Result<Vec<Push>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let pushes = self.pushes();
            if is_wanted(&pushes) {
                return Ok(pushes);
            }
            ensure!(Instant::now() < until, "in vain, after {} pushes", pushes.len());
            pause(Duration::from_millis(20));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn book(shared: &Shared) -> MutexGuard<'_, Book> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a push; returns what is to be answered to it.
fn note(
    shared: &Shared,
    request: ExportMetricsServiceRequest,
    headers: &hyper::HeaderMap,
) -> Option<Answer> {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let mut book = book(shared);
    let answer = book.answers.pop_front();
    book.pushes.push(Push { request, headers, came: Instant::now() });
    answer
}

fn partial(rejected_data_points: i64) -> ExportMetricsServiceResponse {
    let partial =
        ExportMetricsPartialSuccess { rejected_data_points, error_message: "too old".to_owned() };
    ExportMetricsServiceResponse { partial_success: Some(partial) }
}

struct Grpc(Shared);

#[tonic::async_trait]
impl MetricsService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        let (metadata, _, request) = request.into_parts();
        match note(&self.0, request, &metadata.into_headers()) {
            Some(Answer::Grpc(code, details)) => {
                Err(tonic::Status::with_details(code, "as told", details.into()))
            }
            Some(Answer::Partial(points)) => Ok(tonic::Response::new(partial(points))),
            Some(Answer::Silence) => std::future::pending().await,
            Some(Answer::Http(..)) => Err(tonic::Status::internal("no such answer here")),
            None => Ok(tonic::Response::new(ExportMetricsServiceResponse::default())),
        }
    }
}

async fn serve_grpc(
    listener: TcpListener,
    book: Shared,
    identity: Option<(Vec<u8>, Vec<u8>)>,
) -> Result<()> {
    let service =
        MetricsServiceServer::new(Grpc(book)).accept_compressed(CompressionEncoding::Gzip);
    let mut server = Server::builder();
    if let Some((certificate, key)) = identity {
        let identity = Identity::from_pem(certificate, key);
        server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
    }
    let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?);
    Ok(server.add_service(service).serve_with_incoming(incoming).await?)
}

async fn serve_http(
    listener: TcpListener,
    book: Shared,
    identity: Option<(Vec<u8>, Vec<u8>)>,
) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = identity.map(|(certificate, key)| acceptor(&certificate, &key)).transpose()?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (book, acceptor) = (Arc::clone(&book), acceptor.clone());
        tokio::spawn(async move {
            match acceptor {
                None => converse(stream, book).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        converse(stream, book).await;
                    }
                }
            }
        });
    }
}

fn acceptor(certificate: &[u8], key: &[u8]) -> Result<TlsAcceptor> {
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, shared: Shared) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answered(request, &shared).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    // Whoever pushes may go away at any time.
    _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

async fn answered(
    request: hyper::Request<Incoming>,
    shared: &Shared,
) -> hyper::Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let read = async {
        ensure!(head.method == hyper::Method::POST && head.uri == "/v1/metrics", "{head:?}");
        let bytes = body.collect().await?.to_bytes();
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        ensure!(header("content-type") == Some("application/x-protobuf"), "{head:?}");
        let mut plain = Vec::new();
        match header("content-encoding") {
            Some("gzip") => _ = GzDecoder::new(&*bytes).read_to_end(&mut plain)?,
            _ => plain.extend_from_slice(&bytes),
        }
        ExportMetricsServiceRequest::decode(plain.as_slice()).context("a message")
    };
    let mut response = hyper::Response::new(Full::default());
    let message = match read.await {
        Ok(message) => message,
        Err(error) => {
            *response.status_mut() = hyper::StatusCode::BAD_REQUEST;
            *response.body_mut() = Full::from(format!("{error:#}"));
            return response;
        }
    };
    match note(shared, message, &head.headers) {
        Some(Answer::Http(status, header)) => {
            *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
            if let Some((name, value)) = header {
                response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
            }
        }
        Some(Answer::Partial(points)) => {
            *response.body_mut() = Full::from(partial(points).encode_to_vec());
        }
        Some(Answer::Silence) => std::future::pending().await,
        Some(Answer::Grpc(..)) | None => {}
    }
    response
}
