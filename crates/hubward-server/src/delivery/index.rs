//! A hub's connections on this node: by id, by group, by user, and all. An index for delivery; the truth about groups
//! is in the group store.

use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;
use hubward_types::{ConnectionId, GroupName, UserId};
use parking_lot::RwLock;

use crate::connection::handle::ConnectionHandle;
use crate::delivery::members::Members;

/// Shards of the list of all connections, so that many connects at once do not wait for one lock.
const SHARDS: usize = 16;

/// The local connections of a hub.
pub(crate) struct Index {
    connections: DashMap<ConnectionId, Arc<ConnectionHandle>>,
    all: [RwLock<Members>; SHARDS],
    groups: Sets<GroupName>,
    users: Sets<UserId>,
}

/// Sets by name. An empty set is removed, so that a name costs nothing when nobody is in it.
struct Sets<K>(DashMap<K, Arc<RwLock<Members>>>);

impl<K: Eq + Hash + Clone> Sets<K> {
    fn new() -> Self {
        Self(DashMap::new())
    }

    fn add(&self, name: &K, connection: &Arc<ConnectionHandle>) -> bool {
        // Under the entry's lock, so that the set cannot be removed as empty meanwhile.
        self.0.entry(name.clone()).or_default().write().add(connection)
    }

    fn remove(&self, name: &K, key: u64) -> bool {
        let Some(set) = self.0.get(name) else { return false };
        let removed = set.write().remove(key);
        drop(set);
        self.0.remove_if(name, |_, set| set.read().is_empty());
        removed
    }

    fn for_each(&self, name: &K, mut visit: impl FnMut(&Arc<ConnectionHandle>)) {
        // The shard's guard is dropped before the members are walked.
        let Some(set) = self.0.get(name).map(|set| set.clone()) else { return };
        set.read().iter().for_each(&mut visit);
    }
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            connections: DashMap::new(),
            all: std::array::from_fn(|_| RwLock::default()),
            groups: Sets::new(),
            users: Sets::new(),
        }
    }

    fn shard(&self, key: u64) -> Option<&RwLock<Members>> {
        self.all.get(key as usize % SHARDS)
    }

    /// Adds a connection to the list of all, and to its user.
    pub(crate) fn add(&self, connection: &Arc<ConnectionHandle>) {
        self.connections.insert(connection.id.clone(), connection.clone());
        if let Some(user) = connection.principal.user_id() {
            self.users.add(user, connection);
        }
        if let Some(shard) = self.shard(connection.key) {
            shard.write().add(connection);
        }
    }

    /// Removes a connection from the list of all, and from its user. Its groups are left one by one.
    pub(crate) fn remove(&self, connection: &ConnectionHandle) {
        self.connections.remove_if(&connection.id, |_, known| known.key == connection.key);
        if let Some(user) = connection.principal.user_id() {
            self.users.remove(user, connection.key);
        }
        if let Some(shard) = self.shard(connection.key) {
            shard.write().remove(connection.key);
        }
    }

    pub(crate) fn connection(&self, id: &ConnectionId) -> Option<Arc<ConnectionHandle>> {
        self.connections.get(id).map(|connection| connection.clone())
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Adds to a group for delivery; false where it was in it.
    pub(crate) fn join(&self, group: &GroupName, connection: &Arc<ConnectionHandle>) -> bool {
        self.groups.add(group, connection)
    }

    /// Removes from a group for delivery; false where it was not in it.
    pub(crate) fn leave(&self, group: &GroupName, connection: &ConnectionHandle) -> bool {
        self.groups.remove(group, connection.key)
    }

    pub(crate) fn for_all(&self, mut visit: impl FnMut(&Arc<ConnectionHandle>)) {
        for shard in &self.all {
            shard.read().iter().for_each(&mut visit);
        }
    }

    pub(crate) fn for_group(&self, group: &GroupName, visit: impl FnMut(&Arc<ConnectionHandle>)) {
        self.groups.for_each(group, visit);
    }

    /// The users that have connections.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.users.0.iter().map(|entry| entry.key().clone()).collect()
    }

    /// Whether a user has connections.
    pub(crate) fn has_user(&self, user: &UserId) -> bool {
        self.users.0.contains_key(user)
    }

    pub(crate) fn for_user(&self, user: &UserId, visit: impl FnMut(&Arc<ConnectionHandle>)) {
        self.users.for_each(user, visit);
    }
}

#[cfg(test)]
mod tests;
