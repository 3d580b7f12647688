//! Groups: who is a member, and how that changes. Membership lives on the server only.

use std::sync::Arc;
use std::time::Duration;

use hubward_types::{ConnectionId, GroupName, UserId};

use crate::engine::HubEngine;
use crate::engine::group_members::{GroupMember, GroupPage, PageCursor};
use crate::error::GroupError;

/// The groups of a hub and their members.
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

    /// Adds a connection of any node. A connection that does not exist (any more) is skipped, as in
    /// SignalR.
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
    /// [`GroupError`]: the membership may still be recorded. A connection of this node is not delivered to any more all
    /// the same.
    pub async fn remove_connection(
        &self,
        connection: impl Into<ConnectionId>,
        group: impl Into<GroupName>,
    ) -> Result<(), GroupError> {
        self.engine.remove_connection(&connection.into(), &group.into()).await
    }

    /// Adds a user: all connections, present and future, on every node. The membership expires after `ttl`; without
    /// one it lasts until the user is removed.
    ///
    /// # Errors
    /// [`GroupError`]: the membership is not recorded, or the other nodes could not be notified of it.
    pub async fn add_user(
        &self,
        user: impl Into<UserId>,
        group: impl Into<GroupName>,
        ttl: Option<Duration>,
    ) -> Result<(), GroupError> {
        self.engine.add_user(&user.into(), &group.into(), ttl).await
    }

    /// Removes a user.
    ///
    /// # Errors
    /// [`GroupError::Store`]: the membership may still be recorded; delivery on this node stops all the same.
    /// [`GroupError::Backplane`]: it is not recorded any more, but other nodes could not be notified.
    pub async fn remove_user(
        &self,
        user: impl Into<UserId>,
        group: impl Into<GroupName>,
    ) -> Result<(), GroupError> {
        self.engine.remove_user(&user.into(), &group.into()).await
    }

    /// Bans a user from a group: ends the user's membership and that of each of its connections, on every node, and refuses
    /// new ones, however they are asked for, until the user is [unbanned](Self::unban_user). A message that is sent after
    /// this has returned does not reach the user by the group. The user stays connected
    /// ([`Users::disconnect`](crate::Users::disconnect)), and need not be connected. Banning again changes nothing.
    ///
    /// # Errors
    /// [`GroupError::Store`]: the ban may not be recorded; delivery on this node stops all the same, and the user's
    /// connections of this node have left the group. [`GroupError::Backplane`], [`GroupError::NoConfirmation`],
    /// [`GroupError::Owner`]: it is recorded, but other nodes may still deliver.
    pub async fn ban_user(
        &self,
        user: impl Into<UserId>,
        group: impl Into<GroupName>,
    ) -> Result<(), GroupError> {
        self.engine.ban_user(&user.into(), &group.into()).await
    }

    /// Ends a ban; not an error if there is none. The user and its connections may join again: what the ban has ended stays
    /// ended.
    ///
    /// # Errors
    /// [`GroupError::Store`]: the user may still be banned.
    pub async fn unban_user(
        &self,
        user: impl Into<UserId>,
        group: impl Into<GroupName>,
    ) -> Result<(), GroupError> {
        self.engine.unban_user(&user.into(), &group.into()).await
    }

    /// Lists members, at most `limit` (1 to 1,000) at once; the page's cursor continues the listing. A member that
    /// stays throughout is listed exactly once.
    ///
    /// # Errors
    /// [`GroupError::Store`] where the group store fails.
    pub async fn members(
        &self,
        group: impl Into<GroupName>,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> Result<GroupPage, GroupError> {
        self.engine.members(&group.into(), cursor, limit.clamp(1, 1000)).await
    }

    /// Counts members: connections and users, each as one.
    ///
    /// # Errors
    /// [`GroupError::Store`] where the group store fails.
    pub async fn count(&self, group: impl Into<GroupName>) -> Result<u64, GroupError> {
        self.engine.count(&group.into()).await
    }

    /// Returns whether `member` is in the group.
    ///
    /// # Errors
    /// [`GroupError::Store`] where the group store fails.
    pub async fn contains(
        &self,
        group: impl Into<GroupName>,
        member: GroupMember,
    ) -> Result<bool, GroupError> {
        self.engine.contains(&group.into(), &member).await
    }

    /// Lists the groups of a connection or a user. A connection's do not include those of its user.
    ///
    /// # Errors
    /// [`GroupError::Store`] where the group store fails.
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
    /// [`GroupError`]: the membership may still be recorded, but the caller is not delivered to any more.
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
