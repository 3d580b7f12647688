//! Who asks, and whether they may: asked again for every request, since tokens lapse and policies are the hub's.

use std::time::SystemTime;

use http::request::Parts;
use hubward_auth::{ConnectionTokenClaims, Decision, Identity, bearer_token};
use hubward_types::Principal;

use crate::Endpoint;
use crate::refusal::Refusal;

/// The user of one request.
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) now: SystemTime,
    token_refused: bool,
}

impl Caller {
    /// Finds out who asks. A token that does not hold makes nobody known, as with ASP.NET Core: a hub that is open
    /// to all stays open to its bearer.
    pub(crate) fn of(endpoint: &Endpoint, parts: &Parts) -> Self {
        let token = bearer_token(&parts.headers, parts.uri.query());
        let now = SystemTime::now();
        match endpoint.authenticator.authenticate(token.as_ref(), now) {
            Ok(principal) => Self { principal, now, token_refused: false },
            Err(_) => Self { principal: Principal::anonymous(), now, token_refused: true },
        }
    }

    /// Asks the endpoint's policies.
    pub(crate) fn check(&self, endpoint: &Endpoint) -> Result<(), Refusal> {
        for policy in &endpoint.policies {
            match policy.check(&self.principal) {
                Decision::Allowed => {}
                Decision::Unauthenticated => {
                    return Err(Refusal::Unauthenticated { token_shown: self.token_refused });
                }
                Decision::Forbidden => return Err(Refusal::Forbidden),
            }
        }
        Ok(())
    }

    /// Tells whether the connection was negotiated by the same user.
    pub(crate) fn is_same_user(&self, sealed: &ConnectionTokenClaims) -> bool {
        sealed.identity == Identity::of(&self.principal)
    }
}
