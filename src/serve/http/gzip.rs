//! Compressed answers: for whom, and how. Not for those on this machine: that would spend
//! the processor to spare a network that is not there.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Below this a packet's worth is hardly saved.
const LEAST_BYTES: usize = 1400;

/// Whether a client that sends this header Accept-Encoding takes gzip (RFC 9110, 12.5.3).
pub(super) fn is_accepted(accept_encoding: &str) -> bool {
    let mut any = false;
    for coding in accept_encoding.split(',') {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts
            .filter_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .any(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0));
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return !refused;
        }
        any |= name == "*" && !refused;
    }
    any
}

/// These bytes, compressed, where that saves any.
pub(super) fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < LEAST_BYTES {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < bytes.len()).then_some(compressed)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn gzip_is_accepted_by_name_or_by_a_star_and_not_with_a_weight_of_zero() {
        for accepting in ["gzip", "deflate, gzip;q=0.5", "GZIP", "*", "br;q=1.0, gzip ; q=1"] {
            assert!(is_accepted(accepting), "{accepting}");
        }
        for refusing in ["", "identity", "gzip;q=0", "gzip;q=0.0, *", "*;q=0", "deflate"] {
            assert!(!is_accepted(refusing), "{refusing}");
        }
    }

    #[test]
    fn what_is_compressed_is_what_it_was() {
        let text = "tcpcong_state_seconds_total{state=\"recovery\"} 12\n".repeat(1000);
        let compressed = compressed(text.as_bytes()).unwrap();
        assert!(compressed.len() < text.len() / 10);
        let mut back = String::new();
        GzDecoder::new(&compressed[..]).read_to_string(&mut back).unwrap();
        assert_eq!(back, text);
    }

    #[test]
    fn little_is_left_as_it_is() {
        assert_eq!(compressed(b"ok\n"), None);
    }
}
