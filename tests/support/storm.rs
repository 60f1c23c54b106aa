//! Congestion-state transitions as fast as one wants: a kernel's TCP socket, and a peer in
//! user space behind a TUN device that answers with alternating acknowledgements. One that
//! leaves a segment out and reports the next puts the socket into Disorder, one of both
//! back into Open. Not what is made of it.

#![allow(unsafe_code)] // one ioctl

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::libc;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SndBufForce;

use super::netns::Netns;

const DEVICE: &str = "storm0";
const NEAR: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
/// The peer's port.
pub(crate) const PORT: u16 = 7100;
/// Small, as only the number of segments counts.
const MSS: u32 = 200;
const ISS: u32 = 1_000_000;
/// So much is under way before it begins, bytes.
const ENOUGH: u32 = 200 * MSS;
/// The storm is paced by pieces of so long.
const PIECE: Duration = Duration::from_millis(1);

nix::ioctl_write_ptr_bad!(tun_set_iff, libc::TUNSETIFF, libc::ifreq);

/// A namespace with a connection to a peer that makes it change state.
pub(crate) struct Storm {
    netns: Netns,
    peer: Peer,
    stream: TcpStream,
    writer: Option<JoinHandle<()>>,
}

/// The peer's side of the connection.
struct Peer {
    tun: File,
    port: u16,
    /// What it has acknowledged, and the end of what has come.
    una: u32,
    high: u32,
    packet: Vec<u8>,
}

impl Storm {
    /// Connects, and waits until there is enough under way.
    pub(crate) fn brew(name: &str) -> Result<Self> {
        let netns = Netns::new(&format!("tcpcong-{name}"))?;
        let tun = netns.enter(open_tun)??;
        let near = format!("{NEAR}/24");
        netns.run("ip", &["address", "add", &near, "dev", DEVICE])?;
        netns.run("ip", &["link", "set", DEVICE, "up", "txqueuelen", "20000"])?;
        let mut peer = Peer { tun, port: 0, una: 0, high: 0, packet: vec![0; 4096] };
        let connecting = AtomicBool::new(true);
        let stream = thread::scope(|scope| {
            let connect = scope.spawn(|| {
                let stream = netns.enter(|| TcpStream::connect(SocketAddr::from((FAR, PORT))));
                connecting.store(false, Ordering::SeqCst);
                stream
            });
            while connecting.load(Ordering::SeqCst) {
                peer.read_all()?;
                thread::sleep(PIECE);
            }
            connect.join().map_err(|_| anyhow!("connecting panicked"))?
        })?
        .context("connecting to the peer")?;
        setsockopt(&stream, SndBufForce, &(8 << 20)).context("making the send buffer large")?;
        let mut writing = stream.try_clone()?;
        let writer = thread::spawn(move || {
            // Whole segments, so that acknowledgements are of whole ones.
            let piece = vec![0; 300 * MSS as usize];
            // Until the connection is shut down.
            while writing.write_all(&piece).is_ok() {}
        });
        let mut storm = Self { netns, peer, stream, writer: Some(writer) };
        // All in order, until the window is wide.
        let deadline = Instant::now() + Duration::from_secs(5);
        while storm.peer.under_way() < ENOUGH {
            ensure!(Instant::now() < deadline, "too little comes: {}", storm.peer.under_way());
            storm.peer.read_all()?;
            let segments = storm.peer.under_way() / MSS;
            storm.peer.una = storm.peer.una.wrapping_add(segments / 2 * MSS);
            storm.peer.acknowledge(None)?;
            thread::sleep(PIECE);
        }
        Ok(storm)
    }

    pub(crate) fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Makes so many transitions a second for so long; returns how many it has made.
    pub(crate) fn rage(&mut self, per_second: u64, time: Duration) -> Result<u64> {
        let (begin, mut made) = (Instant::now(), 0);
        while begin.elapsed() < time {
            let due = u64::try_from(begin.elapsed().as_micros())? * per_second / 1_000_000;
            while made < due {
                self.peer.await_segments()?;
                self.peer.toggle()?;
                made += 2;
            }
            self.peer.read_all()?;
            thread::sleep(PIECE.saturating_sub(Duration::from_micros(200)));
        }
        Ok(made)
    }

