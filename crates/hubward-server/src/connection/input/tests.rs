//! Tests of what a connection reads: in what pieces it comes, and what still happens while reading is paused.

use std::sync::Arc;
use std::time::Duration;

use hubward_hub::{Hub, HubContext};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::testing::client::{Next, TestClient};
use crate::testing::{Journal, engine, until_ended, until_idle};

/// A hub whose method notes its start, waits until the client has gone, and notes that.
fn waiting_hub(journal: &Journal) -> Hub {
    let (started, disconnected) = (journal.clone(), journal.clone());
    let wait = move |cx: HubContext, call: u32| {
        let journal = started.clone();
        async move {
            journal.note(format!("call {call} runs"));
            cx.connection_closed().cancelled().await;
            journal.note(format!("call {call} ends"));
        }
    };
    Hub::new("hub").method("Wait", wait).on_disconnected(move || disconnected.noting("disconnected"))
}

fn call(method: &str, arguments: &Value) -> String {
    json!({ "type": 1, "target": method, "arguments": arguments }).to_string() + "\u{1e}"
}

#[tokio::test(start_paused = true)]
async fn messages_are_read_however_they_are_cut_into_frames() {
    let journal = Journal::default();
    let noted = journal.clone();
    let hub = Hub::new("hub").method("Note", move |n: u32| noted.noting(n.to_string()));
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    let together = call("Note", &json!([1])) + &call("Note", &json!([2])) + &call("Note", &json!([3]));
    client.send_bytes(together.as_bytes()).await;
    until_idle().await;
    assert_eq!(journal.take(), ["1", "2", "3"]);
    for piece in together.as_bytes().chunks(7) {
        client.send_bytes(piece).await;
        until_idle().await;
    }
    assert_eq!(journal.take(), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_while_a_call_waits_for_its_permit_cancels_the_connections_token() {
    let journal = Journal::default();
    let engine = engine(waiting_hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send_bytes((call("Wait", &json!([1])) + &call("Wait", &json!([2]))).as_bytes()).await;
    until_idle().await;
    assert_eq!(journal.take(), ["call 1 runs"]);
    client.send_close_frame().await;
    until_ended(&engine).await;
    // What it sent before it closed is still run, in its turn.
    assert_eq!(journal.take(), ["call 1 ends", "call 2 runs", "call 2 ends", "disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_lost_while_a_call_waits_for_its_permit_ends_the_connection() {
    let journal = Journal::default();
    let engine = engine(waiting_hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send_bytes((call("Wait", &json!([1])) + &call("Wait", &json!([2]))).as_bytes()).await;
    until_idle().await;
    client.cut();
    let start = Instant::now();
    until_ended(&engine).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(journal.take(), ["call 1 runs", "disconnected", "call 1 ends"]);
}

#[tokio::test(start_paused = true)]
async fn a_running_call_learns_that_the_client_has_closed() {
    let journal = Journal::default();
    let engine = engine(waiting_hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Wait", json!([1])).await;
    client.send_close_frame().await;
    assert_eq!(client.next().await, Next::Closed(1000));
    until_ended(&engine).await;
    assert_eq!(journal.take(), ["call 1 runs", "disconnected", "call 1 ends"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_feels_backpressure_while_reading_is_paused() {
    let gate = Arc::new(Semaphore::new(0));
    let hold = gate.clone();
    let hub = Hub::new("hub").method("Hold", move |_padding: String| {
        let gate = hold.clone();
        async move { gate.acquire().await.unwrap().forget() }
    });
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    let padded = call("Hold", &json!(["x".repeat(10_000)]));
    let mut sent = 0;
    while sent < 100 && timeout(Duration::from_secs(1), client.send_bytes(padded.as_bytes())).await.is_ok() {
        sent += 1;
    }
    // What the connection holds, one read past its bound at most, and what the socket holds: 64 KiB each.
    assert!((13..=20).contains(&sent), "{sent}");
}
