//! The id by which others know a connection. Under version 0 of negotiate that is its token.

use hubward_auth::ConnectionTokenClaims;
use hubward_types::ConnectionId;

/// What the id inside a token of version 0 begins with, where the token itself is the public id. No random id has it.
pub(crate) const VERSION_0_MARK: &str = "~";

/// Returns the id by which others know the connection that this token opens.
pub(crate) fn public_id(claims: &ConnectionTokenClaims, token: &str) -> ConnectionId {
    if claims.connection_id.as_str().starts_with(VERSION_0_MARK) {
        token.into()
    } else {
        claims.connection_id.clone()
    }
}
