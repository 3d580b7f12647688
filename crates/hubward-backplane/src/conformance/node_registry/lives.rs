//! Announcing, heartbeats, leaving and dying.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::conformance::stores::{LONG, NewStores, Stores, announce};
use crate::conformance::wait::{TIMEOUT, eventually};
use crate::node_registry::{NodeEvent, NodeEvents, NodeInfo, NodeLoad, RegistryError};
use crate::owner::Owner;

/// A lease that ends within a test, and yet is long enough for a heartbeat on a machine under load.
pub(super) const SHORT: Duration = Duration::from_secs(1);

pub(super) async fn ids(stores: &Stores) -> Vec<String> {
    let nodes = stores.nodes.list().await.expect("it is read");
    let mut ids: Vec<_> = nodes.iter().map(|node| node.info.id.to_string()).collect();
    ids.sort();
    ids
}

/// Waits until a node counts as dead, while another stays alive.
pub(super) async fn wait_for_death(stores: &Stores, dying: &Owner, survivor: &Owner) {
    eventually("the node counts as dead", async || {
        stores.nodes.heartbeat(survivor, NodeLoad::default()).await.expect("the survivor lives");
        !ids(stores).await.contains(&dying.node.to_string())
    })
    .await;
}

/// The next event, but for `Missed`: a registry may send one when it has begun to watch.
async fn next(events: &mut NodeEvents) -> NodeEvent {
    loop {
        let event = timeout(TIMEOUT, events.next()).await.expect("an event comes");
        match event.expect("the registry is alive") {
            NodeEvent::Missed => {}
            event => return event,
        }
    }
}

pub async fn a_node_is_listed_from_its_announcement_until_it_leaves(new: &NewStores) {
    let stores = new(LONG);
    assert!(ids(&stores).await.is_empty());
    let info = NodeInfo {
        id: "node-1".into(),
        address: Some("10.0.0.7:9000".into()),
        hubs: vec!["clinical".into(), "billing".into()],
    };
    let epoch = stores.nodes.announce(info.clone()).await.expect("the node is announced");
    let second = announce(&stores, "node-2").await;
    assert_eq!(ids(&stores).await, ["node-1", "node-2"]);
    let listed = stores.nodes.list().await.expect("it is read");
    let first = listed.into_iter().find(|node| node.info.id == info.id).expect("it is listed");
    assert_eq!((first.epoch, &first.info), (epoch, &info));
    stores.nodes.withdraw(&second).await.expect("it is recorded");
    stores.nodes.withdraw(&second).await.expect("it is recorded");
    assert_eq!(ids(&stores).await, ["node-1"]);
}

pub async fn a_node_is_listed_with_the_load_of_its_last_heartbeat(new: &NewStores) {
    let stores = new(LONG);
    let node = announce(&stores, "node-1").await;
    let load = async || stores.nodes.list().await.expect("it is read").remove(0).load;
    assert_eq!(load().await, NodeLoad::default());
    for (connections, draining) in [(7, false), (0, true), (5_000_000_000, true), (1, false)] {
        let reported = NodeLoad::new(connections).draining(draining);
        stores.nodes.heartbeat(&node, reported).await.expect("it lives");
        assert_eq!(load().await, reported);
    }
}

