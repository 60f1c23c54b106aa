//! What the file says of TLS, with the certificates and keys it names. Not which ciphers
//! there are.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig};

use super::client::ClientVerifier;
use super::yaml::Section;
use super::{ClientAuth, Tls, WebConfigError, cipher, read_file};

pub(super) const KEYS: &[&str] = &[
    "cert_file",
    "key_file",
    "cert",
    "key",
    "client_auth_type",
    "client_ca_file",
    "client_ca",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
];

/// The content of a file that the section names, or of the section itself.
struct Pem {
    bytes: Vec<u8>,
    key: &'static str,
    line: u64,
}

/// None where the section is empty.
pub(super) fn read(mut section: Section<'_>) -> Result<Option<Tls>, WebConfigError> {
    if section.is_empty() {
        return Ok(None);
    }
    let line = section.line;
    let certificate = pem(&mut section, "cert_file", "cert")?;
    let key = pem(&mut section, "key_file", "key")?;
    let missing = |this: &str, that: &str| {
        let what = format!("tls_server_config: {this} or {that} is missing");
        section.place.error(line, what)
    };
    let certificate = certificate.ok_or_else(|| missing("cert_file", "cert"))?;
    let key = key.ok_or_else(|| missing("key_file", "key"))?;
    let chain = certificates(&section, &certificate)?;
    let private = private_key(&section, &key)?;

    let versions = cipher::versions(&mut section)?;
    let provider = Arc::new(cipher::provider(&mut section)?);
    let prefers_own = section.boolean("prefer_server_cipher_suites")?.unwrap_or(true);
    let (clients, verifier) = clients(&mut section, &provider)?;

    let builder =
        ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|error| section.place.error(line, format!("tls_server_config: {error}")))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(Arc::new(verifier)),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_single_cert(chain, private).map_err(|error| {
        let what = match error {
            Error::InconsistentKeys(_) => "this key is not the certificate's".to_owned(),
            other => format!("this certificate and key cannot be served: {other}"),
        };
        section.error(key.key, key.line, what)
    })?;
    server.ignore_client_order = prefers_own;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Tls { server: Arc::new(server), clients }))
}

/// From the file that `file_key` names, or as `inline_key` has it.
fn pem(
    section: &mut Section<'_>,
    file_key: &'static str,
    inline_key: &'static str,
) -> Result<Option<Pem>, WebConfigError> {
    let inline = section.text(inline_key)?;
    let Some((name, line)) = section.text(file_key)? else {
        return Ok(inline.map(|(text, line)| Pem {
            bytes: text.into_bytes(),
            key: inline_key,
            line,
        }));
    };
    if inline.is_some() {
        let what = format!("{inline_key} is there as well; one of them can be");
        return Err(section.error(file_key, line, what));
    }
    if name.contains("-----") || name.contains('\n') {
        let what = format!("a file's name is expected here; {inline_key} can have the PEM itself");
        return Err(section.error(file_key, line, what));
    }
    let directory = section.place.file.parent().unwrap_or(section.place.file);
    let path: PathBuf = directory.join(name);
    let bytes = read_file(&path).map_err(|why| {
        section.error(file_key, line, format!("cannot read {}: {why}", path.display()))
    })?;
    Ok(Some(Pem { bytes, key: file_key, line }))
}

fn certificates(
    section: &Section<'_>,
    pem: &Pem,
) -> Result<Vec<CertificateDer<'static>>, WebConfigError> {
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&pem.bytes).collect();
    let chain = chain.unwrap_or_default();
    if chain.is_empty() {
        return Err(section.error(pem.key, pem.line, "this has no certificate in PEM"));
    }
    Ok(chain)
}

fn private_key(section: &Section<'_>, pem: &Pem) -> Result<PrivateKeyDer<'static>, WebConfigError> {
    PrivateKeyDer::from_pem_slice(&pem.bytes).map_err(|_| {
        let encrypted = pem.bytes.windows(9).any(|window| window == b"ENCRYPTED");
        let what = if encrypted {
            "this key is encrypted, and nobody is here to type its password; decrypt it with \
             `openssl pkey`"
        } else {
            "this has no private key in PEM"
        };
        section.error(pem.key, pem.line, what)
    })
}

/// What clients have to show, and what says whether they do.
fn clients(
    section: &mut Section<'_>,
    provider: &Arc<tokio_rustls::rustls::crypto::CryptoProvider>,
) -> Result<(ClientAuth, Option<ClientVerifier>), WebConfigError> {
    let line = section.line;
    let (auth, auth_line) = match section.text("client_auth_type")? {
        Some((text, line)) => (auth_type(section, &text, line)?, line),
        None => (ClientAuth::NoClientCert, line),
    };
    let authority = pem(section, "client_ca_file", "client_ca")?;
    let allowed = section.list("client_allowed_sans")?;
    if let (Some(pem), ClientAuth::NoClientCert) = (&authority, auth) {
        let what = "nothing asks for certificates; client_auth_type: RequireAndVerifyClientCert \
                    does";
        return Err(section.error(pem.key, pem.line, what));
    }
    if authority.is_none() && auth.verifies() {
        let what = "client_ca_file or client_ca is missing, to verify certificates by";
        return Err(section.error("client_auth_type", auth_line, what));
    }
    if let Some(list) = allowed.as_ref().filter(|_| !auth.requires()) {
        let what = "clients may come without a certificate; client_auth_type: \
                    RequireAndVerifyClientCert lets none";
        return Err(section.error("client_allowed_sans", list.line, what));
    }
    if auth == ClientAuth::NoClientCert {
        return Ok((auth, None));
    }
    let roots = authority.as_ref().map(|pem| roots(section, pem)).transpose()?;
    let allowed = allowed.map(|list| list.texts.into_iter().map(|(text, _)| text).collect());
    let verifier = ClientVerifier::new(auth, roots, allowed, provider)
        .map_err(|error| section.error("client_auth_type", auth_line, error))?;
    Ok((auth, Some(verifier)))
}

fn auth_type(section: &Section<'_>, text: &str, line: u64) -> Result<ClientAuth, WebConfigError> {
    Ok(match text {
        "NoClientCert" => ClientAuth::NoClientCert,
        "RequestClientCert" => ClientAuth::RequestClientCert,
        // The second is an older name for it.
        "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAnyClientCert,
        "VerifyClientCertIfGiven" => ClientAuth::VerifyClientCertIfGiven,
        "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerifyClientCert,
        _ => {
            let what = "no such type; there are NoClientCert, RequestClientCert, \
                        RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert";
            return Err(section.error("client_auth_type", line, what));
        }
    })
}

fn roots(section: &Section<'_>, pem: &Pem) -> Result<RootCertStore, WebConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(section, pem)? {
        roots.add(certificate).map_err(|error| {
            section.error(pem.key, pem.line, format!("this cannot be an authority: {error}"))
        })?;
    }
    Ok(roots)
}
