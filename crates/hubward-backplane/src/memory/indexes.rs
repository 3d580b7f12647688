//! The two indexes of the in-memory group store, by group and by member. They are sharded and locked briefly;
//! there is no lock that all calls share.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};
use tokio::time::Instant;

use super::group::Group;

/// A sweep removes expired memberships that nobody has read since. It runs once as many memberships with a
/// time to live have been added as the last sweep left groups and users: so what has expired stays in proportion
/// to what has not, and the cost of a sweep is spread over the additions before it. It runs no sooner than after
/// this number of additions, since a sweep over so few entries takes microseconds.
const ADDS_BEFORE_SWEEP: usize = 64;

/// The indexes. A shard of `connections` or `users` is locked before one of `groups`, never after. It stays
/// locked while the group changes, so that both indexes change together.
#[derive(Default)]
pub(super) struct Indexes {
    pub(super) groups: DashMap<(HubName, GroupName), Group>,
    pub(super) connections: DashMap<(HubName, ConnectionId), ConnectionGroups>,
    /// The groups of each user, with the time when the membership expires, if it does.
    pub(super) users: DashMap<(HubName, UserId), HashMap<GroupName, Option<Instant>>>,
    adds_since_sweep: AtomicUsize,
    /// How many groups and users the last sweep left.
    left_by_sweep: AtomicUsize,
}

/// The groups that a connection is in, and the node that it belongs to.
pub(super) struct ConnectionGroups {
    pub(super) node: NodeId,
    pub(super) groups: HashSet<GroupName>,
}

impl Indexes {
    pub(super) fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        node: &NodeId,
    ) {
        let mut entry = self
            .connections
            .entry((hub.clone(), connection.clone()))
            .or_insert_with(|| ConnectionGroups { node: node.clone(), groups: HashSet::new() });
        if entry.node != *node {
            entry.node = node.clone();
        }
        if entry.groups.insert(group.clone()) {
            let mut group = self.groups.entry((hub.clone(), group.clone())).or_default();
            group.add_connection(connection.clone());
        }
    }

    pub(super) fn remove_connection(&self, hub: &HubName, group: &GroupName, connection: &ConnectionId) {
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

    pub(super) fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
        only_if: impl Fn(&ConnectionGroups) -> bool,
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

    pub(super) fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        expires_at: Option<Instant>,
    ) {
        let mut groups = self.users.entry((hub.clone(), user.clone())).or_default();
        groups.insert(group.clone(), expires_at);
        let mut group = self.groups.entry((hub.clone(), group.clone())).or_default();
        group.add_user(user.clone(), expires_at);
    }

    pub(super) fn remove_user(&self, hub: &HubName, group: &GroupName, user: &UserId) {
        let Entry::Occupied(mut entry) = self.users.entry((hub.clone(), user.clone())) else { return };
        if entry.get_mut().remove(group).is_some() {
            self.write_group(hub, group, |group| group.remove_user(user));
        }
        if entry.get().is_empty() {
            entry.remove();
        }
    }

    /// Reads a group without its expired memberships, if the group exists.
    pub(super) fn read_group<T>(
        &self,
        hub: &HubName,
        group: &GroupName,
        read: impl FnOnce(&Group) -> T,
    ) -> Option<T> {
        let key = (hub.clone(), group.clone());
        self.groups.get_mut(&key).map(|mut group| {
            group.remove_expired(Instant::now());
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

    /// Counts an addition, and removes all expired memberships if a sweep is due.
    pub(super) fn sweep_if_due(&self, now: Instant) {
        let adds = self.adds_since_sweep.fetch_add(1, Ordering::Relaxed) + 1;
        let due = adds >= self.left_by_sweep.load(Ordering::Relaxed).max(ADDS_BEFORE_SWEEP);
        // Several threads may find it due at once: the one that resets the count runs the sweep.
        if due && self.adds_since_sweep.swap(0, Ordering::Relaxed) >= adds {
            self.users.retain(|_, groups| {
                groups.retain(|_, expires_at| expires_at.is_none_or(|expires_at| expires_at > now));
                !groups.is_empty()
            });
            self.groups.retain(|_, group| {
                group.remove_expired(now);
                !group.is_empty()
            });
            self.left_by_sweep.store(self.groups.len() + self.users.len(), Ordering::Relaxed);
        }
    }
}
