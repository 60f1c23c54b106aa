//! The mixin as its source renders it, all of its expressions, and the Prometheus that answers
//! them. Not its checks: those are `tests/mixin.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde::Deserialize;

use super::needs::need;

/// One expression that a Prometheus answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Expression {
    /// `alert X`, `record X`, or the dashboard's file, the panel's title and the query's letter.
    pub(crate) place: String,
    /// As it is written, with Grafana's variables.
    pub(crate) expr: String,
    /// With what Grafana might put in their places: a Prometheus can answer it.
    pub(crate) query: String,
}

/// What `scripts/mixin.sh` renders, in a folder below target/.
pub(crate) struct Mixin(PathBuf);

impl Mixin {
    /// Once for all tests of a file.
    pub(crate) fn rendered() -> Result<&'static Self> {
        static RENDERED: OnceLock<std::result::Result<Mixin, String>> = OnceLock::new();
        let rendered = RENDERED.get_or_init(|| Self::render().map_err(|why| format!("{why:#}")));
        rendered.as_ref().map_err(|why| anyhow!("{why}"))
    }

    fn render() -> Result<Self> {
        // Each file of tests has its own.
        let name = concat!("mixin-of-", env!("CARGO_CRATE_NAME"));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        for what in ["render", "expressions"] {
            done(Command::new(in_repository("scripts/mixin.sh")).arg(what).arg(&folder))?;
        }
        Ok(Self(folder))
    }

    /// promtool's tests of the alerts, which take longer than all the rest.
    pub(crate) fn tests(&self) -> Result<PathBuf> {
        let mut script = Command::new(in_repository("scripts/mixin.sh"));
        done(script.arg("tests").arg(self.folder()))?;
        Ok(self.folder().join("tests.json"))
    }

    /// `rules.yaml`, `alerts.yaml`, `prometheusrule.yaml`, `dashboards/`,
    /// `expressions.json`.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// Every expression of rules, alerts and dashboards.
    pub(crate) fn expressions(&self) -> Result<Vec<Expression>> {
        let text = std::fs::read_to_string(self.folder().join("expressions.json"))?;
        Ok(serde_json::from_str(&text)?)
    }
}

pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether Debian's Prometheus is unpacked; otherwise says that `test` is skipped.
pub(crate) fn need_prometheus(test: &str) -> bool {
    let there = in_repository("target/prometheus/usr/bin/promtool").exists();
    need(test, there, "Prometheus, which scripts/setup.sh test unpacks where apt-get has it")
}

/// `prometheus` or `promtool`, of Debian's package.
pub(crate) fn prometheus(program: &str) -> Result<Command> {
    let path = in_repository("target/prometheus/usr/bin").join(program);
    ensure!(path.exists(), "{program} is missing: scripts/setup.sh test unpacks it");
    Ok(Command::new(path))
}

/// Runs it to its end; what it printed, all of which the error has where it failed.
pub(crate) fn done(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{text}{errors}", output.status);
    Ok(text.into_owned())
}
