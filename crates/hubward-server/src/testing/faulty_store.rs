//! A group store that a test can fail or hold up, around the in-memory form.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hubward_backplane::{
    ConnectionsPage, Cursor, GroupStore, HeldConnection, InMemoryStore, Member, OpenConnection,
    OpenedConnection, Owner, Page, ParkedSession, Restored, StoreError, TakeOver, TakenOver, Unpark,
    Unparked, UserChange, UserMembership, UsersPage,
};
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};

use super::faults::Fault;

/// A group store whose changes can be failed or held up, and whose queries can be failed.
#[derive(Default)]
pub(crate) struct FaultyStore {
    pub(crate) inner: InMemoryStore,
    pub(crate) changing: Fault,
    pub(crate) querying: Fault,
    /// Held up, calls have their effect, and their replies are late.
    pub(crate) replying: Fault,
}

impl FaultyStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Runs a call when it is let through.
    fn call<'a, T: Send + 'a>(
        &'a self,
        fault: &'a Fault,
        run: impl FnOnce(&'a InMemoryStore) -> BoxFuture<'a, Result<T, StoreError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            if fault.pass().await {
                return Err(StoreError::Unavailable(None));
            }
            let result = run(&self.inner).await;
            let lost = fault.loses_reply() | self.replying.pass().await;
            if lost { Err(StoreError::Unavailable(None)) } else { result }
        })
    }
}

impl GroupStore for FaultyStore {
    fn open_connection(
        &self,
        opening: OpenConnection,
    ) -> BoxFuture<'_, Result<OpenedConnection, StoreError>> {
        self.call(&self.changing, move |store| store.open_connection(opening))
    }

    fn owner(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Option<Owner>, StoreError>> {
        let (hub, connection) = (hub.clone(), connection.clone());
        self.call(&self.querying, move |store| store.owner(&hub, &connection))
    }

    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, group, connection, owner) = (hub.clone(), group.clone(), connection.clone(), owner.clone());
        self.call(&self.changing, move |store| store.add_connection(&hub, &group, &connection, &owner))
    }

    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, group, connection, owner) = (hub.clone(), group.clone(), connection.clone(), owner.clone());
        self.call(&self.changing, move |store| store.remove_connection(&hub, &group, &connection, &owner))
    }

    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, connection, owner) = (hub.clone(), connection.clone(), owner.clone());
        self.call(&self.changing, move |store| store.end_connection(&hub, &connection, &owner))
    }

    fn restore(
        &self,
        owner: &Owner,
        connections: Vec<HeldConnection>,
    ) -> BoxFuture<'_, Result<Restored, StoreError>> {
        let owner = owner.clone();
        self.call(&self.changing, move |store| store.restore(&owner, connections))
    }

    fn take_over(&self, taking: TakeOver) -> BoxFuture<'_, Result<TakenOver, StoreError>> {
        self.call(&self.changing, move |store| store.take_over(taking))
    }

    fn park(&self, session: ParkedSession) -> BoxFuture<'_, Result<(), StoreError>> {
        self.call(&self.changing, move |store| store.park(session))
    }

    fn unpark(&self, taking: Unpark) -> BoxFuture<'_, Result<Option<Unparked>, StoreError>> {
        self.call(&self.changing, move |store| store.unpark(taking))
    }

    fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        ttl: Option<Duration>,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>> {
        let (hub, group, user) = (hub.clone(), group.clone(), user.clone());
        self.call(&self.changing, move |store| store.add_user(&hub, &group, &user, ttl))
    }

    fn remove_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>> {
        let (hub, group, user) = (hub.clone(), group.clone(), user.clone());
        self.call(&self.changing, move |store| store.remove_user(&hub, &group, &user))
    }

    fn ban_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>> {
        let (hub, group, user) = (hub.clone(), group.clone(), user.clone());
        self.call(&self.changing, move |store| store.ban_user(&hub, &group, &user))
    }

    fn unban_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, group, user) = (hub.clone(), group.clone(), user.clone());
        self.call(&self.changing, move |store| store.unban_user(&hub, &group, &user))
    }

    fn users_online(
        &self,
        hub: &HubName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<UsersPage, StoreError>> {
        let hub = hub.clone();
        self.call(&self.querying, move |store| store.users_online(&hub, cursor, limit))
    }

    fn connections_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<ConnectionsPage, StoreError>> {
        let (hub, user) = (hub.clone(), user.clone());
        self.call(&self.querying, move |store| store.connections_of_user(&hub, &user, cursor, limit))
    }

    fn is_online(&self, hub: &HubName, user: &UserId) -> BoxFuture<'_, Result<bool, StoreError>> {
        let (hub, user) = (hub.clone(), user.clone());
        self.call(&self.querying, move |store| store.is_online(&hub, &user))
    }

    fn nodes_of_user(&self, hub: &HubName, user: &UserId) -> BoxFuture<'_, Result<Vec<NodeId>, StoreError>> {
        let (hub, user) = (hub.clone(), user.clone());
        self.call(&self.querying, move |store| store.nodes_of_user(&hub, &user))
    }

    fn user_membership(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Option<UserMembership>, StoreError>> {
        let (hub, group, user) = (hub.clone(), group.clone(), user.clone());
        self.call(&self.querying, move |store| store.user_membership(&hub, &group, &user))
    }

    fn groups_of_users(
        &self,
        hub: &HubName,
        users: Vec<UserId>,
    ) -> BoxFuture<'_, Result<Vec<Vec<UserMembership>>, StoreError>> {
        let hub = hub.clone();
        self.call(&self.querying, move |store| store.groups_of_users(&hub, users))
    }

    fn groups_of_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Vec<GroupName>, StoreError>> {
        let (hub, connection) = (hub.clone(), connection.clone());
        self.call(&self.querying, move |store| store.groups_of_connection(&hub, &connection))
    }

    fn groups_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Vec<UserMembership>, StoreError>> {
        let (hub, user) = (hub.clone(), user.clone());
        self.call(&self.querying, move |store| store.groups_of_user(&hub, &user))
    }

    fn members(
        &self,
        hub: &HubName,
        group: &GroupName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        let (hub, group) = (hub.clone(), group.clone());
        self.call(&self.querying, move |store| store.members(&hub, &group, cursor, limit))
    }

    fn count(&self, hub: &HubName, group: &GroupName) -> BoxFuture<'_, Result<u64, StoreError>> {
        let (hub, group) = (hub.clone(), group.clone());
        self.call(&self.querying, move |store| store.count(&hub, &group))
    }

    fn contains(
        &self,
        hub: &HubName,
        group: &GroupName,
        member: &Member,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let (hub, group, member) = (hub.clone(), group.clone(), member.clone());
        self.call(&self.querying, move |store| store.contains(&hub, &group, &member))
    }
}
