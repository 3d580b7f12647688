//! The group store of one process. Two indexes, by group and by member, sharded and locked briefly; there is
//! no lock that all calls share.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};
use tokio::time::Instant;

use super::group::Group;
use crate::{Cursor, GroupStore, MAX_PAGE_MEMBERS, Member, Page, StoreError, UserMembership};

/// How many memberships with a time to live are added before all is looked through for what has lapsed and
/// was not touched since: as many as were left the last time, so that each addition pays for one entry and no
/// more than twice what lives is ever held; but no fewer than this, which one pass takes in microseconds.
const ADDS_BEFORE_SWEEP: usize = 64;

/// A group store that lives in the process. Clones are the same store.
///
/// Its futures are ready at once: every call has done its work when it returns. Time is Tokio's, so that
/// tests may pause it.
#[derive(Clone, Default)]
pub struct InMemoryGroupStore {
    shared: Arc<Shared>,
}

/// A shard of `connections` or `users` is locked before one of `groups`, never after. Holding the first while
/// changing the second is what keeps the two indexes equal.
#[derive(Default)]
struct Shared {
    groups: DashMap<(HubName, GroupName), Group>,
    connections: DashMap<(HubName, ConnectionId), Connection>,
    users: DashMap<(HubName, UserId), HashMap<GroupName, Option<Instant>>>,
    adds_since_sweep: AtomicUsize,
    left_by_sweep: AtomicUsize,
}

struct Connection {
    node: NodeId,
    groups: HashSet<GroupName>,
}

impl InMemoryGroupStore {
    /// Makes a store without groups.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much is held in all indexes together.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.shared.groups.len() + self.shared.connections.len() + self.shared.users.len()
    }
}

impl fmt::Debug for InMemoryGroupStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryGroupStore")
            .field("groups", &self.shared.groups.len())
            .field("connections", &self.shared.connections.len())
            .field("users", &self.shared.users.len())
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
        self.shared.add_connection(hub, group, connection, node);
        done(())
    }

    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.shared.remove_connection(hub, group, connection);
        done(())
    }

    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.shared.end_connection(hub, connection, |_| true);
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
        // A time to live beyond what the clock can count is as good as none.
        let until = ttl.and_then(|ttl| now.checked_add(ttl));
        self.shared.add_user(hub, group, user, until);
        if until.is_some() {
            self.shared.sweep_at_times(now);
        }
        done(())
    }

    fn remove_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.shared.remove_user(hub, group, user);
        done(())
    }

    fn groups_of_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Vec<GroupName>, StoreError>> {
        let entry = self.shared.connections.get(&(hub.clone(), connection.clone()));
        done(entry.map(|entry| entry.groups.iter().cloned().collect()).unwrap_or_default())
    }

    fn groups_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Vec<UserMembership>, StoreError>> {
        let now = Instant::now();
        let Some(groups) = self.shared.users.get(&(hub.clone(), user.clone())) else { return done(vec![]) };
        let left = |until: Option<Instant>| until.map(|until| until.saturating_duration_since(now));
        let groups = groups.iter().map(|(group, until)| (group.clone(), left(*until)));
        done(groups.filter(|(_, left)| left.is_none_or(|left| !left.is_zero())).collect())
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
        let page = self.shared.read_group(hub, group, |group| {
            let (mut page, more) = group.page(last.as_ref(), limit);
            page.next = page.members.last().filter(|_| more).map(cursor_after);
            page
        });
        done(page.unwrap_or_default())
    }

    fn count(&self, hub: &HubName, group: &GroupName) -> BoxFuture<'_, Result<u64, StoreError>> {
        let count = self.shared.read_group(hub, group, |group| group.len());
        done(count.map_or(0, |count| count as u64))
    }

    fn contains(
        &self,
        hub: &HubName,
        group: &GroupName,
        member: &Member,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        done(self.shared.read_group(hub, group, |group| group.contains(member)).unwrap_or_default())
    }

    fn end_node(&self, node: &NodeId) -> BoxFuture<'_, Result<(), StoreError>> {
        let owned = self.shared.connections.iter().filter(|entry| entry.node == *node);
        let owned: Vec<_> = owned.map(|entry| entry.key().clone()).collect();
        for (hub, connection) in owned {
            self.shared.end_connection(&hub, &connection, |entry| entry.node == *node);
        }
        done(())
    }
}

