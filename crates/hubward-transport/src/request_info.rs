//! The request that opened a connection, kept for as long as the connection lives and therefore packed into one
//! allocation. It never holds a token: `Authorization`, `access_token` and the connection token, `id`, are left out
//! when it is made, and so is what other headers copy of them. It is bounded: a request that has more opens no
//! connection.

mod moved;
mod query;
mod tokens;

use std::fmt;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::header::{self, HeaderName};
use http::request::Parts;

pub(crate) use query::query_value;
use tokens::{RequestTokens, is_token_parameter};

/// Bytes of a record besides its name and value.
const RECORD_BYTES: usize = 9;

/// How many bytes are kept of a request at most, and in how many records: more than browsers and proxies send, and little
/// beside what a connection costs otherwise, since it is kept for as long as the connection lives.
const MOST_BYTES: usize = 16 << 10;
const MOST_RECORDS: usize = 256;

/// What a hub may know of the request that opened its connection.
///
/// At most 16 KiB in 256 parameters and headers are kept: a request that has more, tokens aside, is refused. With long polling that is the first poll; nothing is kept of later requests.
pub struct RequestInfo {
    /// Records one after another: kind (1 byte), length of the name (4 bytes), length of the value (4 bytes), name,
    /// value. A header map of the usual dozen headers takes eight times as much memory.
    packed: Box<[u8]>,
    remote: Option<SocketAddr>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RecordKind {
    Path = 0,
    Query = 1,
    Header = 2,
}

impl RequestInfo {
    /// Whether a request has no more than may be kept. Costs no memory, so that it can be asked before anything is begun.
    pub(crate) fn fits(parts: &Parts) -> bool {
        let pairs = query::pairs(parts.uri.query()).map(|(name, value)| {
            if is_token_parameter(&name) { 0 } else { RECORD_BYTES + name.len() + value.len() }
        });
        let headers = parts
            .headers
            .iter()
            .filter(|(name, _)| !is_left_out(name))
            .map(|(name, value)| RECORD_BYTES + name.as_str().len() + value.len());
        let path = (1, RECORD_BYTES + parts.uri.path().len());
        let (records, bytes) =
            pairs.chain(headers).fold(path, |(records, bytes), record| (records + 1, bytes + record));
        records <= MOST_RECORDS && bytes <= MOST_BYTES
    }

    pub(crate) fn new(parts: &Parts) -> Self {
        let mut packed = Vec::with_capacity(512);
        push(&mut packed, RecordKind::Path, b"", parts.uri.path().as_bytes());
        for (name, value) in query::distinct_pairs(parts.uri.query()) {
            if !is_token_parameter(&name) {
                push(&mut packed, RecordKind::Query, name.as_bytes(), value.as_bytes());
            }
        }
        let tokens = RequestTokens::of(parts);
        for (name, value) in parts.headers.iter().filter(|(name, _)| !is_left_out(name)) {
            let value = tokens.removed_from(name, value.as_bytes());
            push(&mut packed, RecordKind::Header, name.as_str().as_bytes(), &value);
        }
        let remote = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address);
        Self { packed: packed.into_boxed_slice(), remote }
    }

    /// Returns the path of the request.
    pub fn path(&self) -> &str {
        self.records(RecordKind::Path)
            .next()
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
            .unwrap_or("/")
    }

    /// Returns the value of a query parameter, decoded. Names are matched without regard to case; the values of one
    /// that came several times are joined by commas.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query_pairs().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns all query parameters as name and value, decoded, in the order in which their names came first.
    pub fn query_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings(RecordKind::Query)
    }

    /// Returns the first value of a header that is UTF-8. Names are matched without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns all headers whose value is UTF-8, as lower-case name and value.
    ///
    /// `Connection`, `Upgrade` and the headers of the WebSocket handshake and of authorization are left out, and in
    /// headers that copy the URL, such as `Referer`, the values of tokens.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings(RecordKind::Header)
    }

    /// Returns the value of a cookie as it was sent.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers()
            .filter(|(key, _)| *key == header::COOKIE.as_str())
            .flat_map(|(_, value)| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// Returns the address of the client, where the server provides connect info. Behind a proxy this is the proxy's, unless
    /// that is [trusted](crate::TrustedProxies); the port is 0 where such a proxy does not name it. It is the same whichever
    /// node the request has reached.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.remote
    }

    fn strings(&self, kind: RecordKind) -> impl Iterator<Item = (&str, &str)> {
        self.records(kind).filter_map(|(name, value)| {
            Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
        })
    }

    fn records(&self, kind: RecordKind) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &*self.packed;
        std::iter::from_fn(move || take(&mut rest))
            .filter(move |(found, _, _)| *found == kind as u8)
            .map(|(_, name, value)| (name, value))
    }
}

