//! Groups: who is in them, and changing that. Membership lives on the server only.

use std::sync::Arc;
use std::time::Duration;

use hubward_types::{ConnectionId, GroupName, UserId};

use crate::engine::HubEngine;
use crate::error::GroupError;
use crate::members::{GroupMember, GroupPage, PageCursor};

/// The groups of a hub, seen from a connection or from outside.
///
/// ```
/// use hubward_hub::{HubContext, HubError};
///
/// async fn enter(cx: HubContext, room: String) -> Result<(), HubError> {
///     cx.groups().add(format!("room:{room}")).await?;
///     // From here on the caller misses nothing that is sent to the room.
///     cx.clients().group(format!("room:{room}")).send("Entered", (room,)).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Groups {
    engine: Arc<dyn HubEngine>,
}

impl Groups {
    pub(crate) fn new(engine: Arc<dyn HubEngine>) -> Self {
        Self { engine }
    }

    /// Adds a connection of any node. A connection that does not exist (any more) is passed over, as in SignalR.
    ///
    /// # Errors
    /// [`GroupError`]: the membership is not recorded, and nothing is delivered for it.
    pub async fn add_connection(
        &self,
        connection: impl Into<ConnectionId>,
        group: impl Into<GroupName>,
    ) -> Result<(), GroupError> {
        self.engine.add_connection(&connection.into(), &group.into()).await
    }

    /// Removes a connection of any node.
    ///
    /// # Errors
    /// [`GroupError`]; on this node the removal has taken effect all the same.
    pub async fn remove_connection(
        &self,
        connection: impl Into<ConnectionId>,
        group: impl Into<GroupName>,
    ) -> Result<(), GroupError> {
        self.engine.remove_connection(&connection.into(), &group.into()).await
    }

    /// Adds a user: all connections of now and later, on every node, until removed or until `ttl` has passed.
    ///
    /// # Errors
    /// [`GroupError`]: the membership is not recorded.
    pub async fn add_user(
        &self,
        user: impl Into<UserId>,
        group: impl Into<GroupName>,
        ttl: Option<Duration>,
    ) -> Result<(), GroupError> {
        self.engine.add_user(&user.into(), &group.into(), ttl).await
    }

    /// Ends a user's membership.
    ///
    /// # Errors
    /// [`GroupError`]; on this node the removal has taken effect all the same.
    pub async fn remove_user(
        &self,
        user: impl Into<UserId>,
        group: impl Into<GroupName>,
    ) -> Result<(), GroupError> {
        self.engine.remove_user(&user.into(), &group.into()).await
    }

    /// Lists members, at most `limit` (1 to 1,000) at once. Who is a member throughout is listed exactly once.
    ///
    /// # Errors
    /// [`GroupError::Store`] where the store does not answer.
    pub async fn members(
        &self,
        group: impl Into<GroupName>,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> Result<GroupPage, GroupError> {
        self.engine.members(&group.into(), cursor, limit.clamp(1, 1000)).await
    }

    /// Counts members: connections and users, each once.
    ///
    /// # Errors
    /// [`GroupError::Store`] where the store does not answer.
    pub async fn count(&self, group: impl Into<GroupName>) -> Result<u64, GroupError> {
        self.engine.count(&group.into()).await
    }

    /// Tells whether `member` is in the group.
    ///
    /// # Errors
    /// [`GroupError::Store`] where the store does not answer.
    pub async fn contains(
        &self,
        group: impl Into<GroupName>,
        member: GroupMember,
    ) -> Result<bool, GroupError> {
        self.engine.contains(&group.into(), &member).await
    }

    /// Lists the groups that a connection, or a user, is in by itself.
    ///
    /// # Errors
    /// [`GroupError::Store`] where the store does not answer.
    pub async fn of(&self, member: GroupMember) -> Result<Vec<GroupName>, GroupError> {
        self.engine.groups_of(&member).await
    }
}

/// The groups of a hub, seen by a caller: what [`Groups`] does, and the caller's own membership.
#[derive(Clone)]
pub struct CallerGroups {
    groups: Groups,
    caller: ConnectionId,
}

impl CallerGroups {
    pub(crate) fn new(engine: Arc<dyn HubEngine>, caller: ConnectionId) -> Self {
        Self { groups: Groups::new(engine), caller }
    }

    /// Adds the caller. When this returns, the caller misses nothing that is sent to the group afterwards.
    ///
    /// # Errors
    /// [`GroupError`]: the membership is not recorded, and nothing is delivered for it.
    pub async fn add(&self, group: impl Into<GroupName>) -> Result<(), GroupError> {
        self.groups.engine.add_connection(&self.caller, &group.into()).await
    }

    /// Removes the caller.
    ///
    /// # Errors
    /// [`GroupError`]; on this node the removal has taken effect all the same.
    pub async fn remove(&self, group: impl Into<GroupName>) -> Result<(), GroupError> {
        self.groups.engine.remove_connection(&self.caller, &group.into()).await
    }
}

impl std::ops::Deref for CallerGroups {
    type Target = Groups;

    fn deref(&self) -> &Groups {
        &self.groups
    }
}