impl Shared {
    fn add_connection(&self, hub: &HubName, group: &GroupName, connection: &ConnectionId, node: &NodeId) {
        let mut entry = self
            .connections
            .entry((hub.clone(), connection.clone()))
            .or_insert_with(|| Connection { node: node.clone(), groups: HashSet::new() });
        if entry.node != *node {
            entry.node = node.clone();
        }
        if entry.groups.insert(group.clone()) {
            let mut group = self.groups.entry((hub.clone(), group.clone())).or_default();
            group.add_connection(connection.clone());
        }
    }

    fn remove_connection(&self, hub: &HubName, group: &GroupName, connection: &ConnectionId) {
        let Entry::Occupied(mut entry) = self.connections.entry((hub.clone(), connection.clone())) else {
            return;
        };
        if entry.get_mut().groups.remove(group) {
            self.write_group(hub, group, |group| group.remove_connection(connection));
        }
        if entry.get().groups.is_empty() {
            entry.remove();
        }
    }

    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
        only_if: impl Fn(&Connection) -> bool,
    ) {
        let Entry::Occupied(entry) = self.connections.entry((hub.clone(), connection.clone())) else {
            return;
        };
        if only_if(entry.get()) {
            for group in &entry.get().groups {
                self.write_group(hub, group, |group| group.remove_connection(connection));
            }
            entry.remove();
        }
    }

    fn add_user(&self, hub: &HubName, group: &GroupName, user: &UserId, until: Option<Instant>) {
        let mut groups = self.users.entry((hub.clone(), user.clone())).or_default();
        groups.insert(group.clone(), until);
        let mut group = self.groups.entry((hub.clone(), group.clone())).or_default();
        group.add_user(user.clone(), until);
    }

    fn remove_user(&self, hub: &HubName, group: &GroupName, user: &UserId) {
        let Entry::Occupied(mut entry) = self.users.entry((hub.clone(), user.clone())) else { return };
        if entry.get_mut().remove(group).is_some() {
            self.write_group(hub, group, |group| group.remove_user(user));
        }
        if entry.get().is_empty() {
            entry.remove();
        }
    }

    /// Reads a group as it is now, if there is one.
    fn read_group<T>(&self, hub: &HubName, group: &GroupName, read: impl FnOnce(&Group) -> T) -> Option<T> {
        let key = (hub.clone(), group.clone());
        self.groups.get_mut(&key).map(|mut group| {
            group.drop_lapsed(Instant::now());
            read(&group)
        })
    }

    fn write_group(&self, hub: &HubName, group: &GroupName, write: impl FnOnce(&mut Group)) {
        if let Entry::Occupied(mut entry) = self.groups.entry((hub.clone(), group.clone())) {
            write(entry.get_mut());
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }

    /// Forgets what has lapsed and nobody has asked for since, where it is time to.
    fn sweep_at_times(&self, now: Instant) {
        let adds = self.adds_since_sweep.fetch_add(1, Ordering::Relaxed) + 1;
        let due = adds >= self.left_by_sweep.load(Ordering::Relaxed).max(ADDS_BEFORE_SWEEP);
        // Of those who find it due at the same time, the one who takes the count does it.
        if due && self.adds_since_sweep.swap(0, Ordering::Relaxed) >= adds {
            self.users.retain(|_, groups| {
                groups.retain(|_, until| until.is_none_or(|until| until > now));
                !groups.is_empty()
            });
            self.groups.retain(|_, group| {
                group.drop_lapsed(now);
                !group.is_empty()
            });
            self.left_by_sweep.store(self.groups.len() + self.users.len(), Ordering::Relaxed);
        }
    }
}

fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StoreError>> {
    ready(Ok(value)).boxed()
}

/// A cursor is the last member that was listed, with a letter before it that says what it is.
fn cursor_after(last: &Member) -> Cursor {
    match last {
        Member::Connection(connection) => Cursor::new(format!("c{connection}")),
        Member::User(user) => Cursor::new(format!("u{user}")),
    }
}

fn parse_cursor(cursor: &Cursor) -> Option<Member> {
    let text = cursor.as_str();
    match text.strip_prefix('c') {
        Some(connection) => Some(Member::Connection(connection.into())),
        None => text.strip_prefix('u').map(|user| Member::User(user.into())),
    }
}
