//! What the router needs to know of an IPv4 packet, the one field it rewrites, and the one
//! packet it makes. It knows nothing of queues, time or TCP.

/// The length of a header without options; options never occur on a path.
const MIN_HEADER_BYTES: usize = 20;

/// A TCP segment without payload is at most 120 bytes: 20 of IPv4, 60 of TCP
/// with all its options, and room to spare.
const MAX_BARE_SEGMENT_BYTES: usize = 120;

/// The two low bits of the second byte (RFC 3168, section 5); the others are
/// the DSCP.
const ECN_BITS: u32 = 2;
const ECN_MASK: u8 = 0b11;
const ECN_NOT_CAPABLE: u8 = 0b00;
const ECN_CE: u8 = 0b11;

/// The protocol, type and code of what the router says.
const ICMP: u8 = 1;
const ICMP_UNREACHABLE: u8 = 3;
const ICMP_HOST: u8 = 1;
const TTL: u8 = 64;

/// Whether this is IPv4 at all: the kernel also sends IPv6 router
/// solicitations out of a new device.
pub(crate) fn is_ipv4(packet: &[u8]) -> bool {
    packet.len() >= MIN_HEADER_BYTES && packet[0] >> 4 == 4
}

/// Whether a TCP segment carries payload, and is not only an acknowledgement
/// or part of a handshake.
pub(crate) fn carries_data(packet: &[u8]) -> bool {
    packet.len() > MAX_BARE_SEGMENT_BYTES
}

/// The service class that the sender chose (RFC 2474). `packet` has to be IPv4.
pub(crate) fn dscp(packet: &[u8]) -> u8 {
    packet[1] >> ECN_BITS
}

/// Sets "congestion experienced" if the sender declared the packet ECN-capable,
/// and says whether it carries the mark now. `packet` has to be IPv4.
pub(crate) fn mark_ce(packet: &mut [u8]) -> bool {
    if packet[1] & ECN_MASK == ECN_NOT_CAPABLE {
        return false;
    }
    let before = u16::from_be_bytes([packet[0], packet[1]]);
    packet[1] |= ECN_CE;
    let after = u16::from_be_bytes([packet[0], packet[1]]);
    let checksum = u16::from_be_bytes([packet[10], packet[11]]);
    let [high, low] = updated_checksum(checksum, before, after).to_be_bytes();
    packet[10] = high;
    packet[11] = low;
    true
}

/// The ICMP message "host unreachable" (RFC 792) about `packet`, which has to be IPv4, from
/// the address that it was sent to: as a router that has no other would say it.
pub(crate) fn host_unreachable(packet: &[u8]) -> Vec<u8> {
    // Its header and the first 8 bytes behind: the ports, by which a socket is found.
    let quoted = &packet[..packet.len().min(MIN_HEADER_BYTES + 8)];
    let mut message = vec![ICMP_UNREACHABLE, ICMP_HOST, 0, 0, 0, 0, 0, 0];
    message.extend(quoted);
    let checksum = checksum(&message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut answer = vec![0x45, 0, 0, 0, 0, 0, 0, 0, TTL, ICMP, 0, 0];
    answer.extend(&packet[16..20]);
    answer.extend(&packet[12..16]);
    let length = u16::try_from(answer.len() + message.len()).unwrap_or(u16::MAX);
    answer[2..4].copy_from_slice(&length.to_be_bytes());
    let checksum = self::checksum(&answer);
    answer[10..12].copy_from_slice(&checksum.to_be_bytes());
    answer.extend(message);
    answer
}

/// The checksum of RFC 791 and 792, where the field itself is still zero.
fn checksum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    let mut sum: u32 = words.map(u32::from).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(!sum & 0xffff).unwrap_or(0)
}

/// The header checksum after one 16-bit word of the header changed
/// (RFC 1624, equation 3).
fn updated_checksum(checksum: u16, before: u16, after: u16) -> u16 {
    let add = |a: u16, b: u16| {
        let (sum, carry) = a.overflowing_add(b);
        sum + u16::from(carry)
    };
    !add(add(!checksum, !before), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum as RFC 791 defines it, over the whole header.
    fn full_checksum(header: &[u8]) -> u16 {
        let mut sum: u32 = header[..MIN_HEADER_BYTES]
            .chunks(2)
            .enumerate()
            .filter(|(word, _)| *word != 5)
            .map(|(_, pair)| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !u16::try_from(sum).unwrap()
    }

    fn packet(tos: u8, id: u16) -> Vec<u8> {
        let mut packet = vec![0x45, tos, 0x05, 0xdc, 0, 0, 0x40, 0, 64, 6, 0, 0];
        packet.extend([198, 18, 0, 1, 198, 18, 1, 1]);
        packet[4..6].copy_from_slice(&id.to_be_bytes());
        let checksum = full_checksum(&packet);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        packet
    }

    #[test]
    fn a_mark_keeps_the_checksum_right() {
        for id in 0..=u16::MAX {
            for tos in [0x01, 0x02, 0x03, 0xfe] {
                let mut packet = packet(tos, id);
                assert!(mark_ce(&mut packet));
                assert_eq!(packet[1], tos | 0x03);
                let kept = u16::from_be_bytes([packet[10], packet[11]]);
                assert_eq!(kept, full_checksum(&packet), "tos {tos:#x} id {id:#x}");
            }
        }
    }

    #[test]
    fn a_packet_without_ecn_stays_as_it_is() {
        let mut marked = packet(0xb8, 7);
        assert!(!mark_ce(&mut marked));
        assert_eq!(marked, packet(0xb8, 7));
    }

    #[test]
    fn a_mark_does_not_change_the_class() {
        let mut packet = packet(0x28 | 0x02, 7);
        assert_eq!(dscp(&packet), 10);
        mark_ce(&mut packet);
        assert_eq!(dscp(&packet), 10);
    }

    #[test]
    fn only_ipv4_is_ipv4() {
        assert!(is_ipv4(&packet(0, 0)));
        assert!(!is_ipv4(&[0x60; 40]));
        assert!(!is_ipv4(&[0x45; 19]));
        assert!(!is_ipv4(&[]));
    }

    #[test]
    fn an_acknowledgement_carries_no_data() {
        assert!(!carries_data(&[0; 52]));
        assert!(carries_data(&[0; 1500]));
    }

    #[test]
    fn unreachable_is_said_to_the_sender_and_names_the_packet() {
        let mut syn = packet(0, 7);
        syn.extend([0xc0, 0x01, 0x1b, 0x61, 1, 2, 3, 4, 0, 0, 0, 0]);
        let answer = host_unreachable(&syn);
        assert_eq!(answer.len(), 20 + 8 + 28);
        assert_eq!(usize::from(u16::from_be_bytes([answer[2], answer[3]])), answer.len());
        assert_eq!((&answer[12..16], &answer[16..20]), (&syn[16..20], &syn[12..16]));
        assert_eq!(answer[20..22], [3, 1]);
        assert_eq!(answer[28..], syn[..28]);
        // A checksum over what has its own in it is zero.
        assert_eq!(checksum(&answer[..20]), 0);
        assert_eq!(checksum(&answer[20..]), 0);
        assert_eq!(checksum(&syn[..20]), 0);
    }
}
