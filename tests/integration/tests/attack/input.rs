//! Input: what a message costs grows as its size does, however it is cut. Measured in processor time of the node.

use std::time::Duration;

use hubward_tests::frame::{self, masked};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::node::node;
use crate::posts::Posting;
use crate::waits::at_last;
use crate::wire::{Reading, Wire, call, one_way, record};

/// The smaller of two sizes; the larger is four times that. What is linear costs four times as much, what is quadratic
/// sixteen.
const SMALL_BYTES: usize = 2 << 20;

const TIMES: usize = 4;

/// Room for what is measured wrongly, and for memory that is used for the first time.
const MAY_COST: u32 = 8;

/// Less than this is not measured well.
const LEAST: Duration = Duration::from_millis(40);

fn assert_linear(what: &str, small: Duration, large: Duration) {
    eprintln!("{what}: {small:?}, then {large:?} for {TIMES} times as much");
    let may_cost = small.max(LEAST) * MAY_COST;
    assert!(large <= may_cost, "{what}: {small:?}, but {large:?} for {TIMES} times as much");
}

/// How a message is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// One frame, one write.
    Whole,
    /// One frame, written in parts.
    Writes(usize),
    /// A frame for each part.
    Frames(usize),
}

async fn send(wire: &mut Wire, cut: Cut, message: &[u8]) -> Option<()> {
    let bytes = match cut {
        Cut::Whole | Cut::Writes(_) => masked(frame::TEXT, message),
        Cut::Frames(length) => {
            let count = message.len().div_ceil(length);
            let parts = message.chunks(length).enumerate().map(|(number, part)| {
                masked(u8::from(number + 1 == count) << 7 | u8::from(number == 0), part)
            });
            parts.collect::<Vec<_>>().concat()
        }
    };
    let length = if let Cut::Writes(length) = cut { length } else { bytes.len() };
    let (reading, writing) = (&mut wire.reading, &mut wire.writing);
    let write = async {
        for part in bytes.chunks(length) {
            at_last("room to write", writing.write_all(part)).await.unwrap();
        }
    };
    tokio::join!(write, answer(reading)).1
}

async fn answer(reading: &mut Reading) -> Option<()> {
    reading
        .find(|message| message["type"] == 3)
        .await
        .map(|message| assert!(message["error"].is_null(), "{message}"))
}

/// The message that is measured: an echo's argument of so many bytes.
fn one_large(bytes: usize) -> Vec<u8> {
    record(&call("call", "Length", &json!(["x".repeat(bytes)])))
}

/// Many small messages, then one that is answered.
fn many_small(bytes: usize) -> Vec<u8> {
    let small = record(&one_way("Count", &json!([])));
    [small.repeat(bytes / small.len()), record(&call("call", "Length", &json!(["x"])))].concat()
}

async fn check(what: &str, cut: Cut, message: impl Fn(usize) -> Vec<u8>, small_bytes: usize) {
    let node = node();
    let mut wire = Wire::open(&node.client("/boundless")).await;
    send(&mut wire, cut, &message(small_bytes / 4)).await.expect("an answer");
    let mut costs = Vec::new();
    for bytes in [small_bytes, small_bytes * TIMES] {
        let before = node.processor_time();
        send(&mut wire, cut, &message(bytes)).await.expect("an answer");
        costs.push(node.processor_time() - before);
    }
    assert_linear(&format!("{what}, {cut:?}"), costs[0], costs[1]);
}

#[tokio::test]
async fn a_large_message_costs_what_its_size_is_at_once() {
    check("one message", Cut::Whole, one_large, SMALL_BYTES).await;
}

#[tokio::test]
async fn a_large_message_costs_what_its_size_is_in_parts() {
    check("one message", Cut::Writes(4096), one_large, SMALL_BYTES).await;
}

#[tokio::test]
async fn a_large_message_costs_what_its_size_is_in_fragments() {
    check("one message", Cut::Frames(4096), one_large, SMALL_BYTES).await;
}

#[tokio::test]
async fn a_large_message_costs_what_its_size_is_in_tiny_fragments() {
    check("one message", Cut::Frames(7), one_large, SMALL_BYTES / 8).await;
}

#[tokio::test]
async fn many_small_messages_cost_what_their_size_is_in_one_frame() {
    check("many messages", Cut::Whole, many_small, SMALL_BYTES / 2).await;
}

#[tokio::test]
async fn many_small_messages_cost_what_their_size_is_in_fragments() {
    check("many messages", Cut::Frames(1000), many_small, SMALL_BYTES / 2).await;
}

#[tokio::test]
async fn a_message_over_many_posts_costs_what_its_size_is() {
    let node = node();
    let posting = Posting::polls(node.address(), "/boundless").await;
    let mut costs = Vec::new();
    for bytes in [SMALL_BYTES / 4, SMALL_BYTES, SMALL_BYTES * TIMES] {
        let before = node.processor_time();
        for part in one_large(bytes).chunks(16 * 1024) {
            assert_eq!(at_last("a POST", posting.post(part)).await, 200);
        }
        costs.push(node.processor_time() - before);
    }
    assert_linear("one message over POSTs", costs[1], costs[2]);
}
