//! One end of a connection, as it is asked for: an address and a port, or a port alone.
//! Not here: which of the ends is whose.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Endpoints;

/// An end, whichever it is: this machine's or the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointFilter {
    /// Its address; without one any.
    pub addr: Option<IpAddr>,
    /// Its port.
    pub port: u16,
}

/// A text that is no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnEndpoint;

impl EndpointFilter {
    /// Whether it is one of a connection's two ends.
    #[must_use]
    pub fn is_of(self, ends: &Endpoints) -> bool {
        let is = |addr, port| port == self.port && self.addr.is_none_or(|asked| asked == addr);
        is(ends.laddr, ends.lport) || is(ends.raddr, ends.rport)
    }
}

impl FromStr for EndpointFilter {
    type Err = NotAnEndpoint;

    /// Of `ADDR:PORT`, `[ADDR]:PORT` (with an interface after `%`, which is not asked for),
    /// or `:PORT`. IPv4-mapped addresses are IPv4.
    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let (addr, port) = text.rsplit_once(':').ok_or(NotAnEndpoint)?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port: &u16| digits && *port > 0);
        let port = port.ok_or(NotAnEndpoint)?;
        let addr = match addr.strip_prefix('[').and_then(|addr| addr.strip_suffix(']')) {
            Some(six) => {
                let (six, _) = six.split_once('%').unwrap_or((six, ""));
                Some(six.parse::<Ipv6Addr>().map_err(|_| NotAnEndpoint)?.to_canonical())
            }
            None if addr.is_empty() => None,
            // Without brackets nobody knows where the port begins.
            None if addr.contains(':') => return Err(NotAnEndpoint),
            None => Some(addr.parse().map_err(|_| NotAnEndpoint)?),
        };
        Ok(Self { addr, port })
    }
}

impl fmt::Display for EndpointFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addr {
            Some(IpAddr::V6(addr)) => write!(f, "[{addr}]:{}", self.port),
            Some(addr) => write!(f, "{addr}:{}", self.port),
            None => write!(f, ":{}", self.port),
        }
    }
}

impl Serialize for EndpointFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::row;

    #[test]
    fn an_end_is_an_address_and_a_port_or_a_port_alone() {
        for (text, shown) in [
            ("10.0.0.1:443", "10.0.0.1:443"),
            (":443", ":443"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("[fe80::1%eth0]:22", "[fe80::1]:22"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
        ] {
            let end: EndpointFilter = text.parse().expect(text);
            assert_eq!(end.to_string(), shown, "{text}");
        }
        for bad in [
            "",
            ":",
            "10.0.0.1",
            "10.0.0.1:",
            "10.0.0.1:0",
            ":+5",
            ":70000",
            "2001:db8::1:443",
            "[10.0.0.1]:443",
            "localhost:443",
            "[::1:443",
            "[::1]443",
        ] {
            assert_eq!(bad.parse::<EndpointFilter>(), Err(NotAnEndpoint), "{bad}");
        }
    }

    #[test]
    fn it_is_either_of_a_connections_ends_and_no_mixture_of_both() {
        let mut ends = row(40_000).connection.endpoints;
        ends.raddr = "10.0.0.9".parse().expect("an address");
        let is = |text: &str| text.parse::<EndpointFilter>().expect(text).is_of(&ends);
        assert!(is("127.0.0.1:40000") && is("10.0.0.9:80") && is(":80") && is(":40000"));
        assert!(!is("127.0.0.1:80") && !is("10.0.0.9:40000") && !is(":443"));
    }
}
