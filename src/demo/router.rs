//! The router between the two namespaces: it carries packets from one TUN to the other.
//! When a packet goes, and whether, is decided by `link` and `script`.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::link::{Link, LinkSpec};
use super::packet;
use super::script::{SCRIPT, effect_at};
use super::stop::StopSignal;

/// The bottleneck, the same in both directions. Without queue the round trip
/// takes 16 ms, and a full queue adds 19 ms; six connections share 53 to 117
/// packets in flight, enough each for fast retransmissions.
pub(super) const LINK: LinkSpec =
    LinkSpec { rate_bits_per_s: 40_000_000, delay: Duration::from_millis(8), queue_bytes: 96_000 };

/// What a TUN is given as its MTU, and the most that one read returns.
pub(super) const MTU_BYTES: u16 = 1_500;

/// How many packets are read in one go before the due ones get their turn.
const BATCH_PACKETS: usize = 64;

/// A direction: where packets come from, the link, where they go.
struct Direction<'a> {
    from: &'a File,
    link: Link,
    to: &'a File,
}

/// Routes between `near` and `far` until told to stop; then both devices
/// vanish with their descriptors. The script starts now.
pub(super) fn route(near: &File, far: &File, stop: &StopSignal) {
    let started = Instant::now();
    let mut directions = [
        Direction { from: near, link: Link::new(LINK), to: far },
        Direction { from: far, link: Link::new(LINK), to: near },
    ];
    let sources = [(near.as_fd(), PollFlags::POLLIN), (far.as_fd(), PollFlags::POLLIN)];
    loop {
        let next_due = directions.iter().filter_map(|d| d.link.next_due()).min();
        let timeout = next_due.map(|due| due.saturating_sub(started.elapsed()));
        let Some(ready) = stop.wait(&sources, timeout) else {
            return;
        };
        for (direction, ready) in directions.iter_mut().zip(ready) {
            if ready {
                direction.take_in(started);
            }
            direction.pass_on(started.elapsed());
        }
    }
}

impl Direction<'_> {
    /// Reads what the kernel has sent, up to [`BATCH_PACKETS`].
    fn take_in(&mut self, started: Instant) {
        let mut buffer = [0; MTU_BYTES as usize];
        for _ in 0..BATCH_PACKETS {
            match self.from.read(&mut buffer) {
                Ok(bytes) => {
                    let packet = &buffer[..bytes];
                    if packet::is_ipv4(packet) {
                        let now = started.elapsed();
                        self.link.offer(now, packet.to_vec(), effect_at(&SCRIPT, now));
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
    fn pass_on(&mut self, now: Duration) {
        while let Some(packet) = self.link.take_due(now) {
            // A packet that the kernel does not take (no memory) is a packet
            // that the network lost, which TCP can handle better than we can.
            let _ = self.to.write(&packet);
        }
    }
}
