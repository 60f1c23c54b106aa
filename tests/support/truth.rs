//! Records the kernel's own congestion and TCP state events, through a trace buffer of its own.
//! Not what they add up to: `ledger` replays them.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use nix::libc;
use nix::time::{ClockId, clock_gettime};

use super::format::Layout;
use super::ring::PageShape;

const TRACEFS: &str = "/sys/kernel/tracing";
const INSTANCE_PREFIX: &str = "tcpcong_test_";
const CONGESTION_EVENT: &str = "tcp/tcp_cong_state_set";
const TCP_STATE_EVENT: &str = "sock/inet_sock_set_state";
/// Room for some 200,000 events on each CPU: no test makes half as many.
const BUFFER_KIB_PER_CPU: u32 = 16384;
/// The kernel's number for IPv6, in the width that events have.
const AF_INET6: u16 = 10;

/// What one event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The congestion state is being set, maybe to what it already is.
    Congestion { to: u8 },
    /// `sk_state` is being set; `protocol` is 6 for TCP, 262 for MPTCP.
    TcpState { from: u32, to: u32, protocol: u16 },
}

/// One event of one socket. Ports are in host order, v4-mapped addresses are plain IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns`.
    pub(crate) at_ns: u64,
    pub(crate) cpu: u32,
    /// The thread that was interrupted, or that called: mostly not the socket's owner.
    pub(crate) pid: i32,
    /// That thread is one of PID 1's: on some machines no BPF program runs then.
    pub(crate) hidden: bool,
    /// The kernel's address of the socket.
    pub(crate) socket: u64,
    pub(crate) sport: u16,
    pub(crate) dport: u16,
    pub(crate) family: u16,
    pub(crate) saddr: IpAddr,
    pub(crate) daddr: IpAddr,
    pub(crate) what: What,
}

/// Every event between two instants, by time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) started_ns: u64,
    pub(crate) ended_ns: u64,
    pub(crate) events: Vec<Event>,
}

/// A recording that is under way.
#[derive(Debug)]
pub(crate) struct Truth {
    instance: PathBuf,
    started_ns: u64,
    init_threads: HashSet<i32>,
}

/// `CLOCK_MONOTONIC` now.
pub(crate) fn monotonic_ns() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).context("reading CLOCK_MONOTONIC")?;
    Ok(u64::try_from(now.tv_sec())? * 1_000_000_000 + u64::try_from(now.tv_nsec())?)
}

impl Truth {
    /// Starts to record. Events of sockets all over the machine are in it.
    pub(crate) fn start() -> Result<Self> {
        mount_tracefs()?;
        remove_stale_instances()?;
        for event in [CONGESTION_EVENT, TCP_STATE_EVENT] {
            let present = Path::new(TRACEFS).join("events").join(event).exists();
            ensure!(present, "this kernel has no tracepoint {event}");
        }
        let mut truth =
            Self { instance: make_instance()?, started_ns: 0, init_threads: init_threads()? };
        truth.write("tracing_on", "0")?;
        truth.write("trace_clock", "mono")?;
        truth.write("buffer_size_kb", &BUFFER_KIB_PER_CPU.to_string())?;
        truth.enable_events("1")?;
        truth.write("tracing_on", "1")?;
        // From here on nothing is missing; what came before is welcome too.
        truth.started_ns = monotonic_ns()?;
        Ok(truth)
    }

    /// Stops, reads everything and takes the trace buffer away.
    ///
    /// An error if the kernel dropped as much as one event.
    pub(crate) fn finish(mut self) -> Result<Record> {
        let ended_ns = monotonic_ns()?;
        self.write("tracing_on", "0")?;
        self.init_threads.extend(init_threads()?);
        let mut events = self.read_events()?;
        // Past the end the record has holes: CPUs do not stop at one instant.
        events.retain(|event| event.at_ns <= ended_ns);
        // Stable, so that what one CPU recorded keeps its order.
        events.sort_by_key(|event| event.at_ns);
        Ok(Record { started_ns: self.started_ns, ended_ns, events })
    }

    fn enable_events(&self, value: &str) -> Result<()> {
        for event in [CONGESTION_EVENT, TCP_STATE_EVENT] {
            self.write(&format!("events/{event}/enable"), value)?;
        }
        Ok(())
    }

    fn write(&self, file: &str, value: &str) -> Result<()> {
        let path = self.instance.join(file);
        fs::write(&path, value).with_context(|| format!("writing {value} to {}", path.display()))
    }

