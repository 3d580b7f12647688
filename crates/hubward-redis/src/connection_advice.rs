//! What an operator can do where a connection does not open: TLS, names, routes. What a server replies is for `error.rs`.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError};
use rustls::{AlertDescription, CertificateError};

const AUTHORITY: &str = "the server's certificate is of no authority that is trusted here; name its authority by \
    redis.tls.ca_file, or RedisTls::certificate_authority";
const NAME: &str = "connect by a name that the server's certificate has";
const LIFETIME: &str =
    "the server's certificate is not valid at this time; renew it, or correct this machine's clock";
const CLIENT: &str = "the server wants a certificate of this node that it trusts; set redis.tls.certificate_file and key_file, \
    or RedisTls::client_certificate";
const NO_TLS: &str = "the server does not speak TLS at this port; take its port for TLS, or do without: redis://, or \
    redis.tls.enabled = false";
const NO_REDIS: &str = "this is no Redis, or it expects TLS: rediss://, or redis.tls.enabled = true";
const ENDED: &str = "the server has ended the connection; see its log, and whether it expects TLS: rediss://";

/// What can be done about an error of the connection itself.
pub(crate) fn of(error: &RedisError) -> Option<&'static str> {
    if error.kind() == ErrorKind::Parse {
        return Some(NO_REDIS);
    }
    let error = io_error(error)?;
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return of_tls(tls);
    }
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Some(ENDED),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some("check the address, and that routes and firewalls let this machine reach it")
        }
        // The standard library has no kind for it.
        _ if error.to_string().starts_with("failed to lookup address") => {
            Some("no address is known for this name; check it, and the DNS of this machine")
        }
        _ => None,
    }
}

fn io_error(error: &RedisError) -> Option<&io::Error> {
    let shared = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    shared.downcast_ref::<io::Error>()
}

fn of_tls(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(wrong) => match wrong {
            CertificateError::UnknownIssuer => Some(AUTHORITY),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Some(NAME),
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Some(LIFETIME),
            _ => None,
        },
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired,
        ) => Some(CLIENT),
        rustls::Error::InvalidMessage(_) => Some(NO_TLS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(error: rustls::Error) -> RedisError {
        io::Error::new(io::ErrorKind::InvalidData, error).into()
    }

    #[test]
    fn each_failure_of_tls_says_what_to_change() {
        for (error, advice) in [
            (CertificateError::UnknownIssuer.into(), AUTHORITY),
            (CertificateError::NotValidForName.into(), NAME),
            (CertificateError::Expired.into(), LIFETIME),
            (rustls::Error::AlertReceived(AlertDescription::CertificateRequired), CLIENT),
            (rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), NO_TLS),
        ] {
            assert_eq!(of(&tls(error)), Some(advice));
        }
    }

    #[test]
    fn a_server_that_is_not_reached_or_is_no_redis_says_what_to_look_at() {
        let of_kind = |kind: io::ErrorKind| of(&io::Error::from(kind).into());
        assert_eq!(of_kind(io::ErrorKind::ConnectionReset), Some(ENDED));
        assert!(of_kind(io::ErrorKind::HostUnreachable).is_some_and(|advice| advice.contains("firewalls")));
        assert_eq!(of_kind(io::ErrorKind::BrokenPipe), None);
        let unknown = io::Error::other("failed to lookup address information: Name or service not known");
        assert!(of(&unknown.into()).is_some_and(|advice| advice.contains("DNS")));
        let unreadable = redis::parse_redis_value(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err();
        assert_eq!(of(&unreadable), Some(NO_REDIS));
    }
}
