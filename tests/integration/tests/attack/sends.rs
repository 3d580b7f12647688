//! Awaited sends: a method that awaits each send waits for room instead of closing its recipient.

use serde_json::json;

use crate::node::node;
use crate::waits::{assert_held, at_last, until};
use crate::wire::{Wire, call, text, watch};

/// What a mailbox and its writes may take. A million messages are 60 MB and more.
const MAY_HOLD: usize = 24 << 20;

/// Calls a loop of awaited sends, and checks that all of it is received in order.
async fn check(mut wire: Wire, messages: u64) {
    wire.write(&text(&call("loop", "SendLoop", &json!([messages])))).await;
    let mut expected = 0;
    loop {
        let received = at_last("a message", wire.reading.messages()).await;
        for message in received.unwrap_or_else(|| panic!("it ended after {expected} messages")) {
            match message["type"].as_u64() {
                Some(1) => {
                    assert_eq!(message["arguments"][0], expected, "all of it, in order");
                    expected += 1;
                }
                Some(3) => {
                    assert_eq!(message, json!({ "type": 3, "invocationId": "loop", "result": null }));
                    assert_eq!(expected, messages);
                    return;
                }
                Some(6) => {}
                _ => panic!("after {expected} messages: {message}"),
            }
        }
    }
}

#[tokio::test]
async fn eleven_thousand_awaited_sends_reach_a_client_that_reads() {
    let node = node();
    check(Wire::open(&node.client("/hub")).await, 11_000).await;
}

#[tokio::test]
async fn a_hundred_thousand_awaited_sends_take_no_more_memory_than_a_few() {
    let node = node();
    let wire = Wire::open(&node.client("/hub")).await;
    let before = node.forget_peak();
    check(wire, 100_000).await;
    assert_held("100,000 awaited sends", node.peak_bytes(), before, MAY_HOLD);
}

#[tokio::test]
#[cfg_attr(debug_assertions, ignore = "it takes long without optimization: tests/long.sh runs it")]
async fn a_million_awaited_sends_take_no_more_memory_than_a_few() {
    let node = node();
    let wire = Wire::open(&node.client("/hub")).await;
    let before = node.forget_peak();
    check(wire, 1_000_000).await;
    assert_held("a million awaited sends", node.peak_bytes(), before, MAY_HOLD);
}

#[tokio::test]
async fn awaited_sends_to_a_client_that_does_not_read_end_with_its_connection() {
    let node = node();
    let mut watch = watch(&node, "/quick").await;
    let mut wire = Wire::open(&node.client("/quick").receive_buffer_bytes(4096)).await;
    let before = node.forget_peak();
    // Far more than all buffers hold; it is never complete.
    wire.write(&text(&call("loop", "SendLoop", &json!([100_000_000])))).await;
    until("the end of the connection", async || watch.result("Ended", json!([])).await == 1).await;
    assert_held("awaited sends that nobody reads", node.peak_bytes(), before, MAY_HOLD);
}
