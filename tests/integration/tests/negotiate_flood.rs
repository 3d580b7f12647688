//! Negotiating stores nothing: a flood of negotiates without connections costs no memory.

use hubward::Hub;
use hubward_tests::{Http, TestNode, resident_bytes};

const CONNECTIONS: usize = 8;

/// Negotiates this many times, in turn over all connections.
async fn negotiate(connections: &mut [Http], times: usize) {
    let each = times / connections.len();
    for _ in 0..each {
        for http in &mut *connections {
            http.send("POST", "/hub/negotiate?negotiateVersion=1", &[], b"").await;
        }
        for http in &mut *connections {
            let response = http.response().await;
            assert_eq!(response.status, 200);
            assert!(response.text().contains("connectionToken"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_negotiates_leave_memory_where_it_was() {
    let node = TestNode::with_hub(Hub::new("hub")).await;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Http::connect(node.address).await);
    }
    negotiate(&mut connections, 2_000).await;
    let before = resident_bytes();
    negotiate(&mut connections, 20_000).await;
    let after = resident_bytes();
    assert!(after.abs_diff(before) <= 4 << 20, "resident: {before} bytes before, {after} after");
    assert_eq!(node.hubs.connection_count("hub"), 0);
}
