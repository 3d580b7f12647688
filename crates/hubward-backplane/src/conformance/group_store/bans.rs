//! Users that are banned from groups.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::hub_store::{HubStore, connection, user};
use crate::conformance::stores::{LONG, NewStores};
use crate::group_store::StoreError;

/// A store in which alice has the connection `c1` to `node-1` and `c2` to `node-2`.
async fn with_alice(new: &NewStores) -> HubStore {
    let store = HubStore::new(new);
    for (node, id) in [("node-1", "c1"), ("node-2", "c2")] {
        store.open(node, id, Some("alice"), LONG).await.expect("it is opened");
    }
    store
}

fn is_banned<T>(refused: &Result<T, StoreError>) -> bool {
    matches!(refused, Err(StoreError::Banned))
}

/// Checks that neither alice nor her connections can be added to a group.
async fn is_refused(store: &HubStore, group: &str) {
    assert!(is_banned(&store.try_add_user(group, "alice", None).await));
    assert!(is_banned(&store.try_add_user(group, "alice", Some(LONG)).await));
    for (node, id) in [("node-1", "c1"), ("node-2", "c2")] {
        assert!(is_banned(&store.try_join(node, group, id).await), "{id}");
    }
    store.check(group, &[]).await;
}

/// Adds alice and her connections to a group that has no other members.
async fn join_all(store: &HubStore, group: &str) {
    join_beside(store, group).await;
    store.check(group, &[connection("c1"), connection("c2"), user("alice")]).await;
}

pub async fn a_ban_ends_the_memberships_of_a_user_and_of_its_connections(new: &NewStores) {
    let store = with_alice(new).await;
    join_all(&store, "ward:7").await;
    assert_eq!(store.ban("ward:7", "alice").await, ["node-1", "node-2"]);
    store.check("ward:7", &[]).await;
    assert!(store.groups_of_user("alice").await.is_empty());
    for id in ["c1", "c2"] {
        assert!(store.groups_of(id).await.is_empty());
        assert!(!store.contains("ward:7", &connection(id)).await);
    }
    is_refused(&store, "ward:7").await;
}

pub async fn a_ban_refuses_connections_that_open_later_and_a_membership_that_has_expired(new: &NewStores) {
    let store = with_alice(new).await;
    store.add_user("ward:7", "alice", Some(Duration::ZERO)).await;
    store.ban("ward:7", "alice").await;
    let opened = store.open("node-1", "c3", Some("alice"), LONG).await.expect("it is opened all the same");
    assert!(opened.groups.is_empty());
    assert!(is_banned(&store.try_join("node-1", "ward:7", "c3").await));
    is_refused(&store, "ward:7").await;
}

pub async fn a_ban_lasts_without_members_or_connections(new: &NewStores) {
    let store = HubStore::new(new);
    assert!(store.ban("ward:7", "alice").await.is_empty(), "nobody holds the user");
    for round in 0..3 {
        let id = format!("c{round}");
        store.open("node-1", &id, Some("alice"), LONG).await.expect("it is opened");
        assert!(is_banned(&store.try_join("node-1", "ward:7", &id).await));
        store.end(&id).await;
    }
    assert!(is_banned(&store.try_add_user("ward:7", "alice", None).await));
}

pub async fn a_ban_is_of_one_user_in_one_group_of_one_hub(new: &NewStores) {
    let store = with_alice(new).await;
    let billing = store.of_hub("billing");
    billing.open("node-1", "c1", Some("alice"), LONG).await.expect("it is opened");
    store.open("node-1", "b1", Some("bob"), LONG).await.expect("it is opened");
    store.join("ward:7", "nobodys").await;
    store.try_join("node-1", "ward:7", "b1").await.expect("it is recorded");
    store.add_user("ward:7", "bob", None).await;
    for group in ["ward:7", "ward:8"] {
        join_beside(&store, group).await;
    }
    billing.add_user("ward:7", "alice", None).await;
    billing.try_join("node-1", "ward:7", "c1").await.expect("it is recorded");
    store.ban("ward:7", "alice").await;
    let others = [connection("b1"), connection("nobodys"), user("bob")];
    store.check("ward:7", &others).await;
    store.check("ward:8", &[connection("c1"), connection("c2"), user("alice")]).await;
    billing.check("ward:7", &[connection("c1"), user("alice")]).await;
    store.try_join("node-1", "ward:9", "c1").await.expect("it is recorded");
    billing.add_user("ward:7", "alice", None).await;
    store.leave("ward:7", "b1").await;
    store.try_join("node-1", "ward:7", "b1").await.expect("it is recorded");
    store.check("ward:7", &others).await;
}

