//! What files say of TLS: certificates, who is asked for one, versions and ciphers.

use super::*;

#[test]
fn certificates_and_keys_can_be_in_the_file_itself() {
    let indented = |name: &str| {
        let text = fs::read_to_string(directory().join(name)).unwrap();
        text.lines().fold(String::from("|\n"), |all, line| all + "    " + line + "\n")
    };
    let text = format!(
        "tls_server_config:\n  cert: {}  key: {}  client_ca: {}  client_auth_type: \
         VerifyClientCertIfGiven\n",
        indented("server.crt"),
        indented("server.key"),
        indented("ca.crt")
    );
    let config = read(&text).unwrap();
    assert!(config.is_tls() && config.asks_who() && !config.authenticates());
}

#[test]
fn each_way_to_ask_clients_is_known() {
    for (name, verifies, requires) in [
        ("NoClientCert", false, false),
        ("RequestClientCert", false, false),
        ("RequireAnyClientCert", false, true),
        ("RequireClientCert", false, true),
        ("VerifyClientCertIfGiven", true, false),
        ("RequireAndVerifyClientCert", true, true),
    ] {
        let authority = if verifies { "  client_ca_file: ca.crt\n" } else { "" };
        let config = read(&with_tls(&format!("  client_auth_type: {name}\n{authority}"))).unwrap();
        let clients = config.tls.as_ref().unwrap().clients;
        assert_eq!((clients.verifies(), clients.requires()), (verifies, requires), "{name}");
        assert_eq!(config.asks_who(), name != "NoClientCert", "{name}");
    }
}

#[test]
fn older_versions_than_there_are_here_are_the_oldest_here() {
    let config = read(&with_tls("  min_version: TLS10\n")).unwrap();
    assert!(config.is_tls());
    read(&with_tls("  min_version: TLS13\n")).unwrap();
    read(&with_tls("  max_version: TLS12\n")).unwrap();
}

#[test]
fn certificates_that_cannot_be_served_are_named() {
    let tls = |lines: &str| said(&format!("tls_server_config:\n{lines}"));
    for (lines, expected) in [
        ("  key_file: server.key\n", "web.yml:1: tls_server_config: cert_file or cert is missing"),
        ("  cert_file: server.crt\n", "web.yml:1: tls_server_config: key_file or key is missing"),
        ("  min_version: TLS13\n", "web.yml:1: tls_server_config: cert_file or cert is missing"),
        (
            "  cert_file: none.crt\n  key_file: server.key\n",
            "web.yml:2: tls_server_config.cert_file: cannot read none.crt: No such file or directory",
        ),
        (
            "  cert_file: empty.pem\n  key_file: server.key\n",
            "web.yml:2: tls_server_config.cert_file: this has no certificate in PEM",
        ),
        (
            "  cert_file: server.crt\n  key_file: server.crt\n",
            "web.yml:3: tls_server_config.key_file: this has no private key in PEM",
        ),
        (
            "  cert_file: server.crt\n  key_file: locked.key\n",
            "web.yml:3: tls_server_config.key_file: this key is encrypted, and nobody is here to type \
             its password; decrypt it with `openssl pkey`",
        ),
        (
            "  cert_file: server.crt\n  key_file: client.key\n",
            "web.yml:3: tls_server_config.key_file: this key is not the certificate's",
        ),
        (
            "  cert_file: server.crt\n  key_file: |\n    -----BEGIN PRIVATE KEY-----\n    hunter2\n",
            "web.yml:3: tls_server_config.key_file: a file's name is expected here; key can have the \
             PEM itself",
        ),
        (
            "  cert_file: server.crt\n  cert: x\n  key_file: client.key\n",
            "web.yml:2: tls_server_config.cert_file: cert is there as well; one of them can be",
        ),
    ] {
        assert_eq!(tls(lines), expected);
    }
}

#[test]
fn what_is_asked_of_clients_fits_together() {
    for (lines, expected) in [
        (
            "  client_ca_file: ca.crt\n",
            "web.yml:4: tls_server_config.client_ca_file: nothing asks for certificates; \
             client_auth_type: RequireAndVerifyClientCert does",
        ),
        (
            "  client_auth_type: RequireAndVerifyClientCert\n",
            "web.yml:4: tls_server_config.client_auth_type: client_ca_file or client_ca is missing, to \
             verify certificates by",
        ),
        (
            "  client_auth_type: Always\n",
            "web.yml:4: tls_server_config.client_auth_type: no such type; there are NoClientCert, \
             RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, \
             RequireAndVerifyClientCert",
        ),
        (
            "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.crt\n  \
             client_allowed_sans: [a]\n",
            "web.yml:6: tls_server_config.client_allowed_sans: clients may come without a \
             certificate; client_auth_type: RequireAndVerifyClientCert lets none",
        ),
        (
            "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: empty.pem\n",
            "web.yml:5: tls_server_config.client_ca_file: this has no certificate in PEM",
        ),
    ] {
        assert_eq!(said(&with_tls(lines)), expected);
    }
}

#[test]
fn versions_and_ciphers_are_those_that_there_are() {
    for (lines, expected) in [
        (
            "  min_version: SSL3\n",
            "web.yml:4: tls_server_config.min_version: no such version; there are TLS12 and TLS13",
        ),
        (
            "  max_version: TLS11\n",
            "web.yml:4: tls_server_config.max_version: TLS 1.0 and 1.1 are not served; TLS12 or TLS13 \
             would be",
        ),
        (
            "  min_version: TLS13\n  max_version: TLS12\n",
            "web.yml:4: tls_server_config.min_version: it is above max_version",
        ),
        (
            "  curve_preferences: [CurveP1]\n",
            "web.yml:4: tls_server_config.curve_preferences: CurveP1: no such name; there are X25519, \
             CurveP256, CurveP384",
        ),
        (
            "  curve_preferences: [CurveP521]\n",
            "web.yml:4: tls_server_config.curve_preferences: none of these can be served; X25519, \
             CurveP256, CurveP384 can",
        ),
    ] {
        assert_eq!(said(&with_tls(lines)), expected);
    }
    let invented =
        said(&with_tls("  cipher_suites:\n    - TLS_RSA_WITH_AES_128_CBC_SHA\n    - TLS_X\n"));
    assert!(
        invented.starts_with("web.yml:6: tls_server_config.cipher_suites: TLS_X: no such name"),
        "{invented}"
    );
}

#[test]
fn the_names_of_a_certificate_are_those_it_was_made_with() {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    let certificate = CertificateDer::from_pem_file(directory().join("client.crt")).unwrap();
    let names = ["scraper.example", "192.0.2.1", "a@b.example", "spiffe://c.example/d"];
    assert_eq!(san::names(&certificate), names);
    for length in 0..certificate.len() {
        assert!(san::names(&certificate[..length]).len() <= names.len());
    }
    let authority = CertificateDer::from_pem_file(directory().join("ca.crt")).unwrap();
    assert!(san::names(&authority).is_empty());
}
