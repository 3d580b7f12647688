//! Tests of what a connection's start and end mean for groups and subscriptions.

use std::time::Duration;

use hubward_backplane::InMemoryStore;
use hubward_hub::{Hub, HubContext};
use serde_json::json;

use super::*;
use crate::context::{NodeContext, NodeStores};
use crate::node::Node;
use crate::testing::client::TestClient;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::{engine, engine_on, handle, log::CapturedLog, user_handle};

#[tokio::test(start_paused = true)]
async fn a_connection_subscribes_to_the_topic_of_its_user_and_to_none_of_its_own() {
    let node = TestNode::start(Hub::new("hub")).await;
    let (alice, anonymous) = (user_handle("c1", "alice"), handle("c2"));
    node.open(&alice).await;
    node.open(&anonymous).await;
    assert_eq!(node.backplane.take_calls(), ["subscribe user alice"]);
    node.close(&alice).await;
    assert_eq!(node.backplane.take_calls(), ["unsubscribe user alice"]);
    node.close(&anonymous).await;
    assert!(node.backplane.take_calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_topic_of_a_user_is_subscribed_to_until_the_last_of_the_connections_closes() {
    let node = TestNode::start(Hub::new("hub")).await;
    let (first, second) = (user_handle("c1", "alice"), user_handle("c2", "alice"));
    node.open(&first).await;
    node.open(&second).await;
    node.backplane.take_calls();
    node.close(&first).await;
    assert!(node.backplane.take_calls().is_empty());
    node.close(&second).await;
    assert_eq!(node.backplane.take_calls(), ["unsubscribe user alice"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_subscription_failed_leaves_none_when_it_closes() {
    let node = TestNode::start(Hub::new("hub")).await;
    let connection = user_handle("c1", "alice");
    node.engine.index.add(&connection);
    node.backplane.subscribing.set_failing(true);
    connected(&node.engine, &connection, None).await.unwrap();
    node.close(&connection).await;
    assert_eq!(node.backplane.take_calls(), ["subscribe user alice", "unsubscribe user alice"]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_leaves_no_group_no_record_no_subscription_and_no_task_of_its_own() {
    let node = TestNode::start(Hub::new("hub")).await;
    let minute = Some(Duration::from_secs(60));
    node.engine
        .context
        .store
        .add_user(node.engine.name(), &"team".into(), &"alice".into(), minute)
        .await
        .unwrap();
    let of_the_node = node.engine.context.tasks.len();
    let connection = user_handle("c1", "alice");
    node.open(&connection).await;
    node.join(&connection, "ward").await;
    assert_eq!(
        (node.delivered_to("team"), node.delivered_to("ward")),
        (vec!["c1".into()], vec!["c1".into()])
    );
    // The one that waits for the hub's memberships to expire, however many there are.
    settle().await;
    assert_eq!(node.engine.context.tasks.len(), of_the_node + 1);
    node.backplane.take_calls();

    node.close(&connection).await;
    settle().await;
    assert!(node.delivered_to("team").is_empty() && node.delivered_to("ward").is_empty());
    assert_eq!(node.recorded_in("ward").await, 0);
    assert_eq!(node.recorded_in("team").await, 1, "the user is still a member");
    let mut calls = node.backplane.take_calls();
    calls.sort();
    let topics = ["group team", "group ward", "user alice"];
    assert_eq!(calls, topics.map(|topic| format!("unsubscribe {topic}")));
    assert!(node.engine.expiries.deadlines.is_empty());
    assert_eq!(node.engine.context.tasks.len(), of_the_node);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_at_the_end_of_a_connection_is_logged_and_everything_else_is_undone() {
    let node = TestNode::start(Hub::new("hub")).await;
    let connection = handle("c1");
    node.open(&connection).await;
    node.join(&connection, "ward").await;
    node.backplane.take_calls();
    node.store.changing.set_failing(true);
    let log = CapturedLog::start();
    node.close(&connection).await;
    let logged = "WARN What has left or closed could not be removed from the group store; it is tried again.";
    assert_eq!(log.messages(), [logged]);
    assert!(node.delivered_to("ward").is_empty());
    assert_eq!(node.engine.connection_count(), 0);
    assert_eq!(node.backplane.take_calls(), ["unsubscribe group ward"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_no_other_node_shares_is_not_needed_to_end_a_connection_without_groups() {
    let engine = engine(Hub::new("hub"));
    let connection = handle("c1");
    engine.index.add(&connection);
    connected(&engine, &connection, None).await.unwrap();
    let owner = engine.context.store.owner(engine.name(), &connection.id).await.unwrap();
    assert_eq!(owner, None, "it has no record of the connection");
    disconnected(&engine, &connection).await;
}

#[tokio::test(start_paused = true)]
async fn an_anonymous_client_of_a_node_with_a_shared_store_and_no_backplane_joins_groups() {
    let store = InMemoryStore::new();
    let stores = NodeStores { groups: Arc::new(store.clone()), nodes: Arc::new(store) };
    let context = NodeContext::new("node-1".into(), None, Some(stores));
    let join = async |cx: HubContext| cx.groups().add("ward").await;
    let engine = engine_on(context.clone(), Hub::new("hub").method("Join", join));
    Node::new(context, [engine.clone()]).start().await.unwrap();
    let mut client = TestClient::connect(&engine, "c1").await;
    assert_eq!(
        client.call("Join", json!([])).await,
        json!({ "type": 3, "invocationId": "call", "result": null })
    );
    assert_eq!(engine.context.store.count(engine.name(), &"ward".into()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_of_a_node_without_a_backplane_gets_what_is_sent_to_the_groups_of_its_user() {
    let engine = engine(Hub::new("hub").method("Ping", async || ()));
    let hub = engine.handle();
    hub.groups().add_user("alice", "team", None).await.unwrap();
    let mut client = TestClient::connect_user(&engine, "c1", "alice").await;
    client.call("Ping", json!([])).await;
    hub.clients().group("team").send("Hello", ("team",)).await.unwrap();
    assert_eq!(client.message().await, json!({ "type": 1, "target": "Hello", "arguments": ["team"] }));
    drop(client);
    settle().await;
    assert_eq!(engine.connection_count(), 0);
}
