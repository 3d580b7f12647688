//! Sessions that move: what goes with them, and what is waited for.

mod deciding;
mod many_moves;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use hubward_hub::{Hub, HubContext, HubError, HubOptions, Upload};
use hubward_transport::testing::Resumption;
use hubward_types::Principal;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::connection::adopting::CannotAdopt;
use crate::testing::client::{Next, TestClient};
use crate::testing::moving_node::MovingNode;
use crate::testing::{Journal, pass, until_ended, until_idle};

const SECOND: Duration = Duration::from_secs(1);

/// A hub whose callbacks are noted, with calls that a test lets go on.
fn hub(journal: &Journal, go_on: &Arc<Semaphore>) -> Hub {
    let note = |entry: &'static str| {
        let journal = journal.clone();
        move || journal.noting(entry)
    };
    let (held, streaming) = (go_on.clone(), go_on.clone());
    Hub::new("hub")
        .persist_item::<u32>("number")
        .on_connected(note("connected"))
        .on_resumed(note("resumed"))
        .on_disconnected(note("disconnected"))
        .method("Add", async |a: i32, b: i32| a + b)
        .method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
        .method("Keep", async |cx: HubContext, number: u32| cx.items().insert(number))
        .method("Kept", async |cx: HubContext| cx.items().cloned::<u32>())
        .method("Id", async |cx: HubContext| cx.connection_id().clone())
        .method("Held", move || hold(held.clone()))
        .method("Sum", sum)
        .method("Ask", async |cx: HubContext| {
            Ok::<u32, HubError>(cx.clients().caller().invoke("Number", ()).await?)
        })
        .stream("Count", move || {
            let go_on = streaming.clone();
            async move { stream::unfold(0_u32, move |n| count(go_on.clone(), n)) }
        })
}

async fn hold(go_on: Arc<Semaphore>) -> u32 {
    go_on.acquire().await.unwrap().forget();
    7
}

async fn count(go_on: Arc<Semaphore>, n: u32) -> Option<(u32, u32)> {
    go_on.acquire().await.unwrap().forget();
    (n < 3).then_some((n, n + 1))
}

async fn sum(mut values: Upload<i64>) -> Result<i64, HubError> {
    let mut total = 0;
    while let Some(value) = values.next_item().await {
        total += value?;
    }
    Ok(total)
}

struct Moving {
    here: MovingNode,
    there: MovingNode,
    journal: Journal,
    go_on: Arc<Semaphore>,
}

impl Moving {
    fn new() -> Self {
        let (journal, go_on) = (Journal::default(), Arc::new(Semaphore::new(0)));
        let node = || MovingNode::new(hub(&journal, &go_on));
        Self { here: node(), there: node(), journal, go_on }
    }

    async fn connect(&self) -> (TestClient, Resumption) {
        let connected = self.here.connect("c1", Principal::anonymous()).await;
        until_idle().await;
        assert_eq!(self.journal.take(), ["connected"]);
        connected
    }

    /// Moves the connection, and resumes it there: the client has received so many messages, and sends again what comes after
    /// so many of its own.
    async fn move_and_resume(&self, mut old: TestClient, received: u64, sent: u64) -> TestClient {
        let taken = self.here.take("c1", SECOND).await.unwrap();
        let resumption = self.there.adopt(taken.state()).await.unwrap();
        taken.let_go("node-2".into()).await;
        // What was on its way to the client may still come, but neither a Close message nor a close frame.
        loop {
            match old.next().await {
                Next::Message(message) => assert_ne!(message["type"], 7, "{message}"),
                end => break assert_eq!(end, Next::Lost),
            }
        }
        resume(&self.there, &resumption, received, sent).await
    }
}

async fn resume(node: &MovingNode, resumption: &Resumption, received: u64, sent: u64) -> TestClient {
    let mut client = node.resume(resumption);
    client.send(&json!({ "type": 9, "sequenceId": sent + 1 })).await;
    client.send(&json!({ "type": 8, "sequenceId": received })).await;
    client
}

/// Returns the next message that is no acknowledgement.
async fn next(client: &mut TestClient) -> Value {
    loop {
        let message = client.message().await;
        if message["type"] != 8 {
            return message;
        }
    }
}

fn number_of(message: &Value) -> Option<u64> {
    (message["type"] == 1).then(|| message["arguments"][0].as_u64()).flatten()
}

async fn send(node: &MovingNode, group: &str, number: u64) {
    node.engine.handle().group(group).send("Message", (number,)).await.unwrap();
}

fn completion(id: &str, result: impl Into<Value>) -> Value {
    json!({ "type": 3, "invocationId": id, "result": result.into() })
}

