//! Connections that move from one node to another, and sessions that are kept in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::hub_store::{HubStore, connection, sorted};
use crate::conformance::stores::{LONG, NewStores};
use crate::conformance::wait::eventually;
use crate::group_store::{
    MAX_PARKED_BYTES, ParkedSession, StoreError, TakeOver, TakenOver, Unpark, Unparked,
};

/// How many times two nodes race for a connection.
const RACES: usize = 1_000;

impl HubStore {
    async fn take_over(&self, id: &str, from: &str, to: &str) -> Result<TakenOver, StoreError> {
        let (from, to) = (self.owner(from).await, self.owner(to).await);
        let taking = TakeOver { hub: "clinical".into(), connection: id.into(), from, to };
        self.inner.take_over(taking).await
    }

    async fn park(&self, node: &str, id: &str, sealed: &[u8], ttl: Duration) -> Result<(), StoreError> {
        let session = ParkedSession {
            hub: "clinical".into(),
            connection: id.into(),
            owner: self.owner(node).await,
            sealed: Bytes::copy_from_slice(sealed),
            ttl,
        };
        self.inner.park(session).await
    }

    async fn unpark(&self, node: &str, id: &str, user: Option<&str>) -> Option<Unparked> {
        let taking = Unpark {
            hub: "clinical".into(),
            connection: id.into(),
            user: user.map(Into::into),
            owner: self.owner(node).await,
            claim: LONG,
        };
        self.inner.unpark(taking).await.expect("it is recorded")
    }
}

pub async fn a_connection_that_is_taken_over_has_its_new_owner_and_its_groups(new: &NewStores) {
    let store = HubStore::new(new);
    store.open("node-1", "c1", Some("alice"), LONG).await.expect("it is opened");
    store.open("node-1", "c2", Some("alice"), LONG).await.expect("it is opened");
    store.try_join("node-1", "ward:7", "c1").await.expect("it is recorded");
    store.add_user("staff", "alice", None).await;
    let taken = store.take_over("c1", "node-1", "node-2").await.expect("it is taken over");
    assert_eq!(sorted(taken.own_groups), ["ward:7"]);
    assert_eq!(taken.user_groups, [("staff".into(), None)]);
    assert_eq!(store.owner_of("c1").await, Some(store.owner("node-2").await));
    assert_eq!(store.owner_of("c2").await, Some(store.owner("node-1").await));
    store.check("ward:7", &[connection("c1")]).await;
    assert_eq!(store.nodes_of("alice").await, ["node-1", "node-2"]);
    assert_eq!(store.connections_of("alice").await, ["c1", "c2"]);
    store.take_over("c2", "node-1", "node-2").await.expect("it is taken over");
    assert_eq!(store.nodes_of("alice").await, ["node-2"]);
    store.try_join("node-2", "ward:8", "c1").await.expect("its new owner records");
    for id in ["c1", "c2"] {
        store.end_on("node-2", id).await;
    }
    assert!(!store.is_online("alice").await && store.online().await.is_empty());
    store.check("ward:7", &[]).await;
}

pub async fn what_a_former_owner_records_after_a_take_over_changes_nothing(new: &NewStores) {
    let store = HubStore::new(new);
    store.open("node-1", "c1", None, LONG).await.expect("it is opened");
    store.try_join("node-1", "ward:7", "c1").await.expect("it is recorded");
    store.take_over("c1", "node-1", "node-2").await.expect("it is taken over");
    store.leave_on("node-1", "ward:7", "c1").await;
    store.end_on("node-1", "c1").await;
    let refused = store.try_join("node-1", "ward:8", "c1").await;
    assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
    let refused = store.open("node-1", "c1", None, LONG).await;
    assert!(matches!(&refused, Err(StoreError::Claimed { by }) if by.as_str() == "node-2"), "{refused:?}");
    let refused = store.park("node-1", "c1", b"late", LONG).await;
    assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
    let refused = store.take_over("c1", "node-1", "node-3").await;
    assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
    assert_eq!(store.owner_of("c1").await, Some(store.owner("node-2").await));
    store.check("ward:7", &[connection("c1")]).await;
    // Its id stays claimed also after its end on the new node.
    store.end_on("node-2", "c1").await;
    let refused = store.open("node-3", "c1", None, LONG).await;
    assert!(matches!(refused, Err(StoreError::Claimed { .. })), "{refused:?}");
}

pub async fn a_take_over_may_be_repeated_by_the_same_new_owner(new: &NewStores) {
    let store = HubStore::new(new);
    store.open("node-1", "c1", Some("alice"), LONG).await.expect("it is opened");
    let first = store.take_over("c1", "node-1", "node-2").await.expect("it is taken over");
    let again = store.take_over("c1", "node-1", "node-2").await.expect("it is taken over");
    assert_eq!(first, again);
    // It counts once.
    store.end_on("node-2", "c1").await;
    assert!(!store.is_online("alice").await);
    let refused = store.take_over("c1", "node-1", "node-2").await;
    assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
}

