//! What an answer's message tells of a socket: `struct inet_diag_msg` and its attributes
//! (`include/uapi/linux/inet_diag.h`), `struct tcp_info` (include/uapi/linux/tcp.h). Pure
//! decoding. Not here: what follows from it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{ID, array_at, attributes, u16_at, u32_at, u64_at};
use tcpcong_core::model::{Endpoints, Name, State, is_link_local};

/// `AF_INET6`; other families that have TCP are IPv4.
const INET6: u8 = 10;
/// `TCP_SYN_SENT`, `TCP_SYN_RECV`.
const HANDSHAKE: [u8; 2] = [2, 3];
/// `INET_DIAG_INFO`, `INET_DIAG_CONG`, `INET_DIAG_SKMEMINFO`, `INET_DIAG_CGROUP_ID`.
const INFO: u16 = 2;
const CONG: u16 = 4;
const MEMORY: u16 = 7;
const CGROUP_ID: u16 = 21;
/// `SK_MEMINFO_RCVBUF`, `SK_MEMINFO_SNDBUF`, `SK_MEMINFO_WMEM_QUEUED`, in numbers of 32 bits
/// (`include/uapi/linux/sock_diag.h`).
const RCVBUF: usize = 1;
const SNDBUF: usize = 3;
const WMEM_QUEUED: usize = 5;
/// `struct inet_diag_msg`.
const MESSAGE: usize = 72;

/// A socket, as it was when it was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting<'b> {
    /// As the kernel is asked for it again.
    pub(super) key: SocketKey,
    pub(super) endpoints: Endpoints,
    /// Of its file, by which processes have it; 0: it has none.
    pub(super) inode: u32,
    /// It connects, or is being accepted.
    pub(super) handshake: bool,
    /// In order, and not yet read by the application, bytes.
    pub(super) unread: u32,
    pub(super) state: State,
    pub(super) info: TcpInfo<'b>,
    pub(super) cc: Option<Name>,
    pub(super) cgroup: Option<u64>,
    /// The receive buffer, bytes.
    pub(super) rcvbuf: u32,
    /// The send buffer has so little room that whoever waits for it is not woken
    /// (`sk_stream_is_writeable()`, `include/net/sock.h`).
    pub(super) no_space: bool,
}

/// Which socket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SocketKey {
    pub(super) family: u8,
    /// `struct inet_diag_sockid`: both ends, the interface, and the cookie.
    pub(super) id: [u8; ID],
}

impl SocketKey {
    /// The kernel's number of the socket, of which no other ever has the same.
    pub(super) fn cookie(&self) -> u64 {
        let half = |at| u64::from(u32_at(&self.id, at).unwrap_or(0));
        half(40) | half(44) << 32
    }
}

impl<'b> Sighting<'b> {
    /// Of a message's body; nothing of a request or a mini-socket, which have no figures, and
    /// where there are none that can be read.
    pub(super) fn decode(body: &'b [u8]) -> Option<Self> {
        let key = SocketKey { family: *body.first()?, id: array_at(body, 4)? };
        let (mut info, mut cc, mut cgroup, mut memory) = (None, None, None, &[][..]);
        for (kind, value) in attributes(body.get(MESSAGE..)?) {
            match kind {
                INFO => info = Some(TcpInfo(value)),
                CONG => cc = name(value),
                MEMORY => memory = value,
                CGROUP_ID => cgroup = u64_at(value, 0).filter(|id| *id != 0),
                _ => {}
            }
        }
        let info = info?;
        let bytes = |number: usize| u32_at(memory, 4 * number);
        Some(Self {
            endpoints: endpoints(&key)?,
            key,
            inode: u32_at(body, 68)?,
            handshake: HANDSHAKE.contains(body.get(1)?),
            unread: u32_at(body, 56)?,
            state: State::from_kernel((*info.0.get(1)?).into())?,
            info,
            cc,
            cgroup,
            rcvbuf: bytes(RCVBUF).unwrap_or(0),
            no_space: bytes(WMEM_QUEUED)
                .zip(bytes(SNDBUF))
                .is_some_and(|(queued, most)| most.saturating_sub(queued) < queued / 2),
        })
    }
}

fn name(value: &[u8]) -> Option<Name> {
    let text = value.split(|byte| *byte == 0).next()?;
    Name::from_text(std::str::from_utf8(text).ok()?)
}

fn endpoints(SocketKey { family, id }: &SocketKey) -> Option<Endpoints> {
    let port = |at| u16_at(id, at).map(u16::from_be);
    let addr = |at| -> Option<IpAddr> {
        Some(if *family == INET6 {
            IpAddr::from(Ipv6Addr::from(array_at::<16>(id, at)?)).to_canonical()
        } else {
            Ipv4Addr::from(array_at::<4>(id, at)?).into()
        })
    };
    let (laddr, raddr) = (addr(4)?, addr(20)?);
    let is_local = is_link_local(laddr) || is_link_local(raddr);
    let zone = if is_local { u32_at(id, 36)? } else { 0 };
    Some(Endpoints { laddr, lport: port(0)?, raddr, rport: port(2)?, zone })
}

/// `struct tcp_info`, as long as this kernel has it. What it is too short for is 0, as it is
/// before anything happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TcpInfo<'b>(pub(super) &'b [u8]);

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $type:ident at $at:literal),* $(,)?) => {
        $($(#[$doc])* pub(super) fn $name(self) -> $type {
            array_at(self.0, $at).map_or(0, $type::from_ne_bytes)
        })*
    };
}

impl TcpInfo<'_> {
    /// Which kernels tell how long what was limited, and what was delivered.
    pub(super) fn has_account(self) -> bool {
        self.0.len() >= 196
    }

    fn byte(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// Timeouts since the last progress.
    pub(super) fn retransmits(self) -> u8 {
        self.byte(2)
    }

    /// Probes that were not answered.
    pub(super) fn probes(self) -> u8 {
        self.byte(3)
    }

    pub(super) fn backoff(self) -> u8 {
        self.byte(4)
    }

    /// There was too little to send when the last rate sample was taken.
    pub(super) fn app_limited(self) -> bool {
        // The first of the byte's bit fields.
        self.byte(7) & if cfg!(target_endian = "little") { 1 } else { 0x80 } != 0
    }

    numbers! {
        /// Microseconds.
        rto_us: u32 at 8,
        snd_mss: u32 at 16,
        unacked: u32 at 24,
        sacked: u32 at 28,
        lost: u32 at 32,
        retrans: u32 at 36,
        /// Since the last ACK, milliseconds.
        last_ack_recv_ms: u32 at 56,
        rtt_us: u32 at 68,
        snd_ssthresh: u32 at 76,
        snd_cwnd: u32 at 80,
        rcv_rtt_us: u32 at 92,
        rcv_space: u32 at 96,
        total_retrans: u32 at 100,
        max_pacing_rate: u64 at 112,
        bytes_acked: u64 at 120,
        bytes_received: u64 at 128,
        notsent_bytes: u32 at 144,
        min_rtt_us: u32 at 148,
        data_segs_in: u32 at 152,
        /// Bytes a second.
        delivery_rate: u64 at 160,
        busy_us: u64 at 168,
        rwnd_limited_us: u64 at 176,
        sndbuf_limited_us: u64 at 184,
        delivered: u32 at 192,
        delivered_ce: u32 at 196,
        dsack_dups: u32 at 216,
        reord_seen: u32 at 220,
        rcv_ooopack: u32 at 224,
        snd_wnd: u32 at 228,
        rcv_wnd: u32 at 232,
        total_rto_time_ms: u32 at 244,
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
pub(super) mod tests;
