//! From a request to a principal or a typed error: bearer tokens, policies and CORS, and the connection
//! tokens by which any node finds out where a connection lives.
//!
//! The crate does no I/O and reads no clock: keys are given to it and the time comes in. No error, log field
//! or `Debug` output of it carries a part of a token or of a key.

mod bearer_token;
mod connection_token;
mod cors;
mod error;
mod policy;
mod random;

pub use bearer_token::{
    Algorithm, Authenticator, BearerTokenError, DevelopmentIssuer, DevelopmentTokenError, JwtConfig, JwtKey,
    MAX_TOKEN_BYTES, bearer_token,
};
pub use connection_token::{ConnectionTokenClaims, ConnectionTokenError, Identity, KeyRing, SealingKey};
pub use cors::Cors;
pub use error::AuthConfigError;
pub use policy::{Decision, Policies, Policy};
pub use random::random_id;
