//! A call whose future is dropped, at any await, is made wholly or not at all, and a later call decides.

use std::time::Duration;

use super::hub_store::{HubStore, connection, user};
use crate::conformance::cancelling::{drop_after, for_each_await};
use crate::conformance::stores::{LONG, NewStores};
use crate::conformance::wait::eventually;
use crate::group_store::{Member, StoreError};

/// Waits until the group and its member agree: what was dropped may still be on its way.
async fn agree(store: &HubStore, group: &str, member: &Member) {
    eventually("the group and the member agree", async || {
        let groups = match member {
            Member::Connection(connection) => store.groups_of(connection.as_str()).await,
            Member::User(user) => store.groups_of_user(user.as_str()).await,
        };
        let listed = store.members(group).await.contains(member);
        listed == groups.iter().any(|name| name == group) && listed == store.contains(group, member).await
    })
    .await;
}

pub async fn an_opening_that_was_dropped_may_be_repeated(new: &NewStores) {
    let store = HubStore::new(new);
    for_each_await(async |polls| {
        let id = format!("c{polls}");
        let complete = drop_after(polls, store.open("node-1", &id, Some("alice"), LONG)).await.is_some();
        store.open("node-1", &id, Some("alice"), LONG).await.expect("its owner may repeat it");
        let refused = store.open("node-2", &id, Some("alice"), LONG).await;
        assert!(matches!(refused, Err(StoreError::Claimed { by }) if by.as_str() == "node-1"));
        assert_eq!(store.owner_of(&id).await, Some(store.owner("node-1").await));
        // It counts once: after its end the user is on no node.
        store.end(&id).await;
        assert!(store.add_user("ward:7", "alice", None).await.is_empty());
        complete
    })
    .await;
}

pub async fn what_a_dropped_opening_recorded_is_ended_by_its_owner(new: &NewStores) {
    let store = HubStore::new(new);
    for_each_await(async |polls| {
        let id = format!("c{polls}");
        let complete = drop_after(polls, store.open("node-1", &id, Some("alice"), LONG)).await.is_some();
        store.end(&id).await;
        assert_eq!(store.owner_of(&id).await, None);
        assert!(store.add_user("ward:7", "alice", None).await.is_empty());
        complete
    })
    .await;
}

pub async fn a_join_that_was_dropped_is_whole_or_absent(new: &NewStores) {
    let store = HubStore::new(new);
    for_each_await(async |polls| {
        let id = format!("c{polls}");
        store.open("node-1", &id, None, Duration::ZERO).await.expect("it is opened");
        let complete = drop_after(polls, store.try_join("node-1", "ward:7", &id)).await.is_some();
        agree(&store, "ward:7", &connection(&id)).await;
        store.leave("ward:7", &id).await;
        store.check("ward:7", &[]).await;
        complete
    })
    .await;
}

pub async fn a_leave_that_was_dropped_is_whole_or_absent(new: &NewStores) {
    let store = HubStore::new(new);
    for_each_await(async |polls| {
        store.join("ward:7", "c1").await;
        let complete = drop_after(polls, store.leave("ward:7", "c1")).await.is_some();
        agree(&store, "ward:7", &connection("c1")).await;
        store.join("ward:7", "c1").await;
        store.check("ward:7", &[connection("c1")]).await;
        complete
    })
    .await;
}

pub async fn an_end_that_was_dropped_may_be_repeated(new: &NewStores) {
    let store = HubStore::new(new);
    for_each_await(async |polls| {
        let id = format!("c{polls}");
        for group in ["ward:7", "ward:8"] {
            store.join(group, &id).await;
        }
        let complete = drop_after(polls, store.end(&id)).await.is_some();
        for group in ["ward:7", "ward:8"] {
            agree(&store, group, &connection(&id)).await;
        }
        store.end(&id).await;
        assert_eq!(store.owner_of(&id).await, None);
        for group in ["ward:7", "ward:8"] {
            store.check(group, &[]).await;
        }
        complete
    })
    .await;
}

