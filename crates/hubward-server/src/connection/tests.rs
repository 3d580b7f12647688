//! Tests of a connection's deadlines, over an in-memory WebSocket and in paused time. What its other parts decide is
//! tested beside them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hubward_hub::{Hub, HubOptions};
use hubward_transport::TransportOptions;
use hubward_types::Principal;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::node::Node;
use crate::testing::client::{Next, TestClient};
use crate::testing::{Journal, engine, pass, until_ended};

const MINUTE: Duration = Duration::from_secs(60);

/// A hub with `Add`, and with callbacks that are noted.
fn hub(journal: &Journal) -> Hub {
    let (connected, disconnected) = (journal.clone(), journal.clone());
    Hub::new("hub")
        .method("Add", async |a: i32, b: i32| a + b)
        .on_connected(move || connected.noting("connected"))
        .on_disconnected(move || disconnected.noting("disconnected"))
}

fn sum(id: &str, sum: i32) -> Value {
    json!({ "type": 3, "invocationId": id, "result": sum })
}

fn user_until(expires: Duration) -> Principal {
    Principal::builder().user_id("alice").expires_at(SystemTime::now() + expires).build()
}

#[tokio::test(start_paused = true)]
async fn a_call_is_completed() {
    let engine = engine(hub(&Journal::default()));
    let mut client = TestClient::connect(&engine, "c1").await;
    assert_eq!(client.call("add", json!([2, 3])).await, sum("call", 5));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_in_time_is_refused_and_the_hub_hears_of_nobody() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let mut client = TestClient::open(&engine, "c1", Principal::anonymous(), TransportOptions::default());
    let start = Instant::now();
    assert_eq!(client.next().await, Next::Message(json!({ "error": "Handshake was canceled." })));
    assert_eq!(start.elapsed(), HubOptions::default().handshake_timeout);
    assert_eq!(client.next().await, Next::Closed(1000));
    until_ended(&engine).await;
    assert_eq!(journal.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_handshake_is_refused_and_the_hub_hears_of_nobody() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let mut client = TestClient::open(&engine, "c1", Principal::anonymous(), TransportOptions::default());
    client.send(&json!({ "protocol": "xml", "version": 1 })).await;
    let refused = json!({ "error": "The protocol 'xml' is not supported." });
    assert_eq!(client.next().await, Next::Message(refused));
    assert_eq!(client.next().await, Next::Closed(1000));
    until_ended(&engine).await;
    assert_eq!(journal.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_client_is_pinged_at_the_keep_alive_interval_whatever_else_is_sent() {
    let interval = Duration::from_secs(5);
    let options = HubOptions { keep_alive_interval: interval, ..HubOptions::default() };
    let engine = engine(hub(&Journal::default()).options(options));
    let mut client = TestClient::connect(&engine, "c1").await;
    let start = Instant::now();
    for pings in 1..=3 {
        pass(interval / 2).await;
        assert_eq!(client.call("Add", json!([1, 1])).await, sum("call", 2));
        assert_eq!(client.next_or_ping().await, Next::Message(json!({ "type": 6 })));
        assert_eq!(start.elapsed(), interval * pings);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_never_pinged_may_be_silent() {
    let engine = engine(hub(&Journal::default()));
    let mut client = TestClient::connect(&engine, "c1").await;
    for _ in 0..4 {
        pass(MINUTE).await;
        assert_eq!(client.call("Add", json!([1, 1])).await, sum("call", 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_pinged_is_closed_when_it_is_silent_for_too_long() {
    let engine = engine(hub(&Journal::default()));
    let mut client = TestClient::connect(&engine, "c1").await;
    pass(MINUTE).await;
    client.send(&json!({ "type": 6 })).await;
    assert_eq!(client.call("Add", json!([1, 1])).await, sum("call", 2));
    pass(Duration::from_secs(20)).await;
    assert_eq!(client.call("Add", json!([1, 2])).await, sum("call", 3));
    let start = Instant::now();
    let close = json!({ "type": 7, "error": "Connection closed with an error.", "allowReconnect": true });
    client.expect_close(close).await;
    assert_eq!(start.elapsed(), HubOptions::default().client_timeout);
}

#[tokio::test(start_paused = true)]
async fn silence_does_not_count_while_reading_waits_for_a_call() {
    let gate = Arc::new(Semaphore::new(0));
    let hold = gate.clone();
    let hold = move |n: i32| {
        let gate = hold.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            n
        }
    };
    let engine = engine(Hub::new("hub").method("Hold", hold));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send(&json!({ "type": 6 })).await;
    client.invoke("1", "Hold", json!([1])).await;
    client.invoke("2", "Hold", json!([2])).await;
    pass(10 * MINUTE).await;
    gate.add_permits(2);
    assert_eq!(client.message().await, sum("1", 1));
    assert_eq!(client.message().await, sum("2", 2));
    let start = Instant::now();
    assert_eq!(client.message().await["type"], 7);
    assert_eq!(start.elapsed(), HubOptions::default().client_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_connection_closes_when_its_token_expires() {
    let engine = engine(Hub::new("hub"));
    let principal = user_until(MINUTE);
    let mut client = TestClient::open(&engine, "c1", principal, TransportOptions::default());
    client.handshake().await;
    let start = Instant::now();
    client.expect_close(json!({ "type": 7, "allowReconnect": true })).await;
    assert!((59..=60).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_outlives_its_token_where_the_option_says_so() {
    let engine = engine(hub(&Journal::default()));
    let options =
        TransportOptions { close_on_authentication_expiration: false, ..TransportOptions::default() };
    let mut client = TestClient::open(&engine, "c1", user_until(MINUTE), options);
    client.handshake().await;
    pass(2 * MINUTE).await;
    assert_eq!(client.call("Add", json!([1, 1])).await, sum("call", 2));
}

#[tokio::test(start_paused = true)]
async fn a_token_may_expire_before_the_handshake_is_done() {
    let engine = engine(hub(&Journal::default()));
    let principal = user_until(Duration::from_secs(5));
    let mut client = TestClient::open(&engine, "c1", principal, TransportOptions::default());
    let start = Instant::now();
    assert_eq!(client.next().await, Next::Closed(1000));
    assert!(start.elapsed() <= Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_a_connection_with_leave_to_reconnect_and_waits_for_it() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let node = Node::new(engine.context.clone(), [engine.clone()]);
    let mut client = TestClient::connect(&engine, "c1").await;
    let serve = async {
        client.expect_close(json!({ "type": 7, "allowReconnect": true })).await;
        client.send_close_frame().await;
        assert_eq!(client.next().await, Next::Lost);
    };
    tokio::join!(node.shut_down(), serve);
    assert_eq!(journal.take(), ["connected", "disconnected"]);
    assert_eq!(engine.connection_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_a_connection_whose_handshake_is_not_done() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let node = Node::new(engine.context.clone(), [engine.clone()]);
    let mut client = TestClient::open(&engine, "c1", Principal::anonymous(), TransportOptions::default());
    let start = Instant::now();
    let serve = async {
        assert_eq!(client.next().await, Next::Closed(1000));
        client.send_close_frame().await;
    };
    tokio::join!(node.shut_down(), serve);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(journal.take(), [""; 0]);
}
