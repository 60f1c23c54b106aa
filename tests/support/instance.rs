//! A trace buffer of a test's own: a tracefs instance, on `CLOCK_MONOTONIC`, read without loss.
//! Not what its events mean: `truth` and others know that.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use nix::libc;

use super::format::Layout;
use super::ring::PageShape;

pub(crate) const TRACEFS: &str = "/sys/kernel/tracing";
const PREFIX: &str = "tcpcong_test_";
/// Room for some 200,000 events on each CPU: no test makes half as many.
const BUFFER_KIB_PER_CPU: u32 = 16384;

/// The buffer, until it is dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    path: PathBuf,
}

impl Instance {
    pub(crate) fn new() -> Result<Self> {
        mount_tracefs()?;
        remove_stale()?;
        let path = Path::new(TRACEFS).join("instances").join(own_name());
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        let instance = Self { path };
        instance.write("tracing_on", "0")?;
        instance.write("trace_clock", "mono")?;
        instance.write("buffer_size_kb", &BUFFER_KIB_PER_CPU.to_string())?;
        Ok(instance)
    }

    /// Records the events of these names, as `tcp/tcp_cong_state_set`.
    pub(crate) fn start(&self, events: &[&str]) -> Result<()> {
        for event in events {
            self.write(&format!("events/{event}/enable"), "1")?;
        }
        self.write("tracing_on", "1")
    }

    /// From now on the kernel notes which process each thread belongs to that runs.
    pub(crate) fn note_processes(&self) -> Result<()> {
        self.write("options/record-tgid", "1")
    }

    /// Records of an event only those that this filter lets pass.
    pub(crate) fn filter(&self, event: &str, filter: &str) -> Result<()> {
        self.write(&format!("events/{event}/filter"), filter)
    }

    /// How many events were recorded so far, whether or not they are still there.
    pub(crate) fn recorded(&self) -> Result<u64> {
        let mut recorded = 0;
        for cpu in fs::read_dir(self.path.join("per_cpu"))? {
            let stats = fs::read_to_string(cpu?.path().join("stats"))?;
            for line in stats.lines() {
                let (name, count) = line.split_once(':').context("no count")?;
                if ["entries", "overrun", "dropped events", "read events"].contains(&name) {
                    recorded += count.trim().parse::<u64>()?;
                }
            }
        }
        Ok(recorded)
    }

    pub(crate) fn stop(&self) -> Result<()> {
        self.write("tracing_on", "0")
    }

    /// How the fields of an event lie.
    pub(crate) fn layout(&self, event: &str) -> Result<Layout> {
        let path = self.path.join("events").join(event).join("format");
        Layout::parse(&read_text(&path)?).with_context(|| format!("reading {}", path.display()))
    }

    /// Hands over every event, CPU by CPU: the CPU, the time and the bytes.
    ///
    /// An error if the kernel dropped as much as one event.
    pub(crate) fn read(&self, mut take: impl FnMut(u32, u64, &[u8]) -> Result<()>) -> Result<()> {
        let shape = page_shape()?;
        for entry in fs::read_dir(self.path.join("per_cpu"))? {
            let directory = entry?.path();
            let name = directory.file_name().unwrap_or_default().to_string_lossy();
            let Some(cpu) = name.strip_prefix("cpu").and_then(|cpu| cpu.parse().ok()) else {
                continue;
            };
            refuse_losses(&read_text(&directory.join("stats"))?)
                .with_context(|| format!("the record of CPU {cpu}"))?;
            read_pages(&directory.join("trace_pipe_raw"), shape, |page| {
                for entry in shape.entries(page)? {
                    take(cpu, entry.at_ns, entry.payload)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn write(&self, file: &str, value: &str) -> Result<()> {
        let path = self.path.join(file);
        fs::write(&path, value).with_context(|| format!("writing {value} to {}", path.display()))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// A name that no other process, and nothing else of this one, has in tracefs.
pub(crate) fn own_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}_{number}", std::process::id())
}

/// Whether `name` was such a name of a process that is no more.
pub(crate) fn is_stale(name: &str) -> bool {
    let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
    owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
}

/// Whether the kernel has the event of this name.
pub(crate) fn has_event(event: &str) -> bool {
    Path::new(TRACEFS).join("events").join(event).exists()
}

/// Hands every page of one CPU's buffer to `take`, until there is none left.
fn read_pages(
    path: &Path,
    shape: PageShape,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut file: File = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))?;
    let mut page = vec![0; shape.page_bytes];
    loop {
        match file.read(&mut page) {
            Ok(0) => return Ok(()),
            Ok(length) if length == page.len() => take(&page)?,
            Ok(length) => bail!("{} gave {length} bytes of a page", path.display()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context(format!("reading {}", path.display())),
        }
    }
}

/// An error if a `per_cpu/*/stats` file counts an event that is not in the buffer.
pub(crate) fn refuse_losses(stats: &str) -> Result<()> {
    for line in stats.lines() {
        let Some((name, count)) = line.split_once(':') else {
            continue;
        };
        if matches!(name, "overrun" | "commit overrun" | "dropped events") {
            ensure!(count.trim() == "0", "the kernel lost events: {line}");
        }
    }
    Ok(())
}

fn page_shape() -> Result<PageShape> {
    let path = Path::new(TRACEFS).join("events/header_page");
    // One read must take it all: a second one gets nothing (show_header_file
    // of kernel/trace/trace_events.c), and `fs::read` begins with a small one.
    let mut text = [0; 4096];
    let length = File::open(&path).and_then(|mut file| file.read(&mut text));
    let length = length.with_context(|| format!("reading {}", path.display()))?;
    PageShape::parse(str::from_utf8(&text[..length])?)
}

pub(crate) fn mount_tracefs() -> Result<()> {
    if Path::new(TRACEFS).join("instances").exists() {
        return Ok(());
    }
    let status = Command::new("mount")
        .args(["-t", "tracefs", "nodev", TRACEFS])
        .status()
        .context("running mount")?;
    ensure!(status.success(), "mounting tracefs on {TRACEFS}: {status}");
    Ok(())
}

/// Takes away what a killed test left behind: it costs memory and slows every event.
fn remove_stale() -> Result<()> {
    for entry in fs::read_dir(Path::new(TRACEFS).join("instances"))? {
        let path = entry?.path();
        if is_stale(&path.file_name().unwrap_or_default().to_string_lossy()) {
            remove(&path);
        }
    }
    Ok(())
}

/// Best effort: it runs in `drop`, and the next start sweeps up what stays.
fn remove(path: &Path) {
    let _ = fs::write(path.join("events/enable"), "0");
    let _ = fs::remove_dir(path);
}

/// Threads of the process that an instance has noted, also those that are gone.
pub(crate) fn noted_threads_of(process: i32) -> Result<Vec<i32>> {
    let process = process.to_string();
    let mut threads = Vec::new();
    for line in read_text(&Path::new(TRACEFS).join("saved_tgids"))?.lines() {
        if let Some((thread, of)) = line.split_once(' ')
            && of == process
        {
            threads.push(thread.parse().with_context(|| format!("in {line:?}"))?);
        }
    }
    Ok(threads)
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}
