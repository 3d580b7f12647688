//! A client's request on its way between two nodes: what the first node says of it, and which of its headers go on.

use std::net::SocketAddr;

use http::HeaderMap;
use http::header::{self, HeaderName};

use super::signature;

/// Says that a request came from another node, which has looked for the connection's owner and sends it here. It is never
/// passed on again, so that no request can go round in a circle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hop {
    /// Who the client is to the first node; `None` where that does not know.
    pub(crate) client: Option<SocketAddr>,
}

/// Headers that are of one connection, not of the request (RFC 9110, section 7.6.1). `Expect` is among them: the first node
/// has asked for the body itself.
const OF_ONE_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::EXPECT,
];

/// Removes what is of one connection only, `Upgrade` and whatever `Connection` names among it, and what nodes say to each other.
pub(crate) fn end_to_end(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| !IS_NEEDED.contains(name))
        .collect();
    for name in named.into_iter().chain(OF_ONE_CONNECTION).chain([header::UPGRADE]) {
        headers.remove(name);
    }
    signature::remove_all(headers);
}

/// What a client cannot have removed by naming it in `Connection`: the owner could then not decide as the first node has.
const IS_NEEDED: [HeaderName; 4] =
    [header::AUTHORIZATION, header::ORIGIN, header::HOST, header::CONTENT_LENGTH];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn headers_of_one_connection_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Once ,authorization"),
            ("connection", "\u{7f}"),
            ("x-once", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
            ("hubward-peer-client", "10.0.0.1:80"),
            ("authorization", "Bearer x"),
            ("x-forwarded-for", "10.0.0.2"),
            ("cookie", "a=1"),
        ] {
            headers.append(
                name,
                HeaderValue::from_bytes(value.as_bytes()).unwrap_or(HeaderValue::from_static("-")),
            );
        }
        end_to_end(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "cookie", "x-forwarded-for"]);
    }
}
