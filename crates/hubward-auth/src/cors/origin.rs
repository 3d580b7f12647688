//! Web origins (RFC 6454): `scheme://host[:port]`, as configuration names them and as browsers send them.

use http::uri::{Authority, Scheme};

use crate::error::AuthConfigError;

/// A web origin in the form browsers send: lower case, and without the port that its scheme has anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    origin: String,
    /// Where the authority begins, after `scheme://`.
    authority_at: usize,
}

impl Origin {
    /// Reads a string that is exactly an origin: without a path (even `/`), user or wildcard, and not `null`.
    pub(super) fn parse(origin: &str) -> Option<Self> {
        let lower = origin.to_ascii_lowercase();
        let (scheme, authority) = lower.split_once("://")?;
        // The parsers of `http` accept more than an origin may contain, hence the checks beside them.
        Scheme::try_from(scheme)
            .ok()
            .filter(|_| scheme.starts_with(|first: char| first.is_ascii_lowercase()))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if !authority.bytes().all(plain) {
            return None;
        }
        let parsed = Authority::try_from(authority).ok()?;
        if parsed.host().is_empty() || authority.ends_with(':') {
            return None;
        }
        // The parser reads a port that is not a number as an absent one.
        if parsed.host().len() != authority.len() && parsed.port_u16().is_none() {
            return None;
        }
        let authority = without_default_port(scheme, authority);
        Some(Self { origin: format!("{scheme}://{authority}"), authority_at: scheme.len() + 3 })
    }

    /// Reads an origin from configuration.
    ///
    /// # Errors
    /// Quotes a string that is not an origin.
    pub(super) fn configured(origin: &str) -> Result<Self, AuthConfigError> {
        Self::parse(origin).ok_or_else(|| AuthConfigError::InvalidOrigin { origin: origin.to_owned() })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.origin
    }

    /// Returns whether `Host` names the host and port of this origin. The scheme is not compared: behind a
    /// proxy that ends TLS it is not known here.
    pub(super) fn is_of_host(&self, host: &str) -> bool {
        let scheme = self.origin.get(..self.authority_at.saturating_sub(3)).unwrap_or_default();
        let authority = self.origin.get(self.authority_at..).unwrap_or_default();
        without_default_port(scheme, &host.to_ascii_lowercase()) == authority
    }
}

fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return authority,
    };
    authority.strip_suffix(port).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_in_the_form_that_browsers_send() {
        let table = [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://app.example:80", "http://app.example"),
            ("http://app.example:443", "http://app.example:443"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://[::443]", "https://[::443]"),
            ("http://127.0.0.1", "http://127.0.0.1"),
            ("capacitor://localhost", "capacitor://localhost"),
        ];
        for (input, expected) in table {
            assert_eq!(Origin::parse(input).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn what_is_not_exactly_an_origin_is_refused() {
        let table = [
            "",
            "null",
            "*",
            "https://",
            "https://*",
            "https://*.app.example",
            "app.example",
            "//app.example",
            "https://app.example/",
            "https://app.example/path",
            "https://app.example?x",
            "https://app.example#x",
            "https://user@app.example",
            "https://app.example:",
            "https://app.example:x",
            "https://app.example:99999",
            "https://app.example:1:2",
            "https://app example",
            " https://app.example",
            "https://app.example ",
            "https://a.example,https://b.example",
            "https://ä.example",
            "ht tp://app.example",
            "://app.example",
            "https://[::1",
            "https://::1",
            "https://a\\b",
        ];
        for input in table {
            assert_eq!(Origin::parse(input), None, "{input}");
            assert!(Origin::configured(input).is_err());
        }
    }

    #[test]
    fn a_host_is_compared_without_the_default_port() {
        let table = [
            ("https://app.example", "app.example", true),
            ("https://app.example", "APP.example:443", true),
            ("https://app.example", "app.example:80", false),
            ("http://app.example", "app.example:80", true),
            ("http://app.example:5000", "app.example:5000", true),
            ("http://app.example:5000", "app.example", false),
            ("https://app.example", "app.example.evil", false),
            ("https://app.example", "evil-app.example", false),
            ("https://app.example", "", false),
        ];
        for (origin, host, expected) in table {
            assert_eq!(Origin::parse(origin).unwrap().is_of_host(host), expected, "{origin} {host}");
        }
    }
}
