//! What every group store must do about membership.

use std::sync::Arc;
use std::time::Duration;

use hubward_types::{ConnectionId, GroupName, HubName, UserId};
use tokio::task::JoinSet;

use super::eventually;
use crate::{GroupStore, Member, Page};

/// Makes an empty store.
pub type Stores = dyn Fn() -> Arc<dyn GroupStore> + Send + Sync;

/// A store, spoken to by texts and for one hub.
pub(super) struct Clinic {
    pub(super) store: Arc<dyn GroupStore>,
    hub: HubName,
}

impl Clinic {
    pub(super) fn new(store: &Stores) -> Self {
        Self { store: store(), hub: "clinical".into() }
    }

    fn of_hub(&self, hub: &str) -> Self {
        Self { store: Arc::clone(&self.store), hub: hub.into() }
    }

    pub(super) async fn join(&self, group: &str, connection: &str) {
        self.join_on("node-1", group, connection).await;
    }

    async fn join_on(&self, node: &str, group: &str, connection: &str) {
        let (group, connection) = (GroupName::from(group), ConnectionId::from(connection));
        self.store
            .add_connection(&self.hub, &group, &connection, &node.into())
            .await
            .expect("it is recorded");
    }

    pub(super) async fn leave(&self, group: &str, connection: &str) {
        let (group, connection) = (GroupName::from(group), ConnectionId::from(connection));
        self.store.remove_connection(&self.hub, &group, &connection).await.expect("it is recorded");
    }

    async fn end(&self, connection: &str) {
        self.store.end_connection(&self.hub, &connection.into()).await.expect("it is recorded");
    }

    pub(super) async fn admit(&self, group: &str, user: &str, ttl: Option<Duration>) {
        let (group, user) = (GroupName::from(group), UserId::from(user));
        self.store.add_user(&self.hub, &group, &user, ttl).await.expect("it is recorded");
    }

    async fn dismiss(&self, group: &str, user: &str) {
        self.store.remove_user(&self.hub, &group.into(), &user.into()).await.expect("it is recorded");
    }

    pub(super) async fn page(&self, group: &str, cursor: Option<crate::Cursor>, limit: usize) -> Page {
        self.store.members(&self.hub, &group.into(), cursor, limit).await.expect("it is read")
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
        self.store.count(&self.hub, &group.into()).await.expect("it is read")
    }

    async fn contains(&self, group: &str, member: &Member) -> bool {
        self.store.contains(&self.hub, &group.into(), member).await.expect("it is read")
    }

    async fn groups_of(&self, connection: &str) -> Vec<String> {
        let groups = self.store.groups_of_connection(&self.hub, &connection.into()).await;
        sorted(groups.expect("it is read"))
    }

    async fn groups_of_user(&self, user: &str) -> Vec<String> {
        let groups = self.store.groups_of_user(&self.hub, &user.into()).await.expect("it is read");
        sorted(groups.into_iter().map(|(group, _)| group).collect())
    }

    async fn time_left(&self, group: &str, user: &str) -> Option<Duration> {
        let groups = self.store.groups_of_user(&self.hub, &user.into()).await.expect("it is read");
        groups.into_iter().find(|(name, _)| name.as_str() == group).expect("the user is a member").1
    }

