//! Messages of netlink(7) as bytes: requests to `sock_diag(7)`, and the messages that an answer
//! is made of. Pure: nothing is sent here, and what a message tells of a socket is `answer`'s.
//!
//! Its own few lines, as the crates that decode `sock_diag` make a list of owned attributes of
//! each socket, ten times a second of all of them, and know `struct tcp_info` up to one length.

/// `NLMSG_ERROR`, `NLMSG_DONE` (include/uapi/linux/netlink.h).
pub(super) const ERROR: u16 = 2;
pub(super) const DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: what was listed has changed meanwhile.
pub(super) const DUMP_INTERRUPTED: u16 = 0x10;

/// `NLM_F_REQUEST`, `NLM_F_DUMP`.
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
/// `TCPDIAG_GETSOCK` (`include/uapi/linux/inet_diag.h`), the request that knows no families: one
/// walk through the kernel's table of connections finds those of both.
const TCP_OF_ALL_FAMILIES: u16 = 18;
/// `SOCK_DIAG_BY_FAMILY` (`include/uapi/linux/sock_diag.h`).
const BY_FAMILY: u16 = 20;
const PROTOCOL_TCP: u8 = 6;

/// What is told of each socket: bits of `1 << (INET_DIAG_X - 1)`, for `INFO`, `CONG` and
/// `SKMEMINFO`. Its cgroup is always told.
const TOLD: u8 = 1 << 1 | 1 << 3 | 1 << 6;
/// The states that are listed: ESTABLISHED, `SYN_SENT`, `SYN_RECV`, `FIN_WAIT1`, `FIN_WAIT2`,
/// `CLOSE_WAIT`, `LAST_ACK`, CLOSING (`include/net/tcp_states.h`). Requests and mini-sockets
/// among them come without `tcp_info`.
const STATES: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

/// LISTEN.
const LISTEN: u32 = 1 << 10;

const HEADER: usize = 16;
/// `struct inet_diag_sockid`.
pub(super) const ID: usize = 48;

/// Asks for all TCP sockets of the namespace.
pub(super) fn list(sequence: u32) -> Vec<u8> {
    let mut body = vec![0, 0, 0, TOLD];
    body.extend([0; ID]);
    body.extend(STATES.to_ne_bytes());
    body.extend([0; 4]);
    message(TCP_OF_ALL_FAMILIES, REQUEST | DUMP, sequence, &body)
}

/// Asks for all TCP sockets of the namespace that listen.
pub(super) fn list_listening(sequence: u32) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0];
    body.extend([0; ID]);
    body.extend(LISTEN.to_ne_bytes());
    body.extend([0; 4]);
    message(TCP_OF_ALL_FAMILIES, REQUEST | DUMP, sequence, &body)
}

/// Asks for the one of this family and id.
pub(super) fn find(sequence: u32, family: u8, id: &[u8; ID]) -> Vec<u8> {
    let mut body = vec![family, PROTOCOL_TCP, TOLD, 0];
    body.extend(STATES.to_ne_bytes());
    body.extend(id);
    message(BY_FAMILY, REQUEST, sequence, &body)
}

fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

/// A message of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'b> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) body: &'b [u8],
}

impl Message<'_> {
    /// The `errno` that an error tells; also at the end of a list.
    pub(super) fn errno(&self) -> i32 {
        i32_at(self.body, 0).map_or(0, i32::saturating_neg)
    }
}

/// The messages that these bytes are, as far as they are whole.
pub(super) fn messages(bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut left = bytes;
    std::iter::from_fn(move || {
        let (length, sequence) = (size(u32_at(left, 0)?), u32_at(left, 8)?);
        let (kind, flags) = (u16_at(left, 4)?, u16_at(left, 6)?);
        let body = left.get(HEADER..length)?;
        left = left.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, flags, sequence, body })
    })
}

/// The attributes that these bytes are: what each is of, and its bytes.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    /// `NLA_TYPE_MASK`.
    const TYPE: u16 = 0x3fff;
    let mut left = bytes;
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(u16_at(left, 0)?), u16_at(left, 2)?);
        let value = left.get(4..length)?;
        left = left.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & TYPE, value))
    })
}

fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Numbers as this machine has them; nothing where there are too few bytes.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_ne_bytes)
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    array_at(bytes, at).map(i32::from_ne_bytes)
}

pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_as_it_was_written() {
        let asked = list(7);
        let all: Vec<_> = messages(&asked).collect();
        let [Message { kind: 18, flags: 0x301, sequence: 7, body }] = all[..] else {
            panic!("{all:?}")
        };
        assert_eq!((asked.len(), body.len(), body[3]), (76, 60, 0x4a));
        assert_eq!(u32_at(body, 52), Some(0b1011_0011_1110));
        let asked = find(8, 10, &[5; ID]);
        assert_eq!((asked.len(), &asked[24..]), (72, &[5; ID][..]));
    }

    #[test]
    fn what_is_cut_off_or_makes_no_sense_ends_the_list() {
        let whole = list(1);
        for end in 0..whole.len() {
            assert_eq!(messages(&whole[..end]).count(), 0);
        }
        assert_eq!(messages(&[0; 64]).count(), 0, "a message is as long as its header at least");
        assert_eq!(attributes(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[255; 64]).count(), 0);
        // Three bytes, padded, and an empty one.
        let two = [7, 0, 1, 0, b'a', b'b', 0, 0, 4, 0, 2, 0];
        let told: Vec<_> = attributes(&two).collect();
        assert_eq!(told, [(1, &b"ab\0"[..]), (2, &b""[..])]);
    }

    #[test]
    fn an_error_tells_its_number() {
        let body = (-2_i32).to_ne_bytes();
        assert_eq!(Message { kind: ERROR, flags: 0, sequence: 0, body: &body }.errno(), 2);
        assert_eq!(Message { kind: DONE, flags: 0, sequence: 0, body: &[] }.errno(), 0);
    }
}
