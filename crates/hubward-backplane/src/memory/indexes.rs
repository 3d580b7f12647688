//! The indexes of the in-memory store: by group, by connection, by user and by owner. They are sharded and locked
//! briefly; there is no lock that all calls share but the readers' side of the nodes' lives.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};
use tokio::time::Instant;

use super::group::Group;
use crate::group_store::{HeldConnection, StoreError};
use crate::owner::{Epoch, Owner};

/// A sweep removes expired memberships that nobody has read since. It runs once as many memberships with a
/// time to live have been added as the last sweep left groups and users: so what has expired stays in proportion
/// to what has not, and the cost of a sweep is spread over the additions before it. It runs no sooner than after
/// this number of additions, since a sweep over so few entries takes microseconds.
const ADDS_BEFORE_SWEEP: usize = 64;

pub(super) type ConnectionKey = (HubName, ConnectionId);

/// The indexes. A shard of `connections` is locked before one of `owned` or `users`, and one of these before one of
/// `groups` or `connected`, never after. It stays locked while the others change, so that all of them change together.
#[derive(Default)]
pub(super) struct Indexes {
    pub(super) groups: DashMap<(HubName, GroupName), Group>,
    pub(super) connections: DashMap<ConnectionKey, Record>,
    pub(super) users: DashMap<(HubName, UserId), User>,
    /// The users that have connections, by name, so that a listing continues where it was.
    pub(super) connected: DashMap<HubName, BTreeSet<UserId>>,
    /// The connections of each owner, for a sweep to find.
    pub(super) owned: DashMap<Owner, BTreeSet<ConnectionKey>>,
    adds_since_sweep: AtomicUsize,
    /// How many groups and users the last sweep left.
    left_by_sweep: AtomicUsize,
}

/// A connection.
pub(super) struct Record {
    pub(super) owner: Owner,
    user: Option<UserId>,
    pub(super) groups: HashSet<GroupName>,
}

/// A user that is in a group or connected.
#[derive(Default)]
pub(super) struct User {
    /// The user's groups, with the time when the membership expires, if it does.
    pub(super) groups: HashMap<GroupName, Option<Instant>>,
    /// The connections of the user, each with its owner.
    connections: BTreeMap<ConnectionId, Owner>,
    /// How many of them each owner has.
    owners: HashMap<Owner, usize>,
}

impl Indexes {
    /// Records a connection that nobody holds.
    pub(super) fn open(&self, key: ConnectionKey, user: Option<UserId>, owner: Owner) {
        let record = Record { owner, user, groups: HashSet::new() };
        self.put(self.connections.entry(key), record);
    }

