//! The subject alternative names of a certificate (RFC 5280, 4.2.1.6), as text. Not whether
//! the certificate is any good, which its verification says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `id-ce-subjectAltName`, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

// Tags of DER: universal ones, and the context's own.
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const EXTENSIONS: u8 = 0xa3;
const RFC822_NAME: u8 = 0x81;
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;
const IP_ADDRESS: u8 = 0x87;

/// DNS names, addresses, e-mail addresses and URIs; none where it is not a certificate.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    extension(certificate).and_then(general_names).unwrap_or_default()
}

/// What the extension has, if there is one.
fn extension(certificate: &[u8]) -> Option<&[u8]> {
    let (SEQUENCE, certificate, _) = element(certificate)? else { return None };
    let (SEQUENCE, mut fields, _) = element(certificate)? else { return None };
    let extensions = loop {
        let (tag, content, rest) = element(fields)?;
        if tag == EXTENSIONS {
            break content;
        }
        fields = rest;
    };
    let (SEQUENCE, mut extensions, _) = element(extensions)? else { return None };
    loop {
        let (SEQUENCE, extension, rest) = element(extensions)? else { return None };
        let (OBJECT_IDENTIFIER, identifier, mut value) = element(extension)? else { return None };
        if let Some((BOOLEAN, _, after)) = element(value) {
            value = after;
        }
        if identifier == SUBJECT_ALT_NAME {
            let (OCTET_STRING, names, _) = element(value)? else { return None };
            return Some(names);
        }
        extensions = rest;
    }
}

fn general_names(der: &[u8]) -> Option<Vec<String>> {
    let (SEQUENCE, mut rest, _) = element(der)? else { return None };
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (tag, content, after) = element(rest)?;
        rest = after;
        names.extend(match tag {
            RFC822_NAME | DNS_NAME | URI => String::from_utf8(content.to_vec()).ok(),
            IP_ADDRESS => address(content),
            _ => None,
        });
    }
    Some(names)
}

fn address(bytes: &[u8]) -> Option<String> {
    let address = if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        IpAddr::from(Ipv4Addr::from(bytes))
    } else {
        IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
    };
    Some(address.to_string())
}

/// The first element's tag and content, and what comes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_has_no_names_and_does_no_harm() {
        let der = [0x30, 0x82, 0x01, 0x00, 0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0xa3, 0x80];
        for length in 0..der.len() {
            assert!(names(&der[..length]).is_empty());
        }
    }

    #[test]
    fn names_of_each_kind_are_text() {
        let der = [
            &[0x30, 33][..],
            &[0x82, 3],
            b"a.b",
            &[0x87, 4, 192, 0, 2, 1],
            &[0x81, 3],
            b"c@d",
            &[0x86, 5],
            b"e:f/g",
            &[0x88, 1, 42],
            &[0x82, 1, 0xff],
        ]
        .concat();
        let der = &[&[0x30, u8::try_from(der.len() - 2).unwrap()][..], &der[2..]].concat();
        assert_eq!(general_names(der).unwrap(), ["a.b", "192.0.2.1", "c@d", "e:f/g"]);
        assert_eq!(address(&[0; 5]), None);
    }
}