    /// Keeps the connection quiet in Open for so long.
    pub(crate) fn rest(&mut self, time: Duration) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.peer.sip()?;
            thread::sleep(20 * PIECE);
        }
        Ok(())
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        // Best effort: a panic may be under way.
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = self.netns.end_connections();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Peer {
    fn under_way(&self) -> u32 {
        self.high.wrapping_sub(self.una)
    }

    /// Waits until there is something to acknowledge: the writer needs a CPU too. After a
    /// timeout of the socket's nothing more comes until what there is was acknowledged.
    fn await_segments(&mut self) -> Result<()> {
        self.read_all()?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.under_way() < 4 * MSS {
            ensure!(Instant::now() < deadline, "nothing is under way any more");
            self.una = self.high;
            self.acknowledge(None)?;
            thread::sleep(PIECE);
            self.read_all()?;
        }
        Ok(())
    }

    /// Acknowledges a little of what there is.
    fn sip(&mut self) -> Result<()> {
        self.read_all()?;
        let most = self.under_way().min(2 * MSS);
        self.una = self.una.wrapping_add(most);
        Ok(self.acknowledge(None)?)
    }

    /// Out of Open and back.
    fn toggle(&mut self) -> io::Result<()> {
        let left = self.una.wrapping_add(MSS);
        self.acknowledge(Some((left, left.wrapping_add(MSS))))?;
        self.una = self.una.wrapping_add(2 * MSS);
        self.acknowledge(None)
    }

    /// Takes what has come, and answers a SYN.
    fn read_all(&mut self) -> io::Result<()> {
        loop {
            let read = match self.tun.read(&mut self.packet) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let packet = &self.packet[..read];
            let header = usize::from(packet[0] & 15) * 4;
            if packet[0] >> 4 != 4 || packet[9] != 6 || read < header + 20 {
                continue;
            }
            let tcp = &packet[header..];
            let seq = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
            let length = u32::try_from(tcp.len()).unwrap_or(0) - u32::from(tcp[12] >> 4) * 4;
            if tcp[13] & 2 != 0 {
                self.port = u16::from_be_bytes([tcp[0], tcp[1]]);
                (self.una, self.high) = (seq.wrapping_add(1), seq.wrapping_add(1));
                // The largest segment, SACK permitted, the largest window scale.
                let mss = u16::try_from(MSS).unwrap_or(u16::MAX).to_be_bytes();
                let options = [2, 4, mss[0], mss[1], 4, 2, 1, 3, 3, 14, 1, 1];
                self.send(ISS, 0x12, &options)?;
            } else if seq.wrapping_add(length).wrapping_sub(self.high).cast_signed() > 0 {
                self.high = seq.wrapping_add(length);
            }
        }
    }

    /// Acknowledges what it has, and reports a block beyond.
    fn acknowledge(&mut self, block: Option<(u32, u32)>) -> io::Result<()> {
        let Some((left, right)) = block else { return self.send(ISS + 1, 0x10, &[]) };
        let mut options = [1, 1, 5, 10, 0, 0, 0, 0, 0, 0, 0, 0];
        options[4..8].copy_from_slice(&left.to_be_bytes());
        options[8..12].copy_from_slice(&right.to_be_bytes());
        self.send(ISS + 1, 0x10, &options)
    }

    fn send(&mut self, seq: u32, flags: u8, options: &[u8]) -> io::Result<()> {
        let length = 40 + options.len();
        let mut packet = [0; 60];
        packet[0] = 0x45;
        packet[3] = u8::try_from(length).unwrap_or(60);
        (packet[6], packet[8], packet[9]) = (0x40, 64, 6);
        packet[12..16].copy_from_slice(&FAR.octets());
        packet[16..20].copy_from_slice(&NEAR.octets());
        let checksum = fold(sum(&packet[..20]));
        packet[10..12].copy_from_slice(&checksum);
        packet[20..22].copy_from_slice(&PORT.to_be_bytes());
        packet[22..24].copy_from_slice(&self.port.to_be_bytes());
        packet[24..28].copy_from_slice(&seq.to_be_bytes());
        packet[28..32].copy_from_slice(&self.una.to_be_bytes());
        packet[32] = u8::try_from((20 + options.len()) / 4 * 16).unwrap_or(0);
        packet[33] = flags;
        packet[34..36].copy_from_slice(&u16::MAX.to_be_bytes());
        packet[40..length].copy_from_slice(options);
        // Of the addresses too, the protocol and the length.
        let pseudo = sum(&packet[12..20]) + 6 + u32::try_from(length - 20).unwrap_or(0);
        let checksum = fold(pseudo + sum(&packet[20..length]));
        packet[36..38].copy_from_slice(&checksum);
        self.tun.write_all(&packet[..length])
    }
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum()
}

/// The Internet checksum (RFC 1071) of a sum.
fn fold(mut sum: u32) -> [u8; 2] {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap_or(0)).to_be_bytes()
}

/// A TUN device in the calling thread's namespace.
fn open_tun() -> Result<File> {
    let tun = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")
        .context("opening /dev/net/tun")?;
    // SAFETY: a plain struct of integers and a union of the like.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(DEVICE.bytes()) {
        *to = from.cast_signed();
    }
    let flags = libc::IFF_TUN | libc::IFF_NO_PI;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags)?;
    // SAFETY: the descriptor is open, and TUNSETIFF reads one ifreq.
    unsafe { tun_set_iff(tun.as_raw_fd(), &raw const request) }.context("making a TUN device")?;
    Ok(tun)
}