/// Adds alice and her connections to a group.
async fn join_beside(store: &HubStore, group: &str) {
    store.add_user(group, "alice", None).await;
    store.try_join("node-1", group, "c1").await.expect("it is recorded");
    store.try_join("node-2", group, "c2").await.expect("it is recorded");
}

pub async fn a_user_that_is_unbanned_may_join_again_and_what_the_ban_ended_stays_ended(new: &NewStores) {
    let store = with_alice(new).await;
    join_all(&store, "ward:7").await;
    store.ban("ward:7", "alice").await;
    store.unban("ward:7", "alice").await;
    store.check("ward:7", &[]).await;
    let opened = store.open("node-1", "c3", Some("alice"), LONG).await.expect("it is opened");
    assert!(opened.groups.is_empty());
    join_all(&store, "ward:7").await;
    store.ban("ward:7", "alice").await;
    is_refused(&store, "ward:7").await;
}

pub async fn banning_twice_is_banning_once_and_unbanning_what_is_not_banned_is_no_error(new: &NewStores) {
    let store = with_alice(new).await;
    store.unban("ward:7", "alice").await;
    join_all(&store, "ward:7").await;
    for _ in 0..2 {
        assert_eq!(store.ban("ward:7", "alice").await, ["node-1", "node-2"], "it names the nodes each time");
    }
    is_refused(&store, "ward:7").await;
    for _ in 0..2 {
        store.unban("ward:7", "alice").await;
    }
    join_all(&store, "ward:7").await;
}

pub async fn bans_of_names_that_look_alike_stay_apart(new: &NewStores) {
    let store = HubStore::new(new);
    let pairs = [("a:b", "c"), ("a", "b:c"), ("", "a"), ("a", ""), ("*", "*"), ("{a}", "a"), ("a", "{a}")];
    for (number, (banned_group, banned_user)) in pairs.into_iter().enumerate() {
        store.ban(banned_group, banned_user).await;
        for (group, user) in pairs.into_iter().skip(number + 1) {
            store.add_user(group, user, None).await;
            store.remove_user(group, user).await;
        }
        assert!(is_banned(&store.try_add_user(banned_group, banned_user, None).await));
    }
}

pub async fn a_join_that_races_a_ban_is_ended_by_it_or_refused(new: &NewStores) {
    let store = Arc::new(with_alice(new).await);
    for round in 0..50 {
        let group = format!("ward:{round}");
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let (store, group) = (Arc::clone(&store), group.clone());
            tasks.spawn(async move {
                let joined = match number {
                    3 => return drop(store.ban(&group, "alice").await),
                    0 | 4 => store.try_join("node-1", &group, "c1").await,
                    1 | 5 => store.try_join("node-2", &group, "c2").await,
                    _ => store.try_add_user(&group, "alice", None).await.map(|_| ()),
                };
                assert!(matches!(joined, Ok(()) | Err(StoreError::Banned)), "{joined:?}");
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("the task ends");
        }
        is_refused(&store, &group).await;
        assert!(store.groups_of("c1").await.is_empty() && store.groups_of_user("alice").await.is_empty());
    }
}

pub async fn a_membership_after_an_unban_is_not_undone_by_the_ban(new: &NewStores) {
    let store = Arc::new(with_alice(new).await);
    for round in 0..30 {
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                match (number + round) % 4 {
                    0 => drop(store.ban("ward:7", "alice").await),
                    1 => store.unban("ward:7", "alice").await,
                    2 => drop(store.try_join("node-1", "ward:7", "c1").await),
                    _ => drop(store.try_add_user("ward:7", "alice", None).await),
                }
            });
        }
        tasks.join_all().await;
        // Whatever the order was, the members of the group and the groups of the members agree.
        let joined = store.contains("ward:7", &connection("c1")).await;
        assert_eq!(!store.groups_of("c1").await.is_empty(), joined);
        let added = store.contains("ward:7", &user("alice")).await;
        assert_eq!(!store.groups_of_user("alice").await.is_empty(), added);
        assert!(!(joined || added) || !is_banned(&store.try_add_user("ward:7", "alice", None).await));
        if round % 2 == 0 {
            store.unban("ward:7", "alice").await;
            join_all(&store, "ward:7").await;
        } else {
            store.ban("ward:7", "alice").await;
            is_refused(&store, "ward:7").await;
            store.unban("ward:7", "alice").await;
        }
    }
}
