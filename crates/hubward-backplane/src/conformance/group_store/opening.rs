//! Connections that open, their owners, and what comes late.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::hub_store::{HubStore, connection, user};
use crate::conformance::stores::{LONG, NewStores};
use crate::conformance::wait::eventually;
use crate::group_store::StoreError;

pub async fn an_opened_connection_has_an_owner_until_it_ends(new: &NewStores) {
    let store = HubStore::new(new);
    assert_eq!(store.owner_of("c1").await, None);
    store.open("node-2", "c1", None, LONG).await.expect("it is opened");
    assert_eq!(store.owner_of("c1").await, Some(store.owner("node-2").await));
    store.end_on("node-2", "c1").await;
    assert_eq!(store.owner_of("c1").await, None);
}

pub async fn opening_returns_the_groups_of_the_user(new: &NewStores) {
    let store = HubStore::new(new);
    store.add_user("ward:7", "alice", None).await;
    store.add_user("ward:8", "alice", Some(LONG)).await;
    store.add_user("gone", "alice", Some(Duration::ZERO)).await;
    store.of_hub("billing").add_user("other", "alice", None).await;
    let opened = store.open("node-1", "c1", Some("alice"), LONG).await.expect("it is opened");
    let mut groups = opened.groups;
    groups.sort();
    let [(first, None), (second, Some(left))] = &groups[..] else { panic!("the groups are {groups:?}") };
    assert_eq!((first.as_str(), second.as_str()), ("ward:7", "ward:8"));
    assert!(*left <= LONG && *left > LONG / 2, "{left:?} are left of an hour");
    let opened = store.open("node-1", "c2", None, LONG).await.expect("it is opened");
    assert!(opened.groups.is_empty());
}

pub async fn a_connection_is_opened_once_also_after_its_end(new: &NewStores) {
    let store = HubStore::new(new);
    store.open("node-1", "c1", None, LONG).await.expect("it is opened");
    let refused = store.open("node-2", "c1", None, LONG).await;
    assert!(matches!(refused, Err(StoreError::Claimed { by }) if by.as_str() == "node-1"));
    // Its own owner may repeat the call, such as when the reply was lost, but not after the end.
    store.try_join("node-1", "ward:7", "c1").await.expect("it is recorded");
    store.open("node-1", "c1", None, LONG).await.expect("it is opened");
    assert_eq!(store.groups_of("c1").await, ["ward:7"]);
    store.end("c1").await;
    for node in ["node-1", "node-2"] {
        let refused = store.open(node, "c1", None, LONG).await;
        assert!(matches!(refused, Err(StoreError::Claimed { .. })), "{refused:?}");
    }
    store.of_hub("billing").open("node-2", "c1", None, LONG).await.expect("another hub has its own");
}

pub async fn a_claim_ends(new: &NewStores) {
    let store = HubStore::new(new);
    store.open("node-1", "c1", None, Duration::from_millis(50)).await.expect("it is opened");
    store.end("c1").await;
    eventually("the claim ends", async || store.open("node-2", "c1", None, LONG).await.is_ok()).await;
    assert_eq!(store.owner_of("c1").await, Some(store.owner("node-2").await));
}

pub async fn an_open_connection_is_opened_by_nobody_else_once_its_claim_has_ended(new: &NewStores) {
    let store = HubStore::new(new);
    store.open("node-1", "c1", None, Duration::ZERO).await.expect("it is opened");
    store.try_join("node-1", "ward:7", "c1").await.expect("it is recorded");
    let refused = store.open("node-2", "c1", None, LONG).await;
    assert!(matches!(&refused, Err(StoreError::Claimed { by }) if by.as_str() == "node-1"), "{refused:?}");
    store.open("node-1", "c1", None, LONG).await.expect("its own owner may repeat the call");
    store.check("ward:7", &[connection("c1")]).await;
    store.end("c1").await;
    store.open("node-2", "c1", None, LONG).await.expect("it is opened");
}

pub async fn one_of_many_that_open_a_connection_at_once_has_it(new: &NewStores) {
    let store = Arc::new(HubStore::new(new));
    for round in 0..50 {
        let mut tasks = JoinSet::new();
        for node in 0..4 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                let opened = store.open(&format!("node-{node}"), &format!("c{round}"), None, LONG).await;
                opened.is_ok()
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|opened| *opened).count(), 1);
    }
}

