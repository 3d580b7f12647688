//! Which names a server is reached by. A web page can make a name of its own lead to a server that only its visitor can
//! reach (DNS rebinding), and is then of the same origin; the name in `Host` shows it.

use http::{HeaderMap, Uri, Version, header};

/// Returns whether a request names one host, as HTTP/1.1 requires. Of two, a proxy in front may have gone by the other.
pub(super) fn is_unambiguous(version: Version, headers: &HeaderMap) -> bool {
    match headers.get_all(header::HOST).iter().count() {
        0 => version < Version::HTTP_11,
        hosts => hosts == 1,
    }
}

/// Returns whether a request names one of `hosts`, with any port; no hosts are all. A request without exactly one
/// `Host` is refused where there are some, as one that names another is, there or in a target such as
/// `http://other.example/`, which goes before `Host` (RFC 9112, section 3.2.2).
pub(super) fn allows(hosts: &[String], target: &Uri, headers: &HeaderMap) -> bool {
    if hosts.is_empty() {
        return true;
    }
    let mut given = headers.get_all(header::HOST).iter();
    let (Some(given), None) = (given.next(), given.next()) else { return false };
    let is_listed = |given: &str| hosts.iter().any(|host| host.eq_ignore_ascii_case(without_port(given)));
    given.to_str().is_ok_and(is_listed) && target.authority().is_none_or(|given| is_listed(given.as_str()))
}

/// Returns whether requests can name this host: it has no port, no scheme and no path.
pub(super) fn is_name(host: &str) -> bool {
    !host.is_empty() && without_port(host) == host && !host.contains(['/', '@', ' ', '*'])
}

/// Returns the name in front of a port; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !is_inside(name) => name,
        _ => host,
    }
}

/// Whether a colon after this is one inside of an IPv6 address.
fn is_inside(name: &str) -> bool {
    name.starts_with('[') && !name.ends_with(']')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_host_is_compared_without_port_and_case() {
        let hosts = ["hubs.example".to_owned(), "[::1]".to_owned()];
        for (given, allowed) in [
            ("hubs.example", true),
            ("Hubs.Example:8080", true),
            ("[::1]", true),
            ("[::1]:80", true),
            ("[::2]:80", false),
            ("evil.example", false),
            ("evil.example:80@hubs.example", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(given))]);
            assert_eq!(allows(&hosts, &Uri::from_static("/"), &headers), allowed, "{given}");
        }
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("hubs.example"))]);
        for (target, allowed) in [
            ("http://hubs.example/hub", true),
            ("http://[::1]:80/", true),
            ("http://evil.example/hub", false),
            ("http://hubs.example@evil.example/", false),
            ("evil.example:443", false),
            ("*", true),
        ] {
            assert_eq!(allows(&hosts, &target.parse().unwrap(), &headers), allowed, "{target}");
        }
        for (host, can_be_named) in [
            ("hubs.example", true),
            ("[::1]", true),
            ("127.0.0.1", true),
            ("hubs.example:8080", false),
            ("https://hubs.example", false),
            ("hubs.example/", false),
            ("*.hubs.example", false),
            ("::1", false),
            ("", false),
        ] {
            assert_eq!(is_name(host), can_be_named, "{host}");
        }
        let target = Uri::from_static("/");
        assert!(!allows(&hosts, &target, &HeaderMap::new()));
        assert!(allows(&[], &target, &HeaderMap::new()));
    }
}