    pub(super) fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
        is_banned: impl Fn(&UserId) -> bool,
    ) -> Result<(), StoreError> {
        let mut entry = match self.connections.entry((hub.clone(), connection.clone())) {
            Entry::Occupied(entry) if entry.get().owner == *owner => entry.into_ref(),
            Entry::Vacant(entry) if owner.epoch == Epoch::ALONE => {
                self.owned.entry(owner.clone()).or_default().insert(entry.key().clone());
                entry.insert(Record { owner: owner.clone(), user: None, groups: HashSet::new() })
            }
            _ => return Err(StoreError::NotOwner),
        };
        if entry.user.as_ref().is_some_and(is_banned) {
            return Err(StoreError::Banned);
        }
        if entry.groups.insert(group.clone()) {
            let mut group = self.groups.entry((hub.clone(), group.clone())).or_default();
            group.add_connection(connection.clone());
        }
        Ok(())
    }

    pub(super) fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) {
        let key = (hub.clone(), connection.clone());
        let Entry::Occupied(mut entry) = self.connections.entry(key) else { return };
        if entry.get().owner != *owner {
            return;
        }
        if entry.get_mut().groups.remove(group) {
            self.write_group(hub, group, |group| group.remove_connection(connection));
        }
        // Nobody opened it, so nobody may end it: what is opened on a node alone has a user.
        let record = entry.get();
        if owner.epoch == Epoch::ALONE && record.groups.is_empty() && record.user.is_none() {
            let (key, record) = entry.remove_entry();
            self.release(&key, &record);
        }
    }

    /// Removes a connection with all its groups, if this owner holds it.
    pub(super) fn end_connection(&self, key: &ConnectionKey, owner: &Owner) {
        let Entry::Occupied(entry) = self.connections.entry(key.clone()) else { return };
        if entry.get().owner == *owner {
            self.leave_groups(key, entry.get());
            self.release(key, entry.get());
            entry.remove();
        }
    }

    /// Puts back a connection; false where another one that lives holds it.
    pub(super) fn restore(
        &self,
        owner: &Owner,
        held: HeldConnection,
        lives: impl Fn(&Owner) -> bool,
    ) -> bool {
        let entry = self.connections.entry((held.hub, held.connection));
        if let Entry::Occupied(entry) = &entry
            && entry.get().owner != *owner
            && lives(&entry.get().owner)
        {
            return false;
        }
        let groups = held.groups.into_iter().collect();
        match entry {
            // Whoever lists a group meanwhile misses no member that stays.
            Entry::Occupied(mut entry) if entry.get().owner == *owner && entry.get().user == held.user => {
                let before = std::mem::replace(&mut entry.get_mut().groups, groups);
                self.move_between_groups(entry.key(), &before, &entry.get().groups);
            }
            entry => self.put(entry, Record { owner: owner.clone(), user: held.user, groups }),
        }
        true
    }

    /// Gives a connection to another owner; returns its user and groups. Once it has, it does so again.
    pub(super) fn take_over(
        &self,
        key: &ConnectionKey,
        from: &Owner,
        to: &Owner,
    ) -> Result<(Option<UserId>, Vec<GroupName>), StoreError> {
        let mut record = self.connections.get_mut(key).ok_or(StoreError::NotOwner)?;
        if record.owner == *from && from != to {
            // The user and its groups stay as they are: whoever lists them meanwhile misses nobody.
            record.owner = to.clone();
            self.disown(key, from);
            self.owned.entry(to.clone()).or_default().insert(key.clone());
            if let Some(user) = &record.user
                && let Some(mut user) = self.users.get_mut(&(key.0.clone(), user.clone()))
            {
                user.connections.insert(key.1.clone(), to.clone());
                user.lose(from);
                *user.owners.entry(to.clone()).or_default() += 1;
            }
        }
        if record.owner != *to {
            return Err(StoreError::NotOwner);
        }
        Ok((record.user.clone(), record.groups.iter().cloned().collect()))
    }

    fn move_between_groups(
        &self,
        (hub, connection): &ConnectionKey,
        from: &HashSet<GroupName>,
        to: &HashSet<GroupName>,
    ) {
        for group in from.difference(to) {
            self.write_group(hub, group, |group| group.remove_connection(connection));
        }
        for group in to.difference(from) {
            let mut group = self.groups.entry((hub.clone(), group.clone())).or_default();
            group.add_connection(connection.clone());
        }
    }

    fn put(&self, entry: Entry<'_, ConnectionKey, Record>, record: Record) {
        let key = entry.key().clone();
        if let Entry::Occupied(entry) = &entry {
            self.leave_groups(&key, entry.get());
            self.release(&key, entry.get());
        }
        self.owned.entry(record.owner.clone()).or_default().insert(key.clone());
        if let Some(user) = &record.user {
            let mut entry = self.users.entry((key.0.clone(), user.clone())).or_default();
            if entry.connections.is_empty() {
                self.connected.entry(key.0.clone()).or_default().insert(user.clone());
            }
            entry.connections.insert(key.1.clone(), record.owner.clone());
            *entry.owners.entry(record.owner.clone()).or_default() += 1;
        }
        for group in &record.groups {
            let mut group = self.groups.entry((key.0.clone(), group.clone())).or_default();
            group.add_connection(key.1.clone());
        }
        entry.insert(record);
    }

    fn leave_groups(&self, (hub, connection): &ConnectionKey, record: &Record) {
        for group in &record.groups {
            self.write_group(hub, group, |group| group.remove_connection(connection));
        }
    }

    /// Removes a connection from its owner and its user.
    fn release(&self, key: &ConnectionKey, record: &Record) {
        self.disown(key, &record.owner);
        let Some(user) = &record.user else { return };
        let Entry::Occupied(mut entry) = self.users.entry((key.0.clone(), user.clone())) else { return };
        entry.get_mut().connections.remove(&key.1);
        entry.get_mut().lose(&record.owner);
        if entry.get().connections.is_empty()
            && let Entry::Occupied(mut connected) = self.connected.entry(key.0.clone())
        {
            connected.get_mut().remove(user);
            if connected.get().is_empty() {
                connected.remove();
            }
        }
        if entry.get().is_unneeded() {
            entry.remove();
        }
    }

    fn disown(&self, key: &ConnectionKey, owner: &Owner) {
        if let Entry::Occupied(mut owned) = self.owned.entry(owner.clone()) {
            owned.get_mut().remove(key);
            if owned.get().is_empty() {
                owned.remove();
            }
        }
    }

    /// Adds a user to a group; returns the nodes that hold connections of the user.
    pub(super) fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        expires_at: Option<Instant>,
    ) -> Vec<Owner> {
        let mut entry = self.users.entry((hub.clone(), user.clone())).or_default();
        entry.groups.insert(group.clone(), expires_at);
        let mut group = self.groups.entry((hub.clone(), group.clone())).or_default();
        group.add_user(user.clone(), expires_at);
        entry.owners.keys().cloned().collect()
    }

    /// Removes a user from a group; returns the nodes that hold connections of the user.
    pub(super) fn remove_user(&self, hub: &HubName, group: &GroupName, user: &UserId) -> Vec<Owner> {
        let Entry::Occupied(mut entry) = self.users.entry((hub.clone(), user.clone())) else { return vec![] };
        if entry.get_mut().groups.remove(group).is_some() {
            self.write_group(hub, group, |group| group.remove_user(user));
        }
        let owners = entry.get().owners.keys().cloned().collect();
        if entry.get().is_unneeded() {
            entry.remove();
        }
        owners
    }

    /// Removes the connections of a user from a group. None may be added to it meanwhile.
    pub(super) fn remove_connections_of(&self, hub: &HubName, group: &GroupName, user: &UserId) {
        for connection in self.connections_of_user(hub, user, None, usize::MAX).0 {
            let Some(mut record) = self.connections.get_mut(&(hub.clone(), connection.0.clone())) else {
                continue;
            };
            if record.user.as_ref() == Some(user) && record.groups.remove(group) {
                self.write_group(hub, group, |group| group.remove_connection(&connection.0));
            }
        }
    }

    /// Returns who holds connections of a user, dead or alive.
    pub(super) fn owners_of_user(&self, hub: &HubName, user: &UserId) -> Vec<Owner> {
        let user = self.users.get(&(hub.clone(), user.clone()));
        user.map(|user| user.owners.keys().cloned().collect()).unwrap_or_default()
    }

    /// Returns up to `limit` connections of a user after `last`, each with its owner, dead or alive; and whether there are
    /// more.
    pub(super) fn connections_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
        last: Option<&ConnectionId>,
        limit: usize,
    ) -> (Vec<(ConnectionId, Owner)>, bool) {
        let Some(user) = self.users.get(&(hub.clone(), user.clone())) else { return (vec![], false) };
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = user.connections.range::<ConnectionId, _>((after, Bound::Unbounded));
        let page = rest.by_ref().take(limit).map(|(id, owner)| (id.clone(), owner.clone())).collect();
        (page, rest.next().is_some())
    }

    /// Returns up to `limit` users of a hub after `last` that have connections of owners dead or alive, and whether there
    /// are more.
    pub(super) fn users_with_connections(
        &self,
        hub: &HubName,
        last: Option<&UserId>,
        limit: usize,
    ) -> (Vec<UserId>, bool) {
        let Some(users) = self.connected.get(hub) else { return (vec![], false) };
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = users.range::<UserId, _>((after, Bound::Unbounded));
        let page = rest.by_ref().take(limit).cloned().collect();
        (page, rest.next().is_some())
    }

    /// Returns up to `limit` connections of an owner.
    pub(super) fn some_owned(&self, owner: &Owner, limit: usize) -> Vec<ConnectionKey> {
        let Some(owned) = self.owned.get(owner) else { return vec![] };
        owned.iter().take(limit).cloned().collect()
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
            self.users.retain(|_, user| {
                user.groups.retain(|_, expires_at| expires_at.is_none_or(|expires_at| expires_at > now));
                !user.is_unneeded()
            });
            self.groups.retain(|_, group| {
                group.remove_expired(now);
                !group.is_empty()
            });
            self.left_by_sweep.store(self.groups.len() + self.users.len(), Ordering::Relaxed);
        }
    }
}

impl User {
    /// Counts one connection less of an owner.
    fn lose(&mut self, owner: &Owner) {
        if let Some(count) = self.owners.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                self.owners.remove(owner);
            }
        }
    }

    fn is_unneeded(&self) -> bool {
        self.groups.is_empty() && self.connections.is_empty()
    }
}

/// Returns the nodes of owners, each once.
pub(super) fn nodes_of(owners: impl IntoIterator<Item = Owner>) -> Vec<NodeId> {
    let nodes: BTreeSet<NodeId> = owners.into_iter().map(|owner| owner.node).collect();
    nodes.into_iter().collect()
}