impl fmt::Debug for RequestInfo {
    /// Shows the path only: query and headers are user data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestInfo").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// Returns whether a header gives access, or has no use once the connection is open.
fn is_left_out(name: &HeaderName) -> bool {
    const LEFT_OUT: [HeaderName; 8] = [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::CONNECTION,
        header::UPGRADE,
        header::SEC_WEBSOCKET_KEY,
        header::SEC_WEBSOCKET_VERSION,
        header::SEC_WEBSOCKET_EXTENSIONS,
        header::SEC_WEBSOCKET_PROTOCOL,
    ];
    LEFT_OUT.contains(name)
}

/// Appends a record. A request head is far below the 4 GiB that a length can express.
fn push(packed: &mut Vec<u8>, kind: RecordKind, name: &[u8], value: &[u8]) {
    let (Ok(name_length), Ok(value_length)) = (u32::try_from(name.len()), u32::try_from(value.len())) else {
        return;
    };
    packed.push(kind as u8);
    packed.extend_from_slice(&name_length.to_le_bytes());
    packed.extend_from_slice(&value_length.to_le_bytes());
    packed.extend_from_slice(name);
    packed.extend_from_slice(value);
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8], &'a [u8])> {
    let (kind, after) = rest.split_first()?;
    let (name_length, after) = after.split_first_chunk::<4>()?;
    let (value_length, after) = after.split_first_chunk::<4>()?;
    let (name, after) = after.split_at_checked(u32::from_le_bytes(*name_length) as usize)?;
    let (value, after) = after.split_at_checked(u32::from_le_bytes(*value_length) as usize)?;
    *rest = after;
    Some((*kind, name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(uri: &str, headers: &[(&str, &str)]) -> RequestInfo {
        let request = headers
            .iter()
            .fold(http::Request::get(uri), |request, (name, value)| request.header(*name, *value));
        RequestInfo::new(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_query_is_decoded_and_its_names_ignore_case() {
        let info = info("/hub?Colour=dark%20green+blue&id=x&empty&bad=%zz%f0", &[]);
        assert_eq!(info.path(), "/hub");
        assert_eq!(info.query("colour"), Some("dark green blue"));
        assert_eq!(info.query("empty"), Some(""));
        assert_eq!(info.query("bad"), Some("%zz\u{fffd}"));
        assert_eq!(info.query("none"), None);
    }

    #[test]
    fn the_values_of_a_repeated_parameter_are_joined() {
        let info = info("/hub?a=1&b=&A=2&a&a=3", &[]);
        assert_eq!(info.query("a"), Some("1,2,3"));
        assert_eq!(info.query_pairs().count(), 2);
    }

    #[test]
    fn a_token_is_kept_nowhere() {
        let info = info(
            "/hub?Access_Token=secret&access%5Ftoken=secret&ID=secret",
            &[("Authorization", "Bearer secret")],
        );
        assert!(!String::from_utf8_lossy(&info.packed).contains("secret"));
        assert_eq!(info.query_pairs().count(), 0);
    }

    #[test]
    fn headers_that_copy_the_url_lose_its_tokens() {
        for name in [
            "X-Original-URI",
            "X-Original-URL",
            "X-Forwarded-Uri",
            "X-Rewrite-URL",
            "X-Envoy-Original-Path",
            "Referer",
        ] {
            let copied = "https://a.example/hub?ID=secret&room=7&access%5Ftoken=secret#id=secret";
            let info = info("/hub", &[(name, copied)]);
            assert_eq!(
                info.header(name),
                Some("https://a.example/hub?ID=&room=7&access%5Ftoken=#id="),
                "{name}"
            );
        }
    }

    #[test]
    fn any_header_loses_the_tokens_of_its_request() {
        let info = info(
            "/hub?id=connection-secret&access_token=bearer%2Esecret",
            &[
                ("Authorization", "Bearer header-secret"),
                ("X-Token", "header-secret"),
                ("X-Ward", "7"),
                ("X-Line", "GET /hub?id=connection-secret&access_token=bearer%2Esecret"),
                ("X-Seen", "bearer.secret"),
            ],
        );
        assert!(
            !String::from_utf8_lossy(&info.packed).contains("secret"),
            "{:?}",
            info.headers().collect::<Vec<_>>()
        );
        assert_eq!(info.header("x-ward"), Some("7"));
    }

    #[test]
    fn a_pile_of_headers_or_parameters_does_not_fit_but_tokens_do() {
        let fits = |uri: &str, headers: &[(&str, &str)]| {
            let request = headers
                .iter()
                .fold(http::Request::get(uri), |request, (name, value)| request.header(*name, *value));
            RequestInfo::fits(&request.body(()).unwrap().into_parts().0)
        };
        let (long, token) = ("x".repeat(MOST_BYTES / 2), "x".repeat(MOST_BYTES + 1));
        assert!(fits("/hub", &[("X-Long", &long), ("Authorization", &format!("Bearer {token}"))]));
        assert!(!fits("/hub", &[("X-Long", &long), ("X-Long", &long)]));
        assert!(!fits(&format!("/hub?a={long}"), &[("X-Long", &long)]));
        assert!(!fits(&format!("/{long}/{long}"), &[]));
        assert!(fits(&format!("/hub?Access%5FToken={token}&id={token}"), &[("X-Long", &long)]));
        assert!(fits("/hub", &[("X-Short", "x"); MOST_RECORDS - 1]));
        assert!(!fits("/hub", &[("X-Short", "x"); MOST_RECORDS]));
        assert!(!fits(&format!("/hub?{}", "a&".repeat(MOST_RECORDS)), &[]));
    }

    #[test]
    fn what_fits_is_no_more_than_the_bound() {
        let long = "x".repeat(MOST_BYTES / 4);
        let info = info(&format!("/hub?a={long}&A={long}"), &[("X-Long", &long)]);
        assert!(info.packed.len() <= MOST_BYTES);
    }

    #[test]
    fn cookies_and_headers_are_found() {
        let info = info("/", &[("Cookie", "a=1; b=x=y"), ("X-Ward", "7"), ("Upgrade", "websocket")]);
        assert_eq!(info.cookie("b"), Some("x=y"));
        assert_eq!(info.cookie("c"), None);
        assert_eq!(info.header("x-ward"), Some("7"));
        assert_eq!(info.header("upgrade"), None);
    }
}
