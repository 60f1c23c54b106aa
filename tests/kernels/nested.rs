//! Sockets whose state changes interrupt each other: all on one CPU, in both directions.
//! Not whether the tools mix them up: `judge` has that.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::lossy::netem;
use super::nests::{Nesting, Nests};
use super::scenario::Scene;
use super::support::lab::Lab;
use super::support::netns::Netns;
use super::support::tool::pause;
use super::support::traffic::{Dial, disconnect};

const EACH_WAY: usize = 6;
const TRAFFIC: Duration = Duration::from_secs(4);
/// Where a CPU is interrupted is chance.
const ENOUGH: usize = 3;
const ROUNDS_AT_MOST: usize = 2;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What a sender gets to look at; small enough for any receive buffer.
const GIFT_BYTES: usize = 60_000;
/// Looks for each write.
const LOOKS: usize = 4;

struct Nested {
    lab: Lab,
    /// In the server's namespace and in the client's.
    listeners: [TcpListener; 2],
    nesting: Nesting,
}

impl Scene for Nested {
    fn play(&mut self) -> Result<()> {
        // Threads that are started here are on this CPU too.
        pin()?;
        for _ in 0..ROUNDS_AT_MOST {
            self.round()?;
            if self.nesting.nested >= ENOUGH {
                return Ok(());
            }
        }
        // Not on this kernel, then; `check` asks for one on which it came to it.
        Ok(())
    }

    fn ends(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    fn nested(&self) -> Option<usize> {
        Some(self.nesting.nested)
    }

    fn notes(&self) -> Vec<String> {
        let Nesting { calls, nested, .. } = self.nesting;
        vec![format!("{nested} of {calls} calls of tcp_fastretrans_alert interrupted another's")]
    }
}

impl Nested {
    fn round(&mut self) -> Result<()> {
        let nests = Nests::start()?;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let (mut busy, mut far_ends) = (Vec::new(), Vec::new());
            let from = [&self.lab.client, &self.lab.server];
            for (listener, netns) in self.listeners.iter().zip(from) {
                let dial = Dial::to(listener.local_addr()?);
                for _ in 0..EACH_WAY {
                    let near = dial.connect(netns, CONNECT_TIMEOUT)?;
                    let (far, _) = listener.accept()?;
                    far_ends.push(far.try_clone()?);
                    busy.push(scope.spawn(|| keep_busy(near, &stop)));
                    scope.spawn(|| take(far));
                }
            }
            pause(TRAFFIC);
            stop.store(true, Ordering::Relaxed);
            let ended = busy.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())));
            for far in far_ends {
                // The path may have lost the reset; where it has not, this fails.
                let _ = far.shutdown(Shutdown::Both);
            }
            ended
        })?;
        self.nesting.add(nests.finish()?);
        Ok(())
    }
}

/// Sends all it can, and looks at what it got without ever taking it: the copying
/// is done under the socket's lock. Acknowledgements that come meanwhile are
/// processed when the lock is given back, where others that come can interrupt
/// (`__release_sock()` of `net/core/sock.c`).
fn keep_busy(mut stream: TcpStream, stop: &AtomicBool) -> Result<()> {
    let mut buffer = vec![0; GIFT_BYTES];
    let waits = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
    while !stop.load(Ordering::Relaxed) {
        if let Err(error) = stream.write(&buffer)
            && !waits(&error)
        {
            return Err(error).context("writing");
        }
        for _ in 0..LOOKS {
            if let Err(error) = stream.peek(&mut buffer)
                && !waits(&error)
            {
                return Err(error).context("looking at what came");
            }
        }
    }
    Ok(disconnect(&stream)?)
}

/// Gives the sender something to look at, and takes what it sends until it resets.
fn take(mut stream: TcpStream) {
    let mut buffer = vec![0; GIFT_BYTES];
    if stream.write_all(&buffer).is_ok() {
        while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
    }
}

pub(crate) fn nested() -> Result<Box<dyn Scene>> {
    pin()?;
    let lab = Lab::new("nested")?;
    for device in ["r0", "r1"] {
        netem(&lab.router, device, "delay 2ms 1ms loss 5%")?;
    }
    // Drops in the ends' own queues.
    netem(&lab.client, "c0", "delay 1ms limit 20")?;
    netem(&lab.server, "s0", "delay 1ms limit 20")?;
    let listen = |netns: &Netns, ip| -> Result<_> {
        Ok(netns.enter(|| TcpListener::bind(SocketAddr::new(ip, 0)))??)
    };
    let listeners = [listen(&lab.server, lab.server_v4())?, listen(&lab.client, lab.client_v4())?];
    Ok(Box::new(Nested { lab, listeners, nesting: Nesting::default() }))
}

/// Keeps this thread, and what it starts, on the first CPU: packets between the
/// namespaces, and their timers, stay where they are sent.
fn pin() -> Result<()> {
    let mut first = CpuSet::new();
    first.set(0)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &first)?)
}
