//! Deadlines of a busy connection: load does not postpone them.

use std::time::Duration;

use hubward_tests::{NodeProcess, issuer};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use crate::node::node;
use crate::waits::until;
use crate::wire::{Reading, Wire, call, one_way, text, watch};

/// How long a deadline of two seconds may take under load. The load goes on for as long.
const IN_TIME: Duration = Duration::from_secs(30);

/// What no message has, for a client that only waits for its end.
const NOTHING: &[u8] = b"\0";

/// Writes without pause until the connection ends.
async fn load(mut writing: OwnedWriteHalf, frames: Vec<u8>) {
    while writing.write_all(&frames).await.is_ok() {}
}

/// Reads until the connection ends; true where it ended with a Close message that says this.
async fn drain(mut reading: Reading, says: &[u8]) -> bool {
    let mut said = false;
    while let Some(payload) = reading.payload().await {
        said |= contains(&payload, says);
    }
    said
}

fn contains(payload: &[u8], part: &[u8]) -> bool {
    payload.windows(part.len()).any(|window| window == part)
}

fn short_token() -> String {
    let lifetime = Duration::from_secs(2);
    issuer().mint("alice", &[], &[], lifetime, std::time::SystemTime::now()).unwrap().expose().to_owned()
}

/// Loads a connection whose token expires, and checks that it ends.
async fn check_token(node: &NodeProcess, frames: Vec<u8>) {
    let wire = Wire::open(&node.client("/hub").token(&short_token())).await;
    let Wire { reading, writing, .. } = wire;
    let loading =
        tokio::time::timeout(IN_TIME, async { tokio::join!(load(writing, frames), drain(reading, NOTHING)) });
    assert!(loading.await.is_ok(), "a token of two seconds was still in force after {IN_TIME:?} of load");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_under_a_load_of_calls() {
    let node = node();
    check_token(&node, text(&call("1", "Echo", &json!(["x"]))).repeat(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_under_a_load_of_one_way_calls() {
    let node = node();
    check_token(&node, text(&one_way("Count", &json!([]))).repeat(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_under_a_load_of_pings() {
    let node = node();
    check_token(&node, text(&json!({ "type": 6 })).repeat(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_while_its_call_sends_without_end() {
    let node = node();
    let frames = text(&call("1", "SendLoop", &json!([1_000_000_000])));
    let wire = Wire::open(&node.client("/hub").token(&short_token())).await;
    let Wire { reading, mut writing, .. } = wire;
    writing.write_all(&frames).await.unwrap();
    let drained = tokio::time::timeout(IN_TIME, drain(reading, NOTHING)).await;
    assert!(drained.is_ok(), "a token of two seconds was still in force after {IN_TIME:?} of sends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_are_sent_under_a_load_that_is_answered_with_nothing() {
    let node = node();
    let Wire { mut reading, writing, .. } = Wire::open(&node.client("/alive")).await;
    let loading = load(writing, text(&one_way("Count", &json!([]))).repeat(500));
    let pings = async {
        let mut pings = 0;
        while pings < 3 {
            let payload = reading.payload().await.expect("the connection goes on");
            pings += usize::from(contains(&payload, b"{\"type\":6}"));
        }
    };
    let pinged = tokio::time::timeout(IN_TIME, async {
        tokio::select! { () = loading => panic!("the connection ended"), () = pings => {} }
    });
    assert!(pinged.await.is_ok(), "no three pings came in {IN_TIME:?} though one is due each second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_client_times_out_though_it_is_sent_messages_without_end() {
    let node = node();
    let mut silent = Wire::open(&node.client("/alive")).await;
    // A client's silence counts from its first ping on.
    silent.send(&json!({ "type": 6 })).await;
    let sender = Wire::open(&node.client("/alive")).await;
    let Wire { reading, writing, .. } = sender;
    let frames = text(&one_way("ToAll", &json!(["x"]))).repeat(100);
    let loading = async { tokio::join!(load(writing, frames), drain(reading, NOTHING)) };
    let ended = tokio::time::timeout(IN_TIME, async {
        tokio::select! {
            _ = loading => panic!("the client that sends was closed"),
            closed = drain(silent.reading, b"\"type\":7") => assert!(closed, "it ends with a Close message"),
        }
    });
    assert!(ended.await.is_ok(), "a client that is silent for two seconds was there after {IN_TIME:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_closed_in_time_though_it_sends_without_end() {
    let node = node();
    let mut watch = watch(&node, "/quick").await;
    let Wire { writing, reading, .. } = Wire::open(&node.client("/quick").receive_buffer_bytes(4096)).await;
    let frames =
        [text(&json!({ "type": 6 })).repeat(500), text(&call("1", "Large", &json!([10_000])))].concat();
    tokio::select! {
        () = until("the end of it", async || watch.result("Ended", json!([])).await == 1) => {}
        () = load(writing, frames) => {}
    }
    drop(reading);
}
