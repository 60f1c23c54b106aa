//! Records the kernel's own congestion and TCP state events, through a trace buffer of its own.
//! Not what they add up to: `ledger` replays them.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result, ensure};
use nix::time::{ClockId, clock_gettime};

use super::format::Layout;
use super::instance::{Instance, has_event, noted_threads_of};
use super::probes::Probes;

const CONGESTION_EVENT: &str = "tcp/tcp_cong_state_set";
const TCP_STATE_EVENT: &str = "sock/inet_sock_set_state";
/// Where there is no such tracepoint, before 5.19: cubic's own function, which
/// `tcp_set_ca_state()` calls just before the store with the socket and the new
/// state. Of sockets with another congestion control nothing is seen then, and
/// the registers are x86-64's.
const CUBIC_FUNCTION: &str = "bictcp_state skaddr=%di:u64 cong_state=%si:u8";
/// No address family: such an event tells the socket alone.
pub(crate) const AF_UNSPEC: u16 = 0;
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
    /// Events that the kernel skipped; it can only where they are a kprobe's.
    pub(crate) missed: u64,
}

/// A recording that is under way.
#[derive(Debug)]
pub(crate) struct Truth {
    instance: Instance,
    congestion_event: String,
    // After the instance that uses it, as values are dropped in this order.
    probes: Option<Probes>,
    started_ns: u64,
    /// PID 1's, where programs do not run while they do.
    init_threads: Option<HashSet<i32>>,
}

/// `CLOCK_MONOTONIC` now.
pub(crate) fn monotonic_ns() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).context("reading CLOCK_MONOTONIC")?;
    Ok(u64::try_from(now.tv_sec())? * 1_000_000_000 + u64::try_from(now.tv_nsec())?)
}

impl Truth {
    /// Starts to record. Events of sockets all over the machine are in it.
    pub(crate) fn start() -> Result<Self> {
        let truth = Self::start_unhidden()?;
        truth.instance.note_processes()?;
        Ok(Self { init_threads: Some(init_threads()?), ..truth })
    }

    /// The same on a machine that hides no event from BPF programs.
    pub(crate) fn start_unhidden() -> Result<Self> {
        let instance = Instance::new()?;
        ensure!(has_event(TCP_STATE_EVENT), "this kernel has no tracepoint {TCP_STATE_EVENT}");
        let (mut congestion_event, mut probes) = (CONGESTION_EVENT.to_owned(), None);
        if !has_event(CONGESTION_EVENT) {
            let mut own = Probes::new()?;
            congestion_event = own.add('p', CUBIC_FUNCTION)?;
            probes = Some(own);
        }
        instance.start(&[&congestion_event, TCP_STATE_EVENT])?;
        // From here on nothing is missing; what came before is welcome too.
        let started_ns = monotonic_ns()?;
        Ok(Self { instance, congestion_event, probes, started_ns, init_threads: None })
    }

    /// Stops, reads everything and takes the trace buffer away.
    ///
    /// An error if the kernel dropped as much as one event from the buffer.
    pub(crate) fn finish(mut self) -> Result<Record> {
        let ended_ns = monotonic_ns()?;
        self.instance.stop()?;
        if let Some(threads) = &mut self.init_threads {
            threads.extend(init_threads()?);
            // Some come and go in between.
            threads.extend(noted_threads_of(1)?);
        }
        let missed = self.probes.as_ref().map_or(Ok(0), Probes::missed)?;
        let mut events = self.read_events()?;
        // Past the end the record has holes: CPUs do not stop at one instant.
        events.retain(|event| event.at_ns <= ended_ns);
        // Stable, so that what one CPU recorded keeps its order.
        events.sort_by_key(|event| event.at_ns);
        Ok(Record { started_ns: self.started_ns, ended_ns, events, missed })
    }

    fn read_events(&self) -> Result<Vec<Event>> {
        let nobody = HashSet::new();
        let decoder = Decoder {
            congestion: self.instance.layout(&self.congestion_event)?,
            tcp_state: self.instance.layout(TCP_STATE_EVENT)?,
            init_threads: self.init_threads.as_ref().unwrap_or(&nobody),
        };
        let mut events = Vec::new();
        self.instance.read(|cpu, at_ns, payload| {
            events.extend(decoder.event(cpu, at_ns, payload)?);
            Ok(())
        })?;
        Ok(events)
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
        let mut event = Event {
            at_ns,
            cpu,
            pid,
            hidden: self.init_threads.contains(&pid),
            socket: layout.number("skaddr", payload)?,
            sport: 0,
            dport: 0,
            family: AF_UNSPEC,
            saddr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            daddr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            what,
        };
        if layout.has("family") {
            event.family = u16::try_from(layout.number("family", payload)?)?;
            event.sport = u16::try_from(layout.number("sport", payload)?)?;
            event.dport = u16::try_from(layout.number("dport", payload)?)?;
            event.saddr = address(layout, event.family, "saddr", payload)?;
            event.daddr = address(layout, event.family, "daddr", payload)?;
        }
        Ok(Some(event))
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

/// The threads of PID 1, now.
pub(crate) fn init_threads() -> Result<HashSet<i32>> {
    let mut threads = HashSet::new();
    for entry in fs::read_dir("/proc/1/task").context("listing PID 1's threads")? {
        let name = entry?.file_name();
        threads.insert(name.to_string_lossy().parse().context("a thread's number")?);
    }
    Ok(threads)
}
