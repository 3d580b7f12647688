//! The store of one process: the record of groups and connections. `registry.rs` is its record of the nodes that live.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};
use tokio::time::Instant;

use super::cursors;
use super::records::Records;
use crate::group_store::{
    ConnectionsPage, Cursor, GroupStore, HeldConnection, MAX_PAGE_MEMBERS, MAX_RESTORED_AT_ONCE,
    MAX_USERS_AT_ONCE, Member, OpenConnection, OpenedConnection, Page, ParkedSession, Restored, StoreError,
    TakeOver, TakenOver, Unpark, Unparked, UserChange, UserMembership, UsersPage,
};
use crate::owner::Owner;

/// How long after its last heartbeat a node counts as dead, unless the store is made with another time.
const LEASE: Duration = Duration::from_secs(15);

/// A group store and node registry that live in the process. Clones are the same store.
///
/// Their futures are ready at once: every call has had its effect when it returns. Time is Tokio's, so that
/// tests can pause it.
#[derive(Clone)]
pub struct InMemoryStore {
    pub(super) records: Arc<Records>,
}

impl InMemoryStore {
    /// Makes a store without groups or nodes. A node counts as dead 15 s after its last heartbeat.
    pub fn new() -> Self {
        Self::with_lease(LEASE)
    }

    /// Makes a store whose nodes count as dead this long after their last heartbeat.
    pub fn with_lease(lease: Duration) -> Self {
        Self { records: Arc::new(Records::new(lease)) }
    }

    /// Returns how many entries all indexes have together.
    #[cfg(test)]
    fn entries(&self) -> usize {
        let Records { indexes, bans, .. } = &*self.records;
        let of_connections = indexes.connections.len() + indexes.owned.len() + indexes.connected.len();
        indexes.groups.len() + indexes.users.len() + of_connections + bans.len()
    }

    /// Records something for an owner whose life goes on.
    fn record<'a, T: Send + 'a>(
        &self,
        owner: &Owner,
        record: impl FnOnce(&Records) -> Result<T, StoreError>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let recorded = self.records.nodes.while_alive(owner, || record(&self.records));
        ready(recorded.unwrap_or(Err(StoreError::Fenced))).boxed()
    }

    /// The nodes among those that hold connections of a user that live.
    fn change(&self, owners: Vec<Owner>) -> UserChange {
        UserChange::new(self.records.living(owners))
    }
}

impl Default for InMemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for InMemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indexes = &self.records.indexes;
        f.debug_struct("InMemoryStore")
            .field("groups", &indexes.groups.len())
            .field("connections", &indexes.connections.len())
            .field("users", &indexes.users.len())
            .field("claims", &self.records.claims.len())
            .field("parked", &self.records.parked.len())
            .finish()
    }
}

