//! Address prefixes: all addresses that begin with the same bits.
//! Not here: who has one of them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Serialize, Serializer};

/// How many bits the prefix has below which all IPv4-mapped addresses are,
/// `::ffff:0:0/96`.
const MAPPED_BITS: u8 = 96;

/// All addresses of one family that begin with the same bits. IPv4-mapped
/// addresses are IPv4, as they are everywhere in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressPrefix(IpNet);

/// A text that is no address, or a length that no address has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAPrefix;

impl AddressPrefix {
    /// The addresses that begin as `addr` does, for `bits` bits: as many as an
    /// address has at most. What `addr` has beyond them is left out.
    #[must_use]
    pub fn of(addr: IpAddr, bits: u8) -> Self {
        let most = if addr.is_ipv4() { 32 } else { 128 };
        Self(IpNet::new_assert(addr, bits.min(most)).trunc())
    }

    /// The lowest address.
    #[must_use]
    pub fn addr(&self) -> IpAddr {
        self.0.addr()
    }

    /// How many bits count.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether `addr` begins so. An IPv4 address is in no IPv6 prefix.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.0.contains(&addr)
    }
}

impl FromStr for AddressPrefix {
    type Err = NotAPrefix;

    /// Of `ADDR/BITS`, or of an address alone, which is all of its bits.
    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let net = match text.parse::<IpAddr>() {
            Ok(addr) => IpNet::from(addr),
            Err(_) => text.parse().map_err(|_| NotAPrefix)?,
        };
        let net = match net {
            IpNet::V6(six) if six.prefix_len() >= MAPPED_BITS => mapped(six.addr())
                .map_or(net, |four| {
                    Ipv4Net::new_assert(four, six.prefix_len() - MAPPED_BITS).into()
                }),
            _ => net,
        };
        Ok(Self(net.trunc()))
    }
}

fn mapped(addr: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    addr.to_ipv4_mapped()
}

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for AddressPrefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> AddressPrefix {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn a_prefix_is_its_lowest_address_and_its_length() {
        for (text, shown) in [
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3/24", "10.1.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2:3::4/128"),
            ("2001:db8:1:2:3::4/64", "2001:db8:1:2::/64"),
            ("::/0", "::/0"),
            ("::ffff:10.1.2.3", "10.1.2.3/32"),
            ("::ffff:10.1.2.3/120", "10.1.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:0:0/95", "::fffe:0:0/95"),
        ] {
            assert_eq!(prefix(text).to_string(), shown, "{text}");
        }
        for bad in ["", "10.1.2", "10.1.2.3/33", "::/129", "10.1.2.3/", "/8", "a.b.c.d", "::1/-1"] {
            assert_eq!(bad.parse::<AddressPrefix>(), Err(NotAPrefix), "{bad}");
        }
    }

    #[test]
    fn families_are_apart() {
        let four: IpAddr = "10.1.2.3".parse().unwrap();
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        assert!(prefix("0.0.0.0/0").contains(four) && !prefix("0.0.0.0/0").contains(six));
        assert!(prefix("::/0").contains(six) && !prefix("::/0").contains(four));
        assert!(prefix("10.1.2.0/30").contains(four) && !prefix("10.1.2.4/30").contains(four));
        assert_eq!(AddressPrefix::of(four, 64).bits(), 32);
    }

    proptest! {
        #[test]
        fn an_address_is_in_the_prefix_of_exactly_those_that_share_its_bits(
            one: u128, other: u128, four: bool, bits in 0..=128_u8,
        ) {
            let addr = |bits: u128| -> IpAddr {
                if four {
                    u32::try_from(bits >> 96).unwrap().to_be_bytes().into()
                } else {
                    bits.to_be_bytes().into()
                }
            };
            let bits = if four { bits.min(32) } else { bits };
            let same = bits == 0 || (one ^ other) >> (128 - bits) == 0;
            let of = AddressPrefix::of(addr(one), bits);
            prop_assert!(of.contains(addr(one)));
            prop_assert_eq!(of.contains(addr(other)), same);
            prop_assert_eq!(of == AddressPrefix::of(addr(other), bits), same);
        }
    }
}
