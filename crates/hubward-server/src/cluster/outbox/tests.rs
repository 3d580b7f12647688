//! Tests of the order of what a hub publishes while recipients are looked up.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hubward_backplane::GroupStore;
use hubward_hub::{Hub, HubHandle, SendError};

use crate::connection::handle::ConnectionHandle;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::{pass, take_mail, user_handle};

/// Two nodes; the second one has the connection `c1` of alice, in the group `g`. The first one does not know that yet, and
/// cannot find out until the store is released.
async fn start() -> (TestNode, TestNode, std::sync::Arc<ConnectionHandle>) {
    let (node, other) = TestNode::start_two(|| Hub::new("hub")).await;
    let client = user_handle("c1", "alice");
    other.join(&client, "g").await;
    node.store.querying.hold();
    node.backplane.take_calls();
    (node, other, client)
}

/// Sends without waiting: to the connection, its group, its user, and the connection again.
fn send_all(hub: &HubHandle) {
    drop(hub.connection("c1").send("First", ()));
    drop(hub.group("g").send("Second", ()));
    drop(hub.user("alice").send("Third", ()));
    drop(hub.connection("c1").send("Fourth", ()));
}

fn received(client: &ConnectionHandle) -> Vec<String> {
    let target = |message: &String| message.split('"').nth(5).unwrap_or_default().to_owned();
    take_mail(client).0.iter().map(target).collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_hub_sends_arrives_in_order_across_topics_though_a_recipient_is_looked_up() {
    let (node, _other, client) = start().await;
    send_all(&node.engine.handle());
    settle().await;
    assert!(node.backplane.take_calls().is_empty());
    node.store.querying.release();
    settle().await;
    assert_eq!(received(&client), ["First", "Second", "Third", "Fourth"]);
    // Its node is known now.
    drop(node.engine.handle().connection("c1").send("Fifth", ()));
    assert_eq!(received(&client), ["Fifth"]);
}

#[tokio::test(start_paused = true)]
async fn a_backplane_with_an_order_on_each_topic_only_lets_no_group_wait_for_a_lookup() {
    let (node, _other, client) = start().await;
    node.backplane.per_topic.store(true, Ordering::SeqCst);
    send_all(&node.engine.handle());
    assert_eq!(received(&client), ["Second", "Third"]);
    node.store.querying.release();
    settle().await;
    assert_eq!(received(&client), ["First", "Fourth"]);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_is_not_answered_fails_in_time_and_what_waits_behind_it_goes_out() {
    let (node, _other, client) = start().await;
    let hub = node.engine.handle();
    let first = node.engine.context.tasks.spawn(hub.connection("c1").send("First", ()).into_future());
    drop(hub.group("g").send("Second", ()));
    pass(Duration::from_secs(6)).await;
    assert_eq!(received(&client), ["Second"]);
    assert!(matches!(first.await.unwrap(), Err(SendError::Backplane { .. })));
    let joining = node.engine.handle();
    let joined =
        node.engine.context.tasks.spawn(async move { joining.groups().add_connection("c1", "h").await });
    pass(Duration::from_secs(6)).await;
    assert!(joined.is_finished() && joined.await.unwrap().is_err());
    node.store.querying.release();
    assert_eq!(node.store.count(&"hub".into(), &"h".into()).await.unwrap(), 0);
}
