//! Group membership: recorded in the group store first, then put into this node's index for delivery. The store is the
//! truth; the index is a cache of it.

pub(crate) mod announcing;
pub(crate) mod changes;
pub(crate) mod connection;
#[cfg(test)]
mod crowds;
pub(crate) mod delivered;
pub(crate) mod expiries;
pub(crate) mod lifecycle;
pub(crate) mod moving;
pub(crate) mod opening;
pub(crate) mod outage;
pub(crate) mod presence;
pub(crate) mod queries;
pub(crate) mod record;
pub(crate) mod recording;
pub(crate) mod removals;
pub(crate) mod retries;
pub(crate) mod rules;
pub(crate) mod unannounced;
#[cfg(test)]
mod unanswered;
pub(crate) mod unrecorded;
pub(crate) mod user;
pub(crate) mod user_changes;
pub(crate) mod users;

use hubward_backplane::StoreError;
use hubward_hub::GroupError;
use hubward_types::{GroupName, brief_causes};

/// The group store failed.
pub(crate) fn store_failed(error: StoreError) -> GroupError {
    GroupError::Store { reason: brief_causes(&error).to_string() }
}

/// A user or a connection could not be added to a group.
pub(crate) fn not_joined(error: StoreError, group: &GroupName) -> GroupError {
    match error {
        StoreError::Banned => GroupError::Banned { group: group.to_string() },
        error => store_failed(error),
    }
}

/// The backplane failed.
pub(crate) fn backplane_failed(error: impl std::error::Error + 'static) -> GroupError {
    GroupError::Backplane { reason: brief_causes(&error).to_string() }
}
