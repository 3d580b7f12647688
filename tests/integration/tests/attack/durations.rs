//! Durations: the longest one is "never" in every option, and nothing panics over it.

use hubward_tests::HANDSHAKE;
use serde_json::json;

use crate::node::node;
use crate::posts::Posting;
use crate::waits::until;
use crate::wire::{Wire, call, record, watch};

#[tokio::test]
async fn every_transport_serves_where_no_deadline_ever_comes() {
    let mut node = node();
    let mut wire = Wire::open(&node.client("/never")).await;
    assert_eq!(wire.result("Echo", json!(["x"])).await, "x");
    let mut message_pack = Wire::open_message_pack(&node.client("/never")).await;
    message_pack.write(b"").await;
    let mut events = Posting::events(node.address(), "/never").await;
    events.post(&record(&call("1", "Echo", &json!(["events"])))).await;
    events.read_until(b"\"result\":\"events\"").await;
    let mut polls = Posting::polls(node.address(), "/never").await;
    polls.poll().await;
    polls.post(&record(&call("1", "Echo", &json!(["polls"])))).await;
    polls.read_until(b"\"result\":\"polls\"").await;
    wire.result("Join", json!(["g"])).await;
    let mut watch = watch(&node, "/never").await;
    drop((wire, message_pack, events));
    until("the ends", async || watch.result("Ended", json!([])).await == 3).await;
    assert!(node.is_alive());
    assert!(!node.log().contains("panicked"), "nothing panics");
    assert!(!HANDSHAKE.is_empty());
}
