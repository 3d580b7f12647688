//! Tests of crowds: what is cheap for one is not to become slow, or to be kept, for thousands.

use std::sync::Arc;

use futures_util::future::join_all;
use hubward_backplane::{GroupStore, NodeRegistry};
use hubward_hub::{Hub, HubOptions};

use crate::connection::handle::ConnectionHandle;
use crate::testing::cluster::TestNode;
use crate::testing::{handle, log::CapturedLog, pass, user_handle};

const MANY: usize = 4_000;

fn hub() -> Hub {
    Hub::new("hub")
}

/// What the membership of a node keeps beside the index.
fn kept(node: &TestNode) -> [usize; 4] {
    let engine = &node.engine;
    [engine.users.len(), engine.unrecorded.len(), engine.removals.len(), engine.expiries.deadlines.len()]
}

#[tokio::test(start_paused = true)]
async fn a_user_with_many_connections_is_added_and_removed_for_each_of_them() {
    let (node, owner) = TestNode::start_two(hub).await;
    let connections: Vec<_> = (0..MANY).map(|number| user_handle(&format!("c{number}"), "alice")).collect();
    join_all(connections.iter().map(|connection| owner.open(connection))).await;
    let there = node.engine.handle();
    there.groups().add_user("alice", "g", None).await.unwrap();
    assert_eq!(owner.delivered_to("g").len(), MANY);
    there.groups().remove_user("alice", "g").await.unwrap();
    assert!(owner.delivered_to("g").is_empty());
    there.groups().add_user("alice", "g", Some(std::time::Duration::from_secs(60))).await.unwrap();
    join_all(connections.iter().map(|connection| owner.close(connection))).await;
    assert_eq!((owner.engine.connection_count(), kept(&owner)), (0, [0; 4]));
    assert_eq!(owner.network.subscribers(&owner.group_topic("g")), 0);
}

#[tokio::test(start_paused = true)]
async fn many_users_are_changed_at_once_and_leave_nothing() {
    let (node, owner) = TestNode::start_two(hub).await;
    let users: Vec<_> = (0..MANY).map(|number| format!("u{number}")).collect();
    let connections: Vec<_> = users.iter().map(|user| user_handle(user, user)).collect();
    join_all(connections.iter().map(|connection| owner.open(connection))).await;
    let there = node.engine.handle();
    let add = async |user: &String| there.groups().add_user(user.as_str(), "g", None).await;
    assert!(join_all(users.iter().map(add)).await.iter().all(Result::is_ok));
    assert_eq!(owner.delivered_to("g").len(), MANY);
    let remove = async |user: &String| there.groups().remove_user(user.as_str(), "g").await;
    assert!(join_all(users.iter().map(remove)).await.iter().all(Result::is_ok));
    assert!(owner.delivered_to("g").is_empty());
    assert_eq!((kept(&node), kept(&owner)), ([0; 4], [0; 4]));
}

#[tokio::test(start_paused = true)]
async fn a_crowded_node_that_comes_back_while_it_is_swept_loses_nobody() {
    let (node, back) = TestNode::start_two(hub).await;
    let connections: Vec<Arc<ConnectionHandle>> =
        (0..MANY).map(|number| handle(&format!("c{number}"))).collect();
    join_all(connections.iter().map(|connection| back.join(connection, "g"))).await;
    back.registry.heartbeats.set_failing(true);
    node.registry.sweeping.hold();
    pass(back.registry.lease() * 2).await;
    // Both at once: one step of the sweep, and one portion that is put back.
    node.registry.sweeping.release();
    node.registry.sweeping.set_yields(3);
    back.store.changing.set_yields(3);
    back.registry.heartbeats.set_failing(false);
    pass(back.registry.lease() * 2).await;
    assert!(node.registry.take_swept().iter().sum::<usize>() > 0, "it was swept");
    assert_eq!((back.recorded_in("g").await, back.delivered_to("g").len()), (MANY as u64, MANY));
    let owner = back.engine.context.owner();
    for connection in &connections {
        let found = back.store.owner(back.engine.name(), &connection.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&owner));
    }
    assert_eq!(kept(&back), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_user_in_more_groups_than_a_connection_may_be_in_fills_no_log() {
    const LIMIT: usize = 10;
    let options = HubOptions { groups_per_connection: LIMIT, ..HubOptions::default() };
    let node = TestNode::start(hub().options(options)).await;
    let there = node.engine.handle();
    for number in 0..MANY {
        there.groups().add_user("alice", format!("g{number}"), None).await.unwrap();
    }
    let log = CapturedLog::start();
    let connections: Vec<_> = (0..50).map(|number| user_handle(&format!("c{number}"), "alice")).collect();
    for connection in &connections {
        node.open(connection).await;
        assert_eq!(connection.groups.len(), LIMIT);
    }
    let lines = log.messages();
    assert!((1..=10).contains(&lines.len()), "{} lines", lines.len());
}
