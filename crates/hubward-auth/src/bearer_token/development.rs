//! An issuer of tokens for development and demonstrations: one shared secret, one issuer, one audience. It is
//! not an identity provider: it issues a token for any user, to any caller.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubward_types::AccessToken;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde_json::{Map, Value, json};

use super::algorithm::Algorithm;
use super::authenticator::Authenticator;
use super::claims::{END_OF_TIME_SECONDS, MAX_CLAIM_VALUES};
use super::config::JwtConfig;
use super::error::DevelopmentTokenError;
use super::key::JwtKey;
use super::request::MAX_TOKEN_BYTES;
use crate::error::AuthConfigError;

/// The claims that the issuer writes itself, and `roles`, which the authenticator would read as well.
const RESERVED: [&str; 8] = ["sub", "iss", "aud", "iat", "nbf", "exp", "role", "roles"];

/// Makes bearer tokens (HS256) that its own [`authenticator`](Self::authenticator) accepts.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use hubward_auth::DevelopmentIssuer;
///
/// let issuer = DevelopmentIssuer::new("a secret that has at least 32 bytes", "dev", "hubs").unwrap();
/// let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
/// let claims = [("department".to_owned(), "cardiology".to_owned())];
/// let token = issuer.mint("alice", &["nurse".to_owned()], &claims, hour, now).unwrap();
///
/// let alice = issuer.authenticator().authenticate(Some(&token), now).unwrap();
/// assert_eq!(alice.claim("department"), Some("cardiology"));
/// ```
#[derive(Clone)]
pub struct DevelopmentIssuer {
    key: EncodingKey,
    issuer: String,
    audience: String,
    authenticator: Authenticator,
}

