//! A network namespace of a test's own, by name, and how to run things inside it.
//! Not the network between namespaces: `lab` lays that.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use nix::fcntl::{Flock, FlockArg};
use nix::sched::{CloneFlags, setns};

/// Where `ip netns` keeps names, so that whoever looks for namespaces finds these too.
const NAMES: &str = "/run/netns";

/// A namespace that lasts as long as this value.
#[derive(Debug)]
pub(crate) struct Netns {
    /// Or the path of one that somebody else keeps.
    name: String,
}

impl Netns {
    pub(crate) fn new(name: &str) -> Result<Self> {
        // `ip netns add` is not safe against itself the first time, when it
        // turns its directory into a mount point.
        let lock = File::create("/run/tcpcong-test-netns.lock").context("making a lock file")?;
        let _lock = Flock::lock(lock, FlockArg::LockExclusive)
            .map_err(|(_, errno)| errno)
            .context("locking the making of namespaces")?;
        run("ip", &["netns", "add", name])?;
        let netns = Self { name: name.to_owned() };
        netns.run("ip", &["link", "set", "lo", "up"])?;
        Ok(netns)
    }

    /// One that somebody else keeps, as `/proc/PID/fd/N`; when this value goes, its
    /// connections end, and no more.
    pub(crate) fn at(path: &Path) -> Self {
        Self { name: path.to_string_lossy().into_owned() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its inode number, as `/proc/PID/ns/net` shows it.
    pub(crate) fn inode(&self) -> Result<String> {
        let path = Path::new(NAMES).join(&self.name);
        Ok(fs::metadata(&path).with_context(|| path.display().to_string())?.ino().to_string())
    }

    /// Runs `work` on a thread that is in this namespace. Sockets, and
    /// processes, made there stay in it.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let path = Path::new(NAMES).join(&self.name);
        let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        let inside = || -> Result<T> {
            setns(&file, CloneFlags::CLONE_NEWNET)
                .with_context(|| format!("entering the namespace {}", self.name))?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Runs a program in this namespace to its end; its output is an error's context.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        self.enter(|| run(program, arguments))?
            .with_context(|| format!("in the namespace {}", self.name))
    }

    /// Sets a kernel parameter by its dotted name, as `net.ipv4.tcp_sack`.
    pub(crate) fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = PathBuf::from("/proc/sys").join(key.replace('.', "/"));
        self.enter(|| fs::write(&path, value))?
            .with_context(|| format!("setting {key} to {value} in {}", self.name))
    }

    /// The kernel's own counter of what happened in this namespace: of `snmp` or `netstat`
    /// (`/proc/net`, `net/ipv4/proc.c`).
    pub(crate) fn counter(&self, file: &str, name: &str) -> Result<u64> {
        // The thread's own: `/proc/net` is that of the process.
        let path = format!("/proc/thread-self/net/{file}");
        let text = self.enter(|| fs::read_to_string(path))??;
        // Each line of names is followed by one of values.
        let lines: Vec<_> = text.lines().map(str::split_whitespace).collect();
        let mut pairs = lines.chunks_exact(2).flat_map(|pair| pair[0].clone().zip(pair[1].clone()));
        let value = pairs.find(|(known, _)| *known == name).map(|(_, value)| value);
        Ok(value.with_context(|| format!("no {name} in {file}"))?.parse()?)
    }

    /// Ends every connection in this namespace at once, orphans included.
    ///
    /// An orphan keeps retransmitting, and keeps its namespace alive, long
    /// after the test that made it.
    pub(crate) fn end_connections(&self) -> Result<()> {
        self.run("ss", &["-K", "-t", "-H"]).map(drop)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // Best effort: a panic may be under way, and there is nobody to tell.
        let _ = self.end_connections();
        if Path::new(&self.name).is_absolute() {
            return;
        }
        let _ = run("ip", &["netns", "del", &self.name]);
    }
}

/// Deletes the namespaces whose names start with `prefix`: those of a killed test.
pub(crate) fn delete_stale(prefix: &str) -> Result<()> {
    // No directory, no namespaces.
    for entry in fs::read_dir(NAMES).into_iter().flatten() {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) {
            drop(Netns { name });
        }
    }
    Ok(())
}

/// Runs a program to its end and returns what it printed.
fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = command.output().with_context(|| format!("running {program}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {}", output.status, complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