    /// Checks that a group has these members, whichever way it is asked for them.
    async fn check(&self, group: &str, members: &[Member]) {
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

pub async fn an_unknown_group_is_empty(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.check("ward:7", &[]).await;
    assert!(!clinic.contains("ward:7", &connection("c1")).await);
    assert!(!clinic.contains("ward:7", &user("alice")).await);
    assert!(clinic.groups_of("c1").await.is_empty());
    assert!(clinic.groups_of_user("alice").await.is_empty());
}

pub async fn a_connection_is_a_member_from_when_it_was_added_until_it_is_removed(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.join("ward:7", "c1").await;
    clinic.join("ward:7", "c2").await;
    clinic.join("ward:8", "c1").await;
    clinic.check("ward:7", &[connection("c1"), connection("c2")]).await;
    assert_eq!(clinic.groups_of("c1").await, ["ward:7", "ward:8"]);
    clinic.leave("ward:7", "c1").await;
    clinic.check("ward:7", &[connection("c2")]).await;
    assert!(!clinic.contains("ward:7", &connection("c1")).await);
    assert_eq!(clinic.groups_of("c1").await, ["ward:8"]);
}

pub async fn joining_twice_is_joining_once(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.join("ward:7", "c1").await;
    clinic.join("ward:7", "c1").await;
    clinic.check("ward:7", &[connection("c1")]).await;
    clinic.leave("ward:7", "c1").await;
    clinic.check("ward:7", &[]).await;
}

pub async fn removing_who_is_no_member_is_no_error(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.join("ward:7", "c1").await;
    clinic.leave("ward:7", "c2").await;
    clinic.leave("ward:8", "c1").await;
    clinic.dismiss("ward:7", "alice").await;
    clinic.end("c2").await;
    clinic.store.end_node(&"node-2".into()).await.expect("it is recorded");
    clinic.check("ward:7", &[connection("c1")]).await;
}

pub async fn an_ended_connection_has_left_all_its_groups(store: &Stores) {
    let clinic = Clinic::new(store);
    for group in 0..50 {
        clinic.join(&group.to_string(), "c1").await;
        clinic.join(&group.to_string(), "c2").await;
    }
    clinic.end("c1").await;
    clinic.end("c1").await;
    for group in 0..50 {
        clinic.check(&group.to_string(), &[connection("c2")]).await;
    }
    assert!(clinic.groups_of("c1").await.is_empty());
}

pub async fn a_connection_may_come_back_after_its_end(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.join("ward:7", "c1").await;
    clinic.end("c1").await;
    clinic.join("ward:8", "c1").await;
    clinic.check("ward:7", &[]).await;
    clinic.check("ward:8", &[connection("c1")]).await;
}

pub async fn a_dead_nodes_connections_have_left_and_nobody_else_has(store: &Stores) {
    let clinic = Clinic::new(store);
    let billing = clinic.of_hub("billing");
    clinic.admit("ward:7", "alice", None).await;
    for number in 0..100 {
        let node = if number % 2 == 0 { "node-1" } else { "node-2" };
        clinic.join_on(node, "ward:7", &format!("c{number:02}")).await;
        billing.join_on(node, "ward:7", &format!("c{number:02}")).await;
    }
    clinic.store.end_node(&"node-1".into()).await.expect("it is recorded");
    let mut left: Vec<_> = (1..100).step_by(2).map(|number| connection(&format!("c{number:02}"))).collect();
    billing.check("ward:7", &left).await;
    left.push(user("alice"));
    clinic.check("ward:7", &left).await;
    assert!(clinic.groups_of("c00").await.is_empty());
}

pub async fn a_connection_that_moved_does_not_leave_with_its_former_node(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.join_on("node-1", "ward:7", "c1").await;
    clinic.join_on("node-1", "ward:8", "c1").await;
    clinic.join_on("node-2", "ward:8", "c1").await;
    clinic.store.end_node(&"node-1".into()).await.expect("it is recorded");
    assert_eq!(clinic.groups_of("c1").await, ["ward:7", "ward:8"]);
    clinic.store.end_node(&"node-2".into()).await.expect("it is recorded");
    assert!(clinic.groups_of("c1").await.is_empty());
    clinic.check("ward:7", &[]).await;
}

pub async fn a_user_is_a_member_until_removed(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.admit("ward:7", "alice", None).await;
    clinic.admit("ward:7", "alice", None).await;
    clinic.admit("ward:8", "alice", None).await;
    clinic.check("ward:7", &[user("alice")]).await;
    assert_eq!(clinic.time_left("ward:7", "alice").await, None);
    clinic.dismiss("ward:7", "alice").await;
    clinic.check("ward:7", &[]).await;
    assert!(!clinic.contains("ward:7", &user("alice")).await);
    assert_eq!(clinic.groups_of_user("alice").await, ["ward:8"]);
}

pub async fn a_connection_and_a_user_of_the_same_name_are_two_members(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.join("ward:7", "alice").await;
    assert!(!clinic.contains("ward:7", &user("alice")).await);
    clinic.admit("ward:7", "alice", None).await;
    clinic.check("ward:7", &[connection("alice"), user("alice")]).await;
    clinic.end("alice").await;
    clinic.check("ward:7", &[user("alice")]).await;
}

pub async fn a_users_membership_lapses(store: &Stores) {
    let clinic = Clinic::new(store);
    let short = Duration::from_millis(50);
    clinic.admit("ward:7", "alice", Some(short)).await;
    clinic.admit("ward:7", "bob", None).await;
    eventually("the membership lapses", async || !clinic.contains("ward:7", &user("alice")).await).await;
    clinic.check("ward:7", &[user("bob")]).await;
    assert!(clinic.groups_of_user("alice").await.is_empty());
    clinic.admit("ward:7", "alice", Some(short)).await;
    eventually("the count falls", async || clinic.count("ward:7").await == 1).await;
    clinic.admit("ward:8", "alice", Some(short)).await;
    eventually("the group goes", async || clinic.groups_of_user("alice").await.is_empty()).await;
    clinic.check("ward:8", &[]).await;
}

pub async fn a_lapsing_membership_says_how_long_it_lasts(store: &Stores) {
    let clinic = Clinic::new(store);
    let hour = Duration::from_secs(3600);
    clinic.admit("ward:7", "alice", Some(hour)).await;
    clinic.check("ward:7", &[user("alice")]).await;
    let left = clinic.time_left("ward:7", "alice").await.expect("the membership is to lapse");
    assert!(left <= hour && left > hour / 2, "{left:?} are left of an hour");
}

pub async fn the_latest_time_to_live_counts(store: &Stores) {
    let clinic = Clinic::new(store);
    let (short, long) = (Duration::from_millis(50), Duration::from_secs(3600));
    clinic.admit("shortened", "alice", Some(long)).await;
    clinic.admit("shortened", "alice", Some(short)).await;
    clinic.admit("ended", "alice", None).await;
    clinic.admit("ended", "alice", Some(short)).await;
    for (group, ttl) in [("longer", Some(long)), ("lasting", None)] {
        clinic.admit(group, "alice", Some(short)).await;
        clinic.admit(group, "alice", ttl).await;
    }
    eventually("what was shortened lapses", async || clinic.count("shortened").await == 0).await;
    eventually("what was given an end lapses", async || clinic.count("ended").await == 0).await;
    assert_eq!(clinic.groups_of_user("alice").await, ["lasting", "longer"]);
    clinic.check("longer", &[user("alice")]).await;
    clinic.check("lasting", &[user("alice")]).await;
    assert!(clinic.time_left("longer", "alice").await.is_some());
    assert_eq!(clinic.time_left("lasting", "alice").await, None);
}

pub async fn a_time_to_live_of_zero_has_lapsed(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.admit("ward:7", "alice", Some(Duration::ZERO)).await;
    clinic.check("ward:7", &[]).await;
    clinic.admit("ward:7", "alice", None).await;
    clinic.admit("ward:7", "alice", Some(Duration::ZERO)).await;
    clinic.check("ward:7", &[]).await;
    assert!(clinic.groups_of_user("alice").await.is_empty());
}

pub async fn a_time_to_live_beyond_the_clock_lasts(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.admit("ward:7", "alice", Some(Duration::MAX)).await;
    clinic.check("ward:7", &[user("alice")]).await;
}

pub async fn hubs_are_separate(store: &Stores) {
    let clinic = Clinic::new(store);
    let billing = clinic.of_hub("billing");
    clinic.join("ward:7", "c1").await;
    clinic.admit("ward:7", "alice", None).await;
    billing.check("ward:7", &[]).await;
    billing.join("ward:7", "c1").await;
    billing.admit("ward:7", "alice", None).await;
    clinic.end("c1").await;
    clinic.dismiss("ward:7", "alice").await;
    clinic.check("ward:7", &[]).await;
    billing.check("ward:7", &[connection("c1"), user("alice")]).await;
}

pub async fn names_that_look_alike_stay_apart(store: &Stores) {
    let clinic = Clinic::new(store);
    let long = "x".repeat(10_000);
    let longer = format!("{long}x");
    let names = [
        "", " ", "a", "a:b", ":a", "a:", "{a}", "a}", "*", "?", "[a]", "a\\", "a\0", "\0a", "a\r\n", "é",
        "e\u{301}", "病棟", "c:a", "u:a", "ca", "ua", &long, &longer,
    ];
    for name in names {
        clinic.join(name, name).await;
        clinic.admit(name, name, None).await;
        clinic.of_hub(name).join("a", name).await;
    }
    for name in names {
        clinic.check(name, &[connection(name), user(name)]).await;
        assert_eq!(clinic.groups_of(name).await, [name]);
        assert_eq!(clinic.groups_of_user(name).await, [name]);
        clinic.of_hub(name).check("a", &[connection(name)]).await;
    }
}

pub async fn names_are_told_apart_by_case(store: &Stores) {
    let clinic = Clinic::new(store);
    clinic.join("Ward", "c1").await;
    clinic.join("ward", "C1").await;
    clinic.admit("Ward", "Alice", None).await;
    clinic.check("Ward", &[connection("c1"), user("Alice")]).await;
    clinic.check("ward", &[connection("C1")]).await;
    assert!(!clinic.contains("Ward", &user("alice")).await);
}

pub async fn concurrent_joins_and_ends_leave_no_trace(store: &Stores) {
    let clinic = Arc::new(Clinic::new(store));
    for _ in 0..20 {
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let clinic = Arc::clone(&clinic);
            tasks.spawn(async move {
                match number % 4 {
                    0 => clinic.end("c1").await,
                    1 => clinic.leave("ward:7", "c1").await,
                    2 => clinic.join("ward:7", "c1").await,
                    _ => clinic.join("ward:8", "c1").await,
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("the task ends");
        }
        // However it went, what the connection says and what the groups say is the same.
        let groups = clinic.groups_of("c1").await;
        for group in ["ward:7", "ward:8"] {
            let is_member = groups.iter().any(|name| name == group);
            assert_eq!(clinic.contains(group, &connection("c1")).await, is_member, "{group}");
            assert_eq!(clinic.count(group).await, u64::from(is_member), "{group}");
        }
        clinic.end("c1").await;
        clinic.check("ward:7", &[]).await;
        clinic.check("ward:8", &[]).await;
    }
}
