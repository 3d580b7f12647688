//! Tests of changes of a user's membership on two nodes: confirmed when they return, in the order of their calls, and
//! complete also where nobody waits for them.

use std::time::Duration;

use futures_util::FutureExt;
use hubward_hub::Hub;
use tokio::time::Instant;

use super::*;
use crate::connection::handle::ConnectionHandle;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::user_handle;

/// Two nodes, with a connection of alice to each: `c1` and `c2`.
async fn start() -> [(TestNode, Arc<ConnectionHandle>); 2] {
    let (first, second) = TestNode::start_two(|| Hub::new("hub")).await;
    let connections = [user_handle("c1", "alice"), user_handle("c2", "alice")];
    first.open(&connections[0]).await;
    second.open(&connections[1]).await;
    let [of_first, of_second] = connections;
    [(first, of_first), (second, of_second)]
}

fn adding(node: &TestNode, ttl: Option<u64>) -> impl Future<Output = Result<(), GroupError>> + Send + use<> {
    Box::pin(add(node.engine.clone(), "alice".into(), "g".into(), ttl.map(Duration::from_secs), None))
}

fn removing(node: &TestNode) -> impl Future<Output = Result<(), GroupError>> + Send + use<> {
    Box::pin(remove(node.engine.clone(), "alice".into(), "g".into(), None))
}

/// Whether alice is a member: for both nodes and the store alike.
async fn is_member(nodes: &[(TestNode, Arc<ConnectionHandle>); 2]) -> bool {
    let [(first, _), (second, _)] = nodes;
    let recorded = first.recorded_in("g").await > 0;
    let delivered = [first.delivered_to("g"), second.delivered_to("g")];
    assert_eq!(delivered.map(|ids| !ids.is_empty()), [recorded; 2], "delivery is not what is recorded");
    recorded
}

#[tokio::test(start_paused = true)]
async fn an_add_returns_when_every_node_delivers_and_a_removal_when_none_does() {
    let nodes = start().await;
    adding(&nodes[0].0, None).await.unwrap();
    assert!(is_member(&nodes).await);
    removing(&nodes[1].0).await.unwrap();
    assert!(!is_member(&nodes).await);
}

#[tokio::test(start_paused = true)]
async fn an_add_waits_for_a_node_that_subscribes_slowly() {
    let nodes = start().await;
    nodes[1].0.backplane.subscribing.hold();
    let mut add = adding(&nodes[0].0, None);
    assert!((&mut add).now_or_never().is_none());
    settle().await;
    assert!((&mut add).now_or_never().is_none(), "the other node does not deliver yet");
    nodes[1].0.backplane.subscribing.release();
    add.await.unwrap();
    assert!(is_member(&nodes).await);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_caller_stops_waiting_takes_effect_on_every_node_all_the_same() {
    let nodes = start().await;
    for member in [true, false] {
        nodes[0].0.store.changing.hold();
        match member {
            true => assert!(adding(&nodes[0].0, None).now_or_never().is_none()),
            false => assert!(removing(&nodes[0].0).now_or_never().is_none()),
        }
        nodes[0].0.store.changing.release();
        settle().await;
        assert_eq!(is_member(&nodes).await, member);
    }
}

#[tokio::test(start_paused = true)]
async fn changes_dropped_at_any_await_leave_what_the_last_of_them_asks_for() {
    for polls in 1..16 {
        let nodes = start().await;
        nodes[0].0.store.changing.set_yields(2);
        nodes[0].0.store.querying.set_yields(3);
        for add in [true, false, true, false, false, true] {
            let mut changing: std::pin::Pin<Box<dyn Future<Output = _>>> =
                if add { Box::pin(adding(&nodes[0].0, None)) } else { Box::pin(removing(&nodes[0].0)) };
            for _ in 0..polls {
                if changing.as_mut().now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(changing);
            if polls % 3 == 0 {
                settle().await;
                assert_eq!(is_member(&nodes).await, add, "dropped after {polls}");
            }
        }
        settle().await;
        assert!(is_member(&nodes).await, "dropped after {polls}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_whose_reply_was_lost_is_obeyed_by_every_node() {
    let nodes = start().await;
    adding(&nodes[0].0, None).await.unwrap();
    nodes[0].0.store.changing.set_losing_replies(true);
    assert!(matches!(removing(&nodes[0].0).await, Err(GroupError::Store { .. })));
    settle().await;
    assert!(!is_member(&nodes).await);
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_the_store_did_not_record_changes_nothing_for_long() {
    let nodes = start().await;
    adding(&nodes[0].0, None).await.unwrap();
    nodes[0].0.store.changing.set_failing(true);
    assert!(matches!(removing(&nodes[0].0).await, Err(GroupError::Store { .. })));
    assert!(nodes[0].0.delivered_to("g").is_empty(), "it takes effect here until the store can be read");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(is_member(&nodes).await);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_a_node_cannot_subscribe_to_is_an_error_and_is_tried_again() {
    for failing in [0, 1] {
        let nodes = start().await;
        nodes[failing].0.backplane.subscribing.set_failing(true);
        let added = adding(&nodes[0].0, None).await;
        assert!(matches!(added, Err(GroupError::Backplane { .. } | GroupError::Owner { .. })), "{added:?}");
        nodes[failing].0.backplane.subscribing.set_failing(false);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(is_member(&nodes).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_confirm_in_time_is_an_error_and_one_that_has_left_is_not() {
    let nodes = start().await;
    let other = &nodes[1].0;
    other.network.hold(other.node.id());
    let start = Instant::now();
    assert!(matches!(adding(&nodes[0].0, None).await, Err(GroupError::NoConfirmation)));
    assert_eq!(start.elapsed(), nodes[0].0.engine.definition.options.confirmation_timeout);
    let mut remove = removing(&nodes[0].0);
    assert!((&mut remove).now_or_never().is_none());
    other.node.shut_down().await;
    remove.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_user_that_connects_during_a_storm_of_changes_gets_what_the_store_has_in_the_end() {
    for round in 0..60 {
        let nodes = start().await;
        let (first, second) = (&nodes[0].0, &nodes[1].0);
        first.store.changing.set_yields(round % 5);
        first.store.querying.set_yields(round % 7);
        let connection = user_handle("c3", "alice");
        let storm = async {
            for number in 0..10 {
                let node = if number % 2 == 0 { first } else { second };
                if (number + round) % 3 == 0 { removing(node).await } else { adding(node, None).await }
                    .unwrap();
            }
        };
        let connect = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            second.open(&connection).await;
        };
        tokio::join!(storm, connect);
        let delivered = second.delivered_to("g").contains(&"c3".to_owned());
        assert_eq!(delivered, is_member(&nodes).await, "round {round}");
    }
}
