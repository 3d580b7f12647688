//! Tests of a node that was paused: what other nodes sent meanwhile reaches whoever may still get it, in order.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::NodeRegistry;
use hubward_hub::Hub;
use tokio::time::Instant;

use crate::connection::handle::ConnectionHandle;
use crate::lives::listing::APART;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::{pass, take_mail, user_handle};

/// Two nodes, the second one with a connection of alice and one of bob, all in the group `g`.
async fn start() -> (TestNode, TestNode, [Arc<ConnectionHandle>; 2]) {
    let (node, paused) = TestNode::start_two(|| Hub::new("hub")).await;
    let connections = [user_handle("c1", "alice"), user_handle("c2", "bob")];
    for connection in &connections {
        paused.join(connection, "g").await;
    }
    (node, paused, connections)
}

/// Pauses a node until it is taken for dead: it sends no heartbeats, and what is sent to it waits.
async fn pause(node: &TestNode) {
    node.network.hold(node.node.id());
    node.registry.heartbeats.hold();
    pass(node.registry.lease() * 2).await;
}

/// Lets a node go on. It has not asked yet whether it lives.
fn go_on(node: &TestNode) {
    node.engine.context.last_heartbeat.note(Instant::now() - node.registry.lease() * 2);
    node.network.release(node.node.id());
    node.registry.heartbeats.release();
}

async fn send(node: &TestNode, method: &str) {
    node.engine.handle().clients().group("g").send(method, ()).await.unwrap();
}

/// Waits until a node has asked whether it lives: not sooner after its last heartbeat than this.
async fn asks() {
    pass(APART).await;
    settle().await;
}

/// The methods that a connection was called, in order.
fn received(connection: &ConnectionHandle) -> Vec<String> {
    let of = |message: &String| {
        let message: serde_json::Value = serde_json::from_str(message).unwrap();
        message["target"].as_str().unwrap().to_owned()
    };
    take_mail(connection).0.iter().map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_while_a_node_was_paused_reaches_those_who_were_not_banned_meanwhile() {
    let (node, paused, [alice, bob]) = start().await;
    pause(&paused).await;
    send(&node, "Before").await;
    node.engine.handle().groups().ban_user("alice", "g").await.unwrap();
    send(&node, "After").await;
    node.engine.handle().clients().all().send("All", ()).await.unwrap();
    go_on(&paused);
    send(&node, "Later").await;
    assert_eq!((received(&alice), received(&bob)), (vec![], vec![]), "nothing is known yet");
    pass(Duration::from_secs(1)).await;
    assert_eq!(received(&alice), ["All"]);
    assert_eq!(received(&bob), ["Before", "After", "All", "Later"]);
    assert!(!paused.engine.held.is_holding());
    send(&node, "Last").await;
    assert_eq!((received(&alice), received(&bob)), (vec![], vec!["Last".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_while_a_node_was_paused_reaches_no_user_that_was_removed_meanwhile() {
    let (node, paused, _) = start().await;
    let carol = user_handle("c3", "carol");
    paused.open(&carol).await;
    node.engine.handle().groups().add_user("carol", "g", None).await.unwrap();
    pause(&paused).await;
    node.engine.handle().groups().remove_user("carol", "g").await.unwrap();
    send(&node, "After").await;
    go_on(&paused);
    pass(Duration::from_secs(1)).await;
    assert_eq!(received(&carol), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_paused_and_not_taken_for_dead_delivers_when_it_knows() {
    let (node, paused, [alice, _]) = start().await;
    pass(paused.registry.lease() * 3).await;
    paused.registry.heartbeats.hold();
    paused.engine.context.last_heartbeat.note(Instant::now() - paused.registry.lease() * 2);
    send(&node, "First").await;
    assert_eq!(received(&alice), [""; 0]);
    asks().await;
    paused.registry.heartbeats.release();
    settle().await;
    send(&node, "Second").await;
    assert_eq!(received(&alice), ["First", "Second"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_ask_whether_it_lives_delivers_all_the_same() {
    let (node, paused, [alice, _]) = start().await;
    paused.registry.heartbeats.set_failing(true);
    pass(paused.registry.lease() * 3).await;
    send(&node, "Sent").await;
    assert_eq!(received(&alice), ["Sent"]);
    paused.engine.context.last_heartbeat.note(Instant::now() - paused.registry.lease() * 2);
    send(&node, "Held").await;
    asks().await;
    assert_eq!(received(&alice), ["Held"]);
}
