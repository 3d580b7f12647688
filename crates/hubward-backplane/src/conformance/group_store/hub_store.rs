//! The fixture of the suite: a store for one hub, with short calls.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hubward_types::{ConnectionId, GroupName, HubName, UserId};
use tokio::sync::Mutex;

use crate::conformance::stores::{LONG, NewStores, Stores, announce};
use crate::group_store::{
    ConnectionsPage, Cursor, GroupStore, Member, OpenConnection, OpenedConnection, Page, StoreError,
    UsersPage,
};
use crate::owner::Owner;

/// A store for one hub, whose names are given as strings. Nodes announce themselves and connections open when they are
/// first named.
pub(super) struct HubStore {
    pub(super) inner: Arc<dyn GroupStore>,
    stores: Stores,
    hub: HubName,
    owners: Arc<Mutex<Vec<Owner>>>,
    opened: Mutex<HashSet<ConnectionId>>,
}

impl HubStore {
    pub(super) fn new(new: &NewStores) -> Self {
        let stores = new(LONG);
        Self {
            inner: Arc::clone(&stores.groups),
            stores,
            hub: "clinical".into(),
            owners: Arc::default(),
            opened: Mutex::default(),
        }
    }

    pub(super) fn of_hub(&self, hub: &str) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            stores: self.stores.clone(),
            hub: hub.into(),
            owners: Arc::clone(&self.owners),
            opened: Mutex::default(),
        }
    }

    /// A node, announced.
    pub(super) async fn owner(&self, node: &str) -> Owner {
        let mut owners = self.owners.lock().await;
        if let Some(owner) = owners.iter().find(|owner| owner.node.as_str() == node) {
            return owner.clone();
        }
        let owner = announce(&self.stores, node).await;
        owners.push(owner.clone());
        owner
    }

    pub(super) async fn open(
        &self,
        node: &str,
        connection: &str,
        user: Option<&str>,
        claim: Duration,
    ) -> Result<OpenedConnection, StoreError> {
        let opening = OpenConnection {
            hub: self.hub.clone(),
            connection: connection.into(),
            user: user.map(UserId::from),
            owner: self.owner(node).await,
            claim,
        };
        self.inner.open_connection(opening).await
    }

    pub(super) async fn owner_of(&self, connection: &str) -> Option<Owner> {
        self.inner.owner(&self.hub, &connection.into()).await.expect("it is read")
    }

    pub(super) async fn join(&self, group: &str, connection: &str) {
        self.join_on("node-1", group, connection).await;
    }

    pub(super) async fn join_on(&self, node: &str, group: &str, connection: &str) {
        if self.opened.lock().await.insert(connection.into()) {
            self.open(node, connection, None, Duration::ZERO).await.expect("it is opened");
        }
        self.try_join(node, group, connection).await.expect("it is recorded");
    }

    pub(super) async fn try_join(&self, node: &str, group: &str, connection: &str) -> Result<(), StoreError> {
        let (group, connection) = (GroupName::from(group), ConnectionId::from(connection));
        let owner = self.owner(node).await;
        self.inner.add_connection(&self.hub, &group, &connection, &owner).await
    }

    pub(super) async fn leave(&self, group: &str, connection: &str) {
        self.leave_on("node-1", group, connection).await;
    }

    pub(super) async fn leave_on(&self, node: &str, group: &str, connection: &str) {
        let (group, connection) = (GroupName::from(group), ConnectionId::from(connection));
        let owner = self.owner(node).await;
        self.inner.remove_connection(&self.hub, &group, &connection, &owner).await.expect("it is recorded");
    }

    pub(super) async fn end(&self, connection: &str) {
        self.end_on("node-1", connection).await;
    }

    pub(super) async fn end_on(&self, node: &str, connection: &str) {
        let owner = self.owner(node).await;
        self.opened.lock().await.remove(connection);
        self.inner.end_connection(&self.hub, &connection.into(), &owner).await.expect("it is recorded");
    }

    pub(super) async fn add_user(&self, group: &str, user: &str, ttl: Option<Duration>) -> Vec<String> {
        self.try_add_user(group, user, ttl).await.expect("it is recorded")
    }

    pub(super) async fn try_add_user(
        &self,
        group: &str,
        user: &str,
        ttl: Option<Duration>,
    ) -> Result<Vec<String>, StoreError> {
        let (group, user) = (GroupName::from(group), UserId::from(user));
        self.inner.add_user(&self.hub, &group, &user, ttl).await.map(|change| sorted(change.nodes))
    }

    pub(super) async fn remove_user(&self, group: &str, user: &str) -> Vec<String> {
        let removed = self.inner.remove_user(&self.hub, &group.into(), &user.into()).await;
        sorted(removed.expect("it is recorded").nodes)
    }

    pub(super) async fn ban(&self, group: &str, user: &str) -> Vec<String> {
        let banned = self.inner.ban_user(&self.hub, &group.into(), &user.into()).await;
        sorted(banned.expect("it is recorded").nodes)
    }

    pub(super) async fn unban(&self, group: &str, user: &str) {
        self.inner.unban_user(&self.hub, &group.into(), &user.into()).await.expect("it is recorded");
    }

    pub(super) async fn users_page(&self, cursor: Option<Cursor>, limit: usize) -> UsersPage {
        self.inner.users_online(&self.hub, cursor, limit).await.expect("it is read")
    }

    /// All users that are online, sorted.
    pub(super) async fn online(&self) -> Vec<String> {
        let (mut users, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.users_page(cursor, 1_000).await;
            users.extend(page.users);
            cursor = page.next;
            if cursor.is_none() {
                return sorted(users);
            }
        }
    }

    pub(super) async fn connections_page(
        &self,
        user: &str,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> ConnectionsPage {
        let page = self.inner.connections_of_user(&self.hub, &user.into(), cursor, limit).await;
        page.expect("it is read")
    }

    /// All connections of a user, sorted.
    pub(super) async fn connections_of(&self, user: &str) -> Vec<String> {
        let (mut connections, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.connections_page(user, cursor, 1_000).await;
            connections.extend(page.connections);
            cursor = page.next;
            if cursor.is_none() {
                return sorted(connections);
            }
        }
    }

    pub(super) async fn is_online(&self, user: &str) -> bool {
        self.inner.is_online(&self.hub, &user.into()).await.expect("it is read")
    }

    pub(super) async fn nodes_of(&self, user: &str) -> Vec<String> {
        sorted(self.inner.nodes_of_user(&self.hub, &user.into()).await.expect("it is read"))
    }

    pub(super) async fn page(&self, group: &str, cursor: Option<Cursor>, limit: usize) -> Page {
        self.inner.members(&self.hub, &group.into(), cursor, limit).await.expect("it is read")
    }

    pub(super) async fn members(&self, group: &str) -> Vec<Member> {
        let mut members = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.page(group, cursor, 1_000).await;
            members.extend(page.members);
            cursor = page.next;
            if cursor.is_none() {
                members.sort();
                return members;
            }
        }
    }

    pub(super) async fn count(&self, group: &str) -> u64 {
        self.inner.count(&self.hub, &group.into()).await.expect("it is read")
    }

    pub(super) async fn contains(&self, group: &str, member: &Member) -> bool {
        self.inner.contains(&self.hub, &group.into(), member).await.expect("it is read")
    }

    pub(super) async fn groups_of(&self, connection: &str) -> Vec<String> {
        let groups = self.inner.groups_of_connection(&self.hub, &connection.into()).await;
        sorted(groups.expect("it is read"))
    }

    pub(super) async fn groups_of_user(&self, user: &str) -> Vec<String> {
        let groups = self.inner.groups_of_user(&self.hub, &user.into()).await.expect("it is read");
        sorted(groups.into_iter().map(|(group, _)| group).collect())
    }

    pub(super) async fn time_left(&self, group: &str, user: &str) -> Option<Duration> {
        let groups = self.inner.groups_of_user(&self.hub, &user.into()).await.expect("it is read");
        groups.into_iter().find(|(name, _)| name.as_str() == group).expect("the user is a member").1
    }

    /// Checks that a group has these members, by every method that shows them.
    pub(super) async fn check(&self, group: &str, members: &[Member]) {
        assert_eq!(self.members(group).await, members, "the members of {group:?}");
        assert_eq!(self.count(group).await, members.len() as u64, "the count of {group:?}");
        for member in members {
            assert!(self.contains(group, member).await, "{group:?} contains {member:?}");
            let groups = match member {
                Member::Connection(connection) => self.groups_of(connection.as_str()).await,
                Member::User(user) => {
                    let one = self.inner.user_membership(&self.hub, &group.into(), user).await;
                    assert!(one.expect("it is read").is_some(), "{user} is in {group:?}");
                    self.groups_of_user(user.as_str()).await
                }
            };
            assert!(groups.iter().any(|name| name == group), "{member:?} is in {group:?}");
        }
    }
}

pub(super) fn sorted(names: Vec<impl ToString>) -> Vec<String> {
    let mut names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

pub(super) fn connection(name: &str) -> Member {
    Member::Connection(name.into())
}

pub(super) fn user(name: &str) -> Member {
    Member::User(name.into())
}
