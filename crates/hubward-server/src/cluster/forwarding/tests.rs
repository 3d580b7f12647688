//! A connection has moved, and other nodes do not know.

use std::time::Duration;

use hubward_backplane::{GroupStore, InMemoryNetwork, NodeRegistry, OpenConnection, TakeOver};
use hubward_hub::Hub;
use tokio::time::Instant;

use super::*;
use crate::cluster::holding;
use crate::cluster::requests::request;
use crate::connection::close_reason::CloseReason;
use crate::connection::mailbox::{ControlMessage, Mailbox, MailboxLimits};
use crate::testing::cluster::{TestNode, settle};
use crate::testing::faulty_store::FaultyStore;
use crate::testing::{pass, take_mail, user_handle};

/// A node that sends, the old node of the connection `c1`, and its new one.
struct Moving {
    sender: TestNode,
    old: TestNode,
    new: TestNode,
    at_old: Arc<ConnectionHandle>,
    at_new: Arc<ConnectionHandle>,
}

impl Moving {
    async fn start() -> Self {
        let (network, store) = (InMemoryNetwork::new(), FaultyStore::new());
        let node = async |id| TestNode::start_on(network.clone(), id, store.clone(), Hub::new("hub")).await;
        let (sender, old, new) = (node("node-1").await, node("node-2").await, node("node-3").await);
        let (at_old, mut at_new) = (user_handle("c1", "alice"), user_handle("c1", "alice"));
        let opening = OpenConnection {
            hub: "hub".into(),
            connection: "c1".into(),
            user: Some("alice".into()),
            owner: old.engine.context.owner(),
            claim: Duration::ZERO,
        };
        store.open_connection(opening).await.unwrap();
        old.enter(&at_old);
        let mailbox = Mailbox::new(MailboxLimits { messages: 1_000, bytes: 1 << 20 });
        Arc::get_mut(&mut at_new).unwrap().mailbox = mailbox.prepared();
        new.enter(&at_new);
        Self { sender, old, new, at_old, at_new }
    }

    fn cut(&self) {
        self.at_old.mailbox.record().unwrap();
        let forward = forward(&self.old.engine, &self.at_old, "node-3".into());
        self.at_old.mailbox.cut(forward).unwrap();
    }

    /// The old node lets the connection go.
    async fn finish(&self) {
        let (from, to) = (self.old.engine.context.owner(), self.new.engine.context.owner());
        let taking = TakeOver { hub: "hub".into(), connection: "c1".into(), from, to };
        self.old.store.take_over(taking).await.unwrap();
        note_arrived(&self.new.engine, &"c1".into());
        self.finish_at_old();
    }

    fn finish_at_old(&self) {
        self.at_old.mailbox.moved();
        note_moved(&self.old.engine, &self.at_old, &"node-3".into());
        self.at_old.set_closed();
        self.old.engine.index.remove(&self.at_old);
    }
}

async fn send(from: &TestNode, method: &str) {
    from.engine.handle().connection("c1").send(method, ()).await.unwrap();
}

fn methods(connection: &ConnectionHandle) -> Vec<String> {
    let (messages, _) = take_mail(connection);
    let target = |message: &String| message.split('"').nth(5).unwrap().to_owned();
    messages.iter().map(target).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_for_a_connection_that_has_moved_reach_it_in_order_whoever_sends_them() {
    let moving = Moving::start().await;
    send(&moving.sender, "BeforeTheCut").await;
    assert_eq!(methods(&moving.at_old), ["BeforeTheCut"]);
    moving.cut();
    send(&moving.sender, "One").await;
    send(&moving.old, "Two").await;
    moving.finish().await;
    send(&moving.sender, "Three").await;
    send(&moving.old, "Four").await;
    // Who has found the connection before it was closed sends to it all the same.
    let late = hubward_proto::encode::completion_void(Protocol::Json, "Five");
    moving.at_old.mailbox.push_from(late, crate::delivery::message_id::Source::Direct);
    send(&moving.new, "Six").await;
    moving.at_new.mailbox.start([]).unwrap();
    let received = methods(&moving.at_new);
    assert_eq!(received.len(), 6, "{received:?}");
    assert_eq!(
        (&received[..4], &received[5..]),
        (&["One", "Two", "Three", "Four"].map(String::from)[..], &["Six".to_owned()][..])
    );
    assert!(methods(&moving.at_old).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_held_while_its_connection_moved_is_passed_on() {
    let moving = Moving::start().await;
    let (old, paused) = (&moving.old.engine, moving.old.registry.lease() * 2);
    pass(paused).await;
    moving.old.registry.heartbeats.hold();
    old.context.last_heartbeat.note(Instant::now() - paused);
    send(&moving.sender, "Held").await;
    assert!(methods(&moving.at_old).is_empty() && old.held.is_holding());
    moving.cut();
    moving.finish().await;
    old.context.last_heartbeat.note(Instant::now());
    holding::release(old);
    settle().await;
    moving.at_new.mailbox.start([]).unwrap();
    assert_eq!(methods(&moving.at_new), ["Held"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_a_connection_that_has_moved_is_asked_of_its_new_node_which_replies() {
    let moving = Moving::start().await;
    // So that the node that asks knows the old one.
    send(&moving.sender, "Message").await;
    moving.cut();
    moving.finish().await;
    moving.at_new.mailbox.start([]).unwrap();
    let connection = moving.sender.engine.handle().connection("c1");
    let asked = connection.abort();
    asked.await.unwrap();
    let controls = take_mail(&moving.at_new).1;
    assert!(matches!(controls[..], [ControlMessage::Close(CloseReason::Aborted)]), "{controls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_come_back_and_ended_is_passed_on_by_nobody() {
    let moving = Moving::start().await;
    send(&moving.sender, "Message").await;
    moving.cut();
    moving.finish().await;
    moving.new.engine.index.remove(&moving.at_new);
    note_moved(&moving.new.engine, &moving.at_new, &"node-2".into());
    note_arrived(&moving.old.engine, &"c1".into());
    moving.old.backplane.take_calls();
    moving.new.backplane.take_calls();
    send(&moving.sender, "Message").await;
    settle().await;
    assert!(moving.old.backplane.take_calls().is_empty() && moving.new.backplane.take_calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_disconnects_a_user_while_a_connection_moves_ends_it_at_its_new_node() {
    for is_late in [false, true] {
        let moving = Moving::start().await;
        moving.cut();
        moving.at_new.mailbox.start([]).unwrap();
        // Who has asked the store before it moved asks the old node.
        if is_late {
            moving.finish_at_old();
        }
        let (context, old) = (&moving.sender.engine.context, "node-2".into());
        let disconnect = |id| Body::DisconnectUser { id, hub: "hub".into(), user: "alice".into() };
        let limit = Duration::from_secs(30);
        let asking = request(context, &old, limit, None, disconnect);
        let moved = async {
            settle().await;
            if !is_late {
                moving.finish_at_old();
            }
            moving.at_old.set_ended();
            settle().await;
            let controls = take_mail(&moving.at_new).1;
            moving.at_new.set_closed();
            moving.at_new.set_ended();
            controls
        };
        let (asked, controls) = tokio::join!(asking, moved);
        assert!(
            matches!(controls[..], [ControlMessage::Close(CloseReason::UserDisconnected)]),
            "{controls:?}"
        );
        asked.unwrap();
    }
}
