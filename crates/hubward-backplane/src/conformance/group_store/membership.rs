//! Joining and leaving.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::hub_store::{HubStore, NewStore, connection, user};

pub async fn an_unknown_group_is_empty(new: &NewStore) {
    let store = HubStore::new(new);
    store.check("ward:7", &[]).await;
    assert!(!store.contains("ward:7", &connection("c1")).await);
    assert!(!store.contains("ward:7", &user("alice")).await);
    assert!(store.groups_of("c1").await.is_empty());
    assert!(store.groups_of_user("alice").await.is_empty());
}

pub async fn a_connection_is_a_member_from_when_it_was_added_until_it_is_removed(new: &NewStore) {
    let store = HubStore::new(new);
    store.join("ward:7", "c1").await;
    store.join("ward:7", "c2").await;
    store.join("ward:8", "c1").await;
    store.check("ward:7", &[connection("c1"), connection("c2")]).await;
    assert_eq!(store.groups_of("c1").await, ["ward:7", "ward:8"]);
    store.leave("ward:7", "c1").await;
    store.check("ward:7", &[connection("c2")]).await;
    assert!(!store.contains("ward:7", &connection("c1")).await);
    assert_eq!(store.groups_of("c1").await, ["ward:8"]);
}

pub async fn joining_twice_is_joining_once(new: &NewStore) {
    let store = HubStore::new(new);
    store.join("ward:7", "c1").await;
    store.join("ward:7", "c1").await;
    store.check("ward:7", &[connection("c1")]).await;
    store.leave("ward:7", "c1").await;
    store.check("ward:7", &[]).await;
}

pub async fn removing_what_is_not_a_member_is_not_an_error(new: &NewStore) {
    let store = HubStore::new(new);
    store.join("ward:7", "c1").await;
    store.leave("ward:7", "c2").await;
    store.leave("ward:8", "c1").await;
    store.remove_user("ward:7", "alice").await;
    store.end("c2").await;
    store.inner.end_node(&"node-2".into()).await.expect("it is recorded");
    store.check("ward:7", &[connection("c1")]).await;
}

pub async fn an_ended_connection_has_left_all_its_groups(new: &NewStore) {
    let store = HubStore::new(new);
    for group in 0..50 {
        store.join(&group.to_string(), "c1").await;
        store.join(&group.to_string(), "c2").await;
    }
    store.end("c1").await;
    store.end("c1").await;
    for group in 0..50 {
        store.check(&group.to_string(), &[connection("c2")]).await;
    }
    assert!(store.groups_of("c1").await.is_empty());
}

pub async fn a_connection_may_come_back_after_its_end(new: &NewStore) {
    let store = HubStore::new(new);
    store.join("ward:7", "c1").await;
    store.end("c1").await;
    store.join("ward:8", "c1").await;
    store.check("ward:7", &[]).await;
    store.check("ward:8", &[connection("c1")]).await;
}

pub async fn the_connections_of_a_dead_node_have_left_and_no_others(new: &NewStore) {
    let store = HubStore::new(new);
    let billing = store.of_hub("billing");
    store.add_user("ward:7", "alice", None).await;
    for number in 0..100 {
        let node = if number % 2 == 0 { "node-1" } else { "node-2" };
        store.join_on(node, "ward:7", &format!("c{number:02}")).await;
        billing.join_on(node, "ward:7", &format!("c{number:02}")).await;
    }
    store.inner.end_node(&"node-1".into()).await.expect("it is recorded");
    let mut left: Vec<_> = (1..100).step_by(2).map(|number| connection(&format!("c{number:02}"))).collect();
    billing.check("ward:7", &left).await;
    left.push(user("alice"));
    store.check("ward:7", &left).await;
    assert!(store.groups_of("c00").await.is_empty());
}

pub async fn a_connection_that_moved_does_not_leave_with_its_former_node(new: &NewStore) {
    let store = HubStore::new(new);
    store.join_on("node-1", "ward:7", "c1").await;
    store.join_on("node-1", "ward:8", "c1").await;
    store.join_on("node-2", "ward:8", "c1").await;
    store.inner.end_node(&"node-1".into()).await.expect("it is recorded");
    assert_eq!(store.groups_of("c1").await, ["ward:7", "ward:8"]);
    store.inner.end_node(&"node-2".into()).await.expect("it is recorded");
    assert!(store.groups_of("c1").await.is_empty());
    store.check("ward:7", &[]).await;
}

pub async fn a_user_is_a_member_until_removed(new: &NewStore) {
    let store = HubStore::new(new);
    store.add_user("ward:7", "alice", None).await;
    store.add_user("ward:7", "alice", None).await;
    store.add_user("ward:8", "alice", None).await;
    store.check("ward:7", &[user("alice")]).await;
    assert_eq!(store.time_left("ward:7", "alice").await, None);
    store.remove_user("ward:7", "alice").await;
    store.check("ward:7", &[]).await;
    assert!(!store.contains("ward:7", &user("alice")).await);
    assert_eq!(store.groups_of_user("alice").await, ["ward:8"]);
}

pub async fn concurrent_joins_and_ends_leave_nothing_behind(new: &NewStore) {
    let store = Arc::new(HubStore::new(new));
    for _ in 0..20 {
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                match number % 4 {
                    0 => store.end("c1").await,
                    1 => store.leave("ward:7", "c1").await,
                    2 => store.join("ward:7", "c1").await,
                    _ => store.join("ward:8", "c1").await,
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("the task ends");
        }
        // Whatever the order was, the groups of the connection and the members of the groups agree.
        let groups = store.groups_of("c1").await;
        for group in ["ward:7", "ward:8"] {
            let is_member = groups.iter().any(|name| name == group);
            assert_eq!(store.contains(group, &connection("c1")).await, is_member, "{group}");
            assert_eq!(store.count(group).await, u64::from(is_member), "{group}");
        }
        store.end("c1").await;
        store.check("ward:7", &[]).await;
        store.check("ward:8", &[]).await;
    }
}
