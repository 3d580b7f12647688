//! Tests of a user's membership, in paused time.

use futures_util::FutureExt;
use hubward_backplane::GroupStore;
use hubward_hub::Hub;
use tracing::Level;

use super::*;
use crate::membership::user_changes::{add, remove};
use crate::testing::cluster::{TestNode, settle};
use crate::testing::{log::CapturedLog, user_handle};

/// A node alone, with one open connection `c1` of alice.
async fn start(hub: Hub) -> (TestNode, Arc<ConnectionHandle>) {
    let (node, connection) = (TestNode::start(hub).await, user_handle("c1", "alice"));
    node.open(&connection).await;
    (node, connection)
}

async fn add_alice(node: &TestNode, ttl_secs: Option<u64>) {
    let ttl = ttl_secs.map(Duration::from_secs);
    add(node.engine.clone(), "alice".into(), "g".into(), ttl, None).await.unwrap();
}

async fn remove_alice(node: &TestNode) -> Result<(), GroupError> {
    remove(node.engine.clone(), "alice".into(), "g".into(), None).await
}

async fn after_secs(secs: u64) {
    tokio::time::sleep(Duration::from_secs(secs)).await;
}

#[tokio::test(start_paused = true)]
async fn a_membership_holds_for_the_connections_that_a_user_has_and_for_later_ones() {
    let (node, _first) = start(Hub::new("hub")).await;
    node.open(&user_handle("b1", "bob")).await;
    add_alice(&node, None).await;
    assert_eq!(node.delivered_to("g"), ["c1"]);
    node.open(&user_handle("c2", "alice")).await;
    node.open(&user_handle("b2", "bob")).await;
    assert_eq!(node.delivered_to("g"), ["c1", "c2"]);
    assert_eq!(node.recorded_in("g").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_membership_of_a_user_without_connections_subscribes_to_nothing() {
    let node = TestNode::start(Hub::new("hub")).await;
    add_alice(&node, None).await;
    assert!(node.backplane.take_calls().is_empty());
    assert_eq!(node.recorded_in("g").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_removed_membership_holds_for_no_connection_any_more() {
    let (node, _connection) = start(Hub::new("hub")).await;
    node.open(&user_handle("c2", "alice")).await;
    add_alice(&node, None).await;
    remove_alice(&node).await.unwrap();
    assert!(node.delivered_to("g").is_empty());
    assert_eq!(node.backplane.take_calls().last().unwrap(), "unsubscribe group g");
    node.open(&user_handle("c3", "alice")).await;
    assert!(node.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_membership_expires_after_its_time_for_connections_old_and_new() {
    let (node, _connection) = start(Hub::new("hub")).await;
    add_alice(&node, Some(60)).await;
    after_secs(30).await;
    node.open(&user_handle("c2", "alice")).await;
    after_secs(29).await;
    assert_eq!(node.delivered_to("g"), ["c1", "c2"]);
    after_secs(2).await;
    assert!(node.delivered_to("g").is_empty());
    assert_eq!(node.backplane.take_calls().last().unwrap(), "unsubscribe group g");
}

#[tokio::test(start_paused = true)]
async fn a_membership_that_is_renewed_before_it_expires_stays_until_the_new_time() {
    let (node, _connection) = start(Hub::new("hub")).await;
    add_alice(&node, Some(60)).await;
    after_secs(50).await;
    add_alice(&node, Some(60)).await;
    after_secs(59).await;
    assert_eq!(node.delivered_to("g"), ["c1"]);
    after_secs(2).await;
    assert!(node.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_membership_that_is_renewed_for_a_shorter_time_expires_sooner() {
    let (node, _connection) = start(Hub::new("hub")).await;
    add_alice(&node, Some(600)).await;
    add_alice(&node, Some(60)).await;
    after_secs(61).await;
    assert!(node.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_membership_that_was_removed_does_not_end_a_later_one() {
    let (node, _connection) = start(Hub::new("hub")).await;
    add_alice(&node, Some(60)).await;
    remove_alice(&node).await.unwrap();
    add_alice(&node, None).await;
    after_secs(61).await;
    assert_eq!(node.delivered_to("g"), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_joined_by_itself_stays_when_its_user_leaves_or_expires() {
    let (node, connection) = start(Hub::new("hub")).await;
    node.open(&user_handle("c2", "alice")).await;
    node.join(&connection, "g").await;
    add_alice(&node, None).await;
    remove_alice(&node).await.unwrap();
    assert_eq!(node.delivered_to("g"), ["c1"]);
    add_alice(&node, Some(60)).await;
    assert_eq!(node.delivered_to("g"), ["c1", "c2"]);
    after_secs(61).await;
    assert_eq!(node.delivered_to("g"), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn a_membership_that_the_store_cannot_record_is_not_delivered_for() {
    let (node, _connection) = start(Hub::new("hub")).await;
    node.store.changing.set_failing(true);
    let added = add(node.engine.clone(), "alice".into(), "g".into(), None, None).await;
    assert!(matches!(added, Err(GroupError::Store { .. })));
    assert!(node.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_the_store_cannot_record_takes_effect_on_this_node_all_the_same() {
    let (node, connection) = start(Hub::new("hub")).await;
    node.open(&user_handle("c2", "alice")).await;
    node.join(&connection, "g").await;
    add_alice(&node, None).await;
    node.store.changing.set_failing(true);
    assert!(matches!(remove_alice(&node).await, Err(GroupError::Store { .. })));
    assert_eq!(node.delivered_to("g"), ["c1"]);
}

#[tokio::test]
async fn a_removal_that_fails_in_the_store_and_on_the_way_to_other_nodes_reports_the_store() {
    let (node, other) = TestNode::start_two(|| Hub::new("hub")).await;
    other.open(&user_handle("c1", "alice")).await;
    node.store.changing.set_failing(true);
    node.backplane.publishing.set_failing(true);
    assert!(matches!(remove_alice(&node).await, Err(GroupError::Store { .. })));
    node.store.changing.set_failing(false);
    assert!(matches!(remove_alice(&node).await, Err(GroupError::Backplane { .. })));
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_of_the_store_a_removal_stops_all_delivery() {
    let (node, _connection) = start(Hub::new("hub")).await;
    add_alice(&node, None).await;
    node.store.changing.set_failing(true);
    node.store.querying.set_failing(true);
    assert!(matches!(remove_alice(&node).await, Err(GroupError::Store { .. })));
    assert!(node.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_of_the_store_a_membership_that_is_due_to_expire_ends() {
    let (node, _connection) = start(Hub::new("hub")).await;
    add_alice(&node, Some(60)).await;
    node.store.querying.set_failing(true);
    let log = CapturedLog::start();
    after_secs(61).await;
    assert!(node.delivered_to("g").is_empty());
    let warned = log.lines(Level::WARN);
    let expected = "The group store could not report whether a user is a member; it is read again.";
    assert!(matches!(&warned[..], [only] if only.starts_with(expected)), "{warned:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_rule_refuses_is_left_out_and_its_user_is_a_member_all_the_same() {
    let hub = Hub::new("hub")
        .may_join(|principal, _| principal.user_id().is_some_and(|user| user.as_str() == "bob"));
    let (node, _connection) = start(hub).await;
    let log = CapturedLog::start();
    add_alice(&node, None).await;
    assert!(node.delivered_to("g").is_empty());
    assert_eq!(node.recorded_in("g").await, 1);
    let warned = log.lines(Level::WARN);
    let expected = "Groups of a user are not delivered to a connection.";
    assert!(matches!(&warned[..], [only] if only.starts_with(expected)), "{warned:?}");
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_beginning_of_a_users_long_name() {
    let node = TestNode::start(Hub::new("hub").may_join(|_, _| false)).await;
    let user = "u".repeat(30_000);
    node.open(&user_handle("c1", &user)).await;
    let log = CapturedLog::start();
    add(node.engine.clone(), user.into(), "g".into(), None, None).await.unwrap();
    let lines = log.lines(tracing::Level::WARN);
    assert!(lines.len() == 1 && lines[0].len() < 300, "{lines:.500?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_while_its_users_group_is_subscribed_to_leaves_nothing() {
    let (node, connection) = start(Hub::new("hub")).await;
    node.backplane.subscribing.hold();
    let (engine, tasks) = (node.engine.clone(), node.engine.context.tasks.clone());
    let adding = tasks.spawn(add(engine, "alice".into(), "g".into(), None, None));
    settle().await;
    let mut closing = Box::pin(node.close(&connection));
    assert!((&mut closing).now_or_never().is_none(), "it waits for its turn");
    node.backplane.subscribing.release();
    closing.await;
    adding.await.unwrap().unwrap();
    assert!(node.delivered_to("g").is_empty());
    assert!(node.backplane.take_calls().contains(&"unsubscribe group g".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_before_its_turn_comes_leaves_nothing() {
    let (node, _first) = start(Hub::new("hub")).await;
    let second = user_handle("c2", "alice");
    node.open(&second).await;
    node.backplane.subscribing.hold();
    let (engine, tasks) = (node.engine.clone(), node.engine.context.tasks.clone());
    let adding = tasks.spawn(add(engine, "alice".into(), "g".into(), None, None));
    settle().await;
    // The first one is being subscribed for, and the second one has not been looked at yet.
    let mut closing = Box::pin(node.close(&second));
    assert!((&mut closing).now_or_never().is_none(), "it waits for its turn");
    node.backplane.subscribing.release();
    closing.await;
    adding.await.unwrap().unwrap();
    assert_eq!(node.delivered_to("g"), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn a_user_is_added_and_removed_on_every_node() {
    let (node, other) = TestNode::start_two(|| Hub::new("hub")).await;
    let connection = user_handle("c1", "alice");
    other.open(&connection).await;
    add_alice(&node, Some(60)).await;
    settle().await;
    assert_eq!(other.delivered_to("g"), ["c1"]);
    remove_alice(&node).await.unwrap();
    settle().await;
    assert!(other.delivered_to("g").is_empty());
    add_alice(&node, Some(60)).await;
    after_secs(59).await;
    assert_eq!(other.delivered_to("g"), ["c1"]);
    after_secs(2).await;
    assert!(other.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_time_that_is_no_whole_number_of_milliseconds_expires_on_every_node() {
    let (node, other) = TestNode::start_two(|| Hub::new("hub")).await;
    other.open(&user_handle("c1", "alice")).await;
    let ttl = Some(Duration::from_micros(10_500));
    add(node.engine.clone(), "alice".into(), "g".into(), ttl, None).await.unwrap();
    settle().await;
    assert_eq!(other.delivered_to("g"), ["c1"]);
    after_secs(1).await;
    assert!(other.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_memberships_to_expire() {
    let (node, _connection) = start(Hub::new("hub")).await;
    add_alice(&node, Some(3600)).await;
    let shutting_down = tokio::time::timeout(Duration::from_secs(1), node.node.shut_down()).await;
    assert!(shutting_down.is_ok());
}

#[tokio::test(start_paused = true)]
async fn fifty_thousand_renewals_leave_one_deadline_and_one_task() {
    let (node, _connection) = start(Hub::new("hub")).await;
    let of_the_node = node.engine.context.tasks.len();
    for number in 0..50_000 {
        add_alice(&node, Some(3600 + number % 7)).await;
    }
    assert_eq!(node.engine.expiries.deadlines.len(), 1);
    assert_eq!(node.engine.context.tasks.len(), of_the_node + 1);
    add_alice(&node, None).await;
    settle().await;
    assert!(node.engine.expiries.deadlines.is_empty());
    assert_eq!(node.engine.context.tasks.len(), of_the_node);
}

#[tokio::test(start_paused = true)]
async fn a_membership_of_a_user_who_is_not_here_costs_no_deadline_and_no_reading() {
    let node = TestNode::start(Hub::new("hub")).await;
    node.store.querying.set_failing(true);
    add_alice(&node, Some(60)).await;
    assert!(node.engine.expiries.deadlines.is_empty());
    node.store.querying.set_failing(false);
    node.open(&user_handle("c1", "alice")).await;
    assert_eq!(node.engine.expiries.deadlines.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn deadlines_go_with_the_last_connection_of_their_user() {
    let (node, first) = start(Hub::new("hub")).await;
    let second = user_handle("c2", "alice");
    node.open(&second).await;
    add_alice(&node, Some(60)).await;
    node.close(&first).await;
    assert_eq!(node.engine.expiries.deadlines.len(), 1);
    node.close(&second).await;
    assert!(node.engine.expiries.deadlines.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_the_rule_of_the_hub_refuses_costs_no_deadline() {
    let (node, _connection) = start(Hub::new("hub").may_join(|_, _| false)).await;
    add_alice(&node, Some(60)).await;
    assert!(node.engine.expiries.deadlines.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_tried_again_and_what_it_has_is_delivered_again() {
    let (node, _connection) = start(Hub::new("hub")).await;
    add_alice(&node, Some(60)).await;
    // Renewed by somebody else.
    let (store, minutes) = (&node.store, Some(Duration::from_secs(600)));
    store.inner.add_user(node.engine.name(), &"g".into(), &"alice".into(), minutes).await.unwrap();
    node.store.querying.set_failing(true);
    let log = CapturedLog::start();
    after_secs(300).await;
    assert!(node.delivered_to("g").is_empty());
    assert_eq!(log.lines(Level::WARN).len(), 1, "an outage is logged once");
    node.store.querying.set_failing(false);
    after_secs(31).await;
    assert_eq!(node.delivered_to("g"), ["c1"]);
    after_secs(280).await;
    assert!(node.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn groups_are_read_again_until_the_store_answers_without_holding_a_dropped_node() {
    let (node, connection) = start(Hub::new("hub")).await;
    let (hub, group, alice) = (node.engine.name().clone(), "g".into(), "alice".into());
    node.store.inner.add_user(&hub, &group, &alice, None).await.unwrap();
    node.store.querying.set_failing(true);
    let tasks = node.engine.context.tasks.clone();
    tasks.spawn(read_again(node.engine.clone()));
    after_secs(60).await;
    assert!(node.delivered_to("g").is_empty());
    node.store.querying.set_failing(false);
    after_secs(60).await;
    assert_eq!(node.delivered_to("g"), ["c1"]);

    node.store.querying.set_failing(true);
    tasks.spawn(read_again(node.engine.clone()));
    let engine = Arc::downgrade(&node.engine);
    drop((node, connection));
    after_secs(60).await;
    assert!(engine.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_interrupted_again_and_again_leaves_one_reading() {
    let (node, _connection) = start(Hub::new("hub")).await;
    let (hub, group, alice) = (node.engine.name().clone(), "g".into(), "alice".into());
    node.store.inner.add_user(&hub, &group, &alice, None).await.unwrap();
    node.store.querying.set_failing(true);
    let before = node.engine.context.tasks.len();
    let log = CapturedLog::start();
    for _ in 0..100 {
        node.network.interrupt(node.node.id());
        node.network.resume(node.node.id());
    }
    after_secs(60).await;
    assert_eq!(node.engine.context.tasks.len(), before + 1);
    let failed = log.messages().into_iter().filter(|line| line.contains("could not be read again"));
    assert_eq!(failed.count(), 1);
    node.store.querying.set_failing(false);
    after_secs(60).await;
    assert_eq!(node.delivered_to("g"), ["c1"]);
    assert_eq!(node.engine.context.tasks.len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_cannot_be_subscribed_to_is_tried_ever_more_rarely_and_logged_once() {
    let (node, _connection) = start(Hub::new("hub")).await;
    node.backplane.subscribing.set_failing(true);
    let log = CapturedLog::start();
    assert!(add(node.engine.clone(), "alice".into(), "g".into(), None, None).await.is_err());
    after_secs(600).await;
    let tried = node.backplane.take_calls().iter().filter(|call| *call == "subscribe group g").count();
    assert!((10..40).contains(&tried), "{tried} times in ten minutes");
    assert_eq!(log.lines(Level::WARN).len(), 1, "{:?}", log.messages());
    node.backplane.subscribing.set_failing(false);
    after_secs(31).await;
    assert_eq!(node.delivered_to("g"), ["c1"]);
}