impl DevelopmentIssuer {
    /// Makes an issuer of a name, whose tokens are for an audience.
    ///
    /// # Errors
    /// Refuses a secret of under 32 bytes.
    pub fn new(
        secret: impl AsRef<[u8]>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Result<Self, AuthConfigError> {
        let (issuer, audience) = (issuer.into(), audience.into());
        let authenticator = Authenticator::jwt(JwtConfig {
            algorithms: vec![Algorithm::HS256],
            issuers: vec![issuer.clone()],
            audiences: vec![audience.clone()],
            ..JwtConfig::new([JwtKey::hmac(&secret)?])
        })?;
        Ok(Self { key: EncodingKey::from_secret(secret.as_ref()), issuer, audience, authenticator })
    }

    /// Makes a token for a user, valid from now for a lifetime. A claim that is given more than once
    /// becomes a list.
    ///
    /// # Errors
    /// Refuses claims that the issuer writes itself, and whatever makes a token that would be refused.
    pub fn mint(
        &self,
        user: &str,
        roles: &[String],
        claims: &[(String, String)],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<AccessToken, DevelopmentTokenError> {
        let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let expires = issued.checked_add(lifetime).map(|at| at.as_secs());
        let expires = expires
            .filter(|seconds| *seconds < END_OF_TIME_SECONDS)
            .ok_or(DevelopmentTokenError::LifetimeTooLong)?;
        if roles.len() + claims.len() + RESERVED.len() > MAX_CLAIM_VALUES {
            return Err(DevelopmentTokenError::TooLong);
        }

        let mut body = Map::new();
        for (name, value) in claims {
            if RESERVED.contains(&name.as_str()) {
                return Err(DevelopmentTokenError::ReservedClaim { name: name.clone() });
            }
            add(&mut body, name, value);
        }
        for role in roles {
            add(&mut body, "role", role);
        }
        body.insert("sub".into(), user.into());
        body.insert("iss".into(), self.issuer.as_str().into());
        body.insert("aud".into(), self.audience.as_str().into());
        body.insert("iat".into(), issued.as_secs().into());
        body.insert("nbf".into(), issued.as_secs().into());
        body.insert("exp".into(), expires.into());
        self.sign(&Value::Object(body))
    }

    /// Returns an authenticator that accepts this issuer's tokens and no others.
    pub fn authenticator(&self) -> Authenticator {
        self.authenticator.clone()
    }

    fn sign(&self, body: &Value) -> Result<AccessToken, DevelopmentTokenError> {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(body));
        let signer = (DEFAULT_PROVIDER.signer_factory)(&Algorithm::HS256.verifier(), &self.key);
        let signature =
            signer.map_err(|_| DevelopmentTokenError::SigningFailed)?.try_sign(message.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.map_err(|_| DevelopmentTokenError::SigningFailed)?);
        let token = format!("{message}.{signature}");
        if token.len() > MAX_TOKEN_BYTES {
            Err(DevelopmentTokenError::TooLong)
        } else {
            Ok(AccessToken::new(token))
        }
    }
}

impl fmt::Debug for DevelopmentIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevelopmentIssuer")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

fn add(body: &mut Map<String, Value>, name: &str, value: &str) {
    match body.get_mut(name) {
        None => {
            body.insert(name.to_owned(), value.into());
        }
        Some(Value::Array(values)) => values.push(value.into()),
        Some(one) => *one = json!([one.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret that has at least 32 bytes";

    fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn issuer() -> DevelopmentIssuer {
        DevelopmentIssuer::new(SECRET, "dev", "hubs").unwrap()
    }

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_minted_token_has_the_claims_it_was_given() {
        let claims = owned(&[("ward", "7"), ("department", "ICU"), ("ward", "8"), ("ward", "9")]);
        let token = issuer().mint("alice", &["nurse".into(), "lead".into()], &claims, HOUR, NOW).unwrap();
        let alice = issuer().authenticator().authenticate(Some(&token), NOW).unwrap();
        assert_eq!(alice.user_id().unwrap().as_str(), "alice");
        assert_eq!(alice.roles().collect::<Vec<_>>(), ["nurse", "lead"]);
        assert_eq!(alice.claims("ward").collect::<Vec<_>>(), ["7", "8", "9"]);
        assert_eq!(alice.claim("department"), Some("ICU"));
        assert_eq!(alice.expires_at(), Some(NOW + HOUR));
    }

    #[test]
    fn a_token_of_another_secret_issuer_or_audience_is_refused() {
        use crate::bearer_token::error::BearerTokenError::{BadSignature, WrongAudience, WrongIssuer};
        let others = [
            (DevelopmentIssuer::new("another secret that is long enough", "dev", "hubs"), BadSignature),
            (DevelopmentIssuer::new(SECRET, "other", "hubs"), WrongIssuer),
            (DevelopmentIssuer::new(SECRET, "dev", "other"), WrongAudience),
        ];
        for (other, expected) in others {
            let token = other.unwrap().mint("alice", &[], &[], HOUR, NOW).unwrap();
            assert_eq!(issuer().authenticator().authenticate(Some(&token), NOW).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_token_with_reserved_claims_or_one_that_would_be_refused_is_not_minted() {
        let mint = |claims: &[(String, String)], lifetime| {
            issuer().mint("a", &[], claims, lifetime, NOW).unwrap_err()
        };
        for name in RESERVED {
            assert_eq!(
                mint(&owned(&[(name, "x")]), HOUR),
                DevelopmentTokenError::ReservedClaim { name: name.into() }
            );
        }
        assert_eq!(mint(&[("c".into(), "x".repeat(MAX_TOKEN_BYTES))], HOUR), DevelopmentTokenError::TooLong);
        assert_eq!(mint(&vec![("c".into(), "x".into()); 256], HOUR), DevelopmentTokenError::TooLong);
        assert_eq!(mint(&[], Duration::MAX), DevelopmentTokenError::LifetimeTooLong);
        assert_eq!(
            mint(&[], Duration::from_secs(END_OF_TIME_SECONDS)),
            DevelopmentTokenError::LifetimeTooLong
        );
    }

    #[test]
    fn the_secret_has_a_minimum_length_and_is_never_printed() {
        let short = DevelopmentIssuer::new("short", "dev", "hubs").unwrap_err();
        assert_eq!(short, AuthConfigError::SecretTooShort { bytes: 5, minimum: 32 });
        assert_eq!(format!("{:?}", issuer()), r#"DevelopmentIssuer { issuer: "dev", audience: "hubs", .. }"#);
    }
}
