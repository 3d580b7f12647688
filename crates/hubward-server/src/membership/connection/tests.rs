//! Tests of a connection's own membership.

use std::sync::Arc;

use hubward_backplane::InMemoryNetwork;
use hubward_hub::{GroupError, Hub};

use super::*;
use crate::testing::faults::{FaultyBackplane, FaultyStore};
use crate::testing::{engine_with, handle};

struct Setup {
    engine: Arc<Engine>,
    backplane: Arc<FaultyBackplane>,
    store: Arc<FaultyStore>,
    connection: Arc<ConnectionHandle>,
}

async fn setup(hub: Hub) -> Setup {
    let network = InMemoryNetwork::new();
    let (backplane, store) = (FaultyBackplane::new(&network, "node-1"), FaultyStore::new());
    let engine = engine_with(hub, backplane.clone(), store.clone());
    let node = crate::Node::new(engine.context.clone(), [engine.clone()]);
    node.start().await.unwrap();
    let connection = handle("c1");
    engine.index.add(&connection);
    backplane.take_calls();
    Setup { engine, backplane, store, connection }
}

fn members(engine: &Engine) -> usize {
    let mut count = 0;
    engine.index.for_group(&"g".into(), |_| count += 1);
    count
}

#[tokio::test]
async fn a_join_is_recorded_subscribed_to_and_delivered_for() {
    let Setup { engine, backplane, connection, .. } = setup(Hub::new("hub")).await;
    change_local(&engine, &connection, &"g".into(), Change::Join).await.unwrap();
    assert_eq!(members(&engine), 1);
    assert_eq!(backplane.take_calls(), ["subscribe group g"]);
    assert_eq!(engine.context.store.count(engine.name(), &"g".into()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_join_that_the_store_cannot_record_is_not_delivered_for() {
    let Setup { engine, store, connection, .. } = setup(Hub::new("hub")).await;
    store.changing.set_failing(true);
    let joined = change_local(&engine, &connection, &"g".into(), Change::Join).await;
    assert!(matches!(joined, Err(GroupError::Store { .. })));
    assert_eq!(members(&engine), 0);
}
