//! What rows can be put together by. Not here: the putting together, which is
//! the model's.

use std::fmt;
use std::net::IpAddr;

use super::field::{Field, Merge};
use super::fields::{FIELDS, field};
use super::{AddressPrefix, Row, Value};

/// What there is, each with the columns that make the key. A new one is one
/// line here.
const KEYS: &[(&str, &[&str])] = &[
    ("raddr", &["raddr"]),
    ("laddr", &["laddr"]),
    ("prefix", &["prefix"]),
    ("lport", &["lport"]),
    ("rport", &["rport"]),
    ("cgroup", &["cgroup"]),
    ("unit", &["unit"]),
    ("container", &["container"]),
    ("pod", &["pod"]),
    ("process", &["pid", "comm"]),
    ("cc", &["cc"]),
    ("netns", &["netns", "netns_name"]),
];

/// How many bits of a remote address make its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixBits {
    four: u8,
    six: u8,
}

impl PrefixBits {
    /// What a site usually has.
    pub const DEFAULT: Self = Self { four: 24, six: 64 };

    /// Of `N` or `N/N`: up to 32 is of IPv4, alone or first; more is of IPv6.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bits = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u8>().ok()).flatten().filter(|bits| *bits <= 128)
        };
        match text.split_once('/') {
            Some((four, six)) => {
                let four = bits(four).filter(|four| *four <= 32)?;
                Some(Self { four, six: bits(six)? })
            }
            None => match bits(text)? {
                four @ ..=32 => Some(Self { four, ..Self::DEFAULT }),
                six => Some(Self { six, ..Self::DEFAULT }),
            },
        }
    }

    /// The network of an address.
    #[must_use]
    pub fn of(self, addr: IpAddr) -> AddressPrefix {
        AddressPrefix::of(addr, if addr.is_ipv4() { self.four } else { self.six })
    }
}

/// What rows are put together by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    name: &'static str,
    key: Vec<&'static Field>,
    bits: Option<PrefixBits>,
}

impl By {
    /// By its name, for prefixes with the lengths after it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (asked, bits) = match text.split_once('/') {
            Some((asked, bits)) => (asked, Some(PrefixBits::parse(bits)?)),
            None => (text, None),
        };
        let (name, columns) = KEYS.iter().find(|(name, _)| *name == asked)?;
        let bits = match (*name, bits) {
            ("prefix", bits) => Some(bits.unwrap_or(PrefixBits::DEFAULT)),
            (_, None) => None,
            (_, Some(_)) => return None,
        };
        Some(Self { name, key: columns.iter().filter_map(|name| field(name)).collect(), bits })
    }

    /// All there are, as they are given.
    #[must_use]
    pub fn names() -> String {
        let name = |(name, _): &(&str, _)| match *name {
            "prefix" => "prefix[/N[/N]]".to_owned(),
            name => name.to_owned(),
        };
        KEYS.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// The columns that make the key.
    #[must_use]
    pub fn key(&self) -> &[&'static Field] {
        &self.key
    }

    /// What the rows of a group have in common, told of one of them.
    #[must_use]
    pub fn of_row(&self, row: &Row) -> Vec<(&'static str, Value)> {
        let value = |field: &&'static Field| match self.bits {
            Some(bits) => (field.name, Value::Prefix(bits.of(row.connection.endpoints.raddr))),
            None => (field.name, field.of_row(row)),
        };
        self.key.iter().map(value).collect()
    }

    /// What a group shows unless told otherwise: its key, how many they are,
    /// and all that adds up.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static Field> {
        let adds_up =
            |field: &&Field| matches!(field.merge, Merge::Sum | Merge::All) && !field.on_request;
        let figures = FIELDS.iter().filter(adds_up);
        self.key.iter().copied().chain(field("flows")).chain(figures).collect()
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.bits.map_or(Ok(()), |bits| write!(f, "/{}/{}", bits.four, bits.six))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_made_of_columns() {
        for (name, columns) in KEYS {
            let by = By::parse(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(by.key.len(), columns.len(), "{name}");
        }
    }

    #[test]
    fn prefix_lengths_are_of_the_family_that_has_them() {
        for (text, shown) in [
            ("prefix", "prefix/24/64"),
            ("prefix/16", "prefix/16/64"),
            ("prefix/0", "prefix/0/64"),
            ("prefix/32", "prefix/32/64"),
            ("prefix/33", "prefix/24/33"),
            ("prefix/128", "prefix/24/128"),
            ("prefix/8/32", "prefix/8/32"),
            ("raddr", "raddr"),
        ] {
            assert_eq!(By::parse(text).map(|by| by.to_string()).as_deref(), Some(shown));
        }
        for bad in ["", "prefix/", "prefix/129", "prefix/33/64", "prefix/+8", "raddr/8", "port"] {
            assert_eq!(By::parse(bad), None, "{bad}");
        }
    }
}
