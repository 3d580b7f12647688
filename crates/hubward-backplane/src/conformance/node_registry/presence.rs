//! Users of dead nodes are not online, and bans hold also for a node that comes back.

use std::time::Duration;

use tokio::task::JoinSet;

use super::lives::{SHORT, wait_for_death};
use super::restoring::held;
use super::sweeping::{join, members, open};
use crate::conformance::stores::{LONG, NewStores, Stores, announce};
use crate::group_store::{GroupStore, HeldConnection, Member, Restored, StoreError};
use crate::node_registry::NodeLoad;
use crate::owner::Owner;

/// What the store says of who is online, by every method that shows it.
async fn online(store: &dyn GroupStore, user: &str) -> (bool, usize, usize, Vec<String>) {
    let hub = "clinical".into();
    let is_online = store.is_online(&hub, &user.into()).await.expect("it is read");
    let (mut connections, mut cursor) = (0, None);
    loop {
        let page = store.connections_of_user(&hub, &user.into(), cursor, 10).await.expect("it is read");
        connections += page.connections.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let (mut users, mut cursor) = (0, None);
    loop {
        let page = store.users_online(&hub, cursor, 10).await.expect("it is read");
        users += page.users.iter().filter(|listed| listed.as_str() == user).count();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let nodes = store.nodes_of_user(&hub, &user.into()).await.expect("it is read");
    let mut nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    nodes.sort();
    (is_online, users, connections, nodes)
}

pub async fn users_of_a_dead_node_are_not_online_whether_or_not_it_was_swept(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    for number in 0..15 {
        open(&stores, &second, &format!("a{number}"), Some("alice")).await;
    }
    open(&stores, &second, "b1", Some("bob")).await;
    open(&stores, &first, "b2", Some("bob")).await;
    wait_for_death(&stores, &second, &first).await;
    for _ in 0..2 {
        assert_eq!(online(&*stores.groups, "alice").await, (false, 0, 0, vec![]));
        assert_eq!(online(&*stores.groups, "bob").await, (true, 1, 1, vec!["node-1".into()]));
        stores.nodes.heartbeat(&first, NodeLoad::default()).await.expect("it lives");
        while !stores.nodes.sweep(&first, 100).await.expect("it is swept").finished {}
    }
}

pub async fn a_node_that_comes_back_has_its_users_online_again(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    open(&stores, &second, "a1", Some("alice")).await;
    wait_for_death(&stores, &second, &first).await;
    let anew = announce(&stores, "node-2").await;
    assert_eq!(online(&*stores.groups, "alice").await, (false, 0, 0, vec![]), "not before it is restored");
    restore(&stores, &anew, held("a1", Some("alice"), &[])).await;
    assert_eq!(online(&*stores.groups, "alice").await, (true, 1, 1, vec!["node-2".into()]));
}

async fn restore(stores: &Stores, owner: &Owner, connection: HeldConnection) -> Restored {
    stores.groups.restore(owner, vec![connection]).await.expect("it is restored")
}

async fn ban(stores: &Stores, group: &str, user: &str) {
    stores.groups.ban_user(&"clinical".into(), &group.into(), &user.into()).await.expect("it is recorded");
}

/// A node with the connection `c1` of alice in `ward:7` and `ward:8` dies; alice is banned from `ward:7` while it lives,
/// while it is dead, or when it has announced itself anew.
pub async fn a_membership_that_a_ban_has_ended_is_not_restored(new: &NewStores) {
    for banned_when in 0..3 {
        let stores = new(SHORT);
        let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
        open(&stores, &second, "c1", Some("alice")).await;
        for group in ["ward:7", "ward:8"] {
            join(&stores, &second, "c1", group).await.expect("it is recorded");
        }
        if banned_when == 0 {
            ban(&stores, "ward:7", "alice").await;
        }
        wait_for_death(&stores, &second, &first).await;
        if banned_when == 1 {
            ban(&stores, "ward:7", "alice").await;
        }
        let anew = announce(&stores, "node-2").await;
        if banned_when == 2 {
            ban(&stores, "ward:7", "alice").await;
        }
        let c1 = held("c1", Some("alice"), &["ward:7", "ward:8"]);
        for _ in 0..2 {
            let restored = restore(&stores, &anew, c1.clone()).await;
            let banned = vec![("clinical".into(), "c1".into(), "ward:7".into())];
            assert_eq!(restored, Restored::new(vec![], banned));
        }
        assert!(members(&stores, "ward:7").await.is_empty());
        assert_eq!(members(&stores, "ward:8").await, [Member::Connection("c1".into())].into());
        let refused = join(&stores, &anew, "c1", "ward:7").await;
        assert!(matches!(refused, Err(StoreError::Banned)), "{refused:?}");
    }
}

pub async fn a_ban_reaches_connections_of_a_dead_node_and_those_that_were_restored(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    for (id, group) in [("c1", "ward:7"), ("c2", "ward:8")] {
        open(&stores, &second, id, Some("alice")).await;
        join(&stores, &second, id, group).await.expect("it is recorded");
    }
    wait_for_death(&stores, &second, &first).await;
    ban(&stores, "ward:7", "alice").await;
    assert!(members(&stores, "ward:7").await.is_empty());
    let anew = announce(&stores, "node-2").await;
    restore(&stores, &anew, held("c2", Some("alice"), &["ward:8"])).await;
    let banned = stores.groups.ban_user(&"clinical".into(), &"ward:8".into(), &"alice".into()).await;
    assert_eq!(banned.expect("it is recorded").nodes, ["node-2".into()]);
    assert!(members(&stores, "ward:8").await.is_empty());
}

pub async fn restoring_that_races_a_ban_leaves_no_member(new: &NewStores) {
    let stores = new(LONG);
    let owner = announce(&stores, "node-1").await;
    for round in 0..50 {
        let (id, group) = (format!("c{round}"), format!("ward:{round}"));
        let connection = HeldConnection { claim: Duration::ZERO, ..held(&id, Some("alice"), &[&group]) };
        let (restoring, owner) = (stores.clone(), owner.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { restore(&restoring, &owner, connection).await });
        ban(&stores, &group, "alice").await;
        tasks.join_all().await;
        assert!(members(&stores, &group).await.is_empty(), "round {round}");
    }
}