pub async fn a_users_change_that_was_dropped_is_whole_or_absent(new: &NewStores) {
    let store = HubStore::new(new);
    for_each_await(async |polls| {
        let added = drop_after(polls, store.add_user("ward:7", "alice", None)).await.is_some();
        agree(&store, "ward:7", &user("alice")).await;
        store.remove_user("ward:7", "alice").await;
        store.check("ward:7", &[]).await;

        store.add_user("ward:8", "alice", None).await;
        let removed = drop_after(polls, store.remove_user("ward:8", "alice")).await.is_some();
        agree(&store, "ward:8", &user("alice")).await;
        store.add_user("ward:8", "alice", None).await;
        store.check("ward:8", &[user("alice")]).await;
        added && removed
    })
    .await;
}

pub async fn a_ban_that_was_dropped_is_whole_or_absent(new: &NewStores) {
    let store = HubStore::new(new);
    store.open("node-1", "c1", Some("alice"), LONG).await.expect("it is opened");
    for_each_await(async |polls| {
        store.try_join("node-1", "ward:7", "c1").await.expect("it is recorded");
        store.add_user("ward:7", "alice", None).await;
        let complete = drop_after(polls, store.ban("ward:7", "alice")).await.is_some();
        eventually("the memberships agree", async || {
            let joined = store.contains("ward:7", &connection("c1")).await;
            joined == store.contains("ward:7", &user("alice")).await
        })
        .await;
        agree(&store, "ward:7", &connection("c1")).await;
        agree(&store, "ward:7", &user("alice")).await;
        // A late effect of it undoes nothing.
        store.unban("ward:7", "alice").await;
        store.try_join("node-1", "ward:7", "c1").await.expect("it is recorded");
        store.add_user("ward:7", "alice", None).await;
        store.check("ward:7", &[connection("c1"), user("alice")]).await;
        complete
    })
    .await;
}

pub async fn an_unban_that_was_dropped_may_be_repeated(new: &NewStores) {
    let store = HubStore::new(new);
    for_each_await(async |polls| {
        store.ban("ward:7", "alice").await;
        let complete = drop_after(polls, store.unban("ward:7", "alice")).await.is_some();
        store.ban("ward:7", "alice").await;
        let refused = store.try_add_user("ward:7", "alice", None).await;
        assert!(matches!(refused, Err(StoreError::Banned)), "{refused:?}");
        store.unban("ward:7", "alice").await;
        store.add_user("ward:7", "alice", None).await;
        store.check("ward:7", &[user("alice")]).await;
        complete
    })
    .await;
}

pub async fn a_read_that_was_dropped_disturbs_no_later_one(new: &NewStores) {
    let store = HubStore::new(new);
    store.join("ward:7", "c1").await;
    store.add_user("ward:7", "alice", None).await;
    store.open("node-1", "c2", Some("bob"), LONG).await.expect("it is opened");
    for_each_await(async |polls| {
        let reads = [
            drop_after(polls, store.members("ward:7")).await.is_some(),
            drop_after(polls, store.count("ward:7")).await.is_some(),
            drop_after(polls, store.groups_of("c1")).await.is_some(),
            drop_after(polls, store.groups_of_user("alice")).await.is_some(),
            drop_after(polls, store.owner_of("c1")).await.is_some(),
            drop_after(polls, store.online()).await.is_some(),
            drop_after(polls, store.connections_of("bob")).await.is_some(),
            drop_after(polls, store.is_online("bob")).await.is_some(),
            drop_after(polls, store.nodes_of("bob")).await.is_some(),
        ];
        assert_eq!(
            (store.online().await, store.nodes_of("bob").await),
            (vec!["bob".into()], vec!["node-1".into()])
        );
        store.check("ward:7", &[connection("c1"), user("alice")]).await;
        reads.into_iter().all(|complete| complete)
    })
    .await;
}
