//! The members of one group. Memberships that have expired are removed before the group is read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use hubward_types::{ConnectionId, UserId};
use tokio::time::Instant;

use crate::group_store::{Member, Page};

/// Members in the order of their names, so that a listing continues where it was, whatever has changed.
#[derive(Default)]
pub(super) struct Group {
    connections: BTreeSet<ConnectionId>,
    /// When each user's membership expires; `None`: until it is removed.
    users: BTreeMap<UserId, Option<Instant>>,
    /// The memberships that expire, the next one first.
    expiring: BTreeSet<(Instant, UserId)>,
}

impl Group {
    pub(super) fn add_connection(&mut self, connection: ConnectionId) {
        self.connections.insert(connection);
    }

    pub(super) fn remove_connection(&mut self, connection: &ConnectionId) {
        self.connections.remove(connection);
    }

    pub(super) fn add_user(&mut self, user: UserId, expires_at: Option<Instant>) {
        self.remove_user(&user);
        if let Some(at) = expires_at {
            self.expiring.insert((at, user.clone()));
        }
        self.users.insert(user, expires_at);
    }

    pub(super) fn remove_user(&mut self, user: &UserId) {
        if let Some((user, Some(at))) = self.users.remove_entry(user) {
            self.expiring.remove(&(at, user));
        }
    }

    pub(super) fn remove_expired(&mut self, now: Instant) {
        while self.expiring.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, user)) = self.expiring.pop_first() {
                self.users.remove(&user);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.users.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len() + self.users.len()
    }

    pub(super) fn contains(&self, member: &Member) -> bool {
        match member {
            Member::Connection(connection) => self.connections.contains(connection),
            Member::User(user) => self.users.contains_key(user),
        }
    }

    /// Lists up to `limit` members after `last`: connections first, then users, each in the order of names.
    /// Returns whether there are more.
    pub(super) fn page(&self, last: Option<&Member>, limit: usize) -> (Page, bool) {
        // Connections are listed before users, so after a user there are none left.
        let connections = match last {
            None => Some(Bound::Unbounded),
            Some(Member::Connection(connection)) => Some(Bound::Excluded(connection)),
            Some(Member::User(_)) => None,
        };
        let users = match last {
            Some(Member::User(user)) => Bound::Excluded(user),
            _ => Bound::Unbounded,
        };
        let connections = connections
            .into_iter()
            .flat_map(|after| self.connections.range::<ConnectionId, _>((after, Bound::Unbounded)))
            .map(|connection| Member::Connection(connection.clone()));
        let users = self
            .users
            .range::<UserId, _>((users, Bound::Unbounded))
            .map(|(user, _)| Member::User(user.clone()));
        let mut rest = connections.chain(users);
        let members = rest.by_ref().take(limit).collect();
        (Page { members, next: None }, rest.next().is_some())
    }
}
