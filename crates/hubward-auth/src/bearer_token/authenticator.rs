//! The authenticator of an endpoint: the one entry from a token to a principal.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use hubward_types::{AccessToken, Principal};

use super::config::JwtConfig;
use super::error::BearerTokenError;
use super::verify::verify;
use crate::error::AuthConfigError;

/// Finds out who a request is from. Cloning it is cheap.
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
    /// Without a configuration everybody is anonymous.
    config: Option<Arc<JwtConfig>>,
}

impl Authenticator {
    /// Makes one that ignores tokens: everybody is anonymous.
    pub fn none() -> Self {
        Self { config: None }
    }

    /// Returns whether it accepts any token. Otherwise everybody is anonymous.
    pub fn accepts_tokens(&self) -> bool {
        self.config.is_some()
    }

    /// Makes one that accepts JSON Web Tokens.
    ///
    /// # Errors
    /// Refuses a configuration that could accept no token, or that does not say whose tokens it accepts.
    pub fn jwt(config: JwtConfig) -> Result<Self, AuthConfigError> {
        Ok(Self { config: Some(Arc::new(config.validated()?)) })
    }

    /// Returns the principal that a token stands for at a time. Without a token it is the anonymous one,
    /// which is not an error: whether that is enough is for a [`Policy`](crate::Policy) to decide.
    ///
    /// # Errors
    /// A token that is not valid is refused, also where none would be needed.
    pub fn authenticate(
        &self,
        token: Option<&AccessToken>,
        now: SystemTime,
    ) -> Result<Principal, BearerTokenError> {
        match (&self.config, token) {
            (Some(config), Some(token)) => verify(config, token.expose(), now),
            _ => Ok(Principal::anonymous()),
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.config.is_some() { "Authenticator(jwt)" } else { "Authenticator(none)" })
    }
}
