//! The request that opened a connection, kept for as long as the connection lives and therefore packed into one
//! allocation. It never holds a token: `Authorization`, `access_token` and the connection token, `id`, are left out when
//! it is made.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::header::{self, HeaderName};
use http::request::Parts;

/// The names of the query parameters that are tokens.
const TOKENS: [&str; 2] = ["access_token", "id"];

/// What a hub may know of the request that opened its connection.
///
/// With long polling it is the first poll; later requests of the connection do not show.
pub struct RequestInfo {
    /// Records one after another: kind (1 byte), length of the name (4 bytes), length of the value (4 bytes), name,
    /// value. A header map of the usual dozen headers takes eight times as much.
    packed: Box<[u8]>,
    remote: Option<SocketAddr>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Path = 0,
    Query = 1,
    Header = 2,
}

impl RequestInfo {
    pub(crate) fn new(parts: &Parts) -> Self {
        let mut packed = Vec::with_capacity(512);
        push(&mut packed, Kind::Path, b"", parts.uri.path().as_bytes());
        for (name, value) in distinct_pairs(parts.uri.query()) {
            if !TOKENS.iter().any(|token| name.eq_ignore_ascii_case(token)) {
                push(&mut packed, Kind::Query, name.as_bytes(), value.as_bytes());
            }
        }
        for (name, value) in &parts.headers {
            if !is_left_out(name) {
                push(&mut packed, Kind::Header, name.as_str().as_bytes(), value.as_bytes());
            }
        }
        let remote = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address);
        Self { packed: packed.into_boxed_slice(), remote }
    }

    /// Returns the path of the request.
    pub fn path(&self) -> &str {
        self.records(Kind::Path).next().and_then(|(_, value)| std::str::from_utf8(value).ok()).unwrap_or("/")
    }

    /// Returns the value of a query parameter, decoded. Names are matched without regard to case; the values of one that
    /// came several times are joined by commas.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query_pairs().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns all query parameters as name and value, decoded, in the order of their names' first coming.
    pub fn query_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts(Kind::Query)
    }

    /// Returns the first value of a header that is text. Names are matched without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns all headers that are text, as lower-case name and value.
    ///
    /// Those that only served the hop or the WebSocket handshake are not among them, nor is `Authorization`.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts(Kind::Header)
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

    /// Returns the address of the peer, where the server was set up with connect info. Behind a proxy this is the
    /// proxy's.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.remote
    }

    fn texts(&self, kind: Kind) -> impl Iterator<Item = (&str, &str)> {
        self.records(kind).filter_map(|(name, value)| {
            Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
        })
    }

    fn records(&self, kind: Kind) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &*self.packed;
        std::iter::from_fn(move || take(&mut rest))
            .filter(move |(found, _, _)| *found == kind as u8)
            .map(|(_, name, value)| (name, value))
    }
}

impl fmt::Debug for RequestInfo {
    /// Shows the path only: queries and headers are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestInfo").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// Returns the value of a query parameter, decoded; names are matched without regard to case. Of one that comes several
/// times the values are joined by commas, as ASP.NET Core has them: no check can read another than what is used.
pub(crate) fn query_value<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let values = query_pairs(query).filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    values.reduce(joined)
}

/// Joins the values of a parameter that comes twice; an empty one is left out.
fn joined<'a>(mut all: Cow<'a, str>, next: Cow<'a, str>) -> Cow<'a, str> {
    match (&*all, &*next) {
        ("", _) => next,
        (_, "") => all,
        _ => {
            all.to_mut().push(',');
            all.to_mut().push_str(&next);
            all
        }
    }
}

/// Returns the decoded pairs of a query string.
pub(crate) fn query_pairs(query: Option<&str>) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.unwrap_or("").split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// Returns the decoded pairs of a query string, each name once.
fn distinct_pairs(query: Option<&str>) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    let mut places = HashMap::new();
    for (name, value) in query_pairs(query) {
        let place = *places.entry(name.to_ascii_lowercase()).or_insert(pairs.len());
        match pairs.get_mut(place) {
            Some((_, known)) => *known = joined(std::mem::take(known), value),
            None => pairs.push((name, value)),
        }
    }
    pairs
}

/// Undoes percent-encoding and `+`. What is not valid stays as it is, what is not UTF-8 is replaced.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(byte),
            },
            _ => bytes.push(byte),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What gives access, and what was spent on the way here.
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

/// Appends a record. A request head is far below the 4 GiB that a length can say.
fn push(packed: &mut Vec<u8>, kind: Kind, name: &[u8], value: &[u8]) {
    let (Ok(name_length), Ok(value_length)) = (u32::try_from(name.len()), u32::try_from(value.len())) else {
        return;
    };
    packed.push(kind as u8);
    packed.extend_from_slice(&name_length.to_ne_bytes());
    packed.extend_from_slice(&value_length.to_ne_bytes());
    packed.extend_from_slice(name);
    packed.extend_from_slice(value);
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8], &'a [u8])> {
    let (kind, after) = rest.split_first()?;
    let (name_length, after) = after.split_first_chunk::<4>()?;
    let (value_length, after) = after.split_first_chunk::<4>()?;
    let (name, after) = after.split_at_checked(u32::from_ne_bytes(*name_length) as usize)?;
    let (value, after) = after.split_at_checked(u32::from_ne_bytes(*value_length) as usize)?;
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
        assert_eq!(query_value(Some("x=1&X=0"), "x").as_deref(), Some("1,0"));
        assert_eq!(query_value(Some("x=&x=1"), "x").as_deref(), Some("1"));
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
    fn cookies_and_headers_are_found() {
        let info = info("/", &[("Cookie", "a=1; b=x=y"), ("X-Ward", "7"), ("Upgrade", "websocket")]);
        assert_eq!(info.cookie("b"), Some("x=y"));
        assert_eq!(info.cookie("c"), None);
        assert_eq!(info.header("x-ward"), Some("7"));
        assert_eq!(info.header("upgrade"), None);
    }
}
