//! A server with pages made up for the tests, and clients. Not the tests.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tcpcong::serve::http::{
    Answer, CachedBytes, HttpCounters, Link, Listen, Pages, Rejection, Request, Running, Server,
    WebConfig,
};
use tempfile::TempDir;

use crate::support::certificates::Authority;
use crate::support::tool::pause;

/// Of `/stream`; more than the sockets on both sides hold.
pub(crate) const STREAM_BYTES: u64 = 20 << 20;

/// What `/slow` waits for.
#[derive(Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    /// So many wait.
    pub(crate) waiting: AtomicU64,
}

impl Gate {
    pub(crate) fn open(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.opened.wait_while(open, |open| !*open);
        drop(passed.unwrap_or_else(PoisonError::into_inner));
    }
}

struct TestPages {
    gate: Arc<Gate>,
    cached: Arc<CachedBytes>,
}

impl Pages for TestPages {
    fn answer(&self, request: &Request) -> Answer {
        match request.path() {
            "/metrics" => Answer::ok("text/plain; version=0.0.4", metrics()),
            "/echo" => Answer::ok("text/plain", format!("{request:?}\n")),
            "/flows" if request.is_trusted() => Answer::line(200, "a flow"),
            "/flows" => Answer::forbidden(),
            "/slow" => {
                self.gate.pass();
                Answer::line(200, "at last").with_header("X-Slow", "yes")
            }
            "/stream" => Answer::stream("application/octet-stream", |mut out| {
                std::io::copy(&mut std::io::repeat(b'x').take(STREAM_BYTES), &mut out)?;
                Ok(())
            }),
            "/broken" => Answer::stream("text/plain", |mut out| {
                std::io::copy(&mut std::io::repeat(b'x').take(1 << 20), &mut out)?;
                Err(std::io::Error::other("no more can be had"))
            }),
            "/healthz" => Answer::line(200, "ok"),
            "/cached" => Answer::cached("text/plain", Arc::clone(&self.cached)),
            "/large" => Answer::ok("text/plain", vec![b'y'; 20 << 20]),
            _ => Answer::unknown(),
        }
    }

    fn is_slow(&self, path: &str) -> bool {
        matches!(path, "/slow" | "/stream" | "/broken")
    }

    fn is_health(&self, path: &str) -> bool {
        path == "/healthz"
    }

    fn title(&self) -> &'static str {
        "tests & trials"
    }

    fn description(&self) -> &'static str {
        "Pages to try the server with."
    }

    fn links(&self) -> &[Link] {
        &[
            Link { path: "/metrics", description: "metrics" },
            Link { path: "/flows?top=20", description: "flows <of this machine>" },
        ]
    }
}

/// What `/metrics` says.
pub(crate) fn metrics() -> String {
    "tcpcong_state_seconds_total{state=\"recovery\"} 12\n".repeat(200)
}

/// A server on loopback, until this value goes.
pub(crate) struct Stand {
    pub(crate) address: SocketAddr,
    pub(crate) counters: Arc<HttpCounters>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) running: Running,
    directory: TempDir,
}

impl Stand {
    pub(crate) fn plain() -> Result<Self> {
        Self::at("127.0.0.1:0", "")
    }

    /// With a file of these lines, beside certificates if it names any.
    pub(crate) fn with(lines: &str) -> Result<Self> {
        Self::at("127.0.0.1:0", lines)
    }

    pub(crate) fn at(address: &str, lines: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        if lines.contains(".crt") {
            Authority::with_both(directory.path())?;
        }
        let path = directory.path().join("web.yml");
        std::fs::write(&path, lines)?;
        let server = Server::bind(&[Listen::At(address.parse()?)])?;
        let address = server.addresses()[0];
        let (counters, gate) = (Arc::new(HttpCounters::new()), Arc::new(Gate::default()));
        let cached = CachedBytes::new(vec![b'z'; 20 << 20].into());
        let pages = Arc::new(TestPages { gate: Arc::clone(&gate), cached });
        let running = server.start(WebConfig::read(&path)?, pages, Arc::clone(&counters))?;
        Ok(Self { address, counters, gate, running, directory })
    }

