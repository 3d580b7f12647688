//! Connection tokens: what a client presents to reach its connection. A token is sealed, so that every node
//! of a cluster can open it and nobody else can read or make one. It carries all that negotiate agreed on, so
//! a negotiate request that no connection follows leaves nothing behind.

mod claims;
mod error;
mod identity;
mod key_ring;
mod sealing_key;
mod sha256;

pub use claims::ConnectionTokenClaims;
pub use error::ConnectionTokenError;
pub use identity::Identity;
pub use key_ring::KeyRing;
pub use sealing_key::SealingKey;
