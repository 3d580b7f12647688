//! Who is at the other end of a connection, as a checked token says.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::UserId;

/// Who is at the other end of a connection: anonymous, or authenticated with claims and roles.
///
/// A principal comes from a checked token and never changes; cloning it is cheap.
///
/// ```
/// use hubward_types::Principal;
///
/// let nurse = Principal::builder().user_id("alice").role("nurse").claim("department", "cardiology").build();
/// assert!(nurse.has_role("nurse"));
/// assert_eq!(nurse.claim("department"), Some("cardiology"));
/// assert!(!Principal::anonymous().is_authenticated());
/// ```
#[derive(Clone, Default)]
pub struct Principal {
    /// Absent where the principal is anonymous.
    authenticated: Option<Arc<Authenticated>>,
}

#[derive(Default, Clone, PartialEq, Eq)]
struct Authenticated {
    user_id: Option<UserId>,
    roles: Vec<String>,
    claims: Vec<(String, String)>,
    expires_at: Option<SystemTime>,
}

impl Principal {
    /// Returns the principal of a connection without a token.
    pub const fn anonymous() -> Self {
        Self { authenticated: None }
    }

    /// Starts building an authenticated principal.
    pub fn builder() -> PrincipalBuilder {
        PrincipalBuilder { authenticated: Authenticated::default() }
    }

    /// Returns whether there was a valid token.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.is_some()
    }

    /// Returns the user id: the value of the claim that is configured for it (`sub` by default).
    pub fn user_id(&self) -> Option<&UserId> {
        self.authenticated.as_ref()?.user_id.as_ref()
    }

    /// Returns the first value of a claim. Numbers and booleans are returned as they are written in JSON.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.all_claims().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Returns all values of a claim, in the order of the token.
    pub fn claims<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.all_claims().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Returns every claim as name and value, in the order of the token.
    pub fn all_claims(&self) -> impl Iterator<Item = (&str, &str)> {
        self.authenticated
            .iter()
            .flat_map(|principal| principal.claims.iter())
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Returns whether the token names this role. Case matters.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().any(|held| held == role)
    }

    /// Returns the roles that the token names.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.authenticated.iter().flat_map(|principal| principal.roles.iter()).map(String::as_str)
    }

    /// Returns when the token expires, if it does.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.authenticated.as_ref()?.expires_at
    }
}

impl fmt::Debug for Principal {
    /// Writes the user id and nothing else: claims are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.authenticated, self.user_id()) {
            (None, _) => f.write_str("Principal(anonymous)"),
            (Some(_), None) => f.write_str("Principal(authenticated, no user id)"),
            (Some(_), Some(user_id)) => write!(f, "Principal({user_id:?})"),
        }
    }
}

/// Builds an authenticated [`Principal`]. Made by [`Principal::builder`].
#[derive(Clone)]
pub struct PrincipalBuilder {
    authenticated: Authenticated,
}

impl PrincipalBuilder {
    /// Sets the user id.
    pub fn user_id(mut self, user_id: impl Into<UserId>) -> Self {
        self.authenticated.user_id = Some(user_id.into());
        self
    }

    /// Adds a role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.authenticated.roles.push(role.into());
        self
    }

    /// Adds a value of a claim.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.authenticated.claims.push((name.into(), value.into()));
        self
    }

    /// Sets when the token expires. Default: never.
    pub fn expires_at(mut self, at: SystemTime) -> Self {
        self.authenticated.expires_at = Some(at);
        self
    }

    /// Returns the principal.
    pub fn build(self) -> Principal {
        Principal { authenticated: Some(Arc::new(self.authenticated)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debugging_a_principal_shows_no_claim() {
        let alice = Principal::builder().user_id("alice").claim("ssn", "078-05-1120").build();
        assert_eq!(format!("{alice:?}"), "Principal(\"alice\")");
    }

    #[test]
    fn a_claim_may_have_several_values() {
        let alice = Principal::builder().claim("ward", "7").claim("ward", "8").build();
        assert_eq!(alice.claims("ward").collect::<Vec<_>>(), ["7", "8"]);
        assert_eq!(alice.claim("ward"), Some("7"));
        assert_eq!(alice.claim("floor"), None);
    }
}
