//! Whom a push trusts: the authorities of this machine, or those of a file. Not here: connections.

use std::path::Path;
use std::sync::Arc;

use rustls_native_certs::CertificateResult;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Protocol;

/// What connections go by; what is wrong with the authorities otherwise.
pub(super) fn client(
    certificate: Option<&Path>,
    protocol: Protocol,
) -> Result<Arc<ClientConfig>, String> {
    let roots = match certificate {
        Some(file) => of_file(file)?,
        None => of_machine()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![match protocol {
        Protocol::Grpc => b"h2".to_vec(),
        Protocol::Http => b"http/1.1".to_vec(),
    }];
    Ok(Arc::new(config))
}

fn of_file(file: &Path) -> Result<RootCertStore, String> {
    let wrong = |what: &str| format!("OTEL_EXPORTER_OTLP_CERTIFICATE={}: {what}", file.display());
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| match error {
        tokio_rustls::rustls::pki_types::pem::Error::Io(error) => wrong(&error.to_string()),
        _ => wrong("this has no certificate in PEM"),
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|_| wrong("this is damaged"))?;
        roots.add(certificate).map_err(|_| wrong("this cannot be an authority"))?;
    }
    if roots.is_empty() {
        return Err(wrong("this has no certificate in PEM"));
    }
    Ok(roots)
}

/// `SSL_CERT_FILE` and `SSL_CERT_DIR`, as OpenSSL has them, or where the distribution keeps them.
fn of_machine() -> Result<RootCertStore, String> {
    let CertificateResult { certs, errors, .. } = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Of those that a machine has some may be of kinds that nobody uses any more.
    roots.add_parsable_certificates(certs);
    if roots.is_empty() {
        let why = errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!(
            "https: this machine has no certificates of authorities{why}; install \
             ca-certificates, or name a file by SSL_CERT_FILE"
        ));
    }
    Ok(roots)
}
