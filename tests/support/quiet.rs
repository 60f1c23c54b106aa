//! When a socket's retransmission timer ran out, and what had come and gone before, by the
//! kernel's trace events. Not what the tool makes of that.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::format::Layout;
use super::instance::{Instance, has_event, noted_threads_of};
use super::ledger::LOSS;
use super::netns::Netns;
use super::truth::init_threads;

const CONGESTION_STATE: &str = "tcp/tcp_cong_state_set";
const TCP_STATE: &str = "sock/inet_sock_set_state";
/// A segment has come to a connection that is established (`tcp_rcv_established()`).
const RECEIVED: &str = "tcp/tcp_probe";
const RETRANSMITTED: &str = "tcp/tcp_retransmit_skb";
/// A device is handed a packet; which connection's it is it does not say.
const SENT: &str = "net/net_dev_start_xmit";
const EVENTS: [&str; 5] = [CONGESTION_STATE, TCP_STATE, RECEIVED, RETRANSMITTED, SENT];
const TCP_SYN_SENT: u64 = 2;
/// Longer than any packet without data, headers of IPv4 and TCP with all options.
const DATA_BYTES: u64 = 120;

/// Whether this kernel has what it takes.
pub(crate) fn is_possible() -> bool {
    EVENTS.iter().all(|event| has_event(event))
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Loss was set, and maybe no program could see it.
    Timeout { hidden: bool },
    /// A segment has come.
    Received,
    /// One was sent, again or for the first time; or the SYN is about to be.
    Sent,
}

/// A recording under way.
pub(crate) struct Quiet {
    instance: Instance,
    /// PID 1's: on some machines no BPF program runs while they do.
    init_threads: HashSet<i32>,
}

/// What happened to a connection's near end.
#[derive(Default)]
pub(crate) struct Story {
    /// By time.
    events: Vec<(u64, What)>,
    /// Of those at which the congestion state was set so many were hidden from programs.
    pub(crate) hidden: usize,
}

/// A timeout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeout {
    pub(crate) at_ns: u64,
    /// Since the last segment came or went.
    pub(crate) waited_ns: u64,
    /// No program could see it.
    pub(crate) hidden: bool,
}

/// Gives a device of a namespace a name that no other has, by which what it sends is told
/// from what others do.
pub(crate) fn name_device(netns: &Path, device: &str, name: &str) -> Result<()> {
    let netns = Netns::at(netns);
    let renamed = netns.run("ip", &["link", "set", "dev", device, "name", name]);
    // The namespace's connections are not this value's to end.
    std::mem::forget(netns);
    renamed.map(drop).context("naming a device that is up, which needs Linux 6.2")
}

impl Quiet {
    /// Starts to record what happens at these ports, and at devices whose names begin so.
    pub(crate) fn start(local: u16, remote: u16, devices: &str) -> Result<Self> {
        let instance = Instance::new()?;
        instance.note_processes()?;
        let ports = format!("sport == {local} && dport == {remote}");
        for event in [CONGESTION_STATE, RECEIVED, RETRANSMITTED] {
            instance.filter(event, &ports)?;
        }
        instance.filter(SENT, &format!("len > {DATA_BYTES} && name ~ \"{devices}*\""))?;
        instance.start(&EVENTS)?;
        Ok(Self { instance, init_threads: init_threads()? })
    }

    /// Stops, and returns what happened at the near ends of these connections, each of which
    /// has a device of this name to itself.
    pub(crate) fn finish(
        mut self,
        connections: &[((SocketAddrV4, SocketAddrV4), String)],
    ) -> Result<Vec<Story>> {
        self.instance.stop()?;
        self.init_threads.extend(init_threads()?);
        // Some come and go in between.
        self.init_threads.extend(noted_threads_of(1)?);
        let [congestion, tcp_state, received, again, sent] =
            EVENTS.map(|event| self.instance.layout(event));
        let (congestion, tcp_state) = (congestion?, tcp_state?);
        let (received, again, sent) = (received?, again?, sent?);
        let mut stories: Vec<_> = connections.iter().map(|_| Story::default()).collect();
        self.instance.read(|_, at_ns, event| {
            let kind = u16::try_from(sent.number("common_type", event)?)?;
            let (what, layout) = if kind == sent.id {
                let device = text(&sent, "name", event)?;
                let of_device = connections.iter().position(|(_, name)| *name == device);
                if let Some(which) = of_device {
                    stories[which].events.push((at_ns, What::Sent));
                }
                return Ok(());
            } else if kind == congestion.id {
                let thread = i32::from_ne_bytes(congestion.array("common_pid", event)?);
                let hidden = self.init_threads.contains(&thread);
                let ends = ends(&congestion, event)?;
                if let Some(which) = connections.iter().position(|(ours, _)| *ours == ends) {
                    stories[which].hidden += usize::from(hidden);
                }
                if congestion.number("cong_state", event)? != u64::from(LOSS) {
                    return Ok(());
                }
                (What::Timeout { hidden }, &congestion)
            } else if kind == tcp_state.id {
                if tcp_state.number("newstate", event)? != TCP_SYN_SENT {
                    return Ok(());
                }
                (What::Sent, &tcp_state)
            } else if kind == received.id {
                (What::Received, &received)
            } else {
                (What::Sent, &again)
            };
            let ends = ends(layout, event)?;
            if let Some(which) = connections.iter().position(|(ours, _)| *ours == ends) {
                stories[which].events.push((at_ns, what));
            }
            Ok(())
        })?;
        for story in &mut stories {
            story.events.sort_by_key(|(at_ns, _)| *at_ns);
        }
        Ok(stories)
    }
}

impl Story {
    /// Each timeout, and for how long nothing had come or gone.
    pub(crate) fn timeouts(&self) -> Result<Vec<Timeout>> {
        let (mut timeouts, mut last_ns) = (Vec::new(), None);
        for (at_ns, what) in &self.events {
            match what {
                What::Timeout { hidden } => {
                    let last_ns = last_ns.context("a timeout before anything was sent")?;
                    let waited_ns = at_ns - last_ns;
                    timeouts.push(Timeout { at_ns: *at_ns, waited_ns, hidden: *hidden });
                }
                What::Received | What::Sent => last_ns = Some(*at_ns),
            }
        }
        ensure!(!timeouts.is_empty(), "no timeout");
        Ok(timeouts)
    }
}

/// Both ends, IPv4.
fn ends(layout: &Layout, event: &[u8]) -> Result<(SocketAddrV4, SocketAddrV4)> {
    let end = |addr: &str, port: &str| -> Result<SocketAddrV4> {
        // Some have a whole `struct sockaddr_in` or longer: family and port come first.
        let bytes = layout.bytes(addr, event)?;
        let at = if bytes.len() > 4 { 4 } else { 0 };
        let ip: [u8; 4] = bytes[at..at + 4].try_into()?;
        Ok(SocketAddrV4::new(Ipv4Addr::from(ip), u16::try_from(layout.number(port, event)?)?))
    };
    // The port of a socket that has just connected is not there yet.
    Ok((end("saddr", "sport")?, end("daddr", "dport")?))
}

/// A text of variable length (`__data_loc`): offset below, length above.
fn text(layout: &Layout, name: &str, event: &[u8]) -> Result<String> {
    let place = u32::try_from(layout.number(name, event)?)?;
    let (at, length) = (usize::try_from(place & 0xffff)?, usize::try_from(place >> 16)?);
    let bytes = event.get(at..at + length).context("a text beyond its event")?;
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}
