//! Tests of disconnecting a user, with clients of two nodes.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use hubward_backplane::NodeRegistry;
use hubward_hub::{Disconnected, Hub, HubContext, HubOptions};
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::testing::client::{Next, TestClient};
use crate::testing::cluster::{TestNode, settle};
use crate::testing::{Journal, engine, pass, user_handle};

const LIMIT: Duration = Duration::from_secs(4);

fn hub() -> Hub {
    Hub::new("hub")
        .options(HubOptions { confirmation_timeout: LIMIT, ..HubOptions::default() })
        .method("Echo", async |text: String| text)
        .method("Disconnect", async |cx: HubContext, user: String| cx.users().disconnect(user).await)
}

fn closed() -> serde_json::Value {
    json!({ "type": 7 })
}

#[tokio::test(start_paused = true)]
async fn a_user_is_disconnected_on_every_node_and_nobody_else_is() {
    let journal = Journal::default();
    let (first, second) = TestNode::start_two(|| {
        let noted = journal.clone();
        hub().on_disconnected(move |cx: HubContext, end: Disconnected| {
            noted.noting(format!("{} {:?}", cx.connection_id(), end.reason))
        })
    })
    .await;
    let mut clients = Vec::new();
    for (node, id) in [(&first, "c1"), (&second, "c2"), (&second, "c3")] {
        clients.push(TestClient::connect_user(&node.engine, id, "alice").await);
    }
    let mut bob = TestClient::connect_user(&second.engine, "b1", "bob").await;
    let hub = first.engine.handle();
    hub.users().disconnect("alice").await.unwrap();
    assert!(!hub.users().is_online("alice").await.unwrap());
    let mut noted = journal.take();
    noted.sort();
    assert_eq!(noted, ["c1 UserDisconnected", "c2 UserDisconnected", "c3 UserDisconnected"]);
    hub.clients().user("alice").send("Late", ()).await.unwrap();
    for client in &mut clients {
        client.expect_close(closed()).await;
    }
    assert_eq!(bob.call("Echo", json!(["here"])).await["result"], "here");
    // Only what was there is ended.
    let mut again = TestClient::connect_user(&first.engine, "c4", "alice").await;
    assert_eq!(again.call("Echo", json!(["here"])).await["result"], "here");
}

