//! Certificates for tests, made by the `openssl` command. Not how they are used.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// An authority, and what it has signed, as files in one directory: `NAME.crt`, `NAME.key`.
pub(crate) struct Authority {
    directory: PathBuf,
    name: &'static str,
}

impl Authority {
    pub(crate) fn new(directory: &Path, name: &'static str) -> Result<Self> {
        let authority = Self { directory: directory.to_owned(), name };
        authority.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj /CN={name} -keyout {name}.key -out {name}.crt"
        ))?;
        Ok(authority)
    }

    /// Signs a certificate with these subject alternative names, for a server or a client.
    pub(crate) fn sign(&self, name: &str, names: &str, purpose: &str) -> Result<()> {
        let Self { directory, name: authority } = self;
        std::fs::write(
            directory.join(format!("{name}.ext")),
            format!(
                "basicConstraints=critical,CA:FALSE\nkeyUsage=digitalSignature\n\
                 extendedKeyUsage={purpose}\nsubjectAltName={names}\n"
            ),
        )?;
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} \
             -keyout {name}.key -out {name}.csr"
        ))?;
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {authority}.crt -CAkey {authority}.key \
             -CAcreateserial -days 2 -extfile {name}.ext -out {name}.crt"
        ))
    }

    /// Runs it there.
    pub(crate) fn openssl(&self, arguments: &str) -> Result<()> {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.directory)
            .output()
            .context("running openssl, which scripts/setup.sh test installs")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "openssl {arguments}: {said}");
        Ok(())
    }

    /// A server's and a client's, as the tests need them.
    pub(crate) fn with_both(directory: &Path) -> Result<Self> {
        let authority = Self::new(directory, "ca")?;
        authority.sign("server", "DNS:localhost,IP:127.0.0.1", "serverAuth")?;
        let names = "DNS:scraper.example,IP:192.0.2.1,email:a@b.example,URI:spiffe://c.example/d";
        authority.sign("client", names, "clientAuth")?;
        Ok(authority)
    }
}
