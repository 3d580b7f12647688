//! Tests of who is online: on two nodes, and on a node alone.

use hubward_backplane::NodeRegistry;
use hubward_hub::Hub;

use super::*;
use crate::testing::client::TestClient;
use crate::testing::cluster::TestNode;
use crate::testing::{engine, handle, pass, user_handle};

/// All users that are online, in pages of two.
async fn online(engine: &Arc<Engine>) -> Vec<String> {
    let (hub, mut users, mut cursor) = (engine.handle(), Vec::new(), None);
    loop {
        let page = hub.users().online(cursor, 2).await.unwrap();
        assert!(page.users.len() <= 2);
        users.extend(page.users.iter().map(ToString::to_string));
        cursor = page.next;
        if cursor.is_none() {
            users.sort();
            return users;
        }
    }
}

/// All connections of a user, in pages of two.
async fn connections(engine: &Arc<Engine>, user: &str) -> Vec<String> {
    let (hub, mut connections, mut cursor) = (engine.handle(), Vec::new(), None);
    loop {
        let page = hub.users().connections_of(user, cursor, 2).await.unwrap();
        assert!(page.connections.len() <= 2);
        connections.extend(page.connections.iter().map(ToString::to_string));
        cursor = page.next;
        if cursor.is_none() {
            connections.sort();
            return connections;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_node_knows_the_users_of_all_nodes_and_their_connections() {
    let (first, second) = TestNode::start_two(|| Hub::new("hub")).await;
    let of_first = ["a1", "a2", "a3"].map(|id| user_handle(id, "alice"));
    for connection in &of_first {
        first.open(connection).await;
    }
    second.open(&user_handle("a4", "alice")).await;
    for name in ["bob", "carol"] {
        second.open(&user_handle(name, name)).await;
    }
    second.open(&handle("anonymous")).await;
    for node in [&first, &second] {
        assert_eq!(online(&node.engine).await, ["alice", "bob", "carol"]);
        assert_eq!(connections(&node.engine, "alice").await, ["a1", "a2", "a3", "a4"]);
        assert!(node.engine.handle().users().is_online("bob").await.unwrap());
        assert!(!node.engine.handle().users().is_online("nobody").await.unwrap());
    }
    for connection in &of_first {
        first.close(connection).await;
    }
    assert_eq!(connections(&first.engine, "alice").await, ["a4"]);
    second.registry.heartbeats.set_failing(true);
    pass(second.registry.lease() * 2).await;
    assert_eq!(online(&first.engine).await, [""; 0], "a dead node has no users");
}

#[tokio::test]
async fn a_node_alone_knows_its_users() {
    let engine = engine(Hub::new("hub"));
    let alice = TestClient::connect_user(&engine, "c1", "alice").await;
    let _other = TestClient::connect_user(&engine, "c2", "alice").await;
    let _anonymous = TestClient::connect(&engine, "c3").await;
    assert_eq!(online(&engine).await, ["alice"]);
    assert_eq!(connections(&engine, "alice").await, ["c1", "c2"]);
    drop(alice);
    while connections(&engine, "alice").await != ["c2"] {
        tokio::task::yield_now().await;
    }
    assert!(engine.handle().users().is_online("alice").await.unwrap());
}

#[tokio::test]
async fn a_store_that_fails_and_a_cursor_that_it_did_not_give_are_errors() {
    let node = TestNode::start(Hub::new("hub")).await;
    let (hub, foreign) = (node.engine.handle(), || Some(PageCursor::new("foreign")));
    let mut failed = vec![
        hub.users().online(foreign(), 10).await.err(),
        hub.users().connections_of("alice", foreign(), 10).await.err(),
    ];
    node.store.querying.set_failing(true);
    failed.push(hub.users().online(None, 10).await.err());
    failed.push(hub.users().connections_of("alice", None, 10).await.err());
    failed.push(hub.users().is_online("alice").await.err());
    assert!(failed.iter().all(|error| matches!(error, Some(UserError::Store { .. }))), "{failed:?}");
}
