//! A group store whose calls have a deadline.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{
    BoxFuture, ConnectionsPage, Cursor, GroupStore, HeldConnection, Member, OpenConnection, OpenedConnection,
    Owner, Page, ParkedSession, Restored, StoreError, TakeOver, TakenOver, Unpark, Unparked, UserChange,
    UserMembership, UsersPage,
};
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};

use super::in_call_time;

pub(crate) struct BoundedStore(pub(crate) Arc<dyn GroupStore>);

type Call<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

fn bounded<'a, T: Send + 'a>(call: Call<'a, T>) -> Call<'a, T> {
    Box::pin(async {
        in_call_time(call).await.unwrap_or_else(|slow| Err(StoreError::Unavailable(Some(Box::new(slow)))))
    })
}

impl GroupStore for BoundedStore {
    fn open_connection(&self, opening: OpenConnection) -> Call<'_, OpenedConnection> {
        bounded(self.0.open_connection(opening))
    }

    fn owner(&self, hub: &HubName, connection: &ConnectionId) -> Call<'_, Option<Owner>> {
        bounded(self.0.owner(hub, connection))
    }

    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> Call<'_, ()> {
        bounded(self.0.add_connection(hub, group, connection, owner))
    }

    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> Call<'_, ()> {
        bounded(self.0.remove_connection(hub, group, connection, owner))
    }

    fn end_connection(&self, hub: &HubName, connection: &ConnectionId, owner: &Owner) -> Call<'_, ()> {
        bounded(self.0.end_connection(hub, connection, owner))
    }

    fn restore(&self, owner: &Owner, connections: Vec<HeldConnection>) -> Call<'_, Restored> {
        bounded(self.0.restore(owner, connections))
    }

    fn take_over(&self, taking: TakeOver) -> Call<'_, TakenOver> {
        bounded(self.0.take_over(taking))
    }

    fn park(&self, session: ParkedSession) -> Call<'_, ()> {
        bounded(self.0.park(session))
    }

    fn unpark(&self, taking: Unpark) -> Call<'_, Option<Unparked>> {
        bounded(self.0.unpark(taking))
    }

    fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        ttl: Option<Duration>,
    ) -> Call<'_, UserChange> {
        bounded(self.0.add_user(hub, group, user, ttl))
    }

    fn remove_user(&self, hub: &HubName, group: &GroupName, user: &UserId) -> Call<'_, UserChange> {
        bounded(self.0.remove_user(hub, group, user))
    }

    fn ban_user(&self, hub: &HubName, group: &GroupName, user: &UserId) -> Call<'_, UserChange> {
        bounded(self.0.ban_user(hub, group, user))
    }

    fn unban_user(&self, hub: &HubName, group: &GroupName, user: &UserId) -> Call<'_, ()> {
        bounded(self.0.unban_user(hub, group, user))
    }

    fn users_online(&self, hub: &HubName, cursor: Option<Cursor>, limit: usize) -> Call<'_, UsersPage> {
        bounded(self.0.users_online(hub, cursor, limit))
    }

    fn connections_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Call<'_, ConnectionsPage> {
        bounded(self.0.connections_of_user(hub, user, cursor, limit))
    }

    fn is_online(&self, hub: &HubName, user: &UserId) -> Call<'_, bool> {
        bounded(self.0.is_online(hub, user))
    }

    fn nodes_of_user(&self, hub: &HubName, user: &UserId) -> Call<'_, Vec<NodeId>> {
        bounded(self.0.nodes_of_user(hub, user))
    }

    fn user_membership(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> Call<'_, Option<UserMembership>> {
        bounded(self.0.user_membership(hub, group, user))
    }

    fn groups_of_users(&self, hub: &HubName, users: Vec<UserId>) -> Call<'_, Vec<Vec<UserMembership>>> {
        bounded(self.0.groups_of_users(hub, users))
    }

    fn groups_of_connection(&self, hub: &HubName, connection: &ConnectionId) -> Call<'_, Vec<GroupName>> {
        bounded(self.0.groups_of_connection(hub, connection))
    }

    fn groups_of_user(&self, hub: &HubName, user: &UserId) -> Call<'_, Vec<UserMembership>> {
        bounded(self.0.groups_of_user(hub, user))
    }

    fn members(
        &self,
        hub: &HubName,
        group: &GroupName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Call<'_, Page> {
        bounded(self.0.members(hub, group, cursor, limit))
    }

    fn count(&self, hub: &HubName, group: &GroupName) -> Call<'_, u64> {
        bounded(self.0.count(hub, group))
    }

    fn contains(&self, hub: &HubName, group: &GroupName, member: &Member) -> Call<'_, bool> {
        bounded(self.0.contains(hub, group, member))
    }
}
