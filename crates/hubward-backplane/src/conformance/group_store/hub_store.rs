//! The fixture of the suite: a store for one hub, with short calls.

use std::sync::Arc;
use std::time::Duration;

use hubward_types::{ConnectionId, GroupName, HubName, UserId};

use crate::group_store::{Cursor, GroupStore, Member, Page};

/// Makes an empty store.
pub type NewStore = dyn Fn() -> Arc<dyn GroupStore> + Send + Sync;

/// A store for one hub, whose names are given as strings.
pub(super) struct HubStore {
    pub(super) inner: Arc<dyn GroupStore>,
    hub: HubName,
}

impl HubStore {
    pub(super) fn new(new: &NewStore) -> Self {
        Self { inner: new(), hub: "clinical".into() }
    }

    pub(super) fn of_hub(&self, hub: &str) -> Self {
        Self { inner: Arc::clone(&self.inner), hub: hub.into() }
    }

    pub(super) async fn join(&self, group: &str, connection: &str) {
        self.join_on("node-1", group, connection).await;
    }

    pub(super) async fn join_on(&self, node: &str, group: &str, connection: &str) {
        let (group, connection) = (GroupName::from(group), ConnectionId::from(connection));
        self.inner
            .add_connection(&self.hub, &group, &connection, &node.into())
            .await
            .expect("it is recorded");
    }

    pub(super) async fn leave(&self, group: &str, connection: &str) {
        let (group, connection) = (GroupName::from(group), ConnectionId::from(connection));
        self.inner.remove_connection(&self.hub, &group, &connection).await.expect("it is recorded");
    }

    pub(super) async fn end(&self, connection: &str) {
        self.inner.end_connection(&self.hub, &connection.into()).await.expect("it is recorded");
    }

    pub(super) async fn add_user(&self, group: &str, user: &str, ttl: Option<Duration>) {
        let (group, user) = (GroupName::from(group), UserId::from(user));
        self.inner.add_user(&self.hub, &group, &user, ttl).await.expect("it is recorded");
    }

    pub(super) async fn remove_user(&self, group: &str, user: &str) {
        self.inner.remove_user(&self.hub, &group.into(), &user.into()).await.expect("it is recorded");
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
                Member::User(user) => self.groups_of_user(user.as_str()).await,
            };
            assert!(groups.iter().any(|name| name == group), "{member:?} is in {group:?}");
        }
    }
}

fn sorted(groups: Vec<GroupName>) -> Vec<String> {
    let mut groups: Vec<_> = groups.iter().map(ToString::to_string).collect();
    groups.sort();
    groups
}

pub(super) fn connection(name: &str) -> Member {
    Member::Connection(name.into())
}

pub(super) fn user(name: &str) -> Member {
    Member::User(name.into())
}
