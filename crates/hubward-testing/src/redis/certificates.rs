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
}

impl Certificates {
    /// Makes an authority and its certificates in a folder.
    pub(crate) fn create(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name);
        std::fs::write(file("openssl.cnf"), CONFIGURATION).unwrap();
        let (authority, authority_key) = (file("authority.crt"), file("authority.key"));
        let (server, server_key) = (file("server.crt"), file("server.key"));
        let (client, client_key) = (file("client.crt"), file("client.key"));
        let sign = |kind: &str, certificate: &Path, key: &Path| {
            let mut openssl = Command::new("openssl");
            openssl.args(["req", "-x509", "-days", "2", "-noenc", "-config"]).arg(file("openssl.cnf"));
            openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
            openssl.args(["-extensions", kind, "-subj", &format!("/CN=hubward test {kind}")]);
            if kind != "authority" {
                openssl.arg("-CA").arg(&authority).arg("-CAkey").arg(&authority_key);
            }
            let output = openssl.arg("-out").arg(certificate).arg("-keyout").arg(key).output();
            let output = output.expect("openssl can be run (Debian: apt-get install openssl)");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        sign("authority", &authority, &authority_key);
        sign("server", &server, &server_key);
        sign("client", &client, &client_key);
        Self { authority, server, server_key, client, client_key }
    }
}
