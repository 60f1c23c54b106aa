//! Runs `tcpcong serve` and asks it for pages, and a Prometheus that scrapes it. Not here: what
//! they ought to say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::mixin::prometheus;
use super::tool::{command, pause};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A service, until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    address: SocketAddr,
    said: Receiver<String>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Service {
    /// With these options, at a port of its own.
    pub(crate) fn start(options: &[&str]) -> Result<Self> {
        Self::started(
            command().arg("serve").args(["--web.listen-address", "127.0.0.1:0"]).args(options),
        )
    }

    /// The same, of a command that says where it listens.
    pub(crate) fn started(command: &mut Command) -> Result<Self> {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let stderr = child.stderr.take().context("stderr")?;
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                _ = sender.send(line);
            }
        });
        let mut service = Self { child, address: ([0, 0, 0, 0], 0).into(), said };
        let line = service.said("serving http")?;
        let address = line.split("://").nth(1).and_then(|rest| rest.split('/').next());
        service.address = address.context("an address")?.parse()?;
        Ok(service)
    }

    /// Waits for a line on stderr that has these words.
    pub(crate) fn said(&self, words: &str) -> Result<String> {
        let until = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        while let Ok(line) = self.said.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if line.contains(words) {
                return Ok(line);
            }
            lines.push(line);
        }
        bail!("it never said {words:?}, but {lines:?}")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or_default())
    }

    /// A page, as a browser on this machine would ask for it.
    pub(crate) fn get(&self, target: &str) -> Result<Answered> {
        self.get_with(target, "")
    }

    /// The same, with these lines in the request's head.
    pub(crate) fn get_with(&self, target: &str, head: &str) -> Result<Answered> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let host = self.address;
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{head}\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("a head")?;
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let status =
            head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("a status")?;
        let mut body = answer.split_off(end + 4);
        if head.contains("transfer-encoding: chunked") {
            body = of_chunks(&body)?;
        }
        Ok(Answered { status, head, body })
    }

    /// All series with their values, in the text format.
    pub(crate) fn metrics(&self) -> Result<Metrics> {
        let answer = self.get("/metrics")?;
        ensure!(answer.status == 200, "{}", answer.text());
        Ok(Metrics::parse(&answer.text()))
    }

    /// The metrics of an interval that ended after now. The next ones need not be: on a slow
    /// machine the last ones may be of two intervals ago.
    pub(crate) fn updated_metrics(&self) -> Result<Metrics> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let until = Instant::now() + PATIENCE;
        loop {
            pause(Duration::from_millis(100));
            let metrics = self.metrics()?;
            if metrics.sum("tcpcong_updated_timestamp_seconds", &[]) > now.as_secs_f64() {
                return Ok(metrics);
            }
            ensure!(Instant::now() < until, "no update came");
        }
    }

    /// Asks for the end, and waits for it.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill(self.pid(), Signal::SIGTERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{status}: {:?}", self.said.iter().collect::<Vec<_>>());
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What a scrape has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub(crate) fn parse(text: &str) -> Self {
        let series = text.lines().filter(|line| !line.starts_with('#'));
        let series = series.filter_map(|line| line.rsplit_once(' '));
        Self(
            series
                .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
                .collect(),
        )
    }

    /// The sum of a metric's series that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Vec<_> =
            labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let is_it = |series: &str| {
            let (its, rest) = series.split_once('{').unwrap_or((series, ""));
            its == name && labels.iter().all(|label| rest.contains(label.as_str()))
        };
        self.0.iter().filter(|(series, _)| is_it(series)).map(|(_, value)| value).sum()
    }

    /// All series, by name and labels.
    pub(crate) fn series(&self) -> &BTreeMap<String, f64> {
        &self.0
    }
}

/// Debian's Prometheus, which `scripts/setup.sh test` has unpacked, with a configuration of its
/// own in a folder of its own.
#[derive(Debug)]
pub(crate) struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes `target` each second, with these rules, if there are any; and has native histograms
    /// if that is wanted, which has it ask for protobuf.
    pub(crate) fn scraping(target: SocketAddr, rules: &[&Path], native: bool) -> Result<Self> {
        let folder = TempDir::new()?;
        let rules: Vec<_> =
            rules.iter().map(|rules| format!("  - {}\n", rules.display())).collect();
        let rules = if rules.is_empty() {
            String::new()
        } else {
            format!("rule_files:\n{}", rules.concat())
        };
        let config = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n{rules}scrape_configs:\n  \
             - job_name: tcpcong\n    static_configs:\n      - targets: ['{target}']\n"
        );
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config)?;
        // Nobody else takes it between these two, mostly.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = prometheus("prometheus")?;
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log"))?);
        if native {
            command.arg("--enable-feature=native-histograms");
        }
        let started = Self { child: command.spawn()?, address, _folder: folder };
        let until = Instant::now() + PATIENCE;
        while started.ask("/-/ready").is_err() {
            ensure!(Instant::now() < until, "Prometheus does not become ready");
            pause(Duration::from_millis(100));
        }
        Ok(started)
    }

    fn ask(&self, target: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "GET {target} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("a head")?;
        ensure!(head.contains(" 200 "), "{head}: {body}");
        Ok(body.to_owned())
    }

    /// What an expression gives now.
    pub(crate) fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let encoded = expression.bytes().fold(String::new(), |mut encoded, byte| {
            _ = write!(encoded, "%{byte:02x}");
            encoded
        });
        let answer = self.ask(&format!("/api/v1/query?query={encoded}"));
        let answer = answer.with_context(|| expression.to_owned())?;
        let answer: Value = serde_json::from_str(&answer)?;
        ensure!(answer["status"] == "success", "{expression}: {answer}");
        Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
    }

    /// The one value that an expression gives.
    pub(crate) fn value(&self, expression: &str) -> Result<f64> {
        let result = self.query(expression)?;
        let value = result.first().and_then(|one| one["value"][1].as_str());
        value.with_context(|| format!("{expression}: {result:?}"))?.parse().context("a number")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What chunks (RFC 9112, 7.1) have, the last of which is empty.
fn of_chunks(mut chunks: &[u8]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = chunks.windows(2).position(|two| two == b"\r\n").context("a chunk's length")?;
        let length = usize::from_str_radix(str::from_utf8(&chunks[..line])?, 16)?;
        if length == 0 {
            return Ok(whole);
        }
        let (chunk, rest) = chunks[line + 2..].split_at_checked(length).context("a whole chunk")?;
        whole.extend_from_slice(chunk);
        chunks = rest.strip_prefix(b"\r\n").context("a chunk's end")?;
    }
}
