//! Where a bearer token is in a request: in the `Authorization` header, or else as `access_token` in the
//! query, which is where browsers put it for WebSockets and server-sent events. The token is not checked
//! here.
//!
//! A query ends up in access logs, so only requests to hub paths should be searched.

use http::{HeaderMap, header};
use hubward_types::AccessToken;

/// How long a bearer token may be, in bytes. The servers that clients come from allow headers of about this
/// size, and every byte of a token is copied and hashed before it can be trusted.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Finds the bearer token of a request.
///
/// The names of the scheme and of the query parameter are matched without regard to case. An empty token
/// counts as absent. Of a token over [`MAX_TOKEN_BYTES`] only so much is kept that it will be refused as too
/// long.
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
        let mut parts = value.as_bytes().splitn(2, |byte| *byte == b' ');
        let (scheme, token) = (parts.next()?, parts.next()?);
        scheme.eq_ignore_ascii_case(b"bearer").then(|| bounded(token.trim_ascii()))?
    })
}

fn from_query(query: &str) -> Option<AccessToken> {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name.eq_ignore_ascii_case("access_token"))
        .find_map(|(_, value)| bounded(value.as_bytes()))
}

/// Bytes that are not UTF-8 become replacement characters, which no valid token contains.
fn bounded(token: &[u8]) -> Option<AccessToken> {
    let kept = token.get(..=MAX_TOKEN_BYTES).unwrap_or(token);
    (!kept.is_empty()).then(|| AccessToken::new(String::from_utf8_lossy(kept)))
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
    fn a_header_that_is_not_a_bearer_token_is_skipped() {
        for value in [&b"Basic a.b.c"[..], b"Bearer", b"Bearer ", b"Bearera.b.c", b"a.b.c", b""] {
            check(&[value], None, None);
            check(&[value], Some("access_token=q"), Some("q"));
        }
        check(&[b"Basic x", b"Bearer t"], None, Some("t"));
    }

    #[test]
    fn the_header_takes_precedence_over_the_query() {
        check(&[b"Bearer header"], Some("access_token=query"), Some("header"));
    }

    #[test]
    fn the_query_is_decoded() {
        check(&[], Some("access_token=a.b.c"), Some("a.b.c"));
        check(&[], Some("id=x&Access_Token=a%2eb%2Ec&y"), Some("a.b.c"));
        check(&[], Some("access_token=%zz%4"), Some("%zz%4"));
        check(&[], Some("access_token=a+b"), Some("a b"));
        check(&[], Some("access_token=a=b"), Some("a=b"));
        check(&[], Some("access%5Ftoken=a.b.c"), Some("a.b.c"));
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
