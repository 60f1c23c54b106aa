//! Versions, cipher suites and curves by the names that Go has for them, as far as there are
//! such here. Not certificates.

use tokio_rustls::rustls::crypto::ring::{cipher_suite, kx_group};
use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::WebConfigError;
use super::yaml::{List, Section};

/// Suites of TLS 1.2, by IANA's names, which are Go's.
const SUITES: [(&str, SupportedCipherSuite); 6] = [
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// Suites that Go has and nothing here: without forward secrecy, or with CBC. And those of
/// TLS 1.3, which Go uses whether they are listed or not.
const OTHERS: [&str; 13] = [
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

const CURVES: [(&str, &dyn SupportedKxGroup); 3] = [
    ("X25519", kx_group::X25519),
    ("CurveP256", kx_group::SECP256R1),
    ("CurveP384", kx_group::SECP384R1),
];

const OTHER_CURVES: [&str; 2] = ["CurveP521", "X25519MLKEM768"];

/// The versions between `min_version` and `max_version`.
pub(super) fn versions(
    section: &mut Section<'_>,
) -> Result<Vec<&'static SupportedProtocolVersion>, WebConfigError> {
    let least = version(section, "min_version")?;
    let most = version(section, "max_version")?;
    if let Some((10 | 11, line)) = most {
        let what = "TLS 1.0 and 1.1 are not served; TLS12 or TLS13 would be";
        return Err(section.error("max_version", line, what));
    }
    let (least, line) = least.unwrap_or((12, 0));
    let most = most.map_or(13, |(most, _)| most);
    let versions: Vec<_> = [(12, &TLS12), (13, &TLS13)]
        .into_iter()
        .filter(|(version, _)| (least..=most).contains(version))
        .map(|(_, version)| version)
        .collect();
    if versions.is_empty() {
        return Err(section.error("min_version", line, "it is above max_version"));
    }
    Ok(versions)
}

fn version(section: &mut Section<'_>, key: &str) -> Result<Option<(u8, u64)>, WebConfigError> {
    let Some((text, line)) = section.text(key)? else { return Ok(None) };
    let version = match text.as_str() {
        "TLS10" => 10,
        "TLS11" => 11,
        "TLS12" => 12,
        "TLS13" => 13,
        _ => return Err(section.error(key, line, "no such version; there are TLS12 and TLS13")),
    };
    Ok(Some((version, line)))
}

/// What encrypts, with the suites and curves that are listed.
pub(super) fn provider(section: &mut Section<'_>) -> Result<CryptoProvider, WebConfigError> {
    let mut provider = ring::default_provider();
    if let Some(list) = section.list("cipher_suites")?.filter(|list| !list.texts.is_empty()) {
        let suites = pick(section, "cipher_suites", &list, &SUITES, &OTHERS)?;
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(suites);
    }
    if let Some(list) = section.list("curve_preferences")?.filter(|list| !list.texts.is_empty()) {
        provider.kx_groups = pick(section, "curve_preferences", &list, &CURVES, &OTHER_CURVES)?;
    }
    Ok(provider)
}

/// Those of the list that there are, in its order, without those that only Go has.
fn pick<T: Copy>(
    section: &Section<'_>,
    key: &str,
    list: &List,
    known: &[(&str, T)],
    others: &[&str],
) -> Result<Vec<T>, WebConfigError> {
    let names = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let mut picked = Vec::new();
    for (text, line) in &list.texts {
        match known.iter().find(|(name, _)| name == text) {
            Some((_, value)) => picked.push(*value),
            None if others.contains(&text.as_str()) => (),
            None => {
                let what = format!("{text}: no such name; there are {}", names());
                return Err(section.error(key, *line, what));
            }
        }
    }
    if picked.is_empty() {
        let what = format!("none of these can be served; {} can", names());
        return Err(section.error(key, list.line, what));
    }
    Ok(picked)
}
