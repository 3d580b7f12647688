//! Keeps tokens out of what is kept of a request. Proxies copy the URL into headers, and with it the tokens of its query.
//! Two rules remove them: a header that is known to hold a URL loses the values of token parameters, and every header
//! loses the tokens of this very request, wherever they stand.

use std::borrow::Cow;

use form_urlencoded::parse;
use http::header::{self, HeaderName};
use http::request::Parts;
use memchr::memmem;

/// The names of the query parameters that are tokens.
const TOKEN_PARAMETERS: [&str; 2] = ["access_token", "id"];

/// The headers in which proxies, applications and browsers copy a URL.
const URL_HEADERS: [&str; 12] = [
    "referer",
    "x-envoy-original-path",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-original-path",
    "x-original-uri",
    "x-original-url",
    "x-request-uri",
    "x-rewrite-url",
    "x-auth-request-redirect",
    "x-waws-unencoded-url",
];

/// What separates the parts of a URL that may be parameters.
const DELIMITERS: [char; 4] = ['?', '&', '#', ';'];

/// How often a URL inside of a URL may be encoded and is still looked into.
const NESTING: usize = 3;

/// What is shorter is no token, and might stand in a header by chance.
const LEAST_TOKEN_BYTES: usize = 8;

/// Returns whether a query parameter is a token.
pub(super) fn is_token_parameter(name: &str) -> bool {
    TOKEN_PARAMETERS.iter().any(|token| name.eq_ignore_ascii_case(token))
}

/// The tokens of one request, as they were sent and decoded.
pub(super) struct RequestTokens<'a>(Vec<Cow<'a, str>>);

impl<'a> RequestTokens<'a> {
    pub(super) fn of(parts: &'a Parts) -> Self {
        let mut tokens = Vec::new();
        for pair in parts.uri.query().unwrap_or_default().split('&') {
            if let Some((name, value)) = parse(pair.as_bytes()).next()
                && is_token_parameter(&name)
            {
                let raw = pair.split_once('=').map_or("", |(_, raw)| raw);
                if raw != value {
                    tokens.push(Cow::Borrowed(raw));
                }
                tokens.push(value);
            }
        }
        let authorization = parts.headers.get_all(header::AUTHORIZATION).iter();
        let bearer = authorization.filter_map(|value| value.to_str().ok()?.split_once(' '));
        tokens.extend(bearer.map(|(_, token)| Cow::Borrowed(token.trim())));
        tokens.retain(|token| token.len() >= LEAST_TOKEN_BYTES);
        Self(tokens)
    }

    /// Returns the value of a header without the tokens in it.
    pub(super) fn removed_from<'v>(&self, name: &HeaderName, value: &'v [u8]) -> Cow<'v, [u8]> {
        let mut kept = Cow::Borrowed(value);
        if URL_HEADERS.contains(&name.as_str()) {
            // A value that is not UTF-8 is not shown to anybody.
            let url = std::str::from_utf8(value).unwrap_or_default();
            kept = Cow::Owned(without_token_values(url).into_bytes());
        }
        for token in &self.0 {
            if memmem::find(&kept, token.as_bytes()).is_some() {
                kept = Cow::Owned(without(&kept, token.as_bytes()));
            }
        }
        kept
    }
}

/// Removes a token wherever it stands.
fn without(value: &[u8], token: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(value.len());
    let mut begin = 0;
    for at in memmem::find_iter(value, token) {
        kept.extend_from_slice(value.get(begin..at).unwrap_or_default());
        begin = at + token.len();
    }
    kept.extend_from_slice(value.get(begin..).unwrap_or_default());
    kept
}

/// Removes the values of token parameters from a URL, in its query and in its fragment, and the values of others in
/// which a URL with a token is encoded.
fn without_token_values(url: &str) -> String {
    let mut kept = String::with_capacity(url.len());
    // Behind a token, `;` and `?` may belong to it.
    let mut in_token = false;
    for part in url.split_inclusive(DELIMITERS) {
        let (part, delimiter) = match part.char_indices().next_back() {
            Some((at, last)) if DELIMITERS.contains(&last) => part.split_at(at),
            _ => (part, ""),
        };
        let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
        if !in_token && !has_token(part, NESTING) {
            kept.push_str(part);
        } else if !in_token {
            in_token = true;
            if value.is_some() && !has_token(name, NESTING) {
                kept.push_str(name);
                kept.push('=');
            }
        }
        in_token &= !matches!(delimiter, "&" | "#");
        if !in_token {
            kept.push_str(delimiter);
        }
    }
    kept
}

/// Returns whether a token parameter with a value is in a URL, or in one that is encoded in it.
fn has_token(url: &str, nesting: usize) -> bool {
    url.split(DELIMITERS).any(|part| {
        let Some((name, value)) = parse(part.as_bytes()).next() else { return false };
        (is_token_parameter(&name) && part.contains('='))
            || (nesting > 0
                && part.contains('%')
                && [name, value].iter().any(|decoded| has_token(decoded, nesting - 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_all_but_the_values_of_tokens() {
        for (url, kept) in [
            ("/hub", "/hub"),
            ("/hub?room=7&paid=9&valid=1", "/hub?room=7&paid=9&valid=1"),
            ("/hub?id=s&room=7", "/hub?id=&room=7"),
            ("https://a.example:8/hub?room=7&ACCESS_TOKEN=s", "https://a.example:8/hub?room=7&ACCESS_TOKEN="),
            ("/hub?room=7&%69d=s", "/hub?room=7&%69d="),
            ("/hub?room=7;access_token=s", "/hub?room=7;access_token="),
            ("/hub?access_token=s;t?u#x=1", "/hub?access_token=#x=1"),
            ("/hub#access_token=s", "/hub#access_token="),
            ("/hub?id", "/hub?id"),
            ("/in?to=%2Fhub%3Fa%3D1%26id%3Ds&a=1", "/in?to=&a=1"),
            ("/in?to=%252Fhub%253Fid%253Ds", "/in?to="),
            ("/in?%2Fhub%3Fid%3Ds&a=1", "/in?&a=1"),
            ("/to/%2Fhub%3Fid%3Ds", ""),
            ("", ""),
        ] {
            assert_eq!(without_token_values(url), kept, "{url}");
        }
    }
}
