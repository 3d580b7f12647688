//! What a bearer token must be like to be accepted: keys, issuers, audiences and lifetimes, checked for
//! contradictions before the first request.

use std::time::Duration;

use super::algorithm::Algorithm;
use super::key::JwtKey;
use crate::error::AuthConfigError;

/// A token without `kid` is tried with every key of its algorithm: this bounds the work of a forged one.
const MAX_KEYS: usize = 64;

/// Ten minutes: clocks that differ by more are broken, and tokens would outlive their expiry by as much.
const MAX_LEEWAY: Duration = Duration::from_secs(600);

/// What a bearer token must be like to be accepted. Every check is on unless it is turned off here.
///
/// ```
/// use hubward_auth::{Authenticator, JwtConfig, JwtKey};
///
/// let authenticator = Authenticator::jwt(JwtConfig {
///     issuers: vec!["https://issuer.example".into()],
///     audiences: vec!["hubs".into()],
///     ..JwtConfig::new([JwtKey::hmac("a secret that has at least 32 bytes")?])
/// })?;
/// # Ok::<(), hubward_auth::AuthConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct JwtConfig {
    /// The keys that may have signed a token: 1 to 64.
    pub keys: Vec<JwtKey>,
    /// The algorithms that a token may name. Empty, the default: all those that the keys can be used with.
    pub algorithms: Vec<Algorithm>,
    /// The issuers (`iss`) that are accepted, exactly as tokens write them. At least one, unless
    /// [`allow_any_issuer`](Self::allow_any_issuer) is set.
    pub issuers: Vec<String>,
    /// The audiences (`aud`) of which a token must name one. At least one, unless
    /// [`allow_any_audience`](Self::allow_any_audience) is set.
    pub audiences: Vec<String>,
    /// Accepts a token of any issuer, or of none, where no [`issuers`](Self::issuers) are named. Default:
    /// false.
    pub allow_any_issuer: bool,
    /// Accepts a token for any audience, or for none, where no [`audiences`](Self::audiences) are named.
    /// Default: false.
    pub allow_any_audience: bool,
    /// How far the clocks of issuers may be off: a token is valid from `nbf` less this, to `exp` plus this.
    /// Default: zero. At most ten minutes.
    pub leeway: Duration,
    /// The claim that names the user. Default: `sub`.
    pub user_claim: String,
    /// The claims that name roles, one or a list each. Default: `role` and `roles`.
    pub role_claims: Vec<String>,
    /// Refuses a token without an expiry (`exp`). Default: true. Where it is false, such a token never
    /// expires, nor do the connections that it opens.
    pub require_expiry: bool,
}

impl JwtConfig {
    /// Starts from the defaults with these keys. Issuers and audiences are still to be named.
    pub fn new(keys: impl IntoIterator<Item = JwtKey>) -> Self {
        Self { keys: keys.into_iter().collect(), ..Self::default() }
    }

    pub(super) fn validated(mut self) -> Result<Self, AuthConfigError> {
        if self.keys.is_empty() {
            return Err(AuthConfigError::NoKeys);
        }
        if self.keys.len() > MAX_KEYS {
            return Err(AuthConfigError::TooManyKeys { count: self.keys.len(), limit: MAX_KEYS });
        }
        if self.issuers.is_empty() && !self.allow_any_issuer {
            return Err(AuthConfigError::NoIssuer);
        }
        if self.audiences.is_empty() && !self.allow_any_audience {
            return Err(AuthConfigError::NoAudience);
        }
        if self.leeway > MAX_LEEWAY {
            let (seconds, limit) = (self.leeway.as_secs(), MAX_LEEWAY.as_secs());
            return Err(AuthConfigError::LeewayTooLong { seconds, limit });
        }
        let has_key =
            |algorithm: &Algorithm| self.keys.iter().any(|key| key.algorithms().contains(algorithm));
        if let Some(algorithm) = self.algorithms.iter().find(|algorithm| !has_key(algorithm)) {
            return Err(AuthConfigError::AlgorithmWithoutKey { algorithm: algorithm.as_str() });
        }
        if self.algorithms.is_empty() {
            self.algorithms = Algorithm::ALL.iter().copied().filter(has_key).collect();
        }
        Ok(self)
    }
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            algorithms: Vec::new(),
            issuers: Vec::new(),
            audiences: Vec::new(),
            allow_any_issuer: false,
            allow_any_audience: false,
            leeway: Duration::ZERO,
            user_claim: "sub".into(),
            role_claims: vec!["role".into(), "roles".into()],
            require_expiry: true,
        }
    }
}
