//! The router between the two namespaces: it carries packets from one TUN to the other.
//! When a packet goes, and whether, is decided by `link` and the scripts.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use nix::sys::prctl::set_timerslack;

use super::link::{Counts, Fate, Link};
use super::packet;
use super::spec::{LinkSpec, Script};
use super::stop::StopSignal;

/// How many packets are read in one go before the due ones get their turn.
const BATCH_PACKETS: usize = 64;

/// The kernel may be so late with a timer of the router's: as little as can be. It is
/// 50 us else (prctl(2), `PR_SET_TIMERSLACK`).
const TIMER_SLACK_NS: u64 = 1;

/// The longest packet that a device can be told to send.
const LONGEST_PACKET_BYTES: usize = 65_535;

/// What the router and those that direct it have in common.
pub(crate) struct Shared {
    started: Instant,
    directions: Mutex<[Directed; 2]>,
}

/// One direction as it is directed, and what it has done.
struct Directed {
    script: Script,
    /// When the script began, since the router's start.
    since: Duration,
    counts: Counts,
}

impl Shared {
    pub(crate) fn new(forth: Script, back: Script) -> Self {
        let directed =
            |script| Directed { script, since: Duration::ZERO, counts: Counts::default() };
        Self { started: Instant::now(), directions: Mutex::new([directed(forth), directed(back)]) }
    }

    pub(crate) fn play(&self, direction: usize, script: Script) {
        let since = self.started.elapsed();
        let directed = &mut self.lock()[direction];
        directed.script = script;
        directed.since = since;
    }

    pub(crate) fn counts(&self, direction: usize) -> Counts {
        self.lock()[direction].counts
    }

    fn spec(&self, direction: usize, now: Duration) -> LinkSpec {
        let directed = &self.lock()[direction];
        directed.script.at(now.saturating_sub(directed.since))
    }

    fn lock(&self) -> MutexGuard<'_, [Directed; 2]> {
        self.directions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Routes between `near` and `far` until told to stop; then both devices
/// vanish with their descriptors.
pub(crate) fn route(near: &File, far: &File, shared: &Shared, seed: u64, stop: &StopSignal) {
    // Without it pacing is as coarse as the default.
    let _ = set_timerslack(TIMER_SLACK_NS);
    let devices = [near, far];
    let mut links = [Link::new(seed), Link::new(seed.wrapping_add(1))];
    let mut buffer = vec![0; LONGEST_PACKET_BYTES];
    let sources = devices.map(|device| (device.as_fd(), PollFlags::POLLIN));
    loop {
        let next_due = links.iter().filter_map(Link::next_due).min();
        let timeout = next_due.map(|due| due.saturating_sub(shared.started.elapsed()));
        let Some(ready) = stop.wait(&sources, timeout) else {
            return;
        };
        for (from, is_ready) in ready.into_iter().enumerate() {
            if is_ready {
                take_in(devices[from], from, &mut links, shared, &mut buffer);
            }
            pass_on(&mut links[from], devices[1 - from], shared.started);
        }
        let mut directions = shared.lock();
        for (directed, link) in directions.iter_mut().zip(&links) {
            directed.counts = link.counts();
        }
    }
}

/// Reads what the kernel has sent, up to [`BATCH_PACKETS`].
fn take_in(
    mut device: &File,
    from: usize,
    links: &mut [Link; 2],
    shared: &Shared,
    buffer: &mut [u8],
) {
    for _ in 0..BATCH_PACKETS {
        match device.read(buffer) {
            Ok(bytes) => {
                let packet = &buffer[..bytes];
                if packet::is_ipv4(packet) {
                    let now = shared.started.elapsed();
                    let spec = shared.spec(from, now);
                    if let Fate::Answered(answer) = links[from].offer(now, packet.to_vec(), &spec) {
                        let to = 1 - from;
                        links[to].offer(now, answer, &shared.spec(to, now));
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Mostly: nothing more to read. The device cannot fail in
            // another way while it is up, and nobody else can take it down.
            Err(_) => return,
        }
    }
}

/// Writes what is due.
fn pass_on(link: &mut Link, mut device: &File, started: Instant) {
    while let Some(packet) = link.take_due(started.elapsed()) {
        // A packet that the kernel does not take (no memory) is a packet
        // that the network lost, which TCP can handle better than we can.
        let _ = device.write(&packet);
    }
}
