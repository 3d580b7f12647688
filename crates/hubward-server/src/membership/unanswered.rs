//! Tests of a store and a backplane that do not answer: nobody waits for ever, and nothing is delivered that could not be
//! read.

use std::sync::Arc;

use hubward_backplane::GroupStore;
use hubward_hub::{GroupError, Hub};
use tokio::time::Instant;

use crate::bounded::CALL_TIMEOUT;
use crate::connection::handle::ConnectionHandle;
use crate::membership::connection::{Change, change_local};
use crate::testing::cluster::{TestNode, settle};
use crate::testing::{pass, user_handle};

/// A node with an open connection `c1` of alice, who is in the group `g`.
async fn start() -> (TestNode, Arc<ConnectionHandle>) {
    let (node, connection) = (TestNode::start(Hub::new("hub")).await, user_handle("c1", "alice"));
    node.engine.handle().groups().add_user("alice", "g", None).await.unwrap();
    node.open(&connection).await;
    assert_eq!(node.delivered_to("g"), ["c1"]);
    (node, connection)
}

/// Waits for something that a call without an answer holds up, for no longer than a few such calls.
async fn in_time<T>(what: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = tokio::time::timeout(CALL_TIMEOUT * 100, what).await.expect("it waits for ever");
    assert!(begun.elapsed() <= CALL_TIMEOUT * 2, "it takes {:?}", begun.elapsed());
    done
}

#[tokio::test(start_paused = true)]
async fn a_removal_of_a_user_takes_effect_where_the_store_does_not_answer() {
    for reading in [true, false] {
        let (node, _connection) = start().await;
        let fault = if reading { &node.store.querying } else { &node.store.changing };
        fault.hold();
        let hub = node.engine.handle();
        let removed = in_time(hub.groups().remove_user("alice", "g")).await;
        assert!(matches!(removed, Err(GroupError::Store { .. })), "{removed:?}");
        assert!(node.delivered_to("g").is_empty());
        fault.release();
        pass(CALL_TIMEOUT * 12).await;
        // Where it was not recorded, alice is a member, and what was read at last says so.
        assert_eq!(node.delivered_to("g").is_empty(), reading);
        hub.groups().add_user("alice", "h", None).await.unwrap();
        assert_eq!(node.delivered_to("h"), ["c1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_not_answered_fails() {
    let (node, _connection) = start().await;
    node.store.querying.hold();
    let hub = node.engine.handle();
    assert!(in_time(hub.groups().count("g")).await.is_err());
    assert!(in_time(hub.groups().members("g", None, 10)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_user_connects_while_a_change_of_it_is_not_answered() {
    let (node, _connection) = start().await;
    node.store.querying.hold();
    let hub = node.engine.handle();
    let tasks = node.engine.context.tasks.clone();
    for group in ["a", "b", "c", "d"] {
        let hub = hub.clone();
        tasks.spawn(async move { hub.groups().add_user("alice", group, None).await });
    }
    settle().await;
    in_time(node.open(&user_handle("c2", "alice"))).await;
    node.store.querying.release();
    pass(CALL_TIMEOUT * 12).await;
    assert_eq!(node.delivered_to("d"), ["c1", "c2"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_closes_while_nothing_answers_and_is_removed_when_something_does() {
    let (node, connection) = start().await;
    node.join(&connection, "own").await;
    node.store.changing.hold();
    in_time(node.close(&connection)).await;
    assert!(node.delivered_to("own").is_empty());
    node.store.changing.release();
    pass(CALL_TIMEOUT * 12).await;
    assert_eq!(node.store.owner(node.engine.name(), &connection.id).await.unwrap(), None);
    assert_eq!(node.recorded_in("own").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_join_that_cannot_be_subscribed_to_fails_and_leaves_no_record() {
    let (node, connection) = start().await;
    node.backplane.subscribing.hold();
    let joined = in_time(node.change(&connection, "own", Change::Join)).await;
    assert!(matches!(joined, Err(GroupError::Backplane { .. })), "{joined:?}");
    assert_eq!(node.recorded_in("own").await, 0);
    node.backplane.subscribing.release();
    node.change(&connection, "own", Change::Join).await.unwrap();
    assert_eq!(node.delivered_to("own"), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_of_a_user_waits_for_no_more_than_one_join_that_is_not_answered() {
    let (node, connection) = start().await;
    node.store.changing.hold();
    let joins = (0..100).map(|number| {
        let (engine, connection) = (node.engine.clone(), connection.clone());
        let group = format!("own-{number}").into();
        let join = async move { change_local(&engine, &connection, group, Change::Join).await };
        node.engine.context.tasks.spawn(join)
    });
    let joins: Vec<_> = joins.collect();
    settle().await;
    let hub = node.engine.handle();
    let removed = in_time(hub.groups().remove_user("alice", "g")).await;
    assert!(removed.is_err() && node.delivered_to("g").is_empty());
    for join in joins {
        assert!(join.await.unwrap().is_err());
    }
    assert_eq!(connection.groups.len(), 0);
    node.store.changing.release();
    node.change(&connection, "own-1", Change::Join).await.unwrap();
}
