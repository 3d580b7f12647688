//! A hub's connections on this node: by id, by group, by user, and all. An index for delivery; the truth about groups
//! is in the group store.

use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;
use hubward_types::{ConnectionId, GroupName, UserId};

use crate::connection::handle::ConnectionHandle;
use crate::delivery::members::{Added, Members, Walk};

/// Shards of the list of all connections, so that many connects at once do not wait for one lock.
const SHARDS: usize = 16;

/// The local connections of a hub. No lock of its maps is held while a set is walked or waited for.
pub(crate) struct Index {
    connections: DashMap<ConnectionId, Arc<ConnectionHandle>>,
    all: [Arc<Members>; SHARDS],
    groups: Sets<GroupName>,
    users: Sets<UserId>,
}

/// Sets by name. An empty set is removed, so that a name costs nothing when nobody is in it.
struct Sets<K>(DashMap<K, Arc<Members>>);

impl<K: Eq + Hash + Clone> Sets<K> {
    fn new() -> Self {
        Self(DashMap::new())
    }

    fn add(&self, name: &K, connection: &Arc<ConnectionHandle>) -> bool {
        loop {
            let set = self.0.entry(name.clone()).or_default().clone();
            match set.add(connection) {
                Added::New => return true,
                Added::Known => return false,
                // Somebody is removing it as empty.
                Added::Closed => self.forget(name, &set),
            }
        }
    }

    fn remove(&self, name: &K, key: u64) -> bool {
        let Some(set) = self.find(name) else { return false };
        let removed = set.remove(key);
        if set.close_if_empty() {
            self.forget(name, &set);
        }
        removed
    }

    fn forget(&self, name: &K, set: &Arc<Members>) {
        self.0.remove_if(name, |_, known| Arc::ptr_eq(known, set));
    }

    fn find(&self, name: &K) -> Option<Arc<Members>> {
        self.0.get(name).map(|set| set.clone())
    }
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            connections: DashMap::new(),
            all: std::array::from_fn(|_| Arc::default()),
            groups: Sets::new(),
            users: Sets::new(),
        }
    }

    fn shard(&self, key: u64) -> Option<&Arc<Members>> {
        self.all.get(key as usize % SHARDS)
    }

    /// Adds a connection to the list of all, and to its user.
    pub(crate) fn add(&self, connection: &Arc<ConnectionHandle>) {
        self.connections.insert(connection.id.clone(), connection.clone());
        if let Some(user) = connection.principal.user_id() {
            self.users.add(user, connection);
        }
        if let Some(shard) = self.shard(connection.key) {
            shard.add(connection);
        }
    }

    /// Removes a connection from the list of all, and from its user. Its groups are left one by one.
    pub(crate) fn remove(&self, connection: &ConnectionHandle) {
        self.connections.remove_if(&connection.id, |_, known| known.key == connection.key);
        if let Some(user) = connection.principal.user_id() {
            self.users.remove(user, connection.key);
        }
        if let Some(shard) = self.shard(connection.key) {
            shard.remove(connection.key);
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

    /// Walks of all connections, one after the other.
    pub(crate) fn all(&self) -> impl Iterator<Item = Walk> {
        self.all.iter().map(|shard| shard.clone().walk())
    }

    /// The walk of a group, if anybody is in it.
    pub(crate) fn group(&self, group: &GroupName) -> Option<Walk> {
        self.groups.find(group).map(Members::walk)
    }

    /// The walk of a user's connections, if there are any.
    pub(crate) fn user(&self, user: &UserId) -> Option<Walk> {
        self.users.find(user).map(Members::walk)
    }

    pub(crate) fn for_all(&self, mut visit: impl FnMut(&Arc<ConnectionHandle>)) {
        self.all().for_each(|walk| walk.visit(&mut visit));
    }

    pub(crate) fn for_group(&self, group: &GroupName, mut visit: impl FnMut(&Arc<ConnectionHandle>)) {
        self.group(group).into_iter().for_each(|walk| walk.visit(&mut visit));
    }

    pub(crate) fn for_user(&self, user: &UserId, mut visit: impl FnMut(&Arc<ConnectionHandle>)) {
        self.user(user).into_iter().for_each(|walk| walk.visit(&mut visit));
    }

    /// The users that have connections.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.users.0.iter().map(|entry| entry.key().clone()).collect()
    }

    /// Whether a user has connections.
    pub(crate) fn has_user(&self, user: &UserId) -> bool {
        self.users.0.contains_key(user)
    }
}

#[cfg(test)]
mod tests;
