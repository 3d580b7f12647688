//! What reaches clients of the other node: messages, questions, aborts.

use hubward_tests::{Ended, Gone, TestClient, eventually};
use serde_json::json;

use crate::{Pair, call, receives};

#[tokio::test]
async fn every_send_reaches_its_recipients_on_both_nodes_in_order() {
    let pair = Pair::start().await;
    let mut near = pair.user(0, "alice").await;
    let mut far = pair.user(1, "bob").await;
    for client in [&mut near, &mut far] {
        call(client, "Join", json!(["g"])).await;
    }
    call(&mut far, "Join", json!(["h"])).await;
    let ids = [near.id.clone(), far.id.clone()];
    let sends = [
        ("ToConnection", json!([ids[1], "connection"])),
        ("ToAll", json!(["all"])),
        ("ToGroup", json!(["g", "group"])),
        ("ToGroups", json!([["g", "h"], "groups"])),
        ("ToGroupExcept", json!(["g", "except", [ids[0]]])),
        ("ToUser", json!(["bob", "user"])),
        ("ToUsers", json!([["alice", "bob", "bob"], "users"])),
        ("Burst", json!(["h", 3])),
    ];
    for (method, arguments) in sends {
        call(&mut near, method, arguments).await;
    }
    receives(&mut near, &["all", "group", "groups", "users"]).await;
    let far_receives =
        ["connection", "all", "group", "groups", "groups", "except", "user", "users", "0", "1", "2"];
    receives(&mut far, &far_receives).await;
}

#[tokio::test]
async fn a_client_of_the_other_node_answers_fails_or_has_gone() {
    let pair = Pair::start().await;
    let [mut near, mut far] = pair.clients().await;
    let ask = async |near: &mut TestClient, far: &str| near.begin("Ask", json!([far, "why?"])).await;

    let id = ask(&mut near, &far.id).await;
    let question = far.invoked("Question").await;
    assert_eq!(question["arguments"], json!(["why?"]));
    far.complete(&question, json!("so")).await;
    assert_eq!(near.completion(&id).await["result"], "answer: so");

    let id = ask(&mut near, &far.id).await;
    let invocation = far.invoked("Question").await["invocationId"].clone();
    far.send(&json!({ "type": 3, "invocationId": invocation, "error": "no idea" })).await;
    assert_eq!(near.completion(&id).await["result"], "failed: no idea");

    let id = ask(&mut near, "nobody").await;
    assert_eq!(near.completion(&id).await["result"], "gone: does not exist");

    let id = ask(&mut near, &far.id).await;
    far.invoked("Question").await;
    far.close().await;
    assert_eq!(near.completion(&id).await["result"], "gone: disconnected");
}

#[tokio::test]
async fn a_connection_of_the_other_node_is_aborted() {
    let pair = Pair::start().await;
    let [mut near, mut far] = pair.clients().await;
    call(&mut far, "Join", json!(["g"])).await;
    call(&mut near, "AbortConnection", json!([far.id])).await;
    // What is sent or asked afterwards reaches it no more.
    call(&mut near, "ToGroup", json!(["g", "late"])).await;
    call(&mut near, "ToConnection", json!([far.id, "late"])).await;
    let answer = near.result("Ask", json!([far.id, "why?"])).await;
    assert!(answer.as_str().unwrap().starts_with("gone: "), "{answer}");
    assert_eq!(far.next().await, Err(Gone(Ended { close: Some(json!({ "type": 7 })), code: Some(1000) })));
    eventually("its membership to end", async || near.result("Count", json!(["g"])).await == 0).await;
    call(&mut near, "AbortConnection", json!(["nobody"])).await;
}

#[tokio::test]
async fn a_connection_of_the_same_node_is_aborted_by_another_one() {
    let pair = Pair::start().await;
    let (mut caller, mut other) = (pair.client(1).await, pair.client(1).await);
    call(&mut caller, "AbortConnection", json!([other.id])).await;
    assert_eq!(other.ended().await.close, Some(json!({ "type": 7 })));
}

#[tokio::test]
async fn calls_and_streams_that_take_their_time_complete() {
    let pair = Pair::start().await;
    let mut client = pair.client(1).await;
    assert_eq!(client.result("Slow", json!([1, "done"])).await, "done");
    let id = client.begin_stream("Stream", json!([3, 1])).await;
    let items: Vec<_> = [client.receive().await, client.receive().await, client.receive().await].into();
    assert!(items.iter().map(|item| &item["item"]).eq([&json!(0), &json!(1), &json!(2)]), "{items:?}");
    assert!(client.completion(&id).await.get("error").is_none());
}
