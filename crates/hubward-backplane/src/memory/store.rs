//! The group store of one process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};
use tokio::time::Instant;

use super::indexes::Indexes;
use crate::group_store::{Cursor, GroupStore, MAX_PAGE_MEMBERS, Member, Page, StoreError, UserMembership};

/// A group store that lives in the process. Clones are the same store.
///
/// Its futures are ready at once: every call has had its effect when it returns. Time is Tokio's, so that
/// tests can pause it.
#[derive(Clone, Default)]
pub struct InMemoryGroupStore {
    indexes: Arc<Indexes>,
}

impl InMemoryGroupStore {
    /// Makes a store without groups.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many entries all indexes have together.
    #[cfg(test)]
    fn entries(&self) -> usize {
        self.indexes.groups.len() + self.indexes.connections.len() + self.indexes.users.len()
    }
}

impl fmt::Debug for InMemoryGroupStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryGroupStore")
            .field("groups", &self.indexes.groups.len())
            .field("connections", &self.indexes.connections.len())
            .field("users", &self.indexes.users.len())
            .finish()
    }
}

impl GroupStore for InMemoryGroupStore {
    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        node: &NodeId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.indexes.add_connection(hub, group, connection, node);
        done(())
    }

    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.indexes.remove_connection(hub, group, connection);
        done(())
    }

    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.indexes.end_connection(hub, connection, |_| true);
        done(())
    }

    fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        ttl: Option<Duration>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let now = Instant::now();
        // A time to live beyond the range of the clock never expires.
        let expires_at = ttl.and_then(|ttl| now.checked_add(ttl));
        self.indexes.add_user(hub, group, user, expires_at);
        if expires_at.is_some() {
            self.indexes.sweep_if_due(now);
        }
        done(())
    }

    fn remove_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.indexes.remove_user(hub, group, user);
        done(())
    }

    fn groups_of_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Vec<GroupName>, StoreError>> {
        let entry = self.indexes.connections.get(&(hub.clone(), connection.clone()));
        done(entry.map(|entry| entry.groups.iter().cloned().collect()).unwrap_or_default())
    }

    fn groups_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Vec<UserMembership>, StoreError>> {
        let now = Instant::now();
        let Some(groups) = self.indexes.users.get(&(hub.clone(), user.clone())) else { return done(vec![]) };
        let ttl = |expires_at: Option<Instant>| expires_at.map(|at| at.saturating_duration_since(now));
        let groups = groups.iter().map(|(group, expires_at)| (group.clone(), ttl(*expires_at)));
        done(groups.filter(|(_, ttl)| ttl.is_none_or(|ttl| !ttl.is_zero())).collect())
    }

    fn members(
        &self,
        hub: &HubName,
        group: &GroupName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        let last = match cursor.as_ref().map(parse_cursor) {
            Some(None) => return ready(Err(StoreError::InvalidCursor)).boxed(),
            Some(last) => last,
            None => None,
        };
        let limit = limit.clamp(1, MAX_PAGE_MEMBERS);
        let page = self.indexes.read_group(hub, group, |group| {
            let (mut page, more) = group.page(last.as_ref(), limit);
            page.next = page.members.last().filter(|_| more).map(cursor_after);
            page
        });
        done(page.unwrap_or_default())
    }

    fn count(&self, hub: &HubName, group: &GroupName) -> BoxFuture<'_, Result<u64, StoreError>> {
        let count = self.indexes.read_group(hub, group, |group| group.len());
        done(count.map_or(0, |count| count as u64))
    }

    fn contains(
        &self,
        hub: &HubName,
        group: &GroupName,
        member: &Member,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        done(self.indexes.read_group(hub, group, |group| group.contains(member)).unwrap_or_default())
    }

    fn end_node(&self, node: &NodeId) -> BoxFuture<'_, Result<(), StoreError>> {
        let owned = self.indexes.connections.iter().filter(|entry| entry.node == *node);
        let owned: Vec<_> = owned.map(|entry| entry.key().clone()).collect();
        for (hub, connection) in owned {
            self.indexes.end_connection(&hub, &connection, |entry| entry.node == *node);
        }
        done(())
    }
}

fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StoreError>> {
    ready(Ok(value)).boxed()
}

/// A cursor is the last member that was listed, after a letter for its kind.
fn cursor_after(last: &Member) -> Cursor {
    match last {
        Member::Connection(connection) => Cursor::new(format!("c{connection}")),
        Member::User(user) => Cursor::new(format!("u{user}")),
    }
}

fn parse_cursor(cursor: &Cursor) -> Option<Member> {
    let cursor = cursor.as_str();
    match cursor.strip_prefix('c') {
        Some(connection) => Some(Member::Connection(connection.into())),
        None => cursor.strip_prefix('u').map(|user| Member::User(user.into())),
    }
}

#[cfg(test)]
mod tests;
