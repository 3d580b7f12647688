//! Panics of a hub author's code, wherever it runs: the caller gets an error or a Close message, the connection's end
//! runs, and the node goes on.

use serde_json::{Value, json};

use crate::node::{node, nodes};
use crate::waits::{at_last, until};
use crate::wire::{Wire, call, watch};

/// Calls that panic, with their arguments.
const POISON: &[(&str, u8, &str)] = &[
    ("Deserialize", 1, "[1]"),
    ("Drop", 1, "[1]"),
    ("FromRef", 1, "[]"),
    ("Clone", 1, "[]"),
    ("Synchronous", 1, "[]"),
    ("Body", 1, "[]"),
    ("Result", 1, "[]"),
    ("Send", 1, "[]"),
    ("Filter", 1, "[]"),
    ("Items", 4, "[]"),
    ("Polled", 4, "[]"),
    ("Opened", 4, "[]"),
    ("Join", 1, "[\"poison\"]"),
];

/// What happens to a call: an error for it, or the end of the connection.
async fn outcome(wire: &mut Wire, message: &Value) -> Result<Value, Option<Value>> {
    wire.send(message).await;
    let mut last = None;
    while let Some(messages) = at_last("an error or the end", wire.reading.messages()).await {
        for message in messages {
            if message["type"] == 3 && message["invocationId"] == "poison" {
                return Ok(message);
            }
            last = Some(message);
        }
    }
    Err(last)
}

#[tokio::test]
async fn a_panic_fails_its_call_and_the_end_of_the_connection_runs() {
    let node = node();
    let mut watch = watch(&node, "/poison").await;
    let mut failures = Vec::new();
    for (number, (method, kind, arguments)) in POISON.iter().enumerate() {
        let mut wire = Wire::open(&node.client("/poison")).await;
        wire.result("Join", json!(["g"])).await;
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        let mut message = call("poison", method, &arguments);
        message["type"] = json!(kind);
        match outcome(&mut wire, &message).await {
            Ok(completion) if completion["error"].is_string() => {
                if wire.invoke("Echo", json!(["x"])).await.is_none() {
                    failures.push(format!("{method}: the connection did not go on"));
                }
            }
            Err(Some(close)) if close["type"] == 7 => {}
            other => failures.push(format!("{method}: {other:?}")),
        }
        drop(wire);
        until(&format!("the end after {method}"), async || {
            let ended = watch.result("Ended", json!([])).await;
            ended == number + 1 && watch.result("Members", json!(["g"])).await == 0
        })
        .await;
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test]
async fn a_panic_of_an_uploads_item_fails_its_call() {
    let node = node();
    let mut watch = watch(&node, "/poison").await;
    let mut wire = Wire::open(&node.client("/poison")).await;
    wire.result("Join", json!(["g"])).await;
    let mut upload = call("poison", "Upload", &json!([]));
    upload["streamIds"] = json!(["s"]);
    wire.send(&upload).await;
    let end = outcome(&mut wire, &json!({ "type": 2, "invocationId": "s", "item": 1 })).await;
    assert!(
        matches!(&end, Ok(completion) if completion["error"].is_string())
            || matches!(&end, Err(Some(close)) if close["type"] == 7),
        "{end:?}"
    );
    drop(wire);
    until("the end", async || {
        watch.result("Ended", json!([])).await == 1 && watch.result("Members", json!(["g"])).await == 0
    })
    .await;
}

#[tokio::test]
async fn a_panic_over_a_clients_answer_fails_its_call() {
    let node = node();
    let mut watch = watch(&node, "/poison").await;
    let mut wire = Wire::open(&node.client("/poison")).await;
    wire.send(&call("poison", "Ask", &json!([]))).await;
    let question = wire.reading.find(|message| message["type"] == 1).await.expect("a question");
    let answer = json!({ "type": 3, "invocationId": question["invocationId"], "result": 1 });
    let end = outcome(&mut wire, &answer).await;
    assert!(matches!(&end, Ok(completion) if completion["error"].is_string()), "{end:?}");
    assert_eq!(wire.result("Echo", json!(["x"])).await, "x");
    drop(wire);
    until("the end", async || watch.result("Ended", json!([])).await == 1).await;
}

#[tokio::test]
async fn a_panic_of_connecting_ends_the_connection_with_a_close_message() {
    let node = node();
    let mut wire = Wire::open(&node.client("/poison").query("connect=panic")).await;
    let close = wire.reading.ended().await;
    assert_eq!(close.unwrap_or_default()["type"], 7);
    let mut other = watch(&node, "/poison").await;
    assert_eq!(other.result("Echo", json!(["x"])).await, "x");
}

#[tokio::test]
async fn a_panic_of_may_join_stops_neither_of_two_nodes() {
    let node = nodes(2);
    let other = hubward_tests::Connect::new(node.addresses[1], "/poison");
    let mut there = Wire::open(&other).await;
    for _ in 0..3 {
        let mut here = watch(&node, "/poison").await;
        let _ = here.invoke("AddOther", json!([there.id, "poison"])).await;
        assert_eq!(there.result("Echo", json!(["x"])).await, "x");
    }
    let mut here = watch(&node, "/poison").await;
    here.result("AddOther", json!([there.id, "g"])).await;
    assert_eq!(there.result("Members", json!(["g"])).await, 1);
}