pub async fn of_two_that_take_a_connection_over_at_once_one_has_it(new: &NewStores) {
    let store = Arc::new(HubStore::new(new));
    for node in ["node-1", "node-2", "node-3"] {
        store.owner(node).await;
    }
    let mut won: HashMap<&str, usize> = HashMap::new();
    for round in 0..RACES {
        let id = format!("c{round}");
        store.open("node-1", &id, Some("alice"), LONG).await.expect("it is opened");
        let mut takers = JoinSet::new();
        for node in ["node-2", "node-3"] {
            let (store, id) = (Arc::clone(&store), id.clone());
            takers.spawn(async move { store.take_over(&id, "node-1", node).await.is_ok().then_some(node) });
        }
        let winners: Vec<_> = takers.join_all().await.into_iter().flatten().collect();
        let [winner] = winners[..] else { panic!("round {round} was won by {winners:?}") };
        assert_eq!(store.owner_of(&id).await, Some(store.owner(winner).await));
        *won.entry(winner).or_default() += 1;
        store.end_on(winner, &id).await;
    }
    assert_eq!(won.values().sum::<usize>(), RACES);
    assert!(!store.is_online("alice").await);
}

pub async fn a_join_that_races_a_take_over_is_in_what_it_returns_or_refused(new: &NewStores) {
    let store = Arc::new(HubStore::new(new));
    for node in ["node-1", "node-2"] {
        store.owner(node).await;
    }
    for round in 0..100 {
        let id = format!("c{round}");
        store.open("node-1", &id, None, LONG).await.expect("it is opened");
        let (joiner, joined_id) = (Arc::clone(&store), id.clone());
        let mut joining = JoinSet::new();
        joining.spawn(async move { joiner.try_join("node-1", "ward:7", &joined_id).await.is_ok() });
        let taken = store.take_over(&id, "node-1", "node-2").await.expect("it is taken over");
        let joined = joining.join_all().await == [true];
        assert_eq!(!taken.own_groups.is_empty(), joined, "round {round}");
    }
}

pub async fn a_parked_session_is_taken_by_one_node_with_its_connection(new: &NewStores) {
    let store = HubStore::new(new);
    // Whatever is in it.
    let sealed: Vec<u8> = (0..=255).cycle().take(3_000).collect();
    store.open("node-1", "c1", Some("alice"), LONG).await.expect("it is opened");
    store.add_user("staff", "alice", None).await;
    store.park("node-1", "c1", b"an earlier one", LONG).await.expect("it is kept");
    store.park("node-1", "c1", &sealed, LONG).await.expect("it is kept");
    assert_eq!(store.unpark("node-2", "c1", Some("alice")).await, None, "its owner lives and holds it");
    store.end("c1").await;
    let taken = store.unpark("node-2", "c1", Some("alice")).await.expect("it is taken");
    assert_eq!((&taken.sealed[..], &taken.user_groups[..]), (&sealed[..], &[("staff".into(), None)][..]));
    assert_eq!(store.owner_of("c1").await, Some(store.owner("node-2").await));
    assert_eq!(
        store.unpark("node-2", "c1", Some("alice")).await,
        Some(taken),
        "the reply may have been lost"
    );
    assert_eq!(store.unpark("node-3", "c1", Some("alice")).await, None);
    assert_eq!(store.nodes_of("alice").await, ["node-2"]);
    store.end_on("node-2", "c1").await;
    for node in ["node-2", "node-3"] {
        assert_eq!(store.unpark(node, "c1", Some("alice")).await, None, "it was taken");
        let refused = store.open(node, "c1", None, LONG).await;
        assert!(matches!(refused, Err(StoreError::Claimed { .. })), "{refused:?}");
    }
    assert!(!store.is_online("alice").await);
}

pub async fn a_parked_session_is_kept_for_its_time(new: &NewStores) {
    let store = HubStore::new(new);
    assert_eq!(store.unpark("node-2", "c", None).await, None);
    let kept_for = async |id: &str, ttl| {
        store.open("node-1", id, None, LONG).await.expect("it is opened");
        store.park("node-1", id, b"session", ttl).await.expect("it is kept");
        store.end(id).await;
        store.unpark("node-2", id, None).await.is_some()
    };
    assert!(!kept_for("none", Duration::ZERO).await);
    assert!(kept_for("long", LONG).await);
    // Whoever has taken it takes it again as long as it is kept.
    kept_for("short", Duration::from_millis(50)).await;
    eventually("its time is over", async || store.unpark("node-2", "short", None).await.is_none()).await;
}

pub async fn a_session_that_is_too_large_or_of_another_is_not_parked(new: &NewStores) {
    let store = HubStore::new(new);
    store.open("node-1", "c1", None, LONG).await.expect("it is opened");
    let refused = store.park("node-1", "c1", &vec![0; MAX_PARKED_BYTES + 1], LONG).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
    store.park("node-1", "c1", &vec![0; MAX_PARKED_BYTES], LONG).await.expect("it is kept");
    for (node, id) in [("node-2", "c1"), ("node-1", "c2")] {
        let refused = store.park(node, id, b"session", LONG).await;
        assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
    }
}

pub async fn of_many_that_take_a_parked_session_one_has_it(new: &NewStores) {
    let store = Arc::new(HubStore::new(new));
    for round in 0..50 {
        let id = format!("c{round}");
        store.open("node-1", &id, None, LONG).await.expect("it is opened");
        store.park("node-1", &id, b"session", LONG).await.expect("it is kept");
        store.end(&id).await;
        let mut takers = JoinSet::new();
        for node in 2..6 {
            let (store, id) = (Arc::clone(&store), id.clone());
            takers.spawn(async move { store.unpark(&format!("node-{node}"), &id, None).await.is_some() });
        }
        assert_eq!(takers.join_all().await.into_iter().filter(|taken| *taken).count(), 1);
    }
}
