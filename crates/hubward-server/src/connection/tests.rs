//! Tests of a connection's task, over an in-memory WebSocket and in paused time.

use std::time::{Duration, SystemTime};

use hubward_hub::Hub;
use hubward_transport::TransportOptions;
use hubward_types::Principal;
use serde_json::json;
use tokio::time::Instant;

use crate::testing::client::{Next, TestClient};
use crate::testing::engine;

#[tokio::test(start_paused = true)]
async fn a_call_is_completed() {
    let engine = engine(Hub::new("hub").method("Add", async |a: i32, b: i32| a + b));
    let mut client = TestClient::connect(&engine, "c1").await;
    let completion = client.call("add", json!([2, 3])).await;
    assert_eq!(completion, json!({ "type": 3, "invocationId": "call", "result": 5 }));
}

#[tokio::test(start_paused = true)]
async fn a_connection_closes_when_its_token_expires() {
    let engine = engine(Hub::new("hub"));
    let expires = SystemTime::now() + Duration::from_secs(60);
    let principal = Principal::builder().user_id("alice").expires_at(expires).build();
    let mut client = TestClient::open(&engine, "c1", principal, TransportOptions::default());
    client.handshake().await;
    let start = Instant::now();
    assert_eq!(client.message().await, json!({ "type": 7, "allowReconnect": true }));
    assert!((59..=60).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert_eq!(client.next().await, Next::Closed(1000));
}
