//! An authority for one test, and the certificates that it signs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The extensions of each kind of certificate. Without a file `openssl` uses one of the machine.
const CONFIGURATION: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = localhost
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[client]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = clientAuth
[node]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth, clientAuth
";

/// Absolute paths of PEM files.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate, which clients are to trust.
    pub authority: PathBuf,
    /// The server's certificate, for `localhost` and `127.0.0.1`.
    pub server: PathBuf,
    /// The server's private key.
    pub server_key: PathBuf,
    /// A client's certificate.
    pub client: PathBuf,
    /// The client's private key.
    pub client_key: PathBuf,
    folder: PathBuf,
}

impl Certificates {
    /// Makes an authority and its certificates in a folder.
    ///
    /// # Panics
    /// Where `openssl` cannot be run.
    pub fn create(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name);
        std::fs::write(file("openssl.cnf"), CONFIGURATION).unwrap();
        let certificates = Self {
            authority: file("authority.crt"),
            server: file("server.crt"),
            server_key: file("server.key"),
            client: file("client.crt"),
            client_key: file("client.key"),
            folder: folder.to_owned(),
        };
        for kind in ["authority", "server", "client"] {
            certificates.sign(kind, kind, &[]);
        }
        certificates
    }

    /// Makes a certificate for a node of this name, which is a server to other nodes and a client of them. Returns it and its key
    /// as PEM.
    ///
    /// # Panics
    /// Where `openssl` cannot be run.
    pub fn node(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        self.sign("node", name, &["-addext", &format!("subjectAltName=DNS:{name}")]);
        let read = |ending| std::fs::read(self.folder.join(format!("{name}.{ending}"))).unwrap();
        (read("crt"), read("key"))
    }

    /// Makes a certificate with the extensions of a kind, and its key.
    fn sign(&self, kind: &str, name: &str, more: &[&str]) {
        let file = |name: &str, ending: &str| self.folder.join(format!("{name}.{ending}"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-days", "2", "-noenc", "-config"]).arg(file("openssl", "cnf"));
        openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        openssl.args(["-extensions", kind, "-subj", &format!("/CN=hubward test {kind}")]).args(more);
        if kind != "authority" {
            openssl.arg("-CA").arg(&self.authority).arg("-CAkey").arg(file("authority", "key"));
        }
        openssl.arg("-out").arg(file(name, "crt")).arg("-keyout").arg(file(name, "key"));
        let output = openssl.output().expect("openssl can be run (Debian: apt-get install openssl)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
