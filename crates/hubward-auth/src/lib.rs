//! From a request to a principal or a typed refusal: bearer tokens, policies, identities, CORS, and the
//! sealed tokens by which a connection is found again on any node.
//!
//! The crate does no I/O and reads no clock: keys are given to it and the time comes in. Nothing here is
//! printed that would give access: refusals carry no part of a token, and keys redact themselves.

mod algorithm;
mod bearer;
mod claims;
mod cors;
mod development;
mod error;
mod identity;
mod jwt;
mod key;
mod origin;
mod policy;
mod random;
mod seal;
#[cfg(test)]
mod testing;

pub use algorithm::Algorithm;
pub use bearer::{MAX_TOKEN_BYTES, bearer_token};
pub use cors::Cors;
pub use development::DevelopmentIssuer;
pub use error::{AuthConfigError, BearerTokenError, ConnectionTokenError, DevelopmentTokenError};
pub use identity::Identity;
pub use jwt::{Authenticator, JwtConfig};
pub use key::JwtKey;
pub use policy::{Decision, Policies, Policy};
pub use random::random_id;
pub use seal::{ConnectionTokenClaims, KeyRing, SealingKey};
