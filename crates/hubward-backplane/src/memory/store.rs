//! The store of one process: the record of groups and connections, and of the nodes that live.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use hubward_types::{ConnectionId, GroupName, HubName, UserId};
use tokio::time::Instant;

use super::claims::ClaimedIds;
use super::indexes::{Indexes, User, nodes_of};
use super::nodes::Nodes;
use crate::group_store::{
    Cursor, GroupStore, HeldConnection, MAX_PAGE_MEMBERS, MAX_RESTORED_AT_ONCE, MAX_USERS_AT_ONCE, Member,
    OpenConnection, OpenedConnection, Page, StoreError, UserChange, UserMembership,
};
use crate::node_registry::{
    LiveNode, MAX_SWEPT_AT_ONCE, NodeEvents, NodeInfo, NodeRegistry, RegistryError, Sweep,
};
use crate::owner::{Epoch, Owner};

/// How long after its last heartbeat a node counts as dead, unless the store is made with another time.
const LEASE: Duration = Duration::from_secs(15);

/// A group store and node registry that live in the process. Clones are the same store.
///
/// Their futures are ready at once: every call has had its effect when it returns. Time is Tokio's, so that
/// tests can pause it.
#[derive(Clone)]
pub struct InMemoryStore {
    state: Arc<State>,
}

struct State {
    indexes: Indexes,
    claims: ClaimedIds,
    nodes: Nodes,
}

impl InMemoryStore {
    /// Makes a store without groups or nodes. A node counts as dead 15 s after its last heartbeat.
    pub fn new() -> Self {
        Self::with_lease(LEASE)
    }

    /// Makes a store whose nodes count as dead this long after their last heartbeat.
    pub fn with_lease(lease: Duration) -> Self {
        let (indexes, claims) = (Indexes::default(), ClaimedIds::default());
        Self { state: Arc::new(State { indexes, claims, nodes: Nodes::new(lease) }) }
    }

    /// Returns how many entries all indexes have together.
    #[cfg(test)]
    fn entries(&self) -> usize {
        let indexes = &self.state.indexes;
        indexes.groups.len() + indexes.connections.len() + indexes.users.len() + indexes.owned.len()
    }

    /// Records something for an owner whose life goes on.
    fn record<'a, T: Send + 'a>(
        &self,
        owner: &Owner,
        record: impl FnOnce(&State) -> Result<T, StoreError>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let recorded = self.state.nodes.while_alive(owner, || record(&self.state));
        ready(recorded.unwrap_or(Err(StoreError::Fenced))).boxed()
    }

    /// The nodes among those that hold connections of a user that live.
    fn change(&self, owners: Vec<Owner>) -> UserChange {
        UserChange::new(nodes_of(owners.into_iter().filter(|owner| self.state.nodes.lives(owner))))
    }
}

impl Default for InMemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for InMemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indexes = &self.state.indexes;
        f.debug_struct("InMemoryStore")
            .field("groups", &indexes.groups.len())
            .field("connections", &indexes.connections.len())
            .field("users", &indexes.users.len())
            .field("claims", &self.state.claims.len())
            .finish()
    }
}

impl GroupStore for InMemoryStore {
    fn open_connection(
        &self,
        opening: OpenConnection,
    ) -> BoxFuture<'_, Result<OpenedConnection, StoreError>> {
        let owner = opening.owner.clone();
        let opened = self.state.nodes.while_alive_among(&owner, |lives| open(&self.state, opening, lives));
        ready(opened.unwrap_or(Err(StoreError::Fenced))).boxed()
    }

    fn owner(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Option<Owner>, StoreError>> {
        let record = self.state.indexes.connections.get(&(hub.clone(), connection.clone()));
        let owner = record.map(|record| record.owner.clone());
        done(owner.filter(|owner| self.state.nodes.lives(owner)))
    }

    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.record(owner, |state| state.indexes.add_connection(hub, group, connection, owner))
    }

    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.record(owner, |state| {
            state.indexes.remove_connection(hub, group, connection, owner);
            Ok(())
        })
    }

    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.record(owner, |state| {
            state.indexes.end_connection(&(hub.clone(), connection.clone()), owner);
            Ok(())
        })
    }

    fn restore(
        &self,
        owner: &Owner,
        connections: Vec<HeldConnection>,
    ) -> BoxFuture<'_, Result<Vec<(HubName, ConnectionId)>, StoreError>> {
        let (given, limit) = (connections.len(), MAX_RESTORED_AT_ONCE);
        if given > limit {
            return ready(Err(StoreError::TooMany { given, limit })).boxed();
        }
        let mut lost = Vec::new();
        for held in connections {
            let key = (held.hub.clone(), held.connection.clone());
            let State { indexes, claims, nodes } = &*self.state;
            let restored = nodes.while_alive_among(owner, |lives| {
                let now = Instant::now();
                let claimed = claims.claim_again(&key, &owner.node, now, now.checked_add(held.claim));
                claimed.is_ok() && indexes.restore(owner, held, lives)
            });
            match restored {
                None => return ready(Err(StoreError::Fenced)).boxed(),
                Some(true) => {}
                Some(false) => lost.push(key),
            }
        }
        done(lost)
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
        let owners = self.state.indexes.add_user(hub, group, user, expires_at);
        if expires_at.is_some() {
            self.state.indexes.sweep_if_due(now);
        }
        done(self.change(owners))
    }

    fn remove_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>> {
        done(self.change(self.state.indexes.remove_user(hub, group, user)))
    }

    fn user_membership(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Option<UserMembership>, StoreError>> {
        let groups = groups_of(&self.state, hub, user);
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
        done(users.iter().map(|user| groups_of(&self.state, hub, user)).collect())
    }

    fn groups_of_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Vec<GroupName>, StoreError>> {
        let record = self.state.indexes.connections.get(&(hub.clone(), connection.clone()));
        done(record.map(|record| record.groups.iter().cloned().collect()).unwrap_or_default())
    }

    fn groups_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Vec<UserMembership>, StoreError>> {
        done(groups_of(&self.state, hub, user))
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
        let page = self.state.indexes.read_group(hub, group, |group| {
            let (mut page, more) = group.page(last.as_ref(), limit);
            page.next = page.members.last().filter(|_| more).map(cursor_after);
            page
        });
        done(page.unwrap_or_default())
    }

    fn count(&self, hub: &HubName, group: &GroupName) -> BoxFuture<'_, Result<u64, StoreError>> {
        let count = self.state.indexes.read_group(hub, group, |group| group.len());
        done(count.map_or(0, |count| count as u64))
    }

    fn contains(
        &self,
        hub: &HubName,
        group: &GroupName,
        member: &Member,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        done(self.state.indexes.read_group(hub, group, |group| group.contains(member)).unwrap_or_default())
    }
}

