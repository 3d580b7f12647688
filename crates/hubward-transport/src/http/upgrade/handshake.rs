//! The opening handshake of RFC 6455 §4.2: whether a request is one, and its response. No sub-protocol and no
//! extension is ever accepted.

use aws_lc_rs::digest;
use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use hyper::upgrade::OnUpgrade;

use crate::refusal::Refusal;

/// What a key is hashed with, so that only a WebSocket server responds with the result (RFC 6455 §1.3).
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request that may become a WebSocket.
pub(crate) struct Handshake {
    accept: HeaderValue,
    upgrade: OnUpgrade,
}

/// Returns whether a request is for a WebSocket. [`Handshake::check`] decides whether it is valid.
pub(crate) fn is_for_web_socket(headers: &HeaderMap) -> bool {
    has_token(headers, header::UPGRADE, "websocket")
}

impl Handshake {
    /// Checks the request and takes from it the future of its socket.
    pub(crate) fn check(parts: &mut Parts) -> Result<Self, Refusal> {
        let headers = &parts.headers;
        if parts.version != Version::HTTP_11 || !has_token(headers, header::CONNECTION, "upgrade") {
            return Err(Refusal::WebSocketHandshake);
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(Refusal::WebSocketVersion);
        }
        let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
        let (Some(key), None) = (keys.next(), keys.next()) else { return Err(Refusal::WebSocketHandshake) };
        if !STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16) {
            return Err(Refusal::WebSocketHandshake);
        }
        let accept = accept(key.as_bytes()).ok_or(Refusal::WebSocketHandshake)?;
        let upgrade = parts.extensions.remove::<OnUpgrade>().ok_or(Refusal::WebSocketHandshake)?;
        Ok(Self { accept, upgrade })
    }

    /// Returns the future of the socket, where another node has answered.
    pub(crate) fn into_upgrade(self) -> OnUpgrade {
        self.upgrade
    }

    /// Returns the response that opens the WebSocket, and the future of its socket, which is ready once that is sent.
    pub(crate) fn into_response(self) -> (Response, OnUpgrade) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        (response, self.upgrade)
    }
}

/// SHA-1 proves here only that the server speaks WebSocket; no security depends on it.
fn accept(key: &[u8]) -> Option<HeaderValue> {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(ACCEPT_GUID);
    HeaderValue::from_str(&STANDARD.encode(context.finish())).ok()
}

/// Returns whether a list of tokens, in one header or several, contains this one.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_the_one_of_the_rfc() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_token_is_found_in_any_of_several_lists() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONNECTION, HeaderValue::from_static("keep-alive, te"));
        headers.append(header::CONNECTION, HeaderValue::from_static("x, UPGRADE"));
        assert!(has_token(&headers, header::CONNECTION, "upgrade"));
        assert!(!has_token(&headers, header::CONNECTION, "keep"));
    }
}
