//! One connection, from its first byte to its end. Not what its requests are answered.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;

use super::Rejection;
use super::admission::Admitted;
use super::body::AnswerBody;
use super::config::Tls;
use super::pace::{Pace, Paced, Phase, Stream};
use super::respond::Shared;
use super::server::State;
use super::trust::Client;

/// A request's line and headers. Prometheus sends 300 bytes.
const MOST_HEAD_BYTES: usize = 8 << 10;
const MOST_HEADERS: usize = 64;
/// The first byte of a TLS record that has a handshake (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// What one who speaks HTTP where TLS is spoken is answered.
const NO_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
                        Connection: close\r\n\r\nthis is HTTPS: ask by https://\n";

/// Why a connection ended before its time.
enum Cut {
    Late,
    Evicted,
}

/// Serves it until it is closed by either side.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    admitted: Admitted,
    shared: Arc<Shared>,
) {
    let pace = &admitted.pace;
    // An answer in two writes would wait for the first one's ACK.
    _ = stream.set_nodelay(true);
    let mut changes = shared.state.clone();
    let tls = changes.borrow_and_update().web.config.tls.clone();
    let mut client = Client { address: peer.ip(), verified: false };
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(tls) => match within(pace, pin!(handshake(stream, &tls, &shared))).await {
            Ok(Some((stream, verified))) => {
                client.verified = verified;
                stream
            }
            Ok(None) | Err(Cut::Evicted) => return,
            Err(Cut::Late) => return shared.counters.count_rejection(Rejection::Slow),
        },
    };
    pace.begins();
    let requests = requests(stream, client, &shared, pace, changes);
    if let Err(Cut::Late) = within(pace, pin!(requests)).await
        && pace.phase().0 != Phase::Idle
    {
        shared.counters.count_rejection(Rejection::Slow);
    }
}

/// What the future comes to, unless the deadline passes first or others need the place.
async fn within<F: Future>(pace: &Pace, mut future: Pin<&mut F>) -> Result<F::Output, Cut> {
    let mut evicted = pin!(pace.is_evicted());
    let mut sleep = pin!(sleep_until(pace.deadline()));
    poll_fn(|context| {
        // Before anything is polled: that alone could have hyper take a part of a stream.
        if Instant::now() >= pace.deadline() {
            return Poll::Ready(Err(Cut::Late));
        }
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        if evicted.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(Cut::Evicted));
        }
        let deadline = pace.deadline();
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context).map(|()| Err(Cut::Late))
    })
    .await
}

/// The stream inside, and whether the client has shown a certificate that was verified; none
/// where it comes to nothing.
async fn handshake(
    stream: TcpStream,
    tls: &Tls,
    shared: &Shared,
) -> Option<(Box<dyn Stream>, bool)> {
    let mut first = [0];
    // A port scan, and a probe whether the port is open, end here.
    if !matches!(stream.peek(&mut first).await, Ok(1)) {
        return None;
    }
    if first[0] != HANDSHAKE_RECORD {
        if first[0].is_ascii_uppercase() {
            // It fails where the client has gone.
            _ = refuse_plain(stream).await;
            shared.counters.count_response(400);
        }
        shared.counters.count_rejection(Rejection::Tls);
        return None;
    }
    let Ok(stream) = TlsAcceptor::from(Arc::clone(&tls.server)).accept(stream).await else {
        shared.counters.count_rejection(Rejection::Tls);
        return None;
    };
    let has_certificate = stream.get_ref().1.peer_certificates().is_some();
    Some((Box::new(stream), has_certificate && tls.clients.verifies()))
}

async fn refuse_plain(mut stream: TcpStream) -> io::Result<()> {
    // What is not read would have the answer thrown away (RFC 9112, 9.6).
    _ = stream.read(&mut [0; 4096]).await?;
    stream.write_all(NO_TLS).await?;
    stream.shutdown().await
}

/// Answers its requests, one after the other, until there are no more, or the configuration
/// changes and the one under way is answered.
async fn requests(
    stream: Box<dyn Stream>,
    client: Client,
    shared: &Arc<Shared>,
    pace: &Arc<Pace>,
    mut changes: watch::Receiver<State>,
) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (shared, pace) = (Arc::clone(shared), Arc::clone(pace));
        async move {
            let response = shared.respond(request, client, pace).await;
            response as Result<Response<AnswerBody>, Infallible>
        }
    });
    let stream = TokioIo::new(Paced::new(stream, Arc::clone(pace)));
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_headers(MOST_HEADERS)
        .max_header_size(MOST_HEAD_BYTES)
        .max_buf_size(2 * MOST_HEAD_BYTES);
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut next = pin!(changes.changed());
    let mut is_last = false;
    let outcome = poll_fn(|context| {
        let outcome = connection.as_mut().poll(context);
        if outcome.is_ready() || is_last || next.as_mut().poll(context).is_pending() {
            return outcome;
        }
        is_last = true;
        connection.as_mut().graceful_shutdown();
        let outcome = connection.as_mut().poll(context);
        if matches!(pace.phase().0, Phase::New | Phase::Idle) {
            return Poll::Ready(Ok(()));
        }
        outcome
    })
    .await;
    // hyper has answered what it could not read, with 400, 414 or 431.
    if outcome.is_err_and(|error| error.is_parse()) {
        shared.counters.count_response(400);
    }
}
