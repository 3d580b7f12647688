//! Who sends a request, and whether they may: checked again for every request, since tokens expire.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use http::request::Parts;
use hubward_auth::{BearerTokenError, ConnectionTokenClaims, Decision, Identity, bearer_token};
use hubward_types::Principal;

use crate::endpoint::Endpoint;
use crate::log_limit::Lines;
use crate::refusal::Refusal;

/// The user of one request.
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) now: SystemTime,
    /// Why the bearer token was refused, where one was shown.
    pub(crate) token_error: Option<BearerTokenError>,
}

impl Caller {
    /// Authenticates a request. A refused token makes its bearer anonymous, as with ASP.NET Core: a hub that is open
    /// to all stays open to them.
    pub(crate) fn of(endpoint: &Endpoint, parts: &Parts) -> Self {
        let token = bearer_token(&parts.headers, parts.uri.query());
        let now = SystemTime::now();
        match endpoint.authenticator.authenticate(token.as_ref(), now) {
            Ok(principal) => Self { principal, now, token_error: None },
            Err(error) => Self { principal: Principal::anonymous(), now, token_error: Some(error) },
        }
    }

    /// Checks the endpoint's policies, which may be code of the hub's author. One that panics allows nothing.
    pub(crate) fn check(&self, endpoint: &Endpoint) -> Result<(), Refusal> {
        for policy in &endpoint.policies {
            let decision = catch_unwind(AssertUnwindSafe(|| policy.check(&self.principal)));
            match decision.unwrap_or_else(|_| policy_panicked(endpoint)) {
                Decision::Allowed => {}
                Decision::Unauthenticated => return Err(Refusal::Unauthenticated(self.token_error)),
                Decision::Forbidden => return Err(Refusal::Forbidden),
            }
        }
        Ok(())
    }

    /// Returns whether the connection was negotiated by the same user.
    pub(crate) fn is_same_user(&self, claims: &ConnectionTokenClaims) -> bool {
        claims.identity == Identity::of(&self.principal)
    }
}

fn policy_panicked(endpoint: &Endpoint) -> Decision {
    let hub = endpoint.hub.clone();
    let rest =
        move |panics| tracing::error!(%hub, panics, "Policies panicked more often; they allow nothing.");
    if endpoint.log_limit.allows(("policy panicked", None), Lines::Few, rest) {
        tracing::error!(hub = %endpoint.hub, "A policy panicked; it allows nothing.");
    }
    Decision::Forbidden
}
