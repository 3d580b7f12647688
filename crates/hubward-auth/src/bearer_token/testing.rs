//! Helpers for tests: tokens signed without the code under test, and keys made at run time, so that no
//! private key is ever committed.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hubward_types::AccessToken;
use serde_json::Value;

pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Assembles a token; `sign` makes the signature of the message.
pub(super) fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> AccessToken {
    let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    let signature = encoded(sign(message.as_bytes()));
    AccessToken::new(format!("{message}.{signature}"))
}

pub(super) fn hmac(algorithm: hmac::Algorithm, secret: &str, message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), message).as_ref().to_vec()
}

pub(super) fn pem(tag: &str, der: impl AsRef<[u8]>) -> String {
    let base64 = STANDARD.encode(der);
    let (lines, last) = base64.as_bytes().as_chunks::<64>();
    let lines = lines.iter().map(|line| &line[..]).chain([last]);
    let lines: String = lines.map(|line| format!("{}\n", std::str::from_utf8(line).unwrap())).collect();
    format!("-----BEGIN {tag}-----\n{lines}-----END {tag}-----\n")
}

pub(super) fn public_pem(key: &impl AsDer<PublicKeyX509Der<'static>>) -> String {
    pem("PUBLIC KEY", key.as_der().unwrap().as_ref())
}