impl GroupStore for InMemoryStore {
    fn open_connection(
        &self,
        opening: OpenConnection,
    ) -> BoxFuture<'_, Result<OpenedConnection, StoreError>> {
        let owner = opening.owner.clone();
        let opened = self.records.nodes.while_alive_among(&owner, |lives| self.records.open(opening, lives));
        ready(opened.unwrap_or(Err(StoreError::Fenced))).boxed()
    }

    fn owner(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Option<Owner>, StoreError>> {
        let record = self.records.indexes.connections.get(&(hub.clone(), connection.clone()));
        let owner = record.map(|record| record.owner.clone());
        done(owner.filter(|owner| self.records.nodes.lives(owner)))
    }

    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.record(owner, |records| {
            let banned = records.bans.read();
            let is_banned = |user: &UserId| banned.contains(hub, group, user);
            records.indexes.add_connection(hub, group, connection, owner, is_banned)
        })
    }

    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.record(owner, |records| {
            records.indexes.remove_connection(hub, group, connection, owner);
            Ok(())
        })
    }

    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.record(owner, |records| {
            records.indexes.end_connection(&(hub.clone(), connection.clone()), owner);
            Ok(())
        })
    }

    fn restore(
        &self,
        owner: &Owner,
        connections: Vec<HeldConnection>,
    ) -> BoxFuture<'_, Result<Restored, StoreError>> {
        let (given, limit) = (connections.len(), MAX_RESTORED_AT_ONCE);
        if given > limit {
            return ready(Err(StoreError::TooMany { given, limit })).boxed();
        }
        let mut all = Restored::default();
        for held in connections {
            let restored =
                self.records.nodes.while_alive_among(owner, |lives| self.records.restore(owner, held, lives));
            let Some(Restored { lost, banned }) = restored else {
                return ready(Err(StoreError::Fenced)).boxed();
            };
            all.lost.extend(lost);
            all.banned.extend(banned);
        }
        done(all)
    }

    fn take_over(&self, taking: TakeOver) -> BoxFuture<'_, Result<TakenOver, StoreError>> {
        let to = taking.to.clone();
        self.record(&to, |records| records.take_over(&taking))
    }

    fn park(&self, session: ParkedSession) -> BoxFuture<'_, Result<(), StoreError>> {
        let owner = session.owner.clone();
        self.record(&owner, |records| records.park(session))
    }

    fn unpark(&self, taking: Unpark) -> BoxFuture<'_, Result<Option<Unparked>, StoreError>> {
        let owner = taking.owner.clone();
        let taken = self.records.nodes.while_alive_among(&owner, |lives| self.records.unpark(taking, lives));
        ready(taken.ok_or(StoreError::Fenced)).boxed()
    }

    fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        ttl: Option<Duration>,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>> {
        let now = Instant::now();
        // A time to live beyond the range of the clock never expires.
        let expires_at = ttl.and_then(|ttl| now.checked_add(ttl));
        let banned = self.records.bans.read();
        if banned.contains(hub, group, user) {
            return ready(Err(StoreError::Banned)).boxed();
        }
        let owners = self.records.indexes.add_user(hub, group, user, expires_at);
        drop(banned);
        if expires_at.is_some() {
            self.records.indexes.sweep_if_due(now);
        }
        done(self.change(owners))
    }

    fn remove_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>> {
        done(self.change(self.records.indexes.remove_user(hub, group, user)))
    }

    fn ban_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>> {
        let Records { indexes, bans, .. } = &*self.records;
        let owners = bans.ban(hub, group, user, || {
            indexes.remove_connections_of(hub, group, user);
            indexes.remove_user(hub, group, user)
        });
        done(self.change(owners))
    }

    fn unban_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.records.bans.unban(hub, group, user);
        done(())
    }

    fn users_online(
        &self,
        hub: &HubName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<UsersPage, StoreError>> {
        let last = match cursors::user(cursor.as_ref()) {
            Ok(last) => last,
            Err(invalid) => return ready(Err(invalid)).boxed(),
        };
        let Records { indexes, nodes, .. } = &*self.records;
        let (mut users, more) =
            indexes.users_with_connections(hub, last.as_ref(), limit.clamp(1, MAX_PAGE_MEMBERS));
        let next = users.last().filter(|_| more).map(cursors::after_user);
        users.retain(|user| indexes.owners_of_user(hub, user).iter().any(|owner| nodes.lives(owner)));
        done(UsersPage { users, next })
    }

    fn connections_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<ConnectionsPage, StoreError>> {
        let last = match cursors::connection(cursor.as_ref()) {
            Ok(last) => last,
            Err(invalid) => return ready(Err(invalid)).boxed(),
        };
        let Records { indexes, nodes, .. } = &*self.records;
        let limit = limit.clamp(1, MAX_PAGE_MEMBERS);
        let (connections, more) = indexes.connections_of_user(hub, user, last.as_ref(), limit);
        let next = connections.last().filter(|_| more).map(|(id, _)| cursors::after_connection(id));
        let living = connections.into_iter().filter(|(_, owner)| nodes.lives(owner));
        done(ConnectionsPage { connections: living.map(|(id, _)| id).collect(), next })
    }

    fn is_online(&self, hub: &HubName, user: &UserId) -> BoxFuture<'_, Result<bool, StoreError>> {
        done(!self.records.living(self.records.indexes.owners_of_user(hub, user)).is_empty())
    }

    fn nodes_of_user(&self, hub: &HubName, user: &UserId) -> BoxFuture<'_, Result<Vec<NodeId>, StoreError>> {
        done(self.records.living(self.records.indexes.owners_of_user(hub, user)))
    }

    fn user_membership(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Option<UserMembership>, StoreError>> {
        let groups = self.records.groups_of(hub, user);
        done(groups.into_iter().find(|(name, _)| name == group))
    }

    fn groups_of_users(
        &self,
        hub: &HubName,
        users: Vec<UserId>,
    ) -> BoxFuture<'_, Result<Vec<Vec<UserMembership>>, StoreError>> {
        let (given, limit) = (users.len(), MAX_USERS_AT_ONCE);
        if given > limit {
            return ready(Err(StoreError::TooMany { given, limit })).boxed();
        }
        done(users.iter().map(|user| self.records.groups_of(hub, user)).collect())
    }

    fn groups_of_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Vec<GroupName>, StoreError>> {
        let record = self.records.indexes.connections.get(&(hub.clone(), connection.clone()));
        done(record.map(|record| record.groups.iter().cloned().collect()).unwrap_or_default())
    }

    fn groups_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Vec<UserMembership>, StoreError>> {
        done(self.records.groups_of(hub, user))
    }

    fn members(
        &self,
        hub: &HubName,
        group: &GroupName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        let last = match cursors::member(cursor.as_ref()) {
            Ok(last) => last,
            Err(invalid) => return ready(Err(invalid)).boxed(),
        };
        let limit = limit.clamp(1, MAX_PAGE_MEMBERS);
        let page = self.records.indexes.read_group(hub, group, |group| {
            let (mut page, more) = group.page(last.as_ref(), limit);
            page.next = page.members.last().filter(|_| more).map(cursors::after_member);
            page
        });
        done(page.unwrap_or_default())
    }

    fn count(&self, hub: &HubName, group: &GroupName) -> BoxFuture<'_, Result<u64, StoreError>> {
        let count = self.records.indexes.read_group(hub, group, |group| group.len());
        done(count.map_or(0, |count| count as u64))
    }

    fn contains(
        &self,
        hub: &HubName,
        group: &GroupName,
        member: &Member,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        done(self.records.indexes.read_group(hub, group, |group| group.contains(member)).unwrap_or_default())
    }
}

fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StoreError>> {
    ready(Ok(value)).boxed()
}

#[cfg(test)]
mod tests;
