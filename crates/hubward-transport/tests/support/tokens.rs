//! Tokens of an issuer that the endpoints under test trust.

use std::time::{Duration, SystemTime};

use hubward_auth::DevelopmentIssuer;

pub(crate) fn issuer() -> DevelopmentIssuer {
    DevelopmentIssuer::new("a-secret-of-at-least-32-bytes-for-tests", "issuer", "hubs").unwrap()
}

pub(crate) fn token(user: &str, role: &str) -> String {
    token_of(&issuer(), user, role, SystemTime::now())
}

/// Makes the value of an `Authorization` header.
pub(crate) fn bearer(user: &str, role: &str) -> String {
    format!("Bearer {}", token(user, role))
}

/// Makes a token that is valid for a minute from `now`.
pub(crate) fn token_of(issuer: &DevelopmentIssuer, user: &str, role: &str, now: SystemTime) -> String {
    let token = issuer.mint(user, &[role.to_owned()], &[], Duration::from_secs(60), now).unwrap();
    token.expose().to_owned()
}
