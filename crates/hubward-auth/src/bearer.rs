//! Where a bearer token stands in a request: the `Authorization` header first, else `access_token` in the
//! query, which is where browsers put it for WebSockets and server-sent events. The token is not checked
//! here.
//!
//! What a query holds reaches access logs: only hub paths should be asked for it.

use http::{HeaderMap, header};
use hubward_types::AccessToken;

/// How long a bearer token may be, in bytes. The servers that clients come from allow headers of about this
/// size, and every byte of a token is copied and hashed before it can be trusted.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Finds the bearer token of a request.
///
/// The scheme's name and the query parameter's are matched without regard to case. An empty token is none.
/// Of a token over [`MAX_TOKEN_BYTES`] no more is kept than is needed to refuse it as too long.
///
/// ```
/// use hubward_auth::bearer_token;
///
/// let headers = http::HeaderMap::new();
/// let token = bearer_token(&headers, Some("id=7&access_token=a.b%2Dc.d"));
/// assert_eq!(token.unwrap().expose(), "a.b-c.d");
/// ```
pub fn bearer_token(headers: &HeaderMap, query: Option<&str>) -> Option<AccessToken> {
    from_headers(headers).or_else(|| from_query(query?))
}

fn from_headers(headers: &HeaderMap) -> Option<AccessToken> {
    headers.get_all(header::AUTHORIZATION).iter().find_map(|value| {
        let (scheme, token) = split_once(value.as_bytes(), b' ')?;
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            return None;
        }
        bounded(token.trim_ascii().iter().copied())
    })
}

fn from_query(query: &str) -> Option<AccessToken> {
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        if !name.eq_ignore_ascii_case("access_token") {
            return None;
        }
        bounded(percent_decoded(value.as_bytes()))
    })
}

/// Bytes that are no UTF-8 become replacement characters, which no token holds: the check will refuse them.
fn bounded(bytes: impl Iterator<Item = u8>) -> Option<AccessToken> {
    let bytes: Vec<u8> = bytes.take(MAX_TOKEN_BYTES + 1).collect();
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    (!text.is_empty()).then(|| AccessToken::new(text))
}

/// Decodes `%XX` and the form encoding's `+`; an escape that is none stays as it is.
fn percent_decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (byte, after) = match rest {
            [b'%', high, low, after @ ..] => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', rest.get(1..)?),
            },
            [b'+', after @ ..] => (b' ', after),
            [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        rest = after;
        Some(byte)
    })
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = bytes.iter().position(|byte| *byte == at)?;
    Some((bytes.get(..position)?, bytes.get(position + 1..)?))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(authorization: &[&[u8]], query: Option<&str>, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        let found = bearer_token(&headers, query);
        assert_eq!(found.as_ref().map(AccessToken::expose), expected, "{authorization:?} {query:?}");
    }

    #[test]
    fn the_header_is_read_with_any_case_of_the_scheme() {
        check(&[b"Bearer a.b.c"], None, Some("a.b.c"));
        check(&[b"bearer a.b.c"], None, Some("a.b.c"));
        check(&[b"BEARER   a.b.c "], None, Some("a.b.c"));
    }

    #[test]
    fn what_is_no_bearer_header_is_passed_over() {
        for value in [&b"Basic a.b.c"[..], b"Bearer", b"Bearer ", b"Bearera.b.c", b"a.b.c", b""] {
            check(&[value], None, None);
            check(&[value], Some("access_token=q"), Some("q"));
        }
        check(&[b"Basic x", b"Bearer t"], None, Some("t"));
    }

    #[test]
    fn the_header_goes_before_the_query() {
        check(&[b"Bearer header"], Some("access_token=query"), Some("header"));
    }

    #[test]
    fn the_query_is_decoded() {
        check(&[], Some("access_token=a.b.c"), Some("a.b.c"));
        check(&[], Some("id=x&Access_Token=a%2eb%2Ec&y"), Some("a.b.c"));
        check(&[], Some("access_token=%zz%4"), Some("%zz%4"));
        check(&[], Some("access_token=a+b"), Some("a b"));
        check(&[], Some("access_token=a=b"), Some("a=b"));
        check(&[], Some("access_token=%C3%A4"), Some("ä"));
        check(&[], Some("access_token=%FF"), Some("\u{fffd}"));
    }

    #[test]
    fn a_query_without_a_token_has_none() {
        for query in ["", "&&", "id=7", "access_token", "access_token=", "xaccess_token=t", "t=access_token"]
        {
            check(&[], Some(query), None);
        }
        check(&[], Some("access_token=&access_token=t"), Some("t"));
        check(&[], None, None);
    }

    #[test]
    fn of_an_endless_token_only_the_beginning_is_kept() {
        let long = "x".repeat(MAX_TOKEN_BYTES * 4);
        let token = bearer_token(&HeaderMap::new(), Some(&format!("access_token={long}"))).unwrap();
        assert_eq!(token.expose().len(), MAX_TOKEN_BYTES + 1);
    }
}