impl NodeRegistry for InMemoryStore {
    fn announce(&self, node: NodeInfo) -> BoxFuture<'_, Result<Epoch, RegistryError>> {
        ready(self.state.nodes.announce(node)).boxed()
    }

    fn heartbeat(&self, owner: &Owner) -> BoxFuture<'_, Result<(), RegistryError>> {
        ready(self.state.nodes.heartbeat(owner)).boxed()
    }

    fn withdraw(&self, owner: &Owner) -> BoxFuture<'_, Result<(), RegistryError>> {
        self.state.nodes.withdraw(owner);
        ready(Ok(())).boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<LiveNode>, RegistryError>> {
        ready(Ok(self.state.nodes.list())).boxed()
    }

    fn watch(&self) -> NodeEvents {
        self.state.nodes.watch()
    }

    fn lease(&self) -> Duration {
        self.state.nodes.lease
    }

    fn sweep(&self, by: &Owner, limit: usize) -> BoxFuture<'_, Result<Sweep, RegistryError>> {
        let State { indexes, nodes, .. } = &*self.state;
        nodes.notice_deaths_now();
        if !nodes.lives(by) {
            return ready(Err(RegistryError::Fenced)).boxed();
        }
        let limit = limit.clamp(1, MAX_SWEPT_AT_ONCE);
        let mut removed = 0;
        while removed < limit {
            let Some(ended) = nodes.lease_ended(by) else {
                return ready(Ok(Sweep { removed, finished: true })).boxed();
            };
            let keys = indexes.some_owned(&ended, limit - removed);
            if keys.is_empty() {
                nodes.forget_ended(&ended);
            }
            removed += keys.len();
            for key in keys {
                indexes.end_connection(&key, &ended);
            }
        }
        ready(Ok(Sweep { removed, finished: false })).boxed()
    }
}

/// Records a connection for an owner whose life goes on.
fn open(
    state: &State,
    opening: OpenConnection,
    lives: impl Fn(&Owner) -> bool,
) -> Result<OpenedConnection, StoreError> {
    let OpenConnection { hub, connection, user, owner, claim } = opening;
    let (key, now) = ((hub.clone(), connection), Instant::now());
    let holder = state.indexes.connections.get(&key).map(|record| record.owner.clone());
    match holder.filter(|holder| lives(holder)) {
        // The call is repeated.
        Some(holder) if holder == owner => {}
        // Whether or not its token could still be used.
        Some(holder) => return Err(StoreError::Claimed { by: holder.node }),
        None => {
            let claimed = state.claims.claim(&key, &owner.node, now, now.checked_add(claim));
            claimed.map_err(|by| StoreError::Claimed { by })?;
            state.indexes.open(key, user.clone(), owner);
        }
    }
    Ok(OpenedConnection::new(user.map(|user| groups_of(state, &hub, &user)).unwrap_or_default()))
}

/// The groups of a user that have not expired.
fn groups_of(state: &State, hub: &HubName, user: &UserId) -> Vec<UserMembership> {
    let now = Instant::now();
    let Some(user) = state.indexes.users.get(&(hub.clone(), user.clone())) else { return vec![] };
    let User { groups, .. } = &*user;
    let ttl = |expires_at: Option<Instant>| expires_at.map(|at| at.saturating_duration_since(now));
    let groups = groups.iter().map(|(group, expires_at)| (group.clone(), ttl(*expires_at)));
    groups.filter(|(_, ttl)| ttl.is_none_or(|ttl| !ttl.is_zero())).collect()
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