    fn read_events(&self) -> Result<Vec<Event>> {
        let shape = page_shape()?;
        let decoder = Decoder {
            congestion: self.layout(CONGESTION_EVENT)?,
            tcp_state: self.layout(TCP_STATE_EVENT)?,
            init_threads: &self.init_threads,
        };
        let mut events = Vec::new();
        for entry in fs::read_dir(self.instance.join("per_cpu"))? {
            let directory = entry?.path();
            let name = directory.file_name().unwrap_or_default().to_string_lossy();
            let Some(cpu) = name.strip_prefix("cpu").and_then(|cpu| cpu.parse().ok()) else {
                continue;
            };
            refuse_losses(&read_text(&directory.join("stats"))?)
                .with_context(|| format!("the record of CPU {cpu}"))?;
            read_pages(&directory.join("trace_pipe_raw"), shape, |page| {
                for entry in shape.entries(page)? {
                    events.extend(decoder.event(cpu, entry.at_ns, entry.payload)?);
                }
                Ok(())
            })?;
        }
        Ok(events)
    }

    fn layout(&self, event: &str) -> Result<Layout> {
        let path = self.instance.join("events").join(event).join("format");
        Layout::parse(&read_text(&path)?).with_context(|| format!("reading {}", path.display()))
    }
}

impl Drop for Truth {
    fn drop(&mut self) {
        remove_instance(&self.instance);
    }
}

/// Turns an event's bytes into an [`Event`] by the layouts of this kernel.
pub(crate) struct Decoder<'a> {
    pub(crate) congestion: Layout,
    pub(crate) tcp_state: Layout,
    pub(crate) init_threads: &'a HashSet<i32>,
}

impl Decoder<'_> {
    /// `None` for an event of a kind that was not asked for.
    pub(crate) fn event(&self, cpu: u32, at_ns: u64, payload: &[u8]) -> Result<Option<Event>> {
        let kind = u16::try_from(self.congestion.number("common_type", payload)?)?;
        let (layout, what) = if kind == self.congestion.id {
            let to = u8::try_from(self.congestion.number("cong_state", payload)?)?;
            (&self.congestion, What::Congestion { to })
        } else if kind == self.tcp_state.id {
            let number = |name| self.tcp_state.number(name, payload);
            let what = What::TcpState {
                from: u32::try_from(number("oldstate")?)?,
                to: u32::try_from(number("newstate")?)?,
                protocol: u16::try_from(number("protocol")?)?,
            };
            (&self.tcp_state, what)
        } else {
            return Ok(None);
        };
        let pid = i32::from_ne_bytes(layout.array("common_pid", payload)?);
        let family = u16::try_from(layout.number("family", payload)?)?;
        Ok(Some(Event {
            at_ns,
            cpu,
            pid,
            hidden: self.init_threads.contains(&pid),
            socket: layout.number("skaddr", payload)?,
            sport: u16::try_from(layout.number("sport", payload)?)?,
            dport: u16::try_from(layout.number("dport", payload)?)?,
            family,
            saddr: address(layout, family, "saddr", payload)?,
            daddr: address(layout, family, "daddr", payload)?,
            what,
        }))
    }
}

/// The four-byte field is right for `AF_INET` only: see kernel-facts on `127.0.0.6`.
fn address(layout: &Layout, family: u16, name: &str, payload: &[u8]) -> Result<IpAddr> {
    if family == AF_INET6 {
        let bytes: [u8; 16] = layout.array(&format!("{name}_v6"), payload)?;
        Ok(Ipv6Addr::from(bytes).to_canonical())
    } else {
        let bytes: [u8; 4] = layout.array(name, payload)?;
        Ok(Ipv4Addr::from(bytes).into())
    }
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

/// The threads of PID 1, now.
fn init_threads() -> Result<HashSet<i32>> {
    let mut threads = HashSet::new();
    for entry in fs::read_dir("/proc/1/task").context("listing PID 1's threads")? {
        let name = entry?.file_name();
        threads.insert(name.to_string_lossy().parse().context("a thread's number")?);
    }
    Ok(threads)
}

fn mount_tracefs() -> Result<()> {
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

fn make_instance() -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{INSTANCE_PREFIX}{}_{number}", std::process::id());
    let path = Path::new(TRACEFS).join("instances").join(name);
    fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
    Ok(path)
}

/// Takes away what a killed test left behind: it costs memory and slows every event.
fn remove_stale_instances() -> Result<()> {
    for entry in fs::read_dir(Path::new(TRACEFS).join("instances"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let owner = name.strip_prefix(INSTANCE_PREFIX).and_then(|rest| rest.split('_').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove_instance(&path);
        }
    }
    Ok(())
}

/// Best effort: it runs in `drop`, and the next start sweeps up what stays.
fn remove_instance(path: &Path) {
    let _ = fs::write(path.join("events/enable"), "0");
    let _ = fs::remove_dir(path);
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}
