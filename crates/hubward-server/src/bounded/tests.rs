//! Tests that no call waits for ever, in paused time.

use hubward_backplane::{
    BackplaneError, Body, Member, NodeInfo, NodeLoad, OpenConnection, RegistryError, StoreError, Topic,
};
use hubward_hub::Hub;
use hubward_types::{ConnectionId, GroupName, HubName, UserId};

use super::*;
use crate::membership::connection::Change;
use crate::testing::cluster::TestNode;
use crate::testing::handle;

/// Waits for something that must fail, within the time that it has: a join that failed is undone, which is a second call.
async fn fails<T, E>(what: &str, call: impl Future<Output = Result<T, E>>) -> E {
    let came = tokio::time::timeout(3 * CALL_TIMEOUT, call).await;
    came.unwrap_or_else(|_| panic!("{what} waits for ever")).err().expect("it was held up")
}

async fn hold_store() -> TestNode {
    let node = TestNode::start(Hub::new("hub")).await;
    node.store.changing.hold();
    node.store.querying.hold();
    node
}

#[tokio::test(start_paused = true)]
async fn every_change_of_a_group_store_that_hangs_fails() {
    let node = hold_store().await;
    let (store, owner) = (&node.engine.context.store, &node.engine.context.owner());
    let (hub, group): (HubName, GroupName) = ("hub".into(), "g".into());
    let (connection, user): (ConnectionId, UserId) = ("c1".into(), "alice".into());
    let opening = OpenConnection {
        hub: hub.clone(),
        connection: connection.clone(),
        user: None,
        owner: owner.clone(),
        claim: Duration::from_secs(1),
    };
    let error = fails("open_connection", store.open_connection(opening)).await;
    assert!(matches!(error, StoreError::Unavailable(Some(cause)) if cause.is::<TooSlow>()));
    fails("add_connection", store.add_connection(&hub, &group, &connection, owner)).await;
    fails("remove_connection", store.remove_connection(&hub, &group, &connection, owner)).await;
    fails("end_connection", store.end_connection(&hub, &connection, owner)).await;
    fails("restore", store.restore(owner, Vec::new())).await;
    fails("add_user", store.add_user(&hub, &group, &user, None)).await;
    fails("remove_user", store.remove_user(&hub, &group, &user)).await;
    fails("ban_user", store.ban_user(&hub, &group, &user)).await;
    fails("unban_user", store.unban_user(&hub, &group, &user)).await;
}

#[tokio::test(start_paused = true)]
async fn every_query_of_a_group_store_that_hangs_fails() {
    let node = hold_store().await;
    let store = &node.engine.context.store;
    let (hub, group): (HubName, GroupName) = ("hub".into(), "g".into());
    let (connection, user): (ConnectionId, UserId) = ("c1".into(), "alice".into());
    fails("owner", store.owner(&hub, &connection)).await;
    fails("users_online", store.users_online(&hub, None, 10)).await;
    fails("connections_of_user", store.connections_of_user(&hub, &user, None, 10)).await;
    fails("is_online", store.is_online(&hub, &user)).await;
    fails("nodes_of_user", store.nodes_of_user(&hub, &user)).await;
    fails("user_membership", store.user_membership(&hub, &group, &user)).await;
    fails("groups_of_users", store.groups_of_users(&hub, vec![user.clone()])).await;
    fails("groups_of_connection", store.groups_of_connection(&hub, &connection)).await;
    fails("groups_of_user", store.groups_of_user(&hub, &user)).await;
    fails("members", store.members(&hub, &group, None, 10)).await;
    fails("count", store.count(&hub, &group)).await;
    fails("contains", store.contains(&hub, &group, &Member::User(user))).await;
}

#[tokio::test(start_paused = true)]
async fn a_join_whose_store_hangs_fails() {
    let node = TestNode::start(Hub::new("hub")).await;
    let connection = handle("c1");
    node.open(&connection).await;
    node.store.changing.hold();
    fails("a join", node.change(&connection, "g", Change::Join)).await;
}

#[tokio::test(start_paused = true)]
async fn every_call_of_a_node_registry_that_hangs_fails() {
    let node = TestNode::start(Hub::new("hub")).await;
    let registry = node.engine.context.registry.as_ref().unwrap();
    node.registry.announcing.hold();
    node.registry.heartbeats.hold();
    let info = NodeInfo { id: "other".into(), address: None, hubs: Vec::new() };
    let error = fails("announce", registry.announce(info)).await;
    assert!(matches!(error, RegistryError::Unavailable(Some(_))));
    fails("heartbeat", registry.heartbeat(&node.engine.context.owner(), NodeLoad::default())).await;
}

#[tokio::test(start_paused = true)]
async fn subscribing_to_and_publishing_on_a_backplane_that_hangs_fail() {
    let node = TestNode::start(Hub::new("hub")).await;
    let context = &node.engine.context;
    let backplane = context.backplane.as_ref().unwrap();
    node.backplane.subscribing.hold();
    node.backplane.publishing.hold();
    let topics = vec![node.group_topic("g"), Topic::Nodes];
    let subscribed =
        tokio::time::timeout(2 * CALL_TIMEOUT, backplane.subscribe(topics.clone())).await.unwrap();
    let failed = |result: &Result<(), _>| matches!(result, Err(BackplaneError::Unavailable(Some(_))));
    assert!(subscribed.len() == 2 && subscribed.iter().all(failed));
    fails("publishing", context.publish(backplane, topics, None, Body::Resumed)).await;
}
