//! Durations: the longest one is "never" in every option, on every transport, and nothing panics over it.

use hubward_tests::NodeProcess;
use serde_json::json;

use crate::node::{never, node};
use crate::posts::Posting;
use crate::waits::until;
use crate::wire::{Wire, call, record, watch};

/// Opens a connection over each transport, makes a call, and ends it.
async fn serves(node: &NodeProcess, path: &str) {
    let mut wire = Wire::open(&node.client(path)).await;
    assert_eq!(wire.result("Echo", json!(["x"])).await, "x", "{path}");
    wire.result("Join", json!(["g"])).await;
    let mut message_pack = Wire::open_message_pack(&node.client(path)).await;
    message_pack.write(b"").await;
    let mut events = Posting::events(node.address(), path).await;
    events.post(&record(&call("1", "Echo", &json!(["events"])))).await;
    events.read_until(b"\"result\":\"events\"").await;
    let mut polls = Posting::polls(node.address(), path).await;
    polls.poll().await;
    polls.post(&record(&call("1", "Echo", &json!(["polls"])))).await;
    polls.read_until(b"\"result\":\"polls\"").await;
    wire.send(&json!({ "type": 7 })).await;
    assert_eq!(polls.delete().await, 202, "{path}");
    drop((message_pack, events));
    let mut watch = watch(node, path).await;
    until(path, async || watch.result("Ended", json!([])).await == 4).await;
}

#[tokio::test]
async fn every_transport_serves_where_a_deadline_never_comes() {
    let mut node = node();
    for path in never::paths() {
        serves(&node, &path).await;
    }
    assert!(node.is_alive());
    assert!(!node.log().contains("panicked"), "nothing panics");
}

#[tokio::test]
async fn a_client_result_that_may_take_for_ever_comes() {
    let node = node();
    let mut wire = Wire::open(&node.client("/never")).await;
    wire.send(&call("1", "Ask", &json!([]))).await;
    let question = wire.reading.find(|message| message["target"] == "Question").await.unwrap();
    wire.send(&json!({ "type": 3, "invocationId": question["invocationId"], "result": 7 })).await;
    assert_eq!(wire.reading.find(|message| message["type"] == 3).await.unwrap()["result"], 7);
}
