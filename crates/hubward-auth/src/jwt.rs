//! From a bearer token to a principal: the signature first, then who it is from, whom it is for, and when.
//! Nothing of a token is read before its signature holds but the header, which says how to check it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubward_types::{AccessToken, Principal};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::claims::Claims;
use crate::{Algorithm, AuthConfigError, BearerTokenError, JwtKey, MAX_TOKEN_BYTES};

/// A token without `kid` is tried with every key that can do its algorithm: this bounds the work of a lie.
const MAX_KEYS: usize = 64;

/// Ten minutes: clocks that differ by more are broken, and tokens would outlive their lapse by as much.
const MAX_LEEWAY: Duration = Duration::from_secs(600);

/// A user's id is kept with every connection and sent between nodes, so it is a name and not a document.
const MAX_USER_ID_BYTES: usize = 1024;

/// What bearer tokens must be like to be accepted. Every check is on unless it is turned off here.
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
    /// The algorithms that a token may name. Empty, the default: all those that the keys can do.
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
    /// How far the clocks of issuers may be off: a token counts from `nbf` less this, to `exp` plus this.
    /// Default: zero. At most ten minutes.
    pub leeway: Duration,
    /// The claim that names the user. Default: `sub`.
    pub user_claim: String,
    /// The claims that name roles, one or a list each. Default: `role` and `roles`.
    pub role_claims: Vec<String>,
    /// Refuses a token that does not say when it lapses. Default: true. Off, such a token never lapses, nor
    /// do the connections it opens.
    pub require_expiry: bool,
}

impl JwtConfig {
    /// Starts from the defaults with these keys. Issuers and audiences are still to be named.
    pub fn new(keys: impl IntoIterator<Item = JwtKey>) -> Self {
        Self { keys: keys.into_iter().collect(), ..Self::default() }
    }

    fn checked(mut self) -> Result<Self, AuthConfigError> {
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
        let can_do = |algorithm: &Algorithm| self.keys.iter().any(|key| key.algorithms().contains(algorithm));
        if let Some(&algorithm) = self.algorithms.iter().find(|algorithm| !can_do(algorithm)) {
            return Err(AuthConfigError::AlgorithmWithoutKey { algorithm });
        }
        if self.algorithms.is_empty() {
            self.algorithms = Algorithm::ALL.iter().copied().filter(can_do).collect();
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

/// Tells who a request is from. Cloning it is cheap.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use hubward_auth::{Authenticator, DevelopmentIssuer};
///
/// let issuer = DevelopmentIssuer::new("a secret that has at least 32 bytes", "dev", "hubs").unwrap();
/// let now = SystemTime::now();
/// let token = issuer.mint("alice", &["nurse".into()], &[], Duration::from_secs(60), now).unwrap();
///
/// let alice = issuer.authenticator().authenticate(Some(&token), now).unwrap();
/// assert!(alice.has_role("nurse"));
/// assert!(!Authenticator::none().authenticate(Some(&token), now).unwrap().is_authenticated());
/// ```
#[derive(Clone)]
pub struct Authenticator {
    /// Without a configuration everyone is anonymous.
    config: Option<Arc<JwtConfig>>,
}

impl Authenticator {
    /// Makes one to which everyone is anonymous, whatever token is shown.
    pub fn none() -> Self {
        Self { config: None }
    }

    /// Makes one that accepts JSON Web Tokens.
    ///
    /// # Errors
    /// Refuses a configuration that could accept no token, or that forgets to say whose tokens it accepts.
    pub fn jwt(config: JwtConfig) -> Result<Self, AuthConfigError> {
        Ok(Self { config: Some(Arc::new(config.checked()?)) })
    }

    /// Tells who bears a token at a time. Without a token that is nobody known, which is no refusal: whether
    /// that will do is for a [`Policy`](crate::Policy) to say.
    ///
    /// # Errors
    /// A token that does not hold is refused, also where none would be needed.
    pub fn authenticate(
        &self,
        token: Option<&AccessToken>,
        now: SystemTime,
    ) -> Result<Principal, BearerTokenError> {
        match (&self.config, token) {
            (Some(config), Some(token)) => principal(config, token.expose(), now),
            _ => Ok(Principal::anonymous()),
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.config.is_some() { "Authenticator(jwt)" } else { "Authenticator(none)" })
    }
}

/// What a header says about how to check its token. `jwk`, `jku`, `x5u` and `x5c` are never looked at: a
/// token does not bring its own key.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

fn principal(config: &JwtConfig, token: &str, now: SystemTime) -> Result<Principal, BearerTokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(BearerTokenError::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(BearerTokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(BearerTokenError::Malformed)?;
    if payload.contains('.') {
        return Err(BearerTokenError::Malformed); // Five parts are an encrypted token, any other number is nothing.
    }

    let header: Header =
        serde_json::from_slice(&decoded(header)?).map_err(|_| BearerTokenError::Malformed)?;
    check_signature(config, &header, message, &decoded(signature)?)?;

    let claims = Claims::parse(&decoded(payload)?)?;
    check_parties(config, &claims)?;
    let expires_at = check_times(config, &claims, now)?;
    named(config, &claims, expires_at)
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
    let mut candidates = candidates(&config.keys, header.kid.as_deref()).peekable();
    if candidates.peek().is_none() {
        return Err(BearerTokenError::UnknownKey);
    }
    let mut able = candidates.filter(|key| key.algorithms().contains(&algorithm)).peekable();
    if able.peek().is_none() {
        return Err(BearerTokenError::AlgorithmNotAllowed);
    }
    let holds = able.any(|key| key.verifies(algorithm, message.as_bytes(), signature));
    if holds { Ok(()) } else { Err(BearerTokenError::BadSignature) }
}

/// The keys a token may be signed with: those it names, else those that have no name; all if it names none.
fn candidates<'a>(keys: &'a [JwtKey], named: Option<&'a str>) -> impl Iterator<Item = &'a JwtKey> {
    let wanted = match named {
        Some(id) if keys.iter().any(|key| key.id() == Some(id)) => Some(Some(id)),
        Some(_) => Some(None),
        None => None,
    };
    keys.iter().filter(move |key| wanted.is_none_or(|id| key.id() == id))
}

fn check_parties(config: &JwtConfig, claims: &Claims) -> Result<(), BearerTokenError> {
    let known = |issuer: &str| config.issuers.iter().any(|known| known == issuer);
    if !config.issuers.is_empty() && !claims.text("iss").is_some_and(known) {
        return Err(BearerTokenError::WrongIssuer);
    }
    let ours = |audience: &str| config.audiences.iter().any(|known| known == audience);
    if !config.audiences.is_empty() && !claims.texts("aud").any(ours) {
        return Err(BearerTokenError::WrongAudience);
    }
    Ok(())
}

/// Returns when the token lapses, leeway included, so that what it opened ends when it would be refused.
fn check_times(
    config: &JwtConfig,
    claims: &Claims,
    now: SystemTime,
) -> Result<Option<SystemTime>, BearerTokenError> {
    // Both are in bounds: seconds up to the year 10000 and minutes of leeway.
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

fn named(
    config: &JwtConfig,
    claims: &Claims,
    expires_at: Option<SystemTime>,
) -> Result<Principal, BearerTokenError> {
    let mut principal = Principal::builder();
    // A user whose name is empty is none: else all of them would be one.
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

fn decoded(part: &str) -> Result<Vec<u8>, BearerTokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| BearerTokenError::Malformed)
}

#[cfg(test)]
mod tests;
