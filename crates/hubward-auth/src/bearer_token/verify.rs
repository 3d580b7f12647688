//! Checks one bearer token: the signature first, then who issued it, whom it is for, and its lifetime. Of a
//! token whose signature is not yet checked nothing is read but the header, which says how to check it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubward_types::Principal;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::algorithm::Algorithm;
use super::claims::Claims;
use super::config::JwtConfig;
use super::error::BearerTokenError;
use super::key::JwtKey;
use super::request::MAX_TOKEN_BYTES;

/// A user's id is kept with every connection and sent between nodes, so it is a name and not a document.
const MAX_USER_ID_BYTES: usize = 1024;

/// What a header says about how to check its token. `jwk`, `jku`, `x5u` and `x5c` are never looked at: a
/// token does not bring its own key.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// Returns the principal that a token stands for.
pub(super) fn verify(
    config: &JwtConfig,
    token: &str,
    now: SystemTime,
) -> Result<Principal, BearerTokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(BearerTokenError::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(BearerTokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(BearerTokenError::Malformed)?;
    if payload.contains('.') {
        return Err(BearerTokenError::Malformed); // An encrypted token has five parts; it is not supported.
    }

    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| BearerTokenError::Malformed)?;
    check_signature(config, &header, message, &decode(signature)?)?;

    let claims = Claims::parse(&decode(payload)?)?;
    check_issuer_and_audience(config, &claims)?;
    let expires_at = check_lifetime(config, &claims, now)?;
    principal_of(config, &claims, expires_at)
}

fn check_signature(
    config: &JwtConfig,
    header: &Header,
    message: &str,
    signature: &Vec<u8>,
) -> Result<(), BearerTokenError> {
    let algorithm: Algorithm = header.alg.parse().map_err(|_| BearerTokenError::AlgorithmNotAllowed)?;
    if !config.algorithms.contains(&algorithm) {
        return Err(BearerTokenError::AlgorithmNotAllowed);
    }
    if header.crit.is_some() {
        return Err(BearerTokenError::UnsupportedExtension);
    }
    let mut candidates = candidate_keys(&config.keys, header.kid.as_deref()).peekable();
    if candidates.peek().is_none() {
        return Err(BearerTokenError::UnknownKey);
    }
    let mut usable = candidates.filter(|key| key.algorithms().contains(&algorithm)).peekable();
    if usable.peek().is_none() {
        return Err(BearerTokenError::AlgorithmNotAllowed);
    }
    let is_valid = usable.any(|key| key.verifies(algorithm, message.as_bytes(), signature));
    if is_valid { Ok(()) } else { Err(BearerTokenError::BadSignature) }
}

/// Returns the keys that a token may be signed with. If it names a key (`kid`), these are the keys of that
/// id, or, where no key has that id, those without an id. If it names none, these are all keys.
fn candidate_keys<'a>(keys: &'a [JwtKey], kid: Option<&'a str>) -> impl Iterator<Item = &'a JwtKey> {
    let wanted = kid.map(|kid| keys.iter().find_map(|key| key.id().filter(|id| *id == kid)));
    keys.iter().filter(move |key| wanted.is_none_or(|id| key.id() == id))
}

fn check_issuer_and_audience(config: &JwtConfig, claims: &Claims) -> Result<(), BearerTokenError> {
    let is_known = |issuer: &str| config.issuers.iter().any(|known| known == issuer);
    if !config.issuers.is_empty() && !claims.string("iss").is_some_and(is_known) {
        return Err(BearerTokenError::WrongIssuer);
    }
    let is_ours = |audience: &str| config.audiences.iter().any(|known| known == audience);
    if !config.audiences.is_empty() && !claims.strings("aud").any(is_ours) {
        return Err(BearerTokenError::WrongAudience);
    }
    Ok(())
}

/// Returns when the token expires, leeway included, so that a connection ends when its token would be
/// refused.
fn check_lifetime(
    config: &JwtConfig,
    claims: &Claims,
    now: SystemTime,
) -> Result<Option<SystemTime>, BearerTokenError> {
    // Neither addition overflows: a time is before the year 10000, and the leeway is minutes.
    let at = |seconds: u64| {
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(BearerTokenError::Malformed)
    };
    let expires_at = match claims.seconds("exp")? {
        Some(seconds) => Some(at(seconds)?.checked_add(config.leeway).ok_or(BearerTokenError::Malformed)?),
        None if config.require_expiry => return Err(BearerTokenError::NoExpiry),
        None => None,
    };
    if expires_at.is_some_and(|expires_at| now >= expires_at) {
        return Err(BearerTokenError::Expired);
    }
    if let Some(seconds) = claims.seconds("nbf")?
        && at(seconds)?.duration_since(now).is_ok_and(|early| early > config.leeway)
    {
        return Err(BearerTokenError::NotYetValid);
    }
    Ok(expires_at)
}

fn principal_of(
    config: &JwtConfig,
    claims: &Claims,
    expires_at: Option<SystemTime>,
) -> Result<Principal, BearerTokenError> {
    let mut principal = Principal::builder();
    // An empty user id counts as absent: otherwise everybody without a name would be one user.
    if let Some(user) = claims.values(&config.user_claim).next().filter(|user| !user.is_empty()) {
        if user.len() > MAX_USER_ID_BYTES {
            return Err(BearerTokenError::TooLong);
        }
        principal = principal.user_id(user);
    }
    for role in config.role_claims.iter().flat_map(|name| claims.values(name)) {
        principal = principal.role(role);
    }
    for (name, value) in claims.all_values() {
        principal = principal.claim(name, value);
    }
    if let Some(at) = expires_at {
        principal = principal.expires_at(at);
    }
    Ok(principal.build())
}

fn decode(part: &str) -> Result<Vec<u8>, BearerTokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| BearerTokenError::Malformed)
}

#[cfg(test)]
mod tests;
