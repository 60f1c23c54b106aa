//! The server's thread: it accepts connections until it is stopped, and takes over new
//! configurations. Not what is said on a connection.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::admission::Admission;
use super::respond::Shared;
use super::web::Web;
use super::{HttpCounters, Listen, Pages, WebConfig, connection, listen};

/// Connections at a time.
const MOST_CONNECTIONS: usize = 256;
/// Two slow pages, each until its stream is written, and a password.
const MOST_THREADS: usize = 3;
/// What is under way when the server is stopped has this long.
const GRACE: Duration = Duration::from_millis(800);
/// After a failed accept, where the next one would fail as well.
const PAUSE: Duration = Duration::from_millis(100);

/// Sockets that listen, with nobody answering yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
}

/// What the server goes by.
#[derive(Clone)]
pub(super) struct State {
    pub(super) web: Arc<Web>,
    is_stopping: bool,
}

impl Server {
    /// Listens at each of these. Connections wait until it is started.
    pub fn bind(wanted: &[Listen]) -> io::Result<Self> {
        Ok(Self { listeners: listen::bind_all(wanted)? })
    }

    /// Where it listens, with the ports that the kernel chose for 0.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves the pages, on a thread of its own. What that thread may do is what the calling
    /// one may now, so capabilities are dropped before.
    pub fn start(
        self,
        web: WebConfig,
        pages: Arc<dyn Pages>,
        counters: Arc<HttpCounters>,
    ) -> io::Result<Running> {
        let state = State { web: Arc::new(Web::new(web)), is_stopping: false };
        let (changes, state) = watch::channel(state);
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(MOST_THREADS)
            .thread_name("tcpcong-page")
            .build()?;
        let listeners = {
            let _inside = runtime.enter();
            let listeners = self.listeners.into_iter().map(tokio::net::TcpListener::from_std);
            listeners.collect::<io::Result<Vec<_>>>()?
        };
        let admission = Admission::new(MOST_CONNECTIONS, Arc::clone(&counters));
        let shared = Arc::new(Shared::new(pages, counters, state, admission));
        let thread = thread::Builder::new().name("tcpcong-http".to_owned()).spawn(move || {
            tcpcong_live::leave_signals_to_others();
            // What reads what strangers send, and makes pages of it, may do nothing else. It is
            // kept only where there is nothing that could be given up.
            _ = tcpcong_live::drop_all_capabilities();
            run(&runtime, listeners, &shared);
            // A password that is being hashed, or a page, is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Running { changes, thread: Some(thread) })
    }
}

/// Serves until it is stopped.
fn run(runtime: &Runtime, listeners: Vec<tokio::net::TcpListener>, shared: &Arc<Shared>) {
    runtime.block_on(async {
        let mut state = shared.state.clone();
        let accepting: Vec<_> = listeners
            .into_iter()
            .map(|listener| runtime.spawn(accept(listener, Arc::clone(shared))))
            .collect();
        // An error says that whoever could stop it is gone.
        _ = state.wait_for(|state| state.is_stopping).await;
        for one in accepting {
            one.abort();
        }
        let emptied = async {
            while !shared.admission.is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        // Whoever is still there is cut off.
        _ = timeout(GRACE, emptied).await;
    });
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let admission = &shared.admission;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Some(admitted) = admission.admit() {
                    tokio::spawn(connection::serve(stream, peer, admitted, Arc::clone(&shared)));
                }
            }
            Err(error) => {
                // EMFILE and the like stay until somebody closes a file; the connection that
                // waits would have accept() called again and again.
                if is_out_of_files(&error) {
                    admission.make_room();
                }
                sleep(PAUSE).await;
            }
        }
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    error.raw_os_error().is_some_and(|errno| [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(&errno))
}

/// A server that serves. It is stopped when this value goes.
pub struct Running {
    changes: watch::Sender<State>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// From the next request on, this holds. Connections end after the request under way,
    /// so that each goes by the new certificates.
    pub fn reload(&self, web: WebConfig) {
        let web = Arc::new(Web::new(web));
        self.changes.send_modify(|state| state.web = web);
    }

    /// Answers what is under way, and ends within a second.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.changes.send_modify(|state| state.is_stopping = true);
        if let Some(thread) = self.thread.take() {
            // A panic of it has been shown already.
            _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
