//! Group membership: recorded in the group store first, then delivered for. The store is the truth; the index of this
//! node is a cache of it for delivery.

pub(crate) mod connection;
pub(crate) mod lifecycle;
pub(crate) mod queries;
pub(crate) mod user;

use hubward_hub::GroupError;

/// The group store did not do what it was asked.
pub(crate) fn store_failed(error: impl std::fmt::Display) -> GroupError {
    GroupError::Store { reason: error.to_string() }
}
