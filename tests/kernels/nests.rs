//! Which calls for one socket are interrupted by calls for another, and what they
//! change meanwhile, by trace events. Not the tools' probes: it only shows what
//! there was to mix up.

use std::collections::HashMap;

use anyhow::Result;

use super::support::instance::{Instance, has_event};
use super::support::probes::Probes;
use super::support::truth::{CONGESTION_EVENT, CUBIC_FUNCTION};

const FUNCTION: &str = "tcp_fastretrans_alert";
/// The first argument, in x86-64's register, and the ports at the head of every
/// `struct sock_common` (`include/net/sock.h`): the remote one in network order.
const ARGUMENTS: &str = "socket=%di:u64 rport=+12(%di):u16 lport=+14(%di):u16";

/// The local and the remote port of a socket.
pub(crate) type Ports = (u16, u16);

/// What a recording has shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nesting {
    pub(crate) calls: usize,
    /// Calls inside one for another socket.
    pub(crate) nested: usize,
    /// The calls that were interrupted so.
    pub(crate) interrupted: Vec<Interrupted>,
}

/// A call that was interrupted by one for another socket.
#[derive(Clone, Debug)]
pub(crate) struct Interrupted {
    pub(crate) ports: Ports,
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    /// In it, its own socket's state changed.
    pub(crate) changed: bool,
}

/// A recording of the function's entries and returns, and of changes of state.
pub(crate) struct Nests {
    instance: Instance,
    entry: String,
    exit: String,
    change: String,
    // After the instance that uses them.
    _probes: Probes,
}

/// What a thread did.
enum Did {
    Enter { socket: u64, ports: Ports },
    Change { socket: u64 },
    Return,
}

struct Step {
    at_ns: u64,
    thread: (i32, u32),
    did: Did,
}

/// A call under way.
struct Call {
    socket: u64,
    ports: Ports,
    from_ns: u64,
    is_interrupted: bool,
    changed: bool,
}

impl Nests {
    pub(crate) fn start() -> Result<Self> {
        let mut probes = Probes::new()?;
        let instance = Instance::new()?;
        let entry = probes.add('p', &format!("{FUNCTION} {ARGUMENTS}"))?;
        let exit = probes.add('r', FUNCTION)?;
        let change = if has_event(CONGESTION_EVENT) {
            CONGESTION_EVENT.to_owned()
        } else {
            probes.add('p', CUBIC_FUNCTION)?
        };
        instance.start(&[&entry, &exit, &change])?;
        Ok(Self { instance, entry, exit, change, _probes: probes })
    }

    /// Stops, and counts.
    pub(crate) fn finish(self) -> Result<Nesting> {
        self.instance.stop()?;
        let [entry, exit, change] =
            [&self.entry, &self.exit, &self.change].map(|event| self.instance.layout(event));
        let (entry, exit, change) = (entry?, exit?, change?);
        let mut steps = Vec::new();
        self.instance.read(|cpu, at_ns, payload| {
            let kind = entry.number("common_type", payload)?;
            let did = match kind {
                _ if kind == u64::from(entry.id) => {
                    let port =
                        |name| -> Result<u16> { Ok(u16::try_from(entry.number(name, payload)?)?) };
                    let ports = (port("lport")?, port("rport")?.swap_bytes());
                    Did::Enter { socket: entry.number("socket", payload)?, ports }
                }
                _ if kind == u64::from(change.id) => {
                    Did::Change { socket: change.number("skaddr", payload)? }
                }
                _ if kind == u64::from(exit.id) => Did::Return,
                _ => return Ok(()),
            };
            let pid = i32::from_ne_bytes(entry.array("common_pid", payload)?);
            // Idle, each CPU is a thread of its own by the same number.
            let thread = (pid, if pid == 0 { cpu } else { 0 });
            steps.push(Step { at_ns, thread, did });
            Ok(())
        })?;
        steps.sort_by_key(|step| step.at_ns);
        Ok(nesting(&steps))
    }
}

/// What interrupts a thread shows as that thread.
fn nesting(steps: &[Step]) -> Nesting {
    let mut under_way: HashMap<_, Vec<Call>> = HashMap::new();
    let mut nesting = Nesting::default();
    for &Step { at_ns, thread, ref did } in steps {
        let calls = under_way.entry(thread).or_default();
        match *did {
            Did::Enter { socket, ports } => {
                nesting.calls += 1;
                if let Some(outer) = calls.last_mut().filter(|outer| outer.socket != socket) {
                    nesting.nested += 1;
                    outer.is_interrupted = true;
                }
                let (is_interrupted, changed) = (false, false);
                calls.push(Call { socket, ports, from_ns: at_ns, is_interrupted, changed });
            }
            Did::Change { socket } => {
                for call in calls.iter_mut().filter(|call| call.socket == socket) {
                    call.changed = true;
                }
            }
            Did::Return => {
                let call = calls.pop().filter(|call| call.is_interrupted);
                nesting.interrupted.extend(call.map(|Call { ports, from_ns, changed, .. }| {
                    Interrupted { ports, from_ns, to_ns: at_ns, changed }
                }));
            }
        }
    }
    nesting
}
