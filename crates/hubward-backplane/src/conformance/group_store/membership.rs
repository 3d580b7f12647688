//! Joining and leaving.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::hub_store::{HubStore, connection, user};
use crate::conformance::stores::NewStores;
use crate::group_store::StoreError;

pub async fn an_unknown_group_is_empty(new: &NewStores) {
    let store = HubStore::new(new);
    store.check("ward:7", &[]).await;
    assert!(!store.contains("ward:7", &connection("c1")).await);
    assert!(!store.contains("ward:7", &user("alice")).await);
    assert!(store.groups_of("c1").await.is_empty());
    assert!(store.groups_of_user("alice").await.is_empty());
}

pub async fn a_connection_is_a_member_from_when_it_was_added_until_it_is_removed(new: &NewStores) {
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

pub async fn joining_twice_is_joining_once(new: &NewStores) {
    let store = HubStore::new(new);
    store.join("ward:7", "c1").await;
    store.join("ward:7", "c1").await;
    store.check("ward:7", &[connection("c1")]).await;
    store.leave("ward:7", "c1").await;
    store.check("ward:7", &[]).await;
}

pub async fn removing_what_is_not_a_member_is_not_an_error(new: &NewStores) {
    let store = HubStore::new(new);
    store.join("ward:7", "c1").await;
    store.leave("ward:7", "c2").await;
    store.leave("ward:8", "c1").await;
    store.remove_user("ward:7", "alice").await;
    store.end("c2").await;
    store.check("ward:7", &[connection("c1")]).await;
}

pub async fn an_ended_connection_has_left_all_its_groups(new: &NewStores) {
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

pub async fn an_ended_connection_joins_nothing_more(new: &NewStores) {
    let store = HubStore::new(new);
    store.join("ward:7", "c1").await;
    store.end("c1").await;
    let refused = store.try_join("node-1", "ward:8", "c1").await;
    assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
    store.check("ward:7", &[]).await;
    store.check("ward:8", &[]).await;
}

pub async fn a_user_is_a_member_until_removed(new: &NewStores) {
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

pub async fn concurrent_joins_and_ends_leave_nothing_behind(new: &NewStores) {
    let store = Arc::new(HubStore::new(new));
    for _ in 0..20 {
        store.join("ward:9", "c1").await;
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                let joined = match number % 8 {
                    0 => return store.end("c1").await,
                    1 | 2 => return store.leave("ward:7", "c1").await,
                    3 | 4 => store.try_join("node-1", "ward:7", "c1").await,
                    _ => store.try_join("node-1", "ward:8", "c1").await,
                };
                assert!(matches!(joined, Ok(()) | Err(StoreError::NotOwner)), "{joined:?}");
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("the task ends");
        }
        assert!(store.groups_of("c1").await.is_empty());
        for group in ["ward:7", "ward:8", "ward:9"] {
            store.check(group, &[]).await;
        }
    }
}