    /// Has it go by these lines from now on.
    pub(crate) fn reload(&self, lines: &str) -> Result<()> {
        std::fs::write(self.file("web.yml"), lines)?;
        self.running.reload(WebConfig::read(&self.file("web.yml"))?);
        Ok(())
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn connect(&self) -> Result<TcpStream> {
        connect(self.address)
    }

    /// Answers with this class of status so far.
    pub(crate) fn responses(&self, class: &str) -> u64 {
        self.counters.responses().filter(|(name, _)| *name == class).map(|(_, count)| count).sum()
    }

    /// All of what one request is answered, on a connection of its own.
    pub(crate) fn ask(&self, head: &str) -> Result<String> {
        ask(self.address, head)
    }

    /// The answer to a GET.
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        let address = self.address;
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn curl(&self, arguments: &str, path: &str) -> Result<Curl> {
        curl(self.directory(), arguments, &format!("{}{path}", self.address))
    }

    /// Waits until it is so.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) -> Result<()> {
        let begin = Instant::now();
        while !is_so() {
            let open = self.counters.open();
            ensure!(begin.elapsed() < Duration::from_secs(10), "not yet: {what}; {open} open");
            pause(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits until so many were answered with this class of status; hyper's own answers are
    /// counted a little after they are sent.
    pub(crate) fn wait_for_responses(&self, class: &str, count: u64) -> Result<()> {
        let begin = Instant::now();
        while self.responses(class) < count {
            let responses = self.responses(class);
            ensure!(begin.elapsed() < Duration::from_secs(5), "{responses} of {count}: {class}");
            pause(Duration::from_millis(5));
        }
        assert_eq!(self.responses(class), count, "{class}");
        Ok(())
    }

    /// Waits until so many connections were closed for this reason.
    pub(crate) fn wait_for(&self, reason: Rejection, count: u64, at_most: Duration) -> Result<()> {
        let begin = Instant::now();
        while self.counters.rejected(reason) < count {
            let rejected = self.counters.rejected(reason);
            ensure!(begin.elapsed() < at_most, "{rejected} of {count} closed: {}", reason.name());
            pause(Duration::from_millis(20));
        }
        Ok(())
    }
}

pub(crate) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// All of what one request is answered, until the server closes.
pub(crate) fn ask(address: SocketAddr, head: &str) -> Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("after {answer:?}"))?;
    Ok(answer)
}

/// What curl has to say.
#[derive(Debug)]
pub(crate) struct Curl {
    /// Its own exit code, 0 where there was an answer of any status.
    pub(crate) exit: i32,
    /// 0 where there was no answer.
    pub(crate) status: u16,
    /// Of the body, as it was sent.
    pub(crate) bytes: u64,
    pub(crate) body: String,
    pub(crate) head: String,
}

/// Runs curl in a directory. The URL has no scheme; it is in the arguments as `https` alone
/// where it is to be that.
pub(crate) fn curl(directory: &Path, arguments: &str, url: &str) -> Result<Curl> {
    let (scheme, arguments) = match arguments.strip_prefix("https") {
        Some(rest) => ("https", rest),
        None => ("http", arguments),
    };
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "40", "--noproxy", "*", "-D", "/dev/stderr"])
        .args(["-w", "\n%{size_download} %{http_code}"])
        .args(arguments.split_whitespace())
        .arg(format!("{scheme}://{url}"))
        .current_dir(directory)
        .output()
        .context("running curl, which scripts/setup.sh test installs")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, figures) = said.rsplit_once('\n').context("curl says no status")?;
    let (bytes, status) = figures.split_once(' ').context("curl says no size")?;
    Ok(Curl {
        exit: output.status.code().unwrap_or(-1),
        status: status.parse()?,
        bytes: bytes.parse()?,
        body: body.to_owned(),
        head: String::from_utf8_lossy(&output.stderr).to_ascii_lowercase(),
    })
}
