//! The log: what one client can make the node write is bounded.

use hubward_tests::frame::{self, masked};
use hubward_tests::{HANDSHAKE, Http, NodeProcess, TestClient};
use serde_json::{Value, json};

use crate::node::node;
use crate::wire::{Wire, record};

/// Lines that a connection is worth: when it is accepted, what was wrong, when it ended.
const PER_CONNECTION_BYTES: usize = 2048;

const CONNECTIONS: usize = 20;

/// Sends a text of the client's choice over connections of their own, and checks what was logged.
async fn check(what: &str, node: &NodeProcess, handshake: bool, message: &[u8]) {
    let before = node.log().len();
    for _ in 0..CONNECTIONS {
        let client: TestClient = node.client("/hub").open_web_socket().await;
        let mut wire = Wire::over(client.into_http(), String::new());
        if handshake {
            wire.write(&masked(frame::TEXT, HANDSHAKE)).await;
        }
        wire.write(&masked(frame::TEXT, message)).await;
        wire.write(&masked(frame::TEXT, &record(&json!({ "type": 7 })))).await;
        // The end is logged before the socket ends.
        wire.reading.ended().await;
    }
    let logged = node.log().len() - before;
    assert!(logged <= (CONNECTIONS + 1) * PER_CONNECTION_BYTES, "{what}: {logged} bytes were logged");
}

#[tokio::test]
async fn no_text_of_a_client_fills_the_log() {
    let node = node();
    let long = "x".repeat(30_000);
    let lines = "\n".repeat(10_000);
    for text in [&long, &lines] {
        let messages: Vec<(bool, Value)> = vec![
            (false, json!({ "protocol": text, "version": 1 })),
            (false, json!({ "protocol": "json", "version": text })),
            (false, json!(text)),
            (true, json!({ "type": text })),
            (true, json!({ "type": 1, "invocationId": "1", "target": text, "arguments": [] })),
            (true, json!({ "type": 1, "target": text, "arguments": [] })),
            (true, json!({ "type": 1, "invocationId": text, "target": "Nothing", "arguments": [] })),
            (true, json!({ "type": 1, "invocationId": text, "target": "Echo", "arguments": [1] })),
            (true, json!({ "type": 1, "target": "Large", "arguments": [text] })),
            (true, json!({ "type": 3, "invocationId": text, "error": text })),
            (true, json!({ "type": 5, "invocationId": text })),
            (true, json!({ "type": 2, "invocationId": text, "item": 1 })),
            (true, json!({ "type": 7, "error": text })),
            (true, json!({ "type": 4, "invocationId": "1", "target": "Numbers", "arguments": [text, 1] })),
        ];
        for (handshake, message) in messages {
            let what: String = message.to_string().chars().take(80).collect();
            check(&what, &node, handshake, &record(&message)).await;
        }
    }
}

#[tokio::test]
async fn refusals_are_not_logged_one_by_one() {
    /// Requests that are refused.
    const REFUSED: usize = 1_000;
    let node = node();
    let bearer = format!("Bearer {}", "x".repeat(2_000));
    let before = node.log().len();
    let mut http = Http::connect(node.address()).await;
    for number in 0..REFUSED {
        let target = format!("/secure/negotiate?negotiateVersion=1&{number}");
        http.send("POST", &target, &[("Authorization", &bearer)], b"").await;
        assert_eq!(http.response().await.status, 401);
    }
    for _ in 0..REFUSED {
        http.send("GET", "/hub?id=nonsense", &[], b"").await;
        assert!(http.response().await.status >= 400);
    }
    let logged = node.log().len() - before;
    assert!(logged <= 64 << 10, "{logged} bytes were logged for {} refusals", 2 * REFUSED);
    assert!(logged > 0, "an operator must see that requests are refused");
}

#[tokio::test]
async fn calls_that_fail_and_connections_that_misbehave_are_not_logged_one_by_one() {
    const CALLS: usize = 20_000;
    const CONNECTIONS: usize = 2_000;
    let node = node();
    let mut client = Wire::open(&node.client("/hub")).await;
    let before = node.log().len();
    let failing = record(&json!({ "type": 1, "target": "Fail", "arguments": [] })).repeat(CALLS / 20);
    for _ in 0..20 {
        client.write(&masked(frame::TEXT, &failing)).await;
    }
    client.result("Counted", json!([])).await;
    for _ in 0..CONNECTIONS {
        let client: TestClient = node.client("/hub").open_web_socket().await;
        let mut wire = Wire::over(client.into_http(), String::new());
        wire.write(&masked(frame::TEXT, b"nonsense\x1e")).await;
        wire.reading.ended().await;
    }
    let logged = node.log().len() - before;
    assert!(
        logged <= 512 << 10,
        "{logged} bytes were logged for {CALLS} calls and {CONNECTIONS} connections"
    );
    assert!(node.log().contains("A hub method failed."), "an operator must see that calls fail");
    assert!(node.log().contains("handshake_failed"), "an operator must see that handshakes fail");
}
