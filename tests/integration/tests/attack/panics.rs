//! Panics of a hub author's code, wherever it runs: the caller gets an error or a Close message, the connection's end
//! runs, and the node goes on.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use hubward_tests::NodeProcess;
use serde_json::{Value, json};

use crate::node::{node, nodes};
use crate::waits::{at_last, until};
use crate::wire::{Wire, call, watch};

/// What a client does that has the hub's code panic, and where that code runs.
#[derive(Clone, Copy, Debug)]
enum Attack {
    /// It calls a method, with arguments in JSON.
    Call(&'static str, &'static str),
    /// It calls a streaming method.
    Stream(&'static str),
    /// It cancels a stream after its first item.
    Cancel(&'static str),
    /// It uploads an item.
    Upload(&'static str),
    /// It is aborted while a call whose arguments were read waits for another one.
    Waiting(&'static str),
    /// It is aborted while items that were read wait in an upload.
    Unread(&'static str),
    /// It is aborted in the middle of a stream.
    Streaming(&'static str),
    /// It keeps a value in the connection's items, and goes.
    Keep(&'static str),
    /// It comes and goes; this is the query of its connection.
    Come(&'static str),
}

use Attack::{Call, Cancel, Come, Keep, Stream, Streaming, Unread, Upload, Waiting};

/// Every place where the node runs the code of a hub's author.
const ATTACKS: &[Attack] = &[
    Call("Deserialize", "[1]"),
    Call("Drop", "[1]"),
    Call("FromRef", "[]"),
    Call("Clone", "[]"),
    Call("DropState", "[]"),
    Call("Filter", "[]"),
    Call("Policy", "[]"),
    Call("Join", "[\"poison\"]"),
    Call("Synchronous", "[]"),
    Call("Body", "[]"),
    Call("Result", "[]"),
    Call("DropResult", "[]"),
    Call("Text", "[]"),
    Call("DropError", "[]"),
    Call("Send", "[]"),
    Call("SendGroup", "[]"),
    Call("DropSent", "[]"),
    Call("AskWith", "[]"),
    // Arguments of calls that do not run, which are dropped all the same.
    Call("Drop", "[1, 2]"),
    Stream("Drop"),
    Stream("Items"),
    Stream("DropItems"),
    Stream("TextStream"),
    Stream("DropErrorStream"),
    Stream("Polled"),
    Stream("Opened"),
    Cancel("DropStream"),
    Upload("Upload"),
    Upload("DropUpload"),
    Waiting("Drop"),
    Unread("Unread"),
    Streaming("DropStream"),
    Keep("Keep"),
    Come("connect=panic"),
    Come("connect=text"),
    Come("connect=drop"),
    Come("disconnect=panic"),
    Come("disconnect=text"),
    Come("disconnect=drop"),
    Come("disconnect=shown"),
];

/// What happens to a call: its completion, or the last message before the end of the connection.
async fn outcome(wire: &mut Wire) -> Result<Value, Option<Value>> {
    let mut last = None;
    while let Some(messages) = at_last("a completion or the end", wire.reading.messages()).await {
        for message in messages {
            if message["type"] == 3 && message["invocationId"] == "poison" {
                return Ok(message);
            }
            last = Some(message);
        }
    }
    Err(last)
}

/// Expects an error for the call, after which the connection goes on, or a Close message.
async fn expect_failure(wire: &mut Wire) {
    match outcome(wire).await {
        Ok(completion) => {
            assert!(completion["error"].is_string(), "{completion}");
            assert_eq!(wire.result("Echo", json!(["x"])).await, "x", "the connection goes on");
        }
        Err(close) => assert_eq!(close.unwrap_or_default()["type"], 7, "a Close message comes last"),
    }
}

/// Sends a call of this kind, which may have one upload.
async fn begin(wire: &mut Wire, kind: u8, method: &str, arguments: &str, uploads: &[&str]) {
    let mut message = call("poison", method, &serde_json::from_str(arguments).unwrap());
    message["type"] = json!(kind);
    message["streamIds"] = json!(uploads);
    wire.send(&message).await;
}

async fn attack(attack: Attack, wire: &mut Wire, watch: &mut Wire) {
    let item = json!({ "type": 2, "invocationId": "s", "item": 1 });
    match attack {
        Call(method, arguments) => begin(wire, 1, method, arguments, &[]).await,
        Stream(method) => begin(wire, 4, method, if method == "Drop" { "[1]" } else { "[]" }, &[]).await,
        Cancel(method) | Streaming(method) => {
            begin(wire, 4, method, "[]", &[]).await;
            wire.reading.find(|message| message["type"] == 2).await.expect("an item");
        }
        Upload(method) => {
            begin(wire, 1, method, "[]", &["s"]).await;
            wire.send(&item).await;
        }
        Waiting(method) => {
            let read = watch.result("Read", json!([])).await;
            wire.send(&call("wait", "Wait", &json!([]))).await;
            begin(wire, 1, method, "[1]", &[]).await;
            until("the arguments", async || watch.result("Read", json!([])).await != read).await;
        }
        Unread(method) => {
            let read = watch.result("Read", json!([])).await;
            begin(wire, 1, method, "[]", &["s"]).await;
            wire.send(&item).await;
            until("the item", async || watch.result("Read", json!([])).await != read).await;
        }
        Keep(method) => _ = wire.result(method, json!([])).await,
        Come(_) => {}
    }
    match attack {
        Call(..) | Stream(_) | Upload(_) => expect_failure(wire).await,
        Cancel(_) => {
            wire.send(&json!({ "type": 5, "invocationId": "poison" })).await;
            expect_failure(wire).await;
        }
        Waiting(_) | Unread(_) | Streaming(_) => {
            watch.result("Abort", json!([wire.id])).await;
            assert_eq!(outcome(wire).await, Err(Some(json!({ "type": 7 }))));
        }
        Keep(_) | Come(_) => {}
    }
}

/// Attacks, and expects that everything of the connection ends and the node goes on.
async fn check(node: &NodeProcess, attacked: Attack, watch: &mut Wire) {
    let ended = watch.result("Ended", json!([])).await.as_u64().unwrap();
    let connect = node.client("/poison");
    let connect = if let Come(query) = attacked { connect.query(query) } else { connect };
    let mut wire = Wire::open(&connect).await;
    let refused = matches!(attacked, Come(query) if query.starts_with("connect"));
    if refused {
        assert_eq!(wire.reading.ended().await.unwrap_or_default()["type"], 7, "a Close message comes");
    } else {
        wire.result("Join", json!(["g"])).await;
        attack(attacked, &mut wire, watch).await;
    }
    let id = wire.id.clone();
    drop(wire);
    // Where connecting failed, `on_disconnected` does not run.
    let ends = ended + u64::from(!refused);
    until("on_disconnected", async || watch.result("Ended", json!([])).await == ends).await;
    until("its membership to end", async || watch.result("Members", json!(["g"])).await == 0).await;
    let ended = |line: &str| line.contains("A connection ended.") && line.contains(&id);
    until("its end in the log", async || node.log().lines().any(ended)).await;
    assert_eq!(node.log().lines().filter(|line| ended(line)).count(), 1);
}

/// Each attack is tried, whatever became of those before it.
#[tokio::test]
async fn a_panic_fails_its_call_wherever_it_is_and_the_end_of_the_connection_runs() {
    let mut node = node();
    // The watches stay open: the end of one would be counted among those of the attacks.
    let (mut failures, mut watches) = (Vec::new(), Vec::new());
    for attack in ATTACKS {
        let mut watch = watch(&node, "/poison").await;
        if AssertUnwindSafe(check(&node, *attack, &mut watch)).catch_unwind().await.is_err() {
            failures.push(format!("{attack:?}"));
        }
        watches.push(watch);
        assert!(node.is_alive(), "the node ended after {attack:?}");
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test]
async fn a_panic_of_a_hubs_policy_fails_its_request_alone() {
    let node = node();
    let refused = at_last("a response", node.client("/poison-guarded").negotiate()).await;
    assert_eq!(refused.status, 403, "a policy that panics allows nothing: {refused:?}");
    let mut other = watch(&node, "/poison").await;
    assert_eq!(other.result("Echo", json!(["x"])).await, "x");
}

#[tokio::test]
async fn a_panic_over_a_clients_answer_fails_its_call() {
    let node = node();
    let mut watch = watch(&node, "/poison").await;
    let mut wire = Wire::open(&node.client("/poison")).await;
    wire.send(&call("poison", "Ask", &json!([]))).await;
    let question = wire.reading.find(|message| message["type"] == 1).await.expect("a question");
    let answer = json!({ "type": 3, "invocationId": question["invocationId"], "result": 1 });
    wire.send(&answer).await;
    let end = outcome(&mut wire).await;
    assert!(matches!(&end, Ok(completion) if completion["error"].is_string()), "{end:?}");
    assert_eq!(wire.result("Echo", json!(["x"])).await, "x");
    drop(wire);
    until("the end", async || watch.result("Ended", json!([])).await == 1).await;
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
