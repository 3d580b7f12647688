//! Group membership: recorded in the group store first, then put into this node's index for delivery. The store is the
//! truth; the index is a cache of it.

pub(crate) mod connection;
pub(crate) mod lifecycle;
pub(crate) mod queries;
pub(crate) mod user;

use hubward_backplane::{BackplaneError, StoreError};
use hubward_hub::GroupError;

/// The group store failed.
pub(crate) fn store_failed(error: StoreError) -> GroupError {
    GroupError::Store { reason: error.to_string() }
}

/// The backplane failed.
pub(crate) fn backplane_failed(error: BackplaneError) -> GroupError {
    GroupError::Backplane { reason: error.to_string() }
}
