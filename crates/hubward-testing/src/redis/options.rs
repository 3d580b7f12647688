//! How a server is to be started.

use std::fmt::Write;

/// The user that the fixture itself is, where a server has passwords or users. A test may restrict all the others.
pub(crate) const FIXTURE_USER: &str = "fixture";

/// How a server is to be started. By default it keeps nothing on disk, and lets everybody in.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// Writes an append-only file, so that a server that is killed has its data again when it restarts.
    pub is_persistent: bool,
    /// Whether clients speak TLS.
    pub tls: Tls,
    /// The password of the user `default`.
    pub password: Option<String>,
    /// More users, each as in Redis's ACL file without the word `user`: `alice on >secret ~* &* +@all`. A rule that
    /// begins with `default` changes the user that clients are who give no name.
    pub users: Vec<String>,
    /// More lines of `redis.conf`, such as `maxmemory 1mb`.
    pub settings: Vec<String>,
}

/// Whether clients speak TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// They speak TCP.
    #[default]
    Off,
    /// They speak TLS, and need no certificate.
    On,
    /// They speak TLS, and are refused without a certificate of the server's authority.
    WithClientCertificates,
}

impl RedisOptions {
    /// Returns whether the server asks clients who they are.
    pub(crate) fn has_users(&self) -> bool {
        self.password.is_some() || !self.users.is_empty()
    }

    /// Returns the lines of `redis.conf` that these options stand for, TLS and the port excepted.
    pub(crate) fn lines(&self) -> String {
        // Snapshots only where a test asks for one.
        let mut lines = String::from("bind 127.0.0.1\nsave \"\"\n");
        if self.is_persistent {
            lines += "appendonly yes\n";
        }
        if let Some(password) = &self.password {
            writeln!(lines, "requirepass \"{password}\"").unwrap();
        }
        if self.has_users() {
            writeln!(lines, "user {FIXTURE_USER} on nopass ~* &* +@all").unwrap();
        }
        for user in &self.users {
            writeln!(lines, "user {user}").unwrap();
        }
        for setting in &self.settings {
            writeln!(lines, "{setting}").unwrap();
        }
        lines
    }
}
