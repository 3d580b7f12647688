//! Where a server listens.

use std::fmt;
use std::str::FromStr;

use crate::error::{RedisConfigError, RedisFailure};

/// The longest name of a host that DNS has.
const MAX_HOST_BYTES: usize = 255;

/// A host, by name or IP address, and a port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// The host's name or IP address, without brackets.
    pub host: Box<str>,
    /// The TCP port.
    pub port: u16,
}

impl Address {
    /// Makes an address.
    pub fn new(host: impl Into<Box<str>>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Makes one of what a server has named, which may be anything.
    pub(crate) fn named_by_server(host: String, port: u16) -> Result<Self, RedisFailure> {
        if host.len() > MAX_HOST_BYTES {
            return Err(RedisFailure::said(format!(
                "a server has named another whose host has more than {MAX_HOST_BYTES} bytes; check that the address is \
                 that of a Redis that can be trusted"
            )));
        }
        Ok(Self::new(host, port))
    }

    /// Reads `host:port` or `host`, which then has the default port; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// [`RedisConfigError::Address`] where it is neither.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, RedisConfigError> {
        let invalid = || RedisConfigError::Address { given: shown(text) };
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(invalid)?)),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(invalid)?,
            None => default_port,
        };
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"/@?#[]".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return Err(invalid());
        }
        Ok(Self::new(host, port))
    }
}

impl FromStr for Address {
    type Err = RedisConfigError;

    /// Reads `host:port`; without a port it is Redis's, 6379.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, 6379)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What an error shows of a text that is no address. Where a URL lacks its `@host`, what stands behind the colon is a password.
fn shown(text: &str) -> String {
    let Some((host, port)) = text.split_once(':') else { return text.to_owned() };
    let is_port = !host.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_ip =
        text.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.[]".contains(&byte)) && port.contains(':');
    if is_port || is_ip { text.to_owned() } else { format!("{host}:…") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_or_without_a_port() {
        for (text, shown) in [
            ("redis", "redis:6379"),
            ("10.0.0.7:6380", "10.0.0.7:6380"),
            ("[::1]", "[::1]:6379"),
            ("[fe80::1]:7000", "[fe80::1]:7000"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_server_names_no_host_that_is_longer_than_a_name_may_be() {
        assert!(Address::named_by_server("h".repeat(255), 1).is_ok());
        let refused = Address::named_by_server("h".repeat(256), 1).unwrap_err().to_string();
        assert!(refused.contains("more than 255 bytes") && refused.len() < 200, "{refused}");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", ":6379", "a b", "redis:", "redis:0", "redis:65536", "::1", "[::1]x", "[::1", "a/b"] {
            let refused = text.parse::<Address>();
            assert!(matches!(refused, Err(RedisConfigError::Address { .. })), "{text}: {refused:?}");
        }
    }

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        for (text, shown) in [
            ("redis:65536", "'redis:65536'"),
            ("::1", "'::1'"),
            ("a b", "'a b'"),
            ("alice:topsecret", "'alice:…'"),
            ("alice:123456", "'alice:…'"),
            (":12345", "':…'"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.starts_with(shown) && error.contains("1 to 65535"), "{error}");
        }
    }
}
