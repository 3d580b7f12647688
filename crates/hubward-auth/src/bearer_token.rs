//! Bearer tokens: finding one in a request, checking it, and reading the principal from its claims. What a
//! principal may do is decided elsewhere, in `policy.rs`.

mod algorithm;
mod authenticator;
mod claims;
mod config;
mod development;
mod error;
mod key;
mod request;
#[cfg(test)]
mod testing;
mod verify;

pub use algorithm::Algorithm;
pub use authenticator::Authenticator;
pub use config::JwtConfig;
pub use development::DevelopmentIssuer;
pub use error::{BearerTokenError, DevelopmentTokenError};
pub use key::JwtKey;
pub use request::{MAX_TOKEN_BYTES, bearer_token};
