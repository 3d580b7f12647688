//! Tests of changes of users while the link to the other nodes is interrupted, and the store can be reached.

use hubward_hub::{GroupError, Hub};
use tokio::time::Instant;

use super::*;
use crate::membership::user_changes;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::user_handle;

/// Two nodes, the second of which has a connection of alice, who is in the group `g`, as the connection is itself.
async fn start() -> (TestNode, TestNode) {
    let (node, other) = TestNode::start_two(|| Hub::new("hub")).await;
    other.join(&user_handle("c1", "alice"), "g").await;
    node.engine.handle().groups().add_user("alice", "g", None).await.unwrap();
    (node, other)
}

fn interrupt(node: &TestNode) {
    node.network.interrupt(node.node.id());
}

fn resume(node: &TestNode) {
    node.network.resume(node.node.id());
}

#[tokio::test(start_paused = true)]
async fn a_ban_in_an_outage_fails_at_once_and_every_node_obeys_it_when_the_link_is_whole() {
    let (node, other) = start().await;
    interrupt(&node);
    let begun = Instant::now();
    let banned = user_changes::ban(node.engine.clone(), "alice".into(), "g".into(), None).await;
    assert!(matches!(banned, Err(GroupError::Backplane { .. })), "{banned:?}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    for _ in 0..3 {
        settle().await;
        assert_eq!(other.delivered_to("g"), ["c1"], "it has not heard of it");
        interrupt(&node);
    }
    resume(&node);
    settle().await;
    assert_eq!(other.delivered_to("g"), [""; 0]);
    assert!(node.engine.unannounced.take().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_removal_whose_reply_was_lost_with_the_link_is_obeyed_when_it_is_whole() {
    let (node, other) = start().await;
    node.engine.handle().groups().remove_connection("c1", "g").await.unwrap();
    interrupt(&node);
    node.store.changing.set_losing_replies(true);
    let removed = user_changes::remove(node.engine.clone(), "alice".into(), "g".into(), None).await;
    assert!(matches!(removed, Err(GroupError::Store { .. })), "{removed:?}");
    settle().await;
    assert_eq!(other.delivered_to("g"), ["c1"]);
    // Where publishing fails once more, it is tried again.
    node.backplane.publishing.set_failing(true);
    resume(&node);
    settle().await;
    assert_eq!(other.delivered_to("g"), ["c1"]);
    node.backplane.publishing.set_failing(false);
    tokio::time::sleep(PAUSE).await;
    assert_eq!(other.delivered_to("g"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_node_is_freed_though_changes_wait() {
    let (node, _other) = start().await;
    interrupt(&node);
    let _ = user_changes::remove(node.engine.clone(), "alice".into(), "g".into(), None).await;
    settle().await;
    let engine = Arc::downgrade(&node.engine);
    drop(node);
    settle().await;
    assert!(engine.upgrade().is_none());
}
