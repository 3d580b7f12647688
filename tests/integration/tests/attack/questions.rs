//! Questions to clients: how many may wait for an answer, and that a call keeps its permit besides.

use serde_json::json;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::node::node;
use crate::waits::{assert_held, at_last};
use crate::wire::{Wire, calls};

/// Questions that a client provokes and never answers.
const QUESTIONS: usize = 60_000;

/// Far above what any client needs.
const MAY_WAIT: usize = 2_000;

const MAY_HOLD: usize = 24 << 20;

/// Time in which nothing comes any more.
const QUIET: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_questions_that_wait_for_one_client_are_bounded() {
    let node = node();
    let Wire { mut reading, mut writing, .. } = Wire::open(&node.client("/hub")).await;
    let before = node.forget_peak();
    let frames = calls(QUESTIONS, "AskMe", &json!([]));
    // It may be refused, made to wait, or closed.
    let mut write = tokio::task::JoinSet::new();
    write.spawn(async move {
        let _ = writing.write_all(&frames).await;
        writing
    });
    let (mut questions, mut refused) = (0, 0);
    while questions + refused < QUESTIONS
        && let Ok(Some(messages)) = tokio::time::timeout(QUIET, reading.messages()).await
    {
        questions += messages.iter().filter(|message| message["type"] == 1).count();
        refused += messages.iter().filter(|message| message["type"] == 3).count();
    }
    assert!(questions > 0, "no question came");
    assert!(questions <= MAY_WAIT, "{questions} questions wait for one client, and {refused} were refused");
    assert_held("questions that wait", node.peak_bytes(), before, MAY_HOLD);
    write.abort_all();
    // Others are served as before.
    let mut other = Wire::open(&node.client("/hub")).await;
    assert_eq!(other.result("Echo", json!(["x"])).await, "x");
}

#[tokio::test]
async fn a_call_that_asked_runs_alone_again_once_it_is_answered() {
    /// Calls that ask; few enough to be allowed by any cap.
    const CALLS: usize = 8;
    let node = node();
    let mut wire = Wire::open(&node.client("/hub")).await;
    wire.write(&calls(CALLS, "AskTwice", &json!([50]))).await;
    let (mut waiting, mut complete) = (Vec::new(), 0);
    while complete < CALLS {
        for message in at_last("a question or an answer", wire.reading.messages()).await.unwrap() {
            match message["type"].as_u64() {
                Some(1) => waiting.push(message["invocationId"].clone()),
                Some(3) => {
                    assert_eq!(message["result"], 1, "a hub of one parallel invocation runs one at a time");
                    complete += 1;
                }
                _ => {}
            }
        }
        // Answered together once all wait, so that they would run together.
        if waiting.len() == CALLS {
            for id in waiting.drain(..) {
                wire.send(&json!({ "type": 3, "invocationId": id, "result": 1 })).await;
            }
        }
    }
}
