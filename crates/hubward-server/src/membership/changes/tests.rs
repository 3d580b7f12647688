//! Tests of the turns that changes of one connection take, and of what a caller that stops waiting leaves.

use std::time::Duration;

use futures_util::FutureExt;
use hubward_backplane::{GroupStore, NodeRegistry};
use hubward_hub::Hub;

use super::*;
use crate::membership;
use crate::membership::connection::Change;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::{handle, pass, user_handle};

/// A node alone, with one open connection `c1` of alice.
async fn start() -> (TestNode, Arc<ConnectionHandle>) {
    let (node, connection) = (TestNode::start(Hub::new("hub")).await, user_handle("c1", "alice"));
    node.open(&connection).await;
    node.backplane.take_calls();
    (node, connection)
}

/// What is delivered is what is recorded: whether the connection is in the group.
async fn is_member(node: &TestNode, connection: &Arc<ConnectionHandle>) -> bool {
    let groups = node.store.groups_of_connection(node.engine.name(), &connection.id).await.unwrap();
    let recorded = groups.contains(&"g".into());
    assert_eq!(!node.delivered_to("g").is_empty(), recorded, "delivery is not what is recorded");
    recorded
}

#[tokio::test(start_paused = true)]
async fn a_join_whose_caller_stops_waiting_takes_effect_all_the_same() {
    for held_by_store in [true, false] {
        let (node, connection) = start().await;
        let hold =
            || if held_by_store { node.store.changing.hold() } else { node.backplane.subscribing.hold() };
        hold();
        assert!(Box::pin(node.change(&connection, "g", Change::Join)).now_or_never().is_none());
        node.store.changing.release();
        node.backplane.subscribing.release();
        node.change(&connection, "g", Change::Join).await.unwrap();
        assert!(is_member(&node, &connection).await, "a later add answers Ok with nothing delivered");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_join_answers_only_when_delivery_has_begun() {
    let (node, connection) = start().await;
    node.backplane.subscribing.hold();
    let mut first = Box::pin(node.change(&connection, "g", Change::Join));
    let mut second = Box::pin(node.change(&connection, "g", Change::Join));
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none(), "nothing is delivered yet");
    settle().await;
    assert!((&mut second).now_or_never().is_none(), "nothing is delivered yet");
    node.backplane.subscribing.release();
    second.await.unwrap();
    assert_eq!(node.delivered_to("g"), ["c1"]);
    first.await.unwrap();
}

/// Starts changes, each of which is dropped after a number of polls, and lets them end.
async fn dropped_after(polls: usize, changes: &[Change]) -> (TestNode, Arc<ConnectionHandle>) {
    let (node, connection) = start().await;
    node.store.changing.set_yields(3);
    for change in changes {
        let mut changing = Box::pin(node.change(&connection, "g", *change));
        for _ in 0..polls {
            if (&mut changing).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    settle().await;
    (node, connection)
}

#[tokio::test(start_paused = true)]
async fn changes_that_are_dropped_at_any_await_leave_what_the_last_of_them_asks_for() {
    use Change::{Join, Leave};
    for polls in 1..12 {
        for (changes, member) in [
            (&[Join][..], true),
            (&[Join, Leave], false),
            (&[Join, Leave, Join], true),
            (&[Join, Join], true),
        ] {
            let (node, connection) = dropped_after(polls, changes).await;
            assert_eq!(is_member(&node, &connection).await, member, "{changes:?} dropped after {polls}");
            node.change(&connection, "g", Leave).await.unwrap();
            assert!(!is_member(&node, &connection).await, "{changes:?} dropped after {polls}");
            let calls = node.backplane.take_calls();
            let count = |call: &str| calls.iter().filter(|known| *known == call).count();
            assert_eq!(count("subscribe group g"), count("unsubscribe group g"), "{calls:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_leave_of_the_connection_keeps_what_its_user_is_in_and_the_other_way_round() {
    let (node, connection) = start().await;
    let hub = node.engine.handle();
    let groups = hub.groups();
    groups.add_user("alice", "g", None).await.unwrap();
    node.change(&connection, "g", Change::Join).await.unwrap();
    node.change(&connection, "g", Change::Leave).await.unwrap();
    assert_eq!(node.delivered_to("g"), ["c1"], "its user is a member");
    node.change(&connection, "g", Change::Join).await.unwrap();
    groups.remove_user("alice", "g").await.unwrap();
    assert_eq!(node.delivered_to("g"), ["c1"], "it is a member by itself");
    node.change(&connection, "g", Change::Leave).await.unwrap();
    assert!(node.delivered_to("g").is_empty());
    assert_eq!(node.backplane.take_calls(), ["subscribe group g", "unsubscribe group g"]);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_is_removed_is_not_delivered_to_however_many_changes_of_its_connection_wait() {
    let (node, connection) = start().await;
    let hub = node.engine.handle();
    let groups = hub.groups();
    groups.add_user("alice", "g", None).await.unwrap();
    node.backplane.subscribing.hold();
    let mut refused = 0;
    for number in 0..2000 {
        let group = format!("g{number}");
        let joining = node.change(&connection, &group, Change::Join);
        refused += usize::from(Box::pin(joining).now_or_never().is_some());
    }
    assert!(refused > 0, "the queue is bounded");
    let mut removing = Box::pin(groups.remove_user("alice", "g"));
    assert!((&mut removing).now_or_never().is_none());
    settle().await;
    node.backplane.subscribing.release();
    removing.await.unwrap();
    assert!(node.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_join_of_a_connection_that_is_being_recorded_waits_for_that() {
    let (node, connection) = (TestNode::start(Hub::new("hub")).await, handle("c1"));
    node.enter(&connection);
    let mut joining = Box::pin(node.change(&connection, "g", Change::Join));
    assert!((&mut joining).now_or_never().is_none(), "it is not recorded yet");
    let (joined, ()) = tokio::join!(joining, node.entered(&connection));
    joined.unwrap();
    assert!(is_member(&node, &connection).await);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_recorded_for_a_connection_that_closes_while_changes_of_it_wait() {
    let (node, connection) = start().await;
    node.store.changing.hold();
    for group in ["a", "b", "c"] {
        let joining = node.change(&connection, group, Change::Join);
        assert!(Box::pin(joining).now_or_never().is_none());
    }
    let mut closing = Box::pin(node.close(&connection));
    assert!((&mut closing).now_or_never().is_none(), "its removal comes after the changes");
    node.store.changing.release();
    closing.await;
    settle().await;
    let (hub, id) = (node.engine.name(), &connection.id);
    assert_eq!(node.store.groups_of_connection(hub, id).await.unwrap(), []);
    assert_eq!(node.store.owner(hub, id).await.unwrap(), None);
    node.change(&connection, "g", Change::Join).await.unwrap();
    assert_eq!(node.recorded_in("g").await, 0);
    assert!(
        membership::changes::change(&node.engine, &connection, GroupChange::End).now_or_never().is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn a_join_is_subscribed_to_while_it_is_recorded() {
    let (node, connection) = start().await;
    node.store.changing.hold();
    let mut joining = Box::pin(node.change(&connection, "g", Change::Join));
    assert!((&mut joining).now_or_never().is_none());
    assert_eq!(node.backplane.take_calls(), ["subscribe group g"], "beside the store, not after it");
    node.store.changing.set_failing(true);
    node.store.changing.release();
    assert!(joining.await.is_err());
    assert_eq!(node.backplane.take_calls(), ["unsubscribe group g"]);
    assert!(!is_member(&node, &connection).await);
}

/// A node whose life the others have ended, and which learns that its next life has begun when announcing is released. Its
/// connection `c1` of alice is in the group `left`.
async fn fenced() -> (TestNode, TestNode, Arc<ConnectionHandle>) {
    let (other, node) = TestNode::start_two(|| Hub::new("hub")).await;
    let connection = user_handle("c1", "alice");
    node.join(&connection, "left").await;
    node.registry.heartbeats.set_failing(true);
    pass(node.registry.lease() * 2).await;
    node.registry.announcing.hold();
    node.registry.heartbeats.set_failing(false);
    (other, node, connection)
}

#[tokio::test(start_paused = true)]
async fn a_join_and_a_leave_of_a_node_that_was_taken_for_dead_are_made_in_its_next_life() {
    let (other, node, connection) = fenced().await;
    let mut joining = Box::pin(node.change(&connection, "g", Change::Join));
    let mut leaving = Box::pin(node.change(&connection, "left", Change::Leave));
    let both_wait = joining.as_mut().now_or_never().is_none() && leaving.as_mut().now_or_never().is_none();
    assert!(both_wait, "the node has not begun its next life");
    settle().await;
    node.registry.announcing.release();
    joining.await.unwrap();
    leaving.await.unwrap();
    assert!(is_member(&node, &connection).await);
    settle().await;
    assert_eq!((other.recorded_in("g").await, other.recorded_in("left").await), (1, 0));
    assert!(node.delivered_to("left").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_waits_for_the_next_life_no_longer_than_for_a_confirmation_however_many_wait() {
    let (_other, node, connection) = fenced().await;
    let (start, timeout) = (tokio::time::Instant::now(), node.engine.definition.options.confirmation_timeout);
    let joins = ["a", "b", "c"].map(|group| node.change(&connection, group, Change::Join));
    let joined = futures_util::future::join_all(joins).await;
    assert!(joined.iter().all(|joined| matches!(joined, Err(GroupError::Store { .. }))), "{joined:?}");
    assert_eq!(start.elapsed().as_secs(), timeout.as_secs());
    assert_eq!(node.delivered_to("a"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_does_not_wait_for_the_next_life_of_its_node() {
    let (_other, node, connection) = fenced().await;
    let mut joining = Box::pin(node.change(&connection, "g", Change::Join));
    assert!(joining.as_mut().now_or_never().is_none());
    let start = tokio::time::Instant::now();
    node.close(&connection).await;
    assert!(joining.await.is_err());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}
