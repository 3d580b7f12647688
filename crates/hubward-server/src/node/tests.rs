//! Tests of a node's start and shutdown.

use std::time::Duration;

use futures_util::FutureExt;
use hubward_backplane::{Backplane, InMemoryNetwork, InMemoryStore, NodeRegistry};
use hubward_hub::Hub;
use serde_json::json;
use tracing::Level;

use super::*;
use crate::testing::client::{Next, TestClient};
use crate::testing::cluster::{TestNode, settle};
use crate::testing::faults::FaultyBackplane;
use crate::testing::faulty_store::FaultyStore;
use crate::testing::log::CapturedLog;
use crate::testing::{engine, engine_with};

/// A node with one hub that was not started.
fn node(network: &InMemoryNetwork) -> (Node, Arc<FaultyBackplane>) {
    let backplane = FaultyBackplane::new(network, "node-1");
    let engine = engine_with(Hub::new("hub"), backplane.clone(), &InMemoryStore::new());
    (Node::new(engine.context.clone(), [engine]), backplane)
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_twice_joins_the_others_once() {
    let (node, backplane) = node(&InMemoryNetwork::new());
    node.start().await.unwrap();
    assert_eq!(backplane.take_calls(), ["subscribe node node-1, nodes, all"]);
    node.start().await.unwrap();
    assert!(backplane.take_calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_could_not_reach_the_others_may_be_started_again() {
    let network = InMemoryNetwork::new();
    let (node, backplane) = node(&network);
    network.interrupt(node.id());
    assert!(matches!(node.start().await, Err(StartError::Backplane(BackplaneError::Unavailable(_)))));
    assert!(backplane.take_calls().is_empty());
    network.resume(node.id());
    node.start().await.unwrap();
    assert_eq!(backplane.take_calls(), ["subscribe node node-1, nodes, all"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_announcement_or_subscriptions_failed_may_be_started_again() {
    let node = TestNode::new(InMemoryNetwork::new(), "node-1", FaultyStore::new(), Hub::new("hub"));
    node.backplane.subscribing.set_failing(true);
    assert!(matches!(node.node.start().await, Err(StartError::Backplane(BackplaneError::Unavailable(_)))));
    node.backplane.subscribing.set_failing(false);
    node.node.start().await.unwrap();
    assert_eq!(node.backplane.take_calls(), ["subscribe node node-1, nodes, all"; 2]);
    assert_eq!(node.registry.list().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_cancelled_anywhere_goes_on_when_it_is_called_again() {
    let node = TestNode::new(InMemoryNetwork::new(), "node-1", FaultyStore::new(), Hub::new("hub"));
    node.registry.announcing.hold();
    node.backplane.subscribing.hold();
    // The registry has recorded the node, and its reply is late.
    assert!(node.node.start().now_or_never().is_none());
    node.registry.announcing.release();
    assert!(node.node.start().now_or_never().is_none());
    node.backplane.subscribing.release();
    node.node.start().await.unwrap();
    assert_eq!(node.backplane.take_calls(), ["subscribe node node-1, nodes, all"]);
    assert_eq!(node.registry.list().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_shut_down_while_it_starts_leaves_and_is_not_started_again() {
    for cancelled in [false, true] {
        let node = TestNode::new(InMemoryNetwork::new(), "node-1", FaultyStore::new(), Hub::new("hub"));
        node.registry.announcing.hold();
        if cancelled {
            assert!(node.node.start().now_or_never().is_none());
        }
        let stopping = async {
            settle().await;
            let released = async {
                settle().await;
                node.registry.announcing.release();
            };
            tokio::join!(node.node.shut_down(), released);
        };
        let starting = async {
            if !cancelled {
                let _ = node.node.start().await;
            }
        };
        tokio::join!(starting, stopping);
        assert_eq!(node.registry.list().await.unwrap(), []);
        assert!(matches!(node.node.start().await, Err(StartError::ShutDown)));
        assert_eq!(node.registry.list().await.unwrap(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_backplane_is_ready_as_it_is() {
    let engine = engine(Hub::new("hub"));
    let node = Node::new(engine.context.clone(), [engine]);
    node.start().await.unwrap();
    node.start().await.unwrap();
    assert!(node.hub("hub").is_some());
    assert!(node.hub("other").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_every_client_with_leave_to_reconnect_and_leaves_the_other_nodes() {
    let node = TestNode::start(Hub::new("hub")).await;
    let mut clients = Vec::new();
    for id in ["c1", "c2"] {
        clients.push(TestClient::connect(&node.engine, id).await);
    }
    // A client whose handshake is not done yet.
    let mut silent = TestClient::open(&node.engine, "c3", Default::default(), Default::default());
    let everything_else = async {
        for client in &mut clients {
            assert_eq!(client.message().await, json!({ "type": 7, "allowReconnect": true }));
            assert_eq!(client.next().await, Next::Closed(1000));
        }
        clients.clear();
        silent.next().await
    };
    let both = async { tokio::join!(node.node.shut_down(), everything_else) };
    let ((), last) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    assert!(matches!(last, Next::Message(_) | Next::Closed(1000)), "{last:?}");
    assert_eq!(node.engine.connection_count(), 0);
    assert!(node.engine.context.tasks.is_empty());
    let published = node.backplane.publish(vec![Topic::All("hub".into())], "".into()).await;
    assert!(matches!(published, Err(BackplaneError::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_is_running() {
    let slow = async || tokio::time::sleep(Duration::from_secs(5)).await;
    let node = TestNode::start(Hub::new("hub").on_disconnected(slow)).await;
    let client = TestClient::connect(&node.engine, "c1").await;
    drop(client);
    let start = tokio::time::Instant::now();
    node.node.shut_down().await;
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_node_is_alive_for_the_others_until_its_shutdown_has_ended() {
    let slow = async || tokio::time::sleep(Duration::from_secs(300)).await;
    let node = TestNode::start(Hub::new("hub").on_disconnected(slow)).await;
    drop(TestClient::connect(&node.engine, "c1").await);
    let watching = async {
        let lease = node.registry.lease();
        for _ in 0..4 {
            tokio::time::sleep(lease).await;
            assert_eq!(node.registry.list().await.unwrap().len(), 1);
        }
    };
    tokio::join!(node.node.shut_down(), watching);
    assert_eq!(node.registry.list().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_node_of_a_cluster_that_was_not_started_says_what_to_call() {
    let node = TestNode::new(InMemoryNetwork::new(), "node-1", FaultyStore::new(), Hub::new("hub"));
    let log = CapturedLog::start();
    let _client = TestClient::connect_user(&node.engine, "c1", "alice").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let lines = log.lines(Level::WARN);
    assert!(matches!(&lines[..], [only] if only.contains("call Hubward::start")), "{lines:#?}");
    node.node.start().await.unwrap();
    settle().await;
    assert_eq!(log.lines(Level::WARN).len(), 1);
}
