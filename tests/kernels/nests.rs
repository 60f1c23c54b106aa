//! Counts how often one socket's ACK processing interrupts another's, by kprobe events.
//! Not the tools' probes: it only shows that there was something to mix up.

use std::collections::HashMap;

use anyhow::Result;

use super::support::instance::Instance;
use super::support::probes::Probes;

const FUNCTION: &str = "tcp_fastretrans_alert";

/// The bit of an event's `common_flags` that says "in a softirq".
const SOFTIRQ: u64 = 0x10;

/// What a recording has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Nesting {
    pub(crate) calls: usize,
    /// Of those, calls that can be interrupted by another.
    pub(crate) in_process: usize,
    /// Calls inside one for another socket.
    pub(crate) nested: usize,
}

impl Nesting {
    pub(crate) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.in_process += other.in_process;
        self.nested += other.nested;
    }
}

/// A recording of the function's entries and returns.
pub(crate) struct Nests {
    instance: Instance,
    entry: String,
    exit: String,
    // After the instance that uses them.
    _probes: Probes,
}

/// At `at_ns` a thread entered the function for `socket`, or returned (`None`).
struct Step {
    at_ns: u64,
    thread: (i32, u32),
    socket: Option<u64>,
    in_process: bool,
}

impl Nests {
    pub(crate) fn start() -> Result<Self> {
        let mut probes = Probes::new()?;
        let instance = Instance::new()?;
        // The first argument, in x86-64's register.
        let entry = probes.add('p', &format!("{FUNCTION} socket=%di:u64"))?;
        let exit = probes.add('r', FUNCTION)?;
        instance.start(&[&entry, &exit])?;
        Ok(Self { instance, entry, exit, _probes: probes })
    }

    /// Stops, and counts.
    pub(crate) fn finish(self) -> Result<Nesting> {
        self.instance.stop()?;
        let (entry, exit) = (self.instance.layout(&self.entry)?, self.instance.layout(&self.exit)?);
        let mut steps = Vec::new();
        self.instance.read(|cpu, at_ns, payload| {
            let kind = entry.number("common_type", payload)?;
            let socket = match kind {
                _ if kind == u64::from(entry.id) => Some(entry.number("socket", payload)?),
                _ if kind == u64::from(exit.id) => None,
                _ => return Ok(()),
            };
            let pid = i32::from_ne_bytes(entry.array("common_pid", payload)?);
            // Idle, each CPU is a thread of its own by the same number.
            let thread = (pid, if pid == 0 { cpu } else { 0 });
            let in_process = entry.number("common_flags", payload)? & SOFTIRQ == 0;
            steps.push(Step { at_ns, thread, socket, in_process });
            Ok(())
        })?;
        steps.sort_by_key(|step| step.at_ns);
        Ok(nesting(&steps))
    }
}

/// What interrupts a thread shows as that thread.
fn nesting(steps: &[Step]) -> Nesting {
    let mut inside: HashMap<_, Vec<u64>> = HashMap::new();
    let mut nesting = Nesting::default();
    for step in steps {
        let calls = inside.entry(step.thread).or_default();
        if let Some(socket) = step.socket {
            nesting.calls += 1;
            nesting.in_process += usize::from(step.in_process);
            nesting.nested += usize::from(calls.last().is_some_and(|outer| *outer != socket));
            calls.push(socket);
        } else {
            calls.pop();
        }
    }
    nesting
}
