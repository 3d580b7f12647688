//! The in-memory group store passes the suite, and what only it promises.

use futures_util::StreamExt as _;

use super::*;
use crate::conformance::stores::Stores;
use crate::node_registry::{NodeEvent, NodeInfo, NodeLoad, NodeRegistry as _, RegistryError, Sweep};

mod as_a_store {
    use super::*;

    crate::group_store_suite!(async { |lease| Stores::of(InMemoryStore::with_lease(lease)) });
}

mod as_a_node_registry {
    use super::*;

    crate::node_registry_suite!(async { |lease| Stores::of(InMemoryStore::with_lease(lease)) });
}

#[tokio::test(start_paused = true)]
async fn a_users_membership_expires_to_the_millisecond() {
    let store = InMemoryStore::new();
    let (hub, ward, alice) = ("clinical".into(), "ward:7".into(), "alice".into());
    store.add_user(&hub, &ward, &alice, Some(Duration::from_secs(60))).await.unwrap();
    tokio::time::advance(Duration::from_millis(59_999)).await;
    assert_eq!(store.count(&hub, &ward).await.unwrap(), 1);
    let left = store.groups_of_user(&hub, &alice).await.unwrap();
    assert_eq!(left, [(ward.clone(), Some(Duration::from_millis(1)))]);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(store.count(&hub, &ward).await.unwrap(), 0);
    assert_eq!(store.groups_of_user(&hub, &alice).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn groups_that_nobody_reads_again_are_removed_after_they_expire() {
    let store = InMemoryStore::new();
    let hub = "clinical".into();
    for number in 0..10_000 {
        let name = format!("once{number}");
        let minute = Some(Duration::from_secs(60));
        store.add_user(&hub, &name.as_str().into(), &name.as_str().into(), minute).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let held = format!("{store:?}");
    assert!(store.entries() < 1_000, "{held}");
}

/// A node that shares its store with no other, and never announces itself.
fn alone() -> Owner {
    Owner::alone("node-1".into())
}

#[tokio::test]
async fn a_full_last_page_has_no_cursor() {
    let store = InMemoryStore::new();
    let (hub, ward) = ("clinical".into(), "ward:7".into());
    for connection in ["c1", "c2", "c3"] {
        store.add_connection(&hub, &ward, &connection.into(), &alone()).await.unwrap();
    }
    assert!(store.members(&hub, &ward, None, 2).await.unwrap().next.is_some());
    assert_eq!(store.members(&hub, &ward, None, 3).await.unwrap().next, None);
}

#[tokio::test]
async fn a_node_is_alone_only_while_no_other_has_announced_itself() {
    let store = InMemoryStore::new();
    let (hub, ward) = ("clinical".into(), "ward:7".into());
    store.add_connection(&hub, &ward, &"c1".into(), &alone()).await.unwrap();
    store.announce(NodeInfo { id: "node-2".into(), address: None, hubs: vec![] }).await.unwrap();
    let refused = store.add_connection(&hub, &ward, &"c2".into(), &alone()).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
}

#[tokio::test]
async fn nothing_is_left_of_members_that_have_left() {
    let store = InMemoryStore::new();
    let (hub, ward) = ("clinical".into(), "ward:7".into());
    for connection in ["c1", "c2"] {
        store.add_connection(&hub, &ward, &connection.into(), &alone()).await.unwrap();
    }
    store.add_user(&hub, &ward, &"alice".into(), None).await.unwrap();
    let opening = OpenConnection {
        hub: hub.clone(),
        connection: "c3".into(),
        user: Some("bob".into()),
        owner: alone(),
        claim: Duration::ZERO,
    };
    store.open_connection(opening).await.unwrap();
    store.add_connection(&hub, &ward, &"c3".into(), &alone()).await.unwrap();
    for group in [&ward, &"ward:8".into()] {
        store.ban_user(&hub, group, &"bob".into()).await.unwrap();
    }
    assert!(store.entries() > 0);
    store.remove_connection(&hub, &ward, &"c1".into(), &alone()).await.unwrap();
    store.end_connection(&hub, &"c2".into(), &alone()).await.unwrap();
    store.remove_user(&hub, &ward, &"alice".into()).await.unwrap();
    store.end_connection(&hub, &"c3".into(), &alone()).await.unwrap();
    for group in [&ward, &"ward:8".into()] {
        store.unban_user(&hub, group, &"bob".into()).await.unwrap();
    }
    assert_eq!(store.entries(), 0);
}

#[tokio::test(start_paused = true)]
async fn claims_are_forgotten_when_they_have_ended() {
    let store = InMemoryStore::new();
    for number in 0..1_000 {
        let opening = OpenConnection {
            hub: "clinical".into(),
            connection: format!("c{number}").into(),
            user: None,
            owner: alone(),
            claim: Duration::from_secs(15),
        };
        store.open_connection(opening).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!(store.records.claims.len() < 20, "{store:?}");
}

fn node(id: &str) -> NodeInfo {
    NodeInfo { id: id.into(), address: None, hubs: vec![] }
}

#[tokio::test]
async fn a_watcher_that_is_too_far_behind_is_notified_that_it_missed_events() {
    let store = InMemoryStore::new();
    let mut events = store.watch();
    for number in 0..1_000 {
        store.announce(node(&format!("node-{number}"))).await.unwrap();
    }
    assert_eq!(events.next().await, Some(NodeEvent::Missed));
    assert!(matches!(events.next().await, Some(NodeEvent::Joined(_))), "it goes on");
    drop(store);
    let rest: Vec<_> = events.collect().await;
    assert!(rest.len() < 1_000, "what is kept is bounded");
}

#[tokio::test(start_paused = true)]
async fn a_node_lives_for_exactly_its_lease_after_a_heartbeat() {
    let store = InMemoryStore::with_lease(Duration::from_secs(10));
    let owner = Owner { node: "node-1".into(), epoch: store.announce(node("node-1")).await.unwrap() };
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(10)).await;
        store.heartbeat(&owner, NodeLoad::default()).await.unwrap();
    }
    tokio::time::advance(Duration::from_millis(10_001)).await;
    // Fenced at once, though nobody has noticed its death.
    let late = store.add_connection(&"clinical".into(), &"ward:7".into(), &"c1".into(), &owner).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
    assert!(matches!(store.heartbeat(&owner, NodeLoad::default()).await, Err(RegistryError::Fenced)));
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_that_stops_is_followed_by_another_after_a_lease() {
    let store = InMemoryStore::with_lease(Duration::from_secs(10));
    let mut owners = Vec::new();
    for id in ["node-1", "node-2", "node-3"] {
        owners.push(Owner { node: id.into(), epoch: store.announce(node(id)).await.unwrap() });
    }
    let [dead, first, second] = &owners[..] else { unreachable!() };
    for number in 0..3 {
        let opening = OpenConnection {
            hub: "clinical".into(),
            connection: format!("c{number}").into(),
            user: None,
            owner: dead.clone(),
            claim: Duration::ZERO,
        };
        store.open_connection(opening).await.unwrap();
    }
    store.withdraw(dead).await.unwrap();
    let step = |removed, finished| Sweep { removed, finished };
    assert_eq!(store.sweep(first, 1).await.unwrap(), step(1, false));
    assert_eq!(store.sweep(second, 1).await.unwrap(), step(0, true), "the first one sweeps");
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(6)).await;
        store.heartbeat(second, NodeLoad::default()).await.unwrap();
    }
    assert_eq!(store.sweep(second, 10).await.unwrap(), step(2, true));
}
