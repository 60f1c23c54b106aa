//! Debian's `VictoriaMetrics`, which receives OTLP and answers queries. Not what it ought to answer.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::needs::need;
use crate::support::tool::pause;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/victoria-metrics/usr/bin/victoria-metrics")
}

/// Whether it is unpacked; otherwise says that `test` is skipped.
pub(crate) fn need_victoria(test: &str) -> bool {
    let why =
        "VictoriaMetrics, which scripts/setup.sh test unpacks where a mirror of Debian has it";
    need(test, program().exists(), why)
}

/// It, which `scripts/setup.sh test` has unpacked, until it is dropped.
pub(crate) struct Victoria {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Victoria {
    pub(crate) fn start() -> Result<Self> {
        let program = program();
        ensure!(program.exists(), "{} is missing: run scripts/setup.sh test", program.display());
        let folder = TempDir::new()?;
        // Nobody else takes it between these two, mostly.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(program)
            .arg(format!("-storageDataPath={}", folder.path().join("data").display()))
            .arg(format!("-httpListenAddr={address}"))
            .arg("-opentelemetry.usePrometheusNaming")
            .arg("-search.latencyOffset=0s")
            .args(["-inmemoryDataFlushInterval=1s", "-memory.allowedBytes=64MiB"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log"))?)
            .spawn()?;
        let started = Self { child, address, _folder: folder };
        let until = Instant::now() + PATIENCE;
        while started.ask("/health").is_err() {
            ensure!(Instant::now() < until, "VictoriaMetrics does not become ready");
            pause(Duration::from_millis(100));
        }
        Ok(started)
    }

    /// Where it receives OTLP.
    pub(crate) fn otlp(&self) -> String {
        format!("http://{}/opentelemetry", self.address)
    }

    fn ask(&self, target: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {target} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("a head")?;
        ensure!(head.contains(" 200 "), "{head}: {body}");
        Ok(body.to_owned())
    }

    /// The one value that an expression gives. What came is there to be asked for a second or two
    /// later, so it is asked again until it is about this, or patience ends.
    pub(crate) fn value(&self, expression: &str, about: f64) -> Result<f64> {
        let mut encoded = String::new();
        for byte in expression.bytes() {
            write!(encoded, "%{byte:02x}")?;
        }
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let answer = self.ask(&format!("/api/v1/query?query={encoded}&nocache=1"))?;
            let answer: Value = serde_json::from_str(&answer)?;
            ensure!(answer["status"] == "success", "{expression}: {answer}");
            let value = answer["data"]["result"][0]["value"][1].as_str();
            let value = value.map(str::parse::<f64>).transpose()?;
            match value {
                Some(value) if (value - about).abs() < 1e-6 || Instant::now() > until => {
                    return Ok(value);
                }
                None if Instant::now() > until => {
                    anyhow::bail!("{expression}: {answer}")
                }
                _ => pause(Duration::from_millis(200)),
            }
        }
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
