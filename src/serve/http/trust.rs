//! Whether a client is trusted with single flows. Not whether it may see anything at all,
//! which is authentication's.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HOST, HeaderValue, VIA};

/// What is known of a client, apart from its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// It has shown a certificate that was verified.
    pub(super) verified: bool,
}

impl Client {
    /// On this machine, as its address says.
    pub(super) fn is_local(self) -> bool {
        self.address.to_canonical().is_loopback()
    }
}

/// The machine's name, in lower case; empty where it cannot be read.
pub(super) fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_ascii_lowercase()
}

/// Whether a request that came over loopback is from someone on this machine who meant this
/// machine.
///
/// A page elsewhere can have a browser on this machine ask: by a name of its own that
/// resolves to 127.0.0.1 (DNS rebinding), which the header Host shows, or by a link, which
/// Sec-Fetch-Site shows. And a proxy on this machine asks for others, which it says.
pub(super) fn is_from_here(headers: &HeaderMap, authority: Option<&str>, hostname: &str) -> bool {
    let asked_by_a_proxy = headers.contains_key(FORWARDED)
        || headers.contains_key(VIA)
        || headers.keys().any(|name| name.as_str().starts_with("x-forwarded-"))
        || headers.contains_key("x-real-ip");
    let asked_by_a_page = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site.as_bytes() != b"none" && site.as_bytes() != b"same-origin");
    let mut hosts = headers.get_all(HOST).iter().map(HeaderValue::to_str);
    let (Some(Ok(host)), None) = (hosts.next(), hosts.next()) else { return false };
    !asked_by_a_proxy
        && !asked_by_a_page
        && is_this_machine(host, hostname)
        && authority.is_none_or(|authority| is_this_machine(authority, hostname))
}

/// Whether `host`, with or without a port, is a loopback address, which no foreign name server
/// decides about, or a name that is this machine's. Another address is what a proxy is asked for.
fn is_this_machine(host: &str, hostname: &str) -> bool {
    if let Some(bracketed) = host.strip_prefix('[') {
        let Some((address, port)) = bracketed.split_once(']') else { return false };
        return address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let name = name.strip_suffix('.').unwrap_or(name);
    is_port(port)
        && (name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            || name.eq_ignore_ascii_case("localhost")
            || (!hostname.is_empty() && name.eq_ignore_ascii_case(hostname)))
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn addresses_and_names_of_this_machine_are_it() {
        for host in [
            "127.0.0.1:10044",
            "127.0.0.1",
            "[::1]:10044",
            "[::1]",
            "localhost:1",
            "LocalHost.",
            "Web1:80",
        ] {
            assert!(is_this_machine(host, "web1"), "{host}");
        }
    }

    #[test]
    fn another_name_is_not_this_machine() {
        for host in [
            "evil.example:10044",
            "192.0.2.1:10044",
            "[2001:db8::1]",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            ":80",
            "[::1].evil.example",
            "[::1",
            "web1.evil.example",
            "localhost:evil",
            "127.0.0.1@evil",
        ] {
            assert!(!is_this_machine(host, "web1"), "{host}");
        }
        assert!(!is_this_machine("", ""));
    }

    #[test]
    fn a_rebound_name_a_foreign_page_and_a_proxy_are_not_from_here() {
        let host = ("host", "localhost:10044");
        assert!(is_from_here(&headers(&[host]), None, ""));
        assert!(is_from_here(&headers(&[host, ("sec-fetch-site", "none")]), None, ""));
        for other in [
            &[("host", "evil.example")][..],
            &[],
            &[host, host],
            &[host, ("sec-fetch-site", "cross-site")],
            &[host, ("x-forwarded-for", "192.0.2.7")],
            &[host, ("x-real-ip", "192.0.2.7")],
            &[host, ("forwarded", "for=192.0.2.7")],
            &[host, ("via", "1.1 proxy")],
        ] {
            assert!(!is_from_here(&headers(other), None, ""), "{other:?}");
        }
        assert!(!is_from_here(&headers(&[host]), Some("evil.example"), ""));
        assert!(is_from_here(&headers(&[host]), Some("127.0.0.1:10044"), ""));
    }

    #[test]
    fn loopback_is_so_in_ipv6s_clothes_too() {
        for (address, local) in
            [("127.9.9.9", true), ("::1", true), ("::ffff:127.0.0.1", true), ("192.0.2.1", false)]
        {
            let client = Client { address: address.parse().unwrap(), verified: false };
            assert_eq!(client.is_local(), local, "{address}");
        }
    }
}