pub async fn a_watcher_learns_once_that_a_node_is_about_to_leave(new: &NewStores) {
    let stores = new(LONG);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    let mut events = stores.nodes.watch();
    stores.nodes.heartbeat(&second, NodeLoad::new(1)).await.expect("it lives");
    // Whoever watches is subscribed when another node is announced.
    let third = announce(&stores, "node-3").await;
    assert!(matches!(next(&mut events).await, NodeEvent::Joined(_)));
    for connections in [1, 0] {
        let load = NodeLoad::new(connections).draining(true);
        stores.nodes.heartbeat(&second, load).await.expect("it lives");
    }
    assert_eq!(next(&mut events).await, NodeEvent::Draining(second.clone()));
    stores.nodes.withdraw(&second).await.expect("it is recorded");
    assert_eq!(next(&mut events).await, NodeEvent::Left(second));
    stores.nodes.heartbeat(&third, NodeLoad::default().draining(true)).await.expect("it lives");
    assert_eq!(next(&mut events).await, NodeEvent::Draining(third.clone()));
    stores.nodes.withdraw(&third).await.expect("it is recorded");
    assert_eq!(next(&mut events).await, NodeEvent::Left(third));
    let anew = announce(&stores, "node-3").await;
    assert!(matches!(next(&mut events).await, NodeEvent::Joined(_)));
    let listed = stores.nodes.list().await.expect("it is read");
    let draining: Vec<_> = listed.iter().filter(|node| node.load.draining).collect();
    assert!(draining.is_empty(), "another life drains anew: {draining:?}");
    for owner in [first, anew] {
        stores.nodes.heartbeat(&owner, NodeLoad::default()).await.expect("it lives");
    }
}

pub async fn a_later_life_has_a_greater_epoch(new: &NewStores) {
    let stores = new(LONG);
    let mut last = announce(&stores, "node-0").await.epoch;
    for node in ["node-1", "node-1", "node-2"] {
        let owner = announce(&stores, node).await;
        assert!(owner.epoch > last, "{:?} is not after {last:?}", owner.epoch);
        last = owner.epoch;
        stores.nodes.withdraw(&owner).await.expect("it is recorded");
    }
}

pub async fn of_two_nodes_with_one_id_the_second_is_refused(new: &NewStores) {
    let stores = new(LONG);
    let first = announce(&stores, "node-1").await;
    let info = NodeInfo { id: "node-1".into(), address: None, hubs: vec![] };
    let refused = stores.nodes.announce(info.clone()).await;
    assert!(matches!(refused, Err(RegistryError::DuplicateId { .. })), "{refused:?}");
    stores.nodes.heartbeat(&first, NodeLoad::default()).await.expect("the first lives on");
    stores.nodes.withdraw(&first).await.expect("it is recorded");
    stores.nodes.announce(info).await.expect("the id is free");
    let refused = stores.nodes.heartbeat(&first, NodeLoad::default()).await;
    assert!(matches!(refused, Err(RegistryError::Fenced)), "{refused:?}");
    stores.nodes.withdraw(&first).await.expect("a late leave changes nothing");
    assert_eq!(ids(&stores).await, ["node-1"]);
}

pub async fn a_node_without_heartbeats_dies_and_one_with_them_lives(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    wait_for_death(&stores, &second, &first).await;
    let refused = stores.nodes.heartbeat(&second, NodeLoad::default()).await;
    assert!(matches!(refused, Err(RegistryError::Fenced)), "{refused:?}");
    let anew = announce(&stores, "node-2").await;
    assert!(anew.epoch > second.epoch);
    stores.nodes.heartbeat(&anew, NodeLoad::default()).await.expect("it lives anew");
    assert_eq!(ids(&stores).await, ["node-1", "node-2"]);
}

pub async fn a_watcher_sees_nodes_come_and_go(new: &NewStores) {
    let stores = new(SHORT);
    let first = announce(&stores, "node-1").await;
    let mut events = stores.nodes.watch();
    let second = announce(&stores, "node-2").await;
    let NodeEvent::Joined(joined) = next(&mut events).await else { panic!("nobody joined") };
    assert_eq!(joined.owner(), second);
    stores.nodes.withdraw(&second).await.expect("it is recorded");
    assert_eq!(next(&mut events).await, NodeEvent::Left(second));
    let third = announce(&stores, "node-3").await;
    assert!(matches!(next(&mut events).await, NodeEvent::Joined(_)));
    wait_for_death(&stores, &third, &first).await;
    assert_eq!(next(&mut events).await, NodeEvent::Died(third));
}
