//! Answers that nobody reads: calls are pipelined whose answers are large, over each transport.

use std::time::Duration;

use hubward_tests::NodeProcess;
use hubward_tests::frame::{self, masked};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::node::node;
use crate::posts::Posting;
use crate::waits::{assert_held, at_last, until};
use crate::wire::{Wire, call, calls, message_pack_call, record, watch};

/// Calls that are pipelined.
const CALLS: usize = 150;

/// How long each answer is.
const ANSWER_BYTES: usize = 1 << 20;

/// What a connection's mailbox, one answer too many and the writing of them may take; all answers are 150 MiB.
const MAY_HOLD: usize = 48 << 20;

/// How long each answer is on a stateful connection, which has as many bytes of them in all: as long as what is kept for
/// an acknowledgement, since one that is longer may be acknowledged later.
const KEPT_ANSWER_BYTES: usize = 100_000;

/// The attacked hub: its deadlines are two seconds.
const HUB: &str = "/quick";

/// Waits until the attacked connection has ended, and checks what the node held at most.
async fn check(node: &NodeProcess, what: &str, mut watch: Wire, before: usize) {
    until("the attacked connection's end", async || watch.result("Ended", json!([])).await == 1).await;
    assert_held(what, node.peak_bytes(), before, MAY_HOLD);
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_over_a_web_socket() {
    let node = node();
    let watch = watch(&node, HUB).await;
    let mut wire = Wire::open(&node.client(HUB).receive_buffer_bytes(4096)).await;
    let before = node.forget_peak();
    wire.write(&calls(CALLS, "Large", &json!([ANSWER_BYTES]))).await;
    check(&node, "answers over a WebSocket", watch, before).await;
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_in_message_pack() {
    let node = node();
    let watch = watch(&node, HUB).await;
    let mut wire = Wire::open_message_pack(&node.client(HUB).receive_buffer_bytes(4096)).await;
    let before = node.forget_peak();
    let calls = (0..CALLS).map(|id| message_pack_call(&id.to_string(), "Large", ANSWER_BYTES as u32));
    let calls: Vec<u8> = calls.flatten().collect();
    wire.write(&masked(frame::BINARY, &calls)).await;
    check(&node, "answers in MessagePack", watch, before).await;
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_on_a_stateful_connection() {
    let node = node();
    let watch = watch(&node, HUB).await;
    let mut wire = Wire::open_stateful(&node.client(HUB).receive_buffer_bytes(4096)).await;
    let before = node.forget_peak();
    wire.write(&kept_calls()).await;
    check(&node, "answers on a stateful connection", watch, before).await;
}

#[tokio::test]
async fn answers_that_nobody_acknowledges_are_bounded_though_they_are_read() {
    let node = node();
    let watch = watch(&node, HUB).await;
    let mut wire = Wire::open_stateful(&node.client(HUB)).await;
    let before = node.forget_peak();
    wire.write(&kept_calls()).await;
    let mut reading = wire.reading;
    at_last("the end", async { while reading.trickle(1 << 20).await > 0 {} }).await;
    drop(wire.writing);
    check(&node, "answers that nobody acknowledges", watch, before).await;
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_over_server_sent_events() {
    let node = node();
    let watch = watch(&node, HUB).await;
    let posting = Posting::events(node.address(), HUB).await;
    let before = node.forget_peak();
    let _post = posting.begin_post(&posted_calls()).await;
    check(&node, "answers over server-sent events", watch, before).await;
}

#[tokio::test]
async fn answers_that_no_poll_fetches_are_bounded() {
    let node = node();
    let watch = watch(&node, HUB).await;
    let posting = Posting::polls(node.address(), HUB).await;
    let before = node.forget_peak();
    let _post = posting.begin_post(&posted_calls()).await;
    check(&node, "answers that no poll fetches", watch, before).await;
}

#[tokio::test]
async fn answers_to_a_poll_that_is_not_read_are_bounded() {
    let node = node();
    let watch = watch(&node, HUB).await;
    let mut posting = Posting::polls(node.address(), HUB).await;
    let before = node.forget_peak();
    posting.poll().await;
    let _post = posting.begin_post(&posted_calls()).await;
    check(&node, "answers to a poll that is not read", watch, before).await;
}

#[tokio::test]
async fn a_client_that_reads_a_trickle_holds_no_more_and_not_for_ever() {
    let node = node();
    let watch = watch(&node, HUB).await;
    let mut wire = Wire::open(&node.client(HUB).receive_buffer_bytes(4096)).await;
    let before = node.forget_peak();
    wire.write(&calls(CALLS, "Large", &json!([ANSWER_BYTES]))).await;
    let mut reading = wire.reading;
    let trickle = async {
        // Often enough that a write is never blocked for the two seconds of this hub's `send_timeout`, and half the rate at
        // which a client has to drain.
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        loop {
            ticks.tick().await;
            if reading.trickle(100).await == 0 {
                return;
            }
        }
    };
    tokio::select! {
        () = trickle => {}
        () = check(&node, "answers to a client that reads a trickle", watch, before) => return,
    }
    assert_held("answers to a client that reads a trickle", node.peak_bytes(), before, MAY_HOLD);
}

#[tokio::test]
async fn an_event_stream_that_is_read_in_a_trickle_holds_no_more_and_not_for_ever() {
    let node = node();
    let watch = watch(&node, HUB).await;
    let mut posting = Posting::events(node.address(), HUB).await;
    let before = node.forget_peak();
    let _post = posting.begin_post(&posted_calls()).await;
    let trickle = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        let mut part = [0; 100];
        loop {
            ticks.tick().await;
            if !matches!(posting.get.read(&mut part).await, Ok(1..)) {
                return;
            }
        }
    };
    tokio::select! {
        () = trickle => {}
        () = check(&node, "events that are read in a trickle", watch, before) => return,
    }
    assert_held("events that are read in a trickle", node.peak_bytes(), before, MAY_HOLD);
}

/// The other side: a client that reads slowly, but reads, receives every answer.
#[tokio::test]
async fn a_client_that_pipelines_and_reads_receives_each_answer_in_order() {
    let node = node();
    let wire = Wire::open(&node.client("/hub")).await;
    let before = node.forget_peak();
    let Wire { mut reading, mut writing, .. } = wire;
    let calls = calls(CALLS, "Large", &json!([ANSWER_BYTES]));
    let write = async { writing.write_all(&calls).await.unwrap() };
    let read = async {
        let mut expected = 0;
        while expected < CALLS {
            for message in at_last("an answer", reading.messages()).await.expect("the connection goes on") {
                if message["type"] == 3 {
                    assert_eq!(message["invocationId"], expected.to_string());
                    assert_eq!(message["result"].as_str().map(str::len), Some(ANSWER_BYTES));
                    expected += 1;
                }
            }
        }
    };
    at_last("all answers", async { tokio::join!(write, read) }).await;
    assert_held("answers that are read", node.peak_bytes(), before, MAY_HOLD);
}

fn kept_calls() -> Vec<u8> {
    calls(CALLS * ANSWER_BYTES / KEPT_ANSWER_BYTES, "Large", &json!([KEPT_ANSWER_BYTES]))
}

fn posted_calls() -> Vec<u8> {
    (0..CALLS).flat_map(|id| record(&call(&id.to_string(), "Large", &json!([ANSWER_BYTES])))).collect()
}
