//! Idle connections own no buffer, and no pile of what they once sent.

use hubward_tests::frame::masked;
use hubward_tests::{Connect, Http, UPGRADE, header_lines, request};
use serde_json::json;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::node::node;
use crate::posts::Posting;
use crate::waits::{assert_held, until};
use crate::wire::{Wire, call, record, watch};

/// Connections that idle afterwards.
const CONNECTIONS: usize = 500;

/// What one more message may leave at each.
const MAY_LEAVE: usize = 8 * 1024;

/// Processor time between two checks in which a node that does nothing else answers one call.
const QUIET: Duration = Duration::from_millis(10);

#[tokio::test]
async fn a_connection_that_sent_a_large_message_in_parts_owns_no_buffer() {
    let node = node();
    let mut wires = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut wire = Wire::open(&node.client("/hub")).await;
        wire.result("Length", json!(["x"])).await;
        wires.push(wire);
    }
    let before = node.resident_bytes();
    let message = record(&call("call", "Length", &json!(["x".repeat(32_000)])));
    let (first, second) = message.split_at(message.len() / 2);
    let halves = [masked(0x01, first), masked(0x80, second)];
    let whole = masked(0x81, &message);
    // Cut by frames, or by writes: the node has the first part of all before it gets the second of any.
    let cuts = [(&halves[0][..], &halves[1][..]), whole.split_at(20_000)];
    for (number, wire) in wires.iter_mut().enumerate() {
        wire.write(cuts[number % 2].0).await;
    }
    watch(&node, "/hub").await.result("Echo", json!(["x"])).await;
    for (number, wire) in wires.iter_mut().enumerate() {
        wire.write(cuts[number % 2].1).await;
        let answer = wire.reading.find(|message| message["type"] == 3).await.unwrap();
        assert_eq!(answer["result"], 32_000);
    }
    assert_held("idle connections", node.resident_bytes(), before, CONNECTIONS * MAY_LEAVE);
}

#[tokio::test]
async fn a_connection_that_received_a_large_message_owns_no_buffer() {
    let node = node();
    let mut wires = Vec::new();
    for _ in 0..CONNECTIONS / 2 {
        let mut wire = Wire::open(&node.client("/hub")).await;
        wire.result("Length", json!(["x"])).await;
        wires.push(wire);
    }
    let before = node.resident_bytes();
    for wire in &mut wires {
        assert_eq!(wire.result("Large", json!([200_000])).await.as_str().map(str::len), Some(200_000));
    }
    assert_held("idle connections", node.resident_bytes(), before, CONNECTIONS / 2 * MAY_LEAVE);
}

/// Opens WebSockets whose requests have such headers, and returns them. Requests that are refused are refused.
async fn with_headers(address: std::net::SocketAddr, headers: &[(&str, &str)]) -> Vec<Http> {
    let lines = header_lines(&[&UPGRADE, headers].concat());
    let mut open = Vec::new();
    for _ in 0..100 {
        let token = Connect::new(address, "/hub").connection_token().await;
        let mut http = Http::connect(address).await;
        http.write(&request("GET", &format!("/hub?id={token}"), &lines, b"")).await;
        if http.head().await.status == 101 {
            http.write(&masked(0x81, hubward_tests::HANDSHAKE)).await;
            http.frame().await.expect("the handshake is answered");
            open.push(http);
        }
    }
    open
}

#[tokio::test]
async fn a_pile_of_headers_is_refused_or_dropped() {
    let node = node();
    let plain = with_headers(node.address(), &[]).await;
    let before = node.resident_bytes();
    let one = "x".repeat(28_000);
    let large = with_headers(node.address(), &[("X-Pile", &one)]).await;
    let short = "x".repeat(200);
    let names: Vec<String> = (0..80).map(|number| format!("X-Pile-{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), short.as_str())).collect();
    let many = with_headers(node.address(), &many).await;
    let per_connection = 24 * 1024;
    assert_held("headers", node.resident_bytes(), before, 200 * per_connection);
    drop((plain, large, many));
}

#[tokio::test]
async fn posts_into_a_slow_call_wait_before_their_bodies_are_read() {
    /// Connections, with as many bodies each as a browser sends at once.
    const POLLING: usize = 15;
    const POSTS: usize = 6;
    let node = node();
    let mut connections = Vec::new();
    for _ in 0..POLLING {
        let posting = Posting::polls(node.address(), "/hub").await;
        assert_eq!(posting.post(&record(&call("1", "Sleep", &json!([600_000])))).await, 200);
        connections.push(posting);
    }
    let before = node.forget_peak();
    let calls = record(&call("2", "Length", &json!(["x".repeat(30_000)]))).repeat(30);
    let mut writes = JoinSet::new();
    for posting in &connections {
        for _ in 0..POSTS {
            let mut socket = posting.raw_post(calls.len(), b"").await;
            let calls = calls.clone();
            writes.spawn(async move {
                let _ = socket.write_all(&calls).await;
                std::future::pending::<()>().await;
            });
        }
    }
    let mut watch = watch(&node, "/hub").await;
    let mut quiet = (Duration::ZERO, 0);
    until("the node to have read what it reads", async || {
        watch.result("Echo", json!(["x"])).await;
        let now = node.processor_time();
        quiet = if now - quiet.0 <= QUIET { (now, quiet.1 + 1) } else { (now, 0) };
        quiet.1 > 25
    })
    .await;
    assert_held("bodies of POSTs", node.peak_bytes(), before, POLLING * (512 << 10));
}
