//! Tests of a connection's own membership.

use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;
use hubward_hub::{Hub, HubOptions};
use tokio::time::Instant;

use super::*;
use crate::testing::cluster::TestNode;
use crate::testing::{handle, user_handle};

/// A node alone, with one open connection `c1`.
async fn start(hub: Hub) -> (TestNode, Arc<ConnectionHandle>) {
    let (node, connection) = (TestNode::start(hub).await, handle("c1"));
    node.open(&connection).await;
    node.backplane.take_calls();
    (node, connection)
}

type Changing<'a> = Pin<Box<dyn Future<Output = Result<(), GroupError>> + 'a>>;

fn join<'a>(node: &'a TestNode, connection: &'a Arc<ConnectionHandle>, group: &'a GroupName) -> Changing<'a> {
    Box::pin(change_local(&node.engine, connection, group.clone(), Change::Join))
}

fn leave<'a>(
    node: &'a TestNode,
    connection: &'a Arc<ConnectionHandle>,
    group: &'a GroupName,
) -> Changing<'a> {
    Box::pin(change_local(&node.engine, connection, group.clone(), Change::Leave))
}

/// Nothing is left of a membership of group `g`: not delivered for, not recorded, not noted, not subscribed to.
async fn assert_nothing_left(node: &TestNode, connection: &ConnectionHandle) {
    assert!(node.delivered_to("g").is_empty());
    assert_eq!(node.recorded_in("g").await, 0);
    assert!(connection.groups.reasons(&"g".into()).is_none());
    let calls = node.backplane.take_calls();
    let count = |call: &str| calls.iter().filter(|known| *known == call).count();
    assert_eq!(count("subscribe group g"), count("unsubscribe group g"), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_join_is_recorded_subscribed_to_and_delivered_for() {
    let (node, connection) = start(Hub::new("hub")).await;
    join(&node, &connection, &"g".into()).await.unwrap();
    assert_eq!(node.delivered_to("g"), ["c1"]);
    assert_eq!(node.backplane.take_calls(), ["subscribe group g"]);
    assert_eq!(node.recorded_in("g").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_join_changes_nothing_and_one_leave_undoes_both() {
    let (node, connection) = start(Hub::new("hub")).await;
    let group = "g".into();
    join(&node, &connection, &group).await.unwrap();
    join(&node, &connection, &group).await.unwrap();
    assert_eq!(node.delivered_to("g"), ["c1"]);
    leave(&node, &connection, &group).await.unwrap();
    assert_nothing_left(&node, &connection).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_no_member_may_leave() {
    let (node, connection) = start(Hub::new("hub")).await;
    let (member, group) = (handle("c2"), "g".into());
    node.open(&member).await;
    join(&node, &member, &group).await.unwrap();
    node.backplane.take_calls();
    leave(&node, &connection, &group).await.unwrap();
    assert_eq!(node.delivered_to("g"), ["c2"]);
    assert!(node.backplane.take_calls().is_empty(), "the member's subscription stays");
}

#[tokio::test(start_paused = true)]
async fn the_last_member_of_this_node_that_leaves_ends_the_subscription() {
    let (node, first) = start(Hub::new("hub")).await;
    let (second, group) = (handle("c2"), "g".into());
    node.open(&second).await;
    node.backplane.take_calls();
    join(&node, &first, &group).await.unwrap();
    join(&node, &second, &group).await.unwrap();
    leave(&node, &first, &group).await.unwrap();
    assert_eq!(node.delivered_to("g"), ["c2"]);
    assert_eq!(node.backplane.take_calls(), ["subscribe group g"]);
    leave(&node, &second, &group).await.unwrap();
    assert_eq!(node.backplane.take_calls(), ["unsubscribe group g"]);
}

#[tokio::test(start_paused = true)]
async fn a_join_that_the_store_cannot_record_is_not_delivered_for() {
    let (node, connection) = start(Hub::new("hub")).await;
    node.store.changing.set_failing(true);
    let joined = join(&node, &connection, &"g".into()).await;
    assert!(matches!(joined, Err(GroupError::Store { .. })));
    assert_nothing_left(&node, &connection).await;
}

#[tokio::test(start_paused = true)]
async fn a_join_that_cannot_be_subscribed_to_is_undone_and_may_be_tried_again() {
    let (node, connection) = start(Hub::new("hub")).await;
    node.backplane.subscribing.set_failing(true);
    let joined = join(&node, &connection, &"g".into()).await;
    assert!(matches!(joined, Err(GroupError::Backplane { .. })));
    assert_nothing_left(&node, &connection).await;
    node.backplane.subscribing.set_failing(false);
    join(&node, &connection, &"g".into()).await.unwrap();
    assert_eq!(node.delivered_to("g"), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_while_its_join_is_recorded_leaves_nothing() {
    let (node, connection) = start(Hub::new("hub")).await;
    let group = "g".into();
    node.store.changing.hold();
    let mut joining = join(&node, &connection, &group);
    assert!(joining.as_mut().now_or_never().is_none());
    let mut closing = Box::pin(node.close(&connection));
    assert!((&mut closing).now_or_never().is_none(), "it waits for its turn");
    node.store.changing.release();
    closing.await;
    joining.await.unwrap();
    assert_nothing_left(&node, &connection).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_while_its_group_is_subscribed_to_leaves_nothing() {
    let (node, connection) = start(Hub::new("hub")).await;
    let group = "g".into();
    node.backplane.subscribing.hold();
    let mut joining = join(&node, &connection, &group);
    assert!(joining.as_mut().now_or_never().is_none());
    let mut closing = Box::pin(node.close(&connection));
    assert!((&mut closing).now_or_never().is_none(), "it waits for its turn");
    node.backplane.subscribing.release();
    closing.await;
    joining.await.unwrap();
    assert_nothing_left(&node, &connection).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_while_its_group_is_subscribed_to_takes_nothing_from_another() {
    let (node, connection) = start(Hub::new("hub")).await;
    let (other, group) = (handle("c2"), "g".into());
    node.open(&other).await;
    node.backplane.take_calls();
    node.backplane.subscribing.hold();
    let (mut joining, mut other_joining) = (join(&node, &connection, &group), join(&node, &other, &group));
    assert!((&mut joining).now_or_never().is_none());
    assert!((&mut other_joining).now_or_never().is_none());
    let mut closing = Box::pin(node.close(&connection));
    assert!((&mut closing).now_or_never().is_none(), "it waits for its turn");
    node.backplane.subscribing.release();
    closing.await;
    joining.await.unwrap();
    other_joining.await.unwrap();
    assert_eq!(node.delivered_to("g"), ["c2"]);
    assert!(!node.backplane.take_calls().contains(&"unsubscribe group g".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_leave_while_the_group_is_subscribed_to_wins() {
    let (node, connection) = start(Hub::new("hub")).await;
    let group = "g".into();
    node.backplane.subscribing.hold();
    let mut joining = join(&node, &connection, &group);
    assert!(joining.as_mut().now_or_never().is_none());
    let mut leaving = leave(&node, &connection, &group);
    assert!(leaving.as_mut().now_or_never().is_none(), "it waits for its turn");
    node.backplane.subscribing.release();
    joining.await.unwrap();
    leaving.await.unwrap();
    assert_nothing_left(&node, &connection).await;
}

#[tokio::test(start_paused = true)]
async fn a_leave_stops_delivery_even_where_the_store_fails() {
    let (node, connection) = start(Hub::new("hub")).await;
    join(&node, &connection, &"g".into()).await.unwrap();
    node.store.changing.set_failing(true);
    let left = leave(&node, &connection, &"g".into()).await;
    assert!(matches!(left, Err(GroupError::Store { .. })));
    assert!(node.delivered_to("g").is_empty());
    assert_eq!(node.backplane.take_calls(), ["subscribe group g", "unsubscribe group g"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_the_rule_of_the_hub_refuses_is_neither_recorded_nor_delivered() {
    let hub =
        Hub::new("hub").may_join(|principal, group| principal.user_id().is_some() && group.as_str() == "g");
    let (node, connection) = start(hub).await;
    let joined = join(&node, &connection, &"g".into()).await;
    assert!(matches!(joined, Err(GroupError::NotAllowed { group }) if group == "g"));
    assert_nothing_left(&node, &connection).await;
    let alice = user_handle("c2", "alice");
    node.open(&alice).await;
    join(&node, &alice, &"g".into()).await.unwrap();
    assert!(join(&node, &alice, &"h".into()).await.is_err());
    assert_eq!(node.delivered_to("g"), ["c2"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_joins_as_many_groups_as_the_hub_allows_and_no_more() {
    let hub = Hub::new("hub").options(HubOptions { groups_per_connection: 2, ..HubOptions::default() });
    let (node, connection) = start(hub).await;
    join(&node, &connection, &"a".into()).await.unwrap();
    join(&node, &connection, &"b".into()).await.unwrap();
    let joined = join(&node, &connection, &"g".into()).await;
    assert!(matches!(joined, Err(GroupError::TooManyGroups { limit: 2 })));
    assert_nothing_left(&node, &connection).await;
    join(&node, &connection, &"a".into()).await.unwrap();
    leave(&node, &connection, &"a".into()).await.unwrap();
    join(&node, &connection, &"g".into()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_group_name_is_refused_only_over_the_limit() {
    let hub = Hub::new("hub").options(HubOptions { group_name_bytes: 3, ..HubOptions::default() });
    let (node, connection) = start(hub).await;
    join(&node, &connection, &"abc".into()).await.unwrap();
    let refused = |changed| matches!(changed, Err(GroupError::NameTooLong { length: 4, limit: 3 }));
    assert!(refused(join(&node, &connection, &"abcd".into()).await));
    assert!(refused(
        change(node.engine.clone(), "elsewhere".into(), "abcd".into(), Change::Join, None).await
    ));
    assert_eq!(node.recorded_in("abcd").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_no_node_is_skipped() {
    let (alone, connection) = start(Hub::new("hub")).await;
    change(alone.engine.clone(), connection.id.clone(), "g".into(), Change::Join, None).await.unwrap();
    change(alone.engine.clone(), "gone".into(), "g".into(), Change::Join, None).await.unwrap();
    assert_eq!(alone.recorded_in("g").await, 1);
    let (node, _other) = TestNode::start_two(|| Hub::new("hub")).await;
    change(node.engine.clone(), "gone".into(), "g".into(), Change::Join, None).await.unwrap();
    assert_eq!(node.recorded_in("g").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_confirm_in_time_is_an_error() {
    let (node, other) = TestNode::start_two(|| Hub::new("hub")).await;
    other.open(&handle("c1")).await;
    node.network.hold(other.node.id());
    let start = Instant::now();
    let changed = change(node.engine.clone(), "c1".into(), "g".into(), Change::Join, None).await;
    assert!(matches!(changed, Err(GroupError::NoConfirmation)));
    assert_eq!(start.elapsed().as_secs(), HubOptions::default().confirmation_timeout.as_secs());
    // The confirmation that comes too late finds nobody, and disturbs nobody.
    node.network.release(other.node.id());
    tokio::time::sleep(Duration::from_millis(1)).await;
    change(node.engine.clone(), "c1".into(), "g".into(), Change::Leave, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_backplane_that_cannot_reach_the_other_node_is_an_error() {
    let (node, other) = TestNode::start_two(|| Hub::new("hub")).await;
    other.open(&handle("c1")).await;
    node.backplane.publishing.set_failing(true);
    let changed = change(node.engine.clone(), "c1".into(), "g".into(), Change::Join, None).await;
    assert!(matches!(changed, Err(GroupError::Backplane { .. })));
}
