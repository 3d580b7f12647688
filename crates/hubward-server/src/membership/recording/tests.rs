//! Tests of connections that open while the store or the backplane cannot be reached.

use std::future::ready;

use hubward_backplane::{GroupStore, OpenConnection};
use hubward_hub::{Hub, HubContext, HubOptions};
use hubward_types::NodeId;
use serde_json::{Value, json};

use super::*;
use crate::testing::client::TestClient;
use crate::testing::cluster::TestNode;
use crate::testing::log::CapturedLog;
use crate::testing::{handle, pass, user_handle};

fn hub() -> Hub {
    Hub::new("hub")
        .method("Echo", |text: String| ready(text))
        .method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
}

fn refusing_hub() -> Hub {
    hub().options(HubOptions { accept_during_outage: false, ..HubOptions::default() })
}

/// The store and the backplane of a node go away, or come back.
fn set_outage(node: &TestNode, away: bool) {
    node.store.changing.set_failing(away);
    node.store.querying.set_failing(away);
    let id: &NodeId = node.node.id();
    if away { node.network.interrupt(id) } else { node.network.resume(id) }
}

async fn echoes(client: &mut TestClient) {
    assert_eq!(client.call("Echo", json!(["here"])).await["result"], "here");
}

fn message(text: &str) -> Value {
    json!({ "type": 1, "target": "M", "arguments": [text] })
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_opens_in_an_outage_is_served_and_reached_by_all_when_the_outage_ends() {
    let (node, other) = TestNode::start_two(hub).await;
    let (here, there) = (node.engine.handle(), other.engine.handle());
    there.groups().add_user("alice", "ward", None).await.unwrap();
    set_outage(&node, true);
    let mut client = TestClient::connect_user(&node.engine, "c1", "alice").await;
    echoes(&mut client).await;
    here.clients().user("alice").send("M", ("local",)).await.ok();
    assert_eq!(client.message().await, message("local"));
    assert!(client.call("Join", json!(["g"])).await["error"].is_string(), "a join cannot be recorded");

    set_outage(&node, false);
    pass(LONGEST_PAUSE * 2).await;
    client.call("Join", json!(["g"])).await;
    there.clients().user("alice").send("M", ("user",)).await.unwrap();
    there.clients().group("ward").send("M", ("group of the user",)).await.unwrap();
    there.clients().group("g").send("M", ("group",)).await.unwrap();
    there.clients().connection("c1").send("M", ("connection",)).await.unwrap();
    for text in ["user", "group of the user", "group", "connection"] {
        assert_eq!(client.message().await, message(text));
    }
}

#[tokio::test(start_paused = true)]
async fn the_cause_of_an_outage_is_logged_once_each_way_however_many_connections_open() {
    let node = TestNode::start(hub()).await;
    set_outage(&node, true);
    let log = CapturedLog::start();
    let mut clients = Vec::new();
    for number in 0..5 {
        clients.push(TestClient::connect(&node.engine, &format!("c{number}")).await);
        echoes(clients.last_mut().unwrap()).await;
    }
    pass(LONGEST_PAUSE * 4).await;
    set_outage(&node, false);
    pass(LONGEST_PAUSE * 2).await;
    let warnings: Vec<_> =
        log.messages().into_iter().filter(|line| line.contains("known to other nodes")).collect();
    let expected = [
        "WARN Connections that open cannot be made known to other nodes.",
        "INFO All open connections are known to other nodes again.",
    ];
    assert_eq!(warnings, expected);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_now_and_then_is_one_outage_in_the_log() {
    for hub in [hub(), refusing_hub()] {
        let node = TestNode::start(hub).await;
        let log = CapturedLog::start();
        for round in 0..20 {
            for away in [true, false] {
                set_outage(&node, away);
                let id = format!("c{round}-{away}");
                let mut client = TestClient::connect_user(&node.engine, &id, "alice").await;
                client.invoke("1", "Echo", json!(["here"])).await;
                client.next().await;
            }
            pass(Duration::from_secs(1)).await;
        }
        let outage = || {
            let lines = log.messages().into_iter();
            lines.filter(|line| line.contains("known to other nodes")).collect::<Vec<_>>()
        };
        assert_eq!(outage(), ["WARN Connections that open cannot be made known to other nodes."]);
        pass(Duration::from_secs(20)).await;
        echoes(&mut TestClient::connect_user(&node.engine, "last", "alice").await).await;
        assert_eq!(outage()[1..], ["INFO All open connections are known to other nodes again."]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_accepts_nobody_in_an_outage_closes_with_leave_to_reconnect() {
    let node = TestNode::start(refusing_hub()).await;
    set_outage(&node, true);
    let close = json!({ "type": 7, "error": "Connection closed with an error.", "allowReconnect": true });
    for id in ["c1", "c2"] {
        TestClient::connect_user(&node.engine, id, "alice").await.expect_close(close.clone()).await;
    }
    set_outage(&node, false);
    echoes(&mut TestClient::connect_user(&node.engine, "c3", "alice").await).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_holds_up_no_connection_for_ever() {
    let node = TestNode::start(hub()).await;
    node.store.changing.hold();
    let mut client = TestClient::connect_user(&node.engine, "c1", "alice").await;
    let begun = tokio::time::Instant::now();
    echoes(&mut client).await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    node.store.changing.release();
    pass(PORTION_TIMEOUT + LONGEST_PAUSE * 2).await;
    assert!(node.store.owner(&"hub".into(), &"c1".into()).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn of_two_connections_that_one_token_opened_in_an_outage_the_later_one_to_be_recorded_is_closed() {
    let (node, other) = TestNode::start_two(hub).await;
    set_outage(&node, true);
    let mut client = TestClient::connect(&node.engine, "c1").await;
    echoes(&mut client).await;
    let opening = OpenConnection {
        hub: "hub".into(),
        connection: "c1".into(),
        user: None,
        owner: other.engine.context.owner(),
        claim: Duration::from_secs(60),
    };
    other.store.inner.open_connection(opening).await.unwrap();
    set_outage(&node, false);
    client.expect_close(json!({ "type": 7 })).await;
    let owner = node.store.owner(&"hub".into(), &"c1".into()).await.unwrap();
    assert_eq!(owner, Some(other.engine.context.owner()));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_before_it_is_recorded_leaves_nothing_behind() {
    let node = TestNode::start(hub()).await;
    set_outage(&node, true);
    let mut client = TestClient::connect_user(&node.engine, "c1", "alice").await;
    echoes(&mut client).await;
    drop(client);
    set_outage(&node, false);
    pass(Duration::from_secs(60)).await;
    assert_eq!(node.engine.connection_count(), 0);
    assert_eq!(node.store.owner(&"hub".into(), &"c1".into()).await.unwrap(), None);
    assert_eq!(node.network.subscribers(&Topic::User("hub".into(), "alice".into())), 0);
}

#[tokio::test(start_paused = true)]
async fn connections_that_come_and_go_in_a_long_outage_leave_nothing_and_are_not_logged_one_by_one() {
    let node = TestNode::start(hub()).await;
    let stays = user_handle("stays", "alice");
    set_outage(&node, true);
    let log = CapturedLog::start();
    node.open(&stays).await;
    for number in 0..500 {
        let connection = handle(&format!("c{number}"));
        node.open(&connection).await;
        node.close(&connection).await;
        if number % 100 == 0 {
            pass(LONGEST_PAUSE).await;
        }
    }
    assert_eq!(node.engine.unrecorded.len(), 1);
    assert!(log.lines(tracing::Level::WARN).len() < 10, "{:?}", log.lines(tracing::Level::WARN));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_while_it_is_recorded_does_not_wait_again() {
    let node = TestNode::start(hub()).await;
    let connection = user_handle("c1", "alice");
    set_outage(&node, true);
    node.open(&connection).await;
    set_outage(&node, false);
    node.store.changing.hold();
    pass(LONGEST_PAUSE).await;
    let released = async {
        pass(PORTION_TIMEOUT * 2).await;
        node.store.changing.release();
    };
    tokio::join!(node.close(&connection), released);
    pass(LONGEST_PAUSE).await;
    assert_eq!(node.engine.unrecorded.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_opens_while_all_are_recorded_again_leaves_no_subscription_behind() {
    let (node, connection) = (TestNode::start(hub()).await, user_handle("c1", "alice"));
    let topic = Topic::User(node.engine.name().clone(), "alice".into());
    node.backplane.subscribing.hold();
    node.enter(&connection);
    let opened = async { node.entered(&connection).await };
    let restored = async {
        restore(&node.engine);
        pass(Duration::from_secs(1)).await;
        node.backplane.subscribing.release();
    };
    tokio::join!(opened, restored);
    pass(LONGEST_PAUSE).await;
    assert_eq!(node.network.subscribers(&topic), 1);
    node.close(&connection).await;
    assert_eq!(node.network.subscribers(&topic), 0);
}