fn failed(id: &str, error: &str) -> Value {
    json!({ "type": 3, "invocationId": id, "error": error })
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_at_another_node_and_loses_and_repeats_nothing() {
    let moving = Moving::new();
    let (mut client, _) = moving.connect().await;
    client.call("Join", json!(["ward"])).await;
    client.call("Keep", json!([7])).await;
    for number in 1..=3 {
        send(&moving.here, "ward", number).await;
    }
    // Of the three the client receives two: in all it has received four messages.
    for number in 1..=2 {
        assert_eq!(number_of(&client.message().await), Some(number));
    }
    let mut client = moving.move_and_resume(client, 4, 2).await;
    send(&moving.there, "ward", 4).await;
    assert_eq!(client.message().await, json!({ "type": 9, "sequenceId": 5 }));
    for number in 3..=4 {
        assert_eq!(
            number_of(&next(&mut client).await),
            Some(number),
            "what the client did not have, and the rest"
        );
    }
    until_idle().await;
    assert_eq!(moving.journal.take(), ["resumed"]);
    client.invoke("kept", "Kept", json!([])).await;
    assert_eq!(next(&mut client).await, completion("kept", 7));
    client.invoke("id", "Id", json!([])).await;
    assert_eq!(next(&mut client).await, completion("id", "c1"));
    assert_eq!(moving.here.engine.connection_count(), 0);
    drop(client);
    until_ended(&moving.there.engine).await;
    assert_eq!(moving.journal.take(), ["disconnected"]);
    assert_eq!(moving.here.engine.context.tasks.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_read_is_sent_again_and_one_that_was_is_not_repeated() {
    let moving = Moving::new();
    let (mut client, _) = moving.connect().await;
    client.invoke("held", "Held", json!([])).await;
    until_idle().await;
    let handle = moving.here.handle("c1");
    let taking = async move { take(&handle, Instant::now() + 60 * SECOND).await };
    let taking = moving.here.engine.context.spawn(taking);
    until_idle().await;
    // It comes after the session began to move.
    client.invoke("late", "Add", json!([1, 2])).await;
    until_idle().await;
    assert!(!taking.is_finished(), "the call that runs is waited for");
    moving.go_on.add_permits(1);
    assert_eq!(client.message().await, completion("held", 7), "a client that is there has it at once");
    let taken = taking.await.unwrap().unwrap();
    let resumption = moving.there.adopt(taken.state()).await.unwrap();
    taken.let_go("node-2".into()).await;
    let mut client = moving.there.resume(&resumption);
    client.send(&json!({ "type": 9, "sequenceId": 1 })).await;
    client.invoke("held", "Held", json!([])).await;
    client.invoke("late", "Add", json!([1, 2])).await;
    assert_eq!(client.message().await, json!({ "type": 9, "sequenceId": 1 }));
    assert_eq!(client.message().await, completion("held", 7), "it was not acknowledged");
    assert_eq!(client.message().await, completion("late", 3));
}

#[tokio::test(start_paused = true)]
async fn calls_that_take_too_long_fail_with_a_text_that_says_so() {
    let moving = Moving::new();
    let (mut client, _) = moving.connect().await;
    client.stream("count", "Count", json!([])).await;
    moving.go_on.add_permits(1);
    assert_eq!(client.message().await["item"], 0);
    client.invoke("held", "Held", json!([])).await;
    client.invoke("waits", "Add", json!([1, 2])).await;
    until_idle().await;
    let taken = moving.here.take("c1", SECOND).await.unwrap();
    moving.go_on.add_permits(10);
    until_idle().await;
    taken.take_back();
    let mut messages = Vec::new();
    for _ in 0..3 {
        messages.push(next(&mut client).await);
    }
    messages.sort_by_key(|message| message["invocationId"].to_string());
    let expected = ["count", "held", "waits"].map(|id| failed(id, error_text::CALL_MOVED));
    assert_eq!(messages, expected);
    // What they complete with later is not sent, and the connection goes on.
    assert_eq!(client.call("Add", json!([1, 2])).await, completion("call", 3));
}

#[tokio::test(start_paused = true)]
async fn an_upload_ends_with_an_error_and_its_call_with_it() {
    let moving = Moving::new();
    let (mut client, _) = moving.connect().await;
    let call =
        json!({ "type": 1, "invocationId": "sum", "target": "Sum", "arguments": [], "streamIds": ["up"] });
    client.send(&call).await;
    client.send(&json!({ "type": 2, "invocationId": "up", "item": 1 })).await;
    until_idle().await;
    let taken = moving.here.take("c1", 60 * SECOND).await.unwrap();
    taken.take_back();
    let completion = client.message().await;
    assert!(completion["error"].as_str().unwrap().ends_with(error_text::UPLOAD_MOVED), "{completion}");
    // What the client goes on to send of it is ignored.
    client.send(&json!({ "type": 2, "invocationId": "up", "item": 2 })).await;
    client.send(&json!({ "type": 3, "invocationId": "up" })).await;
    assert_eq!(client.call("Add", json!([1, 2])).await["result"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_result_that_is_waited_for_still_arrives() {
    let moving = Moving::new();
    let (mut client, _) = moving.connect().await;
    client.invoke("ask", "Ask", json!([])).await;
    let asked = client.message().await;
    let handle = moving.here.handle("c1");
    let taking = async move { take(&handle, Instant::now() + 60 * SECOND).await };
    let taking = moving.here.engine.context.spawn(taking);
    until_idle().await;
    client.send(&completion(asked["invocationId"].as_str().unwrap(), 9)).await;
    assert_eq!(client.message().await, completion("ask", 9));
    taking.await.unwrap().unwrap().take_back();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_move_says_why_and_goes_on() {
    let moving = Moving::new();
    let mut plain = TestClient::connect(&moving.here.engine, "plain").await;
    assert_eq!(moving.here.take("plain", SECOND).await.err(), Some(CannotMove::NotStateful));
    assert_eq!(plain.call("Add", json!([1, 2])).await, completion("call", 3));

    let (go_on, hub) = (Arc::new(Semaphore::new(0)), Hub::new("hub"));
    let held = go_on.clone();
    let node = MovingNode::new(hub.on_connected(move || hold(held.clone())));
    let (_client, _) = node.connect("c1", Principal::anonymous()).await;
    assert_eq!(node.take("c1", SECOND).await.err(), Some(CannotMove::Opening));
    go_on.add_permits(1);
    until_idle().await;
    node.take("c1", SECOND).await.unwrap().take_back();
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_too_large_goes_on() {
    let options = HubOptions { mailbox_bytes: 16 * MAX_STATE_BYTES, ..HubOptions::default() };
    let node = MovingNode::new(Hub::new("hub").options(options));
    let (mut client, resumption) = node.connect("c1", Principal::anonymous()).await;
    client.cut();
    until_idle().await;
    let large = "x".repeat(MAX_STATE_BYTES / 2);
    for _ in 0..3 {
        drop(node.engine.handle().all().send("Message", (&large,)));
    }
    assert!(matches!(node.take("c1", SECOND).await.err(), Some(CannotMove::State(_))));
    let mut client = resume(&node, &resumption, 0, 0).await;
    assert_eq!(client.message().await, json!({ "type": 9, "sequenceId": 1 }));
    for _ in 0..3 {
        assert_eq!(client.message().await["arguments"], json!([large]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_adopted_session_whose_client_does_not_come_ends_as_one_that_was_lost() {
    let moving = Moving::new();
    let (_client, _) = moving.connect().await;
    let taken = moving.here.take("c1", SECOND).await.unwrap();
    moving.there.adopt(taken.state()).await.unwrap();
    taken.let_go("node-2".into()).await;
    let began = Instant::now();
    until_ended(&moving.there.engine).await;
    assert_eq!(began.elapsed(), Duration::from_secs(15));
    assert_eq!(moving.journal.take(), ["disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_closes_the_connection_wherever_it_is() {
    let moving = Moving::new();
    let until = std::time::SystemTime::now() + 10 * SECOND;
    let principal = Principal::builder().user_id("alice").expires_at(until).build();
    let (client, _) = moving.here.connect("c1", principal).await;
    let mut client = moving.move_and_resume(client, 0, 0).await;
    assert_eq!(client.message().await, json!({ "type": 9, "sequenceId": 1 }));
    client.expect_close(json!({ "type": 7, "allowReconnect": true })).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_not_adopted_where_its_hub_is_not_mounted_as_it_was() {
    let moving = Moving::new();
    let (mut client, _) = moving.connect().await;
    let taken = moving.here.take("c1", SECOND).await.unwrap();
    let engine = crate::testing::engine(Hub::new("hub"));
    let state = SessionState::decode(&taken.state().encode().unwrap()).unwrap();
    let mailbox = crate::connection::mailbox::Mailbox::new(engine.mailbox_limits());
    let handle = crate::connection::adopting::handle(&engine, &state.identity, mailbox);
    let adopted = crate::connection::adopting::Adopted::restore(&engine, handle, state.content);
    assert_eq!(adopted.err(), Some(CannotAdopt::NotServedHere));
    taken.take_back();
    assert_eq!(client.call("Add", json!([1, 2])).await, completion("call", 3));
}