#[tokio::test(start_paused = true)]
async fn a_user_that_nobody_has_and_one_of_a_dead_node_are_skipped_at_once() {
    let (node, dying) = TestNode::start_two(hub).await;
    let begun = Instant::now();
    node.engine.handle().users().disconnect("nobody").await.unwrap();
    assert!(begun.elapsed() < LIMIT / 8);
    let mut client = TestClient::connect_user(&dying.engine, "c1", "alice").await;
    dying.registry.heartbeats.set_failing(true);
    pass(dying.registry.lease() * 2).await;
    let dead = Instant::now();
    node.engine.handle().users().disconnect("alice").await.unwrap();
    assert!(dead.elapsed() < LIMIT / 8);
    assert_eq!(client.call("Echo", json!(["here"])).await["result"], "here");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_confirm_is_an_error_after_the_deadline_and_none_when_it_dies() {
    let (node, slow) = TestNode::start_two(hub).await;
    let _client = TestClient::connect_user(&slow.engine, "c1", "alice").await;
    slow.network.hold(slow.node.id());
    let begun = Instant::now();
    let disconnected = node.engine.handle().users().disconnect("alice").await;
    assert!(matches!(disconnected, Err(UserError::NoConfirmation)), "{disconnected:?}");
    assert_eq!(begun.elapsed(), LIMIT);
    let hub = node.engine.handle();
    let mut disconnecting = Box::pin(async move { hub.users().disconnect("alice").await });
    assert!((&mut disconnecting).now_or_never().is_none());
    settle().await;
    slow.registry.withdraw(&slow.engine.context.owner()).await.unwrap();
    disconnecting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_task_does_nothing_is_an_error_after_the_deadline() {
    let node = TestNode::start(hub()).await;
    // It has no task.
    node.open(&user_handle("c1", "alice")).await;
    let begun = Instant::now();
    let disconnected = node.engine.handle().users().disconnect("alice").await;
    assert!(matches!(disconnected, Err(UserError::NoConfirmation)), "{disconnected:?}");
    assert_eq!(begun.elapsed().as_millis(), LIMIT.as_millis());
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_takes_its_time_is_waited_for_only_for_a_while() {
    let hub = hub().on_disconnected(async || tokio::time::sleep(LIMIT * 100).await);
    let node = TestNode::start(hub).await;
    let mut client = TestClient::connect_user(&node.engine, "c1", "alice").await;
    let begun = Instant::now();
    node.engine.handle().users().disconnect("alice").await.unwrap();
    assert_eq!(begun.elapsed().as_millis(), (LIMIT / 2).as_millis());
    client.expect_close(closed()).await;
    // One that has closed is not waited for again.
    node.engine.handle().users().disconnect("alice").await.unwrap();
    assert!(begun.elapsed() < LIMIT / 2 + LIMIT / 8);
}

#[tokio::test(start_paused = true)]
async fn a_method_and_a_callback_may_disconnect_their_own_user() {
    let done = Arc::new(AtomicBool::new(false));
    let noted = done.clone();
    let hub = hub().on_disconnected(move |cx: HubContext| {
        let noted = noted.clone();
        async move {
            cx.users().disconnect("alice").await.unwrap();
            noted.store(true, Ordering::SeqCst);
        }
    });
    let node = TestNode::start(hub).await;
    let mut clients = [
        TestClient::connect_user(&node.engine, "c1", "alice").await,
        TestClient::connect_user(&node.engine, "c2", "alice").await,
    ];
    let begun = Instant::now();
    clients[0].invoke("1", "Disconnect", json!(["alice"])).await;
    for client in &mut clients {
        client.expect_close(closed()).await;
    }
    while node.engine.connection_count() > 0 {
        settle().await;
    }
    assert!(done.load(Ordering::SeqCst) && begun.elapsed() < LIMIT / 4, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn where_the_store_fails_every_node_is_notified_and_it_is_an_error() {
    let (first, second) = TestNode::start_two(hub).await;
    let mut clients = [
        TestClient::connect_user(&first.engine, "c1", "alice").await,
        TestClient::connect_user(&second.engine, "c2", "alice").await,
    ];
    first.store.querying.set_failing(true);
    let disconnected = first.engine.handle().users().disconnect("alice").await;
    assert!(matches!(disconnected, Err(UserError::NodesUnknown { .. })), "{disconnected:?}");
    assert!(disconnected.unwrap_err().to_string().contains("disconnect the user again: "));
    for client in &mut clients {
        client.expect_close(closed()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnecting_whose_caller_stops_waiting_goes_on() {
    let (first, second) = TestNode::start_two(hub).await;
    let mut client = TestClient::connect_user(&second.engine, "c1", "alice").await;
    first.store.querying.hold();
    let hub = first.engine.handle();
    assert!(hub.users().disconnect("alice").now_or_never().is_none());
    first.store.querying.release();
    client.expect_close(closed()).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_opening_closes_when_it_has_opened() {
    let node = TestNode::start(hub()).await;
    let claims = crate::claims::HubClaims::shared(&node.engine).unwrap();
    let token_expires_at = std::time::SystemTime::now() + LIMIT;
    let opening = hubward_transport::OpeningConnection {
        id: "c1".into(),
        user: Some("alice".into()),
        token_expires_at,
    };
    let claim = hubward_transport::ConnectionClaims::claim(&*claims, opening).await.unwrap();
    let mut client = TestClient::open_claimed(&node.engine, "c1", "alice", claim);
    node.engine.handle().users().disconnect("alice").await.unwrap();
    client.send(&json!({ "protocol": "json", "version": 1 })).await;
    let mut received = vec![client.next().await];
    while !matches!(received.last(), Some(Next::Closed(_) | Next::Lost)) {
        received.push(client.next().await);
    }
    assert!(received.contains(&Next::Message(closed())), "{received:?}");
    assert!(!node.engine.handle().users().is_online("alice").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_disconnects_a_user() {
    let engine = engine(hub());
    let mut client = TestClient::connect_user(&engine, "c1", "alice").await;
    engine.handle().users().disconnect("alice").await.unwrap();
    client.expect_close(closed()).await;
    assert!(!engine.handle().users().is_online("alice").await.unwrap());
}
