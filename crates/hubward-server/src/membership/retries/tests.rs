//! Tests of what could not be removed from the store and is tried again, in paused time.

use hubward_backplane::{GroupStore, HeldConnection, NodeRegistry};
use hubward_hub::{GroupError, Hub};
use hubward_types::GroupName;
use tokio::time::Instant;

use super::*;
use crate::membership::connection::Change;
use crate::testing::cluster::TestNode;
use crate::testing::handle;

/// A node alone, with one open connection `c1` in group `g`.
async fn start() -> (TestNode, Arc<ConnectionHandle>) {
    let (node, connection) = (TestNode::start(Hub::new("hub")).await, handle("c1"));
    node.join(&connection, "g").await;
    (node, connection)
}

async fn recorded(node: &TestNode, connection: &ConnectionHandle) -> Vec<GroupName> {
    node.store.groups_of_connection(node.engine.name(), &connection.id).await.unwrap()
}

async fn after_secs(secs: u64) {
    tokio::time::sleep(Duration::from_secs(secs)).await;
}

#[tokio::test(start_paused = true)]
async fn a_leave_that_the_store_could_not_record_is_recorded_when_it_can() {
    let (node, connection) = start().await;
    node.store.changing.set_failing(true);
    assert!(node.change(&connection, "g", Change::Leave).await.is_err());
    after_secs(60).await;
    assert_eq!(recorded(&node, &connection).await, ["g".into()]);
    node.store.changing.set_failing(false);
    after_secs(60).await;
    assert_eq!(recorded(&node, &connection).await, []);
    assert_eq!(node.engine.removals.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_the_store_could_not_record_is_recorded_when_it_can() {
    let (node, connection) = start().await;
    node.store.changing.set_failing(true);
    node.close(&connection).await;
    after_secs(60).await;
    node.store.changing.set_failing(false);
    after_secs(60).await;
    assert_eq!(recorded(&node, &connection).await, []);
    assert_eq!(node.store.owner(node.engine.name(), &connection.id).await.unwrap(), None);
    assert_eq!(node.engine.removals.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_second_leave_after_one_that_failed_does_not_answer_ok_while_the_record_stands() {
    let (node, connection) = start().await;
    node.store.changing.set_failing(true);
    for _ in 0..2 {
        let left = node.change(&connection, "g", Change::Leave).await;
        assert!(matches!(left, Err(GroupError::Store { .. })), "{left:?}");
    }
    node.store.changing.set_failing(false);
    node.change(&connection, "g", Change::Leave).await.unwrap();
    assert_eq!(recorded(&node, &connection).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_was_joined_again_stays_and_one_that_was_not_goes() {
    let (node, connection) = start().await;
    node.join(&connection, "h").await;
    node.store.changing.set_failing(true);
    assert!(node.change(&connection, "g", Change::Leave).await.is_err());
    let left = node.change(&connection, "h", Change::Leave).await;
    assert!(left.is_err());
    node.store.changing.set_failing(false);
    node.change(&connection, "g", Change::Join).await.unwrap();
    after_secs(60).await;
    assert_eq!(recorded(&node, &connection).await, ["g".into()]);
    assert_eq!(node.delivered_to("g"), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn a_join_whose_reply_was_lost_is_taken_back() {
    let (node, connection) = (TestNode::start(Hub::new("hub")).await, handle("c1"));
    node.open(&connection).await;
    node.store.changing.set_losing_replies(true);
    assert!(node.change(&connection, "g", Change::Join).await.is_err());
    assert!(node.delivered_to("g").is_empty());
    node.store.changing.set_losing_replies(false);
    after_secs(60).await;
    assert_eq!(recorded(&node, &connection).await, []);
    assert_eq!(node.engine.removals.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_takes_one_place_however_many_of_its_changes_fail() {
    let (node, connection) = start().await;
    node.store.changing.set_failing(true);
    for number in 0..100 {
        let group = format!("g{number}");
        let joining = node.change(&connection, &group, Change::Join);
        assert!(joining.await.is_err());
    }
    assert_eq!(node.engine.removals.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn removals_that_wait_keep_no_dropped_node_and_hold_up_no_shutdown() {
    let (node, connection) = start().await;
    node.store.changing.set_failing(true);
    node.close(&connection).await;
    let start = Instant::now();
    node.node.shut_down().await;
    assert!(start.elapsed() < Duration::from_secs(1));

    let (node, connection) = self::start().await;
    node.store.changing.set_failing(true);
    node.close(&connection).await;
    let engine = Arc::downgrade(&node.engine);
    drop((node, connection));
    after_secs(60).await;
    assert!(engine.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_late_end_of_a_node_that_was_taken_for_dead_removes_nothing_of_the_next_owner() {
    let (first, second) = TestNode::start_two(|| Hub::new("hub")).await;
    let connection = handle("c1");
    first.join(&connection, "g").await;
    let (hub, id) = (first.engine.name().clone(), connection.id.clone());
    first.store.inner.withdraw(&first.engine.context.owner()).await.unwrap();
    let held = HeldConnection {
        hub: hub.clone(),
        connection: id.clone(),
        user: None,
        groups: vec!["g".into()],
        claim: Duration::ZERO,
    };
    let next = second.engine.context.owner();
    assert_eq!(second.store.restore(&next, vec![held]).await.unwrap().lost, []);
    first.close(&connection).await;
    // Long enough for the first node to announce itself anew, and to try again what failed.
    after_secs(60).await;
    assert_eq!(first.store.owner(&hub, &id).await.unwrap(), Some(next));
    assert_eq!(recorded(&first, &connection).await, ["g".into()]);
    assert_eq!(first.engine.removals.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn removals_are_tried_again_also_where_one_has_panicked() {
    let (node, connection) = start().await;
    node.store.changing.set_failing(true);
    node.close(&connection).await;
    node.store.changing.set_failing(false);
    node.store.changing.set_panicking(true);
    after_secs(60).await;
    node.store.changing.set_panicking(false);
    after_secs(60).await;
    assert_eq!(recorded(&node, &connection).await, []);
    assert_eq!(node.engine.removals.len(), 0);
}