pub async fn what_comes_late_from_a_former_owner_changes_nothing(new: &NewStores) {
    let store = HubStore::new(new);
    store.open("node-1", "c1", None, Duration::ZERO).await.expect("it is opened");
    store.end("c1").await;
    store.open("node-2", "c1", None, LONG).await.expect("it is opened");
    store.try_join("node-2", "ward:7", "c1").await.expect("it is recorded");
    store.end_on("node-1", "c1").await;
    store.leave_on("node-1", "ward:7", "c1").await;
    let refused = store.try_join("node-1", "ward:8", "c1").await;
    assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
    assert_eq!(store.owner_of("c1").await, Some(store.owner("node-2").await));
    store.check("ward:7", &[connection("c1")]).await;
    store.check("ward:8", &[]).await;
}

pub async fn what_was_never_opened_joins_nothing(new: &NewStores) {
    let store = HubStore::new(new);
    let refused = store.try_join("node-1", "ward:7", "c1").await;
    assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
    store.check("ward:7", &[]).await;
}

pub async fn a_change_of_a_user_names_the_nodes_that_hold_the_user(new: &NewStores) {
    let store = HubStore::new(new);
    assert!(store.add_user("ward:7", "alice", None).await.is_empty());
    for (node, id) in [("node-1", "c1"), ("node-2", "c2"), ("node-2", "c3")] {
        store.open(node, id, Some("alice"), LONG).await.expect("it is opened");
    }
    store.open("node-3", "c4", Some("bob"), LONG).await.expect("it is opened");
    store.of_hub("billing").open("node-3", "c5", Some("alice"), LONG).await.expect("it is opened");
    assert_eq!(store.add_user("ward:7", "alice", None).await, ["node-1", "node-2"]);
    store.end_on("node-2", "c2").await;
    assert_eq!(store.remove_user("ward:7", "alice").await, ["node-1", "node-2"]);
    store.end_on("node-2", "c3").await;
    assert_eq!(store.remove_user("ward:7", "alice").await, ["node-1"]);
    store.end("c1").await;
    assert!(store.add_user("ward:7", "alice", None).await.is_empty());
    store.check("ward:7", &[user("alice")]).await;
}

pub async fn a_user_that_connects_while_it_is_added_is_not_missed(new: &NewStores) {
    let store = Arc::new(HubStore::new(new));
    store.owner("node-1").await;
    for round in 0..100 {
        let (group, id) = (format!("ward:{round}"), format!("c{round}"));
        let (user, opener) = (format!("user{round}"), Arc::clone(&store));
        let (opened_id, opened_user) = (id.clone(), user.clone());
        let mut opening = JoinSet::new();
        opening.spawn(async move { opener.open("node-1", &opened_id, Some(&opened_user), LONG).await });
        let nodes = store.add_user(&group, &user, None).await;
        let opened = opening.join_all().await.remove(0).expect("it is opened");
        let found = opened.groups.iter().any(|(name, _)| name.as_str() == group);
        assert!(found || nodes == ["node-1"], "round {round}: neither saw the other");
    }
}

pub async fn the_groups_of_several_users_are_read_at_once(new: &NewStores) {
    let store = HubStore::new(new);
    store.add_user("ward:7", "alice", None).await;
    store.add_user("ward:8", "carol", None).await;
    let users = vec!["alice".into(), "bob".into(), "carol".into()];
    let groups = store.inner.groups_of_users(&"clinical".into(), users).await.expect("it is read");
    assert_eq!(groups, [vec![("ward:7".into(), None)], vec![], vec![("ward:8".into(), None)]]);
    let too_many = vec!["alice".into(); crate::group_store::MAX_USERS_AT_ONCE + 1];
    let refused = store.inner.groups_of_users(&"clinical".into(), too_many).await;
    assert!(matches!(refused, Err(StoreError::TooMany { .. })), "{refused:?}");
}

pub async fn concurrent_changes_of_a_user_leave_what_the_last_one_said(new: &NewStores) {
    let store = Arc::new(HubStore::new(new));
    for round in 0..20 {
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                match number % 2 {
                    0 => store.add_user("ward:7", "alice", None).await,
                    _ => store.remove_user("ward:7", "alice").await,
                }
            });
        }
        tasks.join_all().await;
        // Whatever the order was, the user's groups and the group's members agree.
        let member = store.contains("ward:7", &user("alice")).await;
        assert_eq!(!store.groups_of_user("alice").await.is_empty(), member);
        if round % 2 == 0 {
            store.add_user("ward:7", "alice", None).await;
            store.check("ward:7", &[user("alice")]).await;
        } else {
            store.remove_user("ward:7", "alice").await;
            store.check("ward:7", &[]).await;
        }
    }
}
