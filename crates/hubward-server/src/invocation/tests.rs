//! Tests of a connected client's calls: how many run at once, and how its uploads reach them.

use std::sync::Arc;

use hubward_hub::{Hub, HubContext, HubError, HubOptions, Upload};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::testing::client::TestClient;
use crate::testing::{Journal, engine, until_ended, until_idle};

/// A hub whose method `Hold` notes its start, and waits until the gate lets it through.
fn held_hub(journal: &Journal, permits: usize) -> (Hub, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (opens, journal) = (gate.clone(), journal.clone());
    let hold = move |name: String| {
        let (gate, journal) = (opens.clone(), journal.clone());
        async move {
            journal.note(&*name);
            gate.acquire().await.unwrap().forget();
            name
        }
    };
    let options = HubOptions { maximum_parallel_invocations: permits, ..HubOptions::default() };
    (Hub::new("hub").options(options).method("Hold", hold), gate)
}

/// Checks how many of four calls run at once.
async fn check_permits(permits: usize, at_once: usize) {
    let journal = Journal::default();
    let (hub, gate) = held_hub(&journal, permits);
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    let names = ["a", "b", "c", "d"];
    for name in names {
        client.invoke(name, "Hold", json!([name])).await;
    }
    until_idle().await;
    let mut started = journal.take();
    assert_eq!(started, names[..at_once]);
    for (completed, name) in names.iter().enumerate() {
        gate.add_permits(1);
        assert_eq!(client.message().await["result"], *name);
        until_idle().await;
        started.extend(journal.take());
        assert_eq!(started, names[..names.len().min(completed + 1 + at_once)]);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_run_one_after_the_other_unless_the_options_allow_more() {
    assert_eq!(HubOptions::default().maximum_parallel_invocations, 1);
    check_permits(1, 1).await;
    check_permits(3, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_client_result_releases_its_permit() {
    let ask = async |cx: HubContext| Ok::<i32, HubError>(cx.clients().caller().invoke("Number", ()).await?);
    let (hub, gate) = held_hub(&Journal::default(), 1);
    let engine = engine(hub.method("Ask", ask));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Ask", json!([])).await;
    let invocation = client.message().await;
    assert_eq!(invocation["target"], "Number");
    client.invoke("2", "Hold", json!(["meanwhile"])).await;
    gate.add_permits(1);
    assert_eq!(client.message().await["result"], "meanwhile");
    let id = &invocation["invocationId"];
    client.send(&json!({ "type": 3, "invocationId": id, "result": 7 })).await;
    assert_eq!(client.message().await, json!({ "type": 3, "invocationId": "1", "result": 7 }));
}

#[tokio::test(start_paused = true)]
async fn the_error_that_a_client_returns_fails_the_call_that_invoked_it() {
    let ask = async |cx: HubContext| Ok::<i32, HubError>(cx.clients().caller().invoke("Number", ()).await?);
    let engine = engine(Hub::new("hub").method("Ask", ask));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Ask", json!([])).await;
    let id = client.message().await["invocationId"].clone();
    client.send(&json!({ "type": 3, "invocationId": id, "error": "no idea" })).await;
    let error = "An unexpected error occurred invoking 'Ask' on the server. HubException: no idea";
    assert_eq!(client.message().await["error"], error);
}

#[tokio::test(start_paused = true)]
async fn streams_and_uploads_run_beside_a_call_that_holds_the_only_permit() {
    let (hub, gate) = held_hub(&Journal::default(), 1);
    let hub = hub
        .stream("Count", async |n: u32| futures_util::stream::iter(0..n))
        .method("First", async |mut items: Upload<i32>| items.next_item().await.unwrap());
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("held", "Hold", json!(["held"])).await;
    client.stream("1", "Count", json!([1])).await;
    assert_eq!(client.message().await, json!({ "type": 2, "invocationId": "1", "item": 0 }));
    assert_eq!(client.message().await, json!({ "type": 3, "invocationId": "1" }));
    upload(&mut client, "First").await;
    item(&mut client, &json!(5)).await;
    assert_eq!(client.message().await["result"], 5);
    gate.add_permits(1);
    assert_eq!(client.message().await["result"], "held");
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_on_to_its_end_when_its_connection_closes() {
    let journal = Journal::default();
    let noted = journal.clone();
    let long = move || {
        let journal = noted.clone();
        async move {
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            journal.note("done");
        }
    };
    let engine = engine(Hub::new("hub").method("Long", long));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Long", json!([])).await;
    until_idle().await;
    client.cut();
    until_ended(&engine).await;
    assert_eq!(journal.take(), ["done"]);
}

/// A hub whose method reads an upload item by item, each when the gate lets it, and notes them. It buffers one.
fn upload_hub(journal: &Journal) -> (Hub, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (opens, journal) = (gate.clone(), journal.clone());
    let read = move |mut items: Upload<i32>| {
        let (gate, journal) = (opens.clone(), journal.clone());
        async move {
            loop {
                gate.acquire().await.unwrap().forget();
                match items.next_item().await {
                    Some(Ok(item)) => journal.note(item.to_string()),
                    Some(Err(error)) => journal.note(error.to_string()),
                    None => break,
                }
            }
            journal.note("end");
        }
    };
    let options = HubOptions { stream_buffer_capacity: 1, ..HubOptions::default() };
    let hub = Hub::new("hub").options(options).method("Read", read).method("Fine", async || 1);
    (hub, gate)
}

/// Calls a method with the upload `s`.
async fn upload(client: &mut TestClient, method: &str) {
    let call =
        json!({ "type": 1, "invocationId": "1", "target": method, "arguments": [], "streamIds": ["s"] });
    client.send(&call).await;
}

async fn item(client: &mut TestClient, item: &Value) {
    client.send(&json!({ "type": 2, "invocationId": "s", "item": item })).await;
}

/// What a method gets of an upload, and of how it ends: as a client sends it, read at once.
async fn check_upload(items: &[Value], end: Value, expected: &[&str]) {
    let journal = Journal::default();
    let (hub, gate) = upload_hub(&journal);
    gate.add_permits(1000);
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    upload(&mut client, "Read").await;
    for value in items {
        item(&mut client, value).await;
    }
    client.send(&end).await;
    assert_eq!(client.message().await, json!({ "type": 3, "invocationId": "1", "result": null }));
    assert_eq!(journal.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_upload_reaches_its_method_item_by_item_with_its_end() {
    let end = json!({ "type": 3, "invocationId": "s" });
    check_upload(&[], end.clone(), &["end"]).await;
    check_upload(&[json!(1), json!(2), json!(3)], end.clone(), &["1", "2", "3", "end"]).await;
    let failed = json!({ "type": 3, "invocationId": "s", "error": "the pump failed" });
    check_upload(&[json!(1)], failed, &["1", "the pump failed", "end"]).await;
    // An item of another type ends the upload; what follows is skipped.
    check_upload(&[json!(1), json!("two"), json!(3)], end, &["1", "Failed to bind Stream message.", "end"])
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_item_without_room_pauses_reading_until_the_method_takes_one() {
    let journal = Journal::default();
    let (hub, gate) = upload_hub(&journal);
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    upload(&mut client, "Read").await;
    for n in 1..=3 {
        item(&mut client, &json!(n)).await;
    }
    client.invoke("2", "Fine", json!([])).await;
    // One is buffered, the second is held, and nothing after it is read.
    let nothing = tokio::time::timeout(std::time::Duration::from_secs(60), client.message()).await;
    assert!(nothing.is_err());
    gate.add_permits(1);
    until_idle().await;
    assert_eq!(journal.take(), ["1"]);
    gate.add_permits(1);
    assert_eq!(client.message().await["invocationId"], "2");
    gate.add_permits(1);
    until_idle().await;
    assert_eq!(journal.take(), ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn an_upload_whose_connection_closes_midway_ends_with_an_error() {
    let journal = Journal::default();
    let (hub, gate) = upload_hub(&journal);
    gate.add_permits(1000);
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    upload(&mut client, "Read").await;
    item(&mut client, &json!(1)).await;
    until_idle().await;
    engine.close_all();
    assert_eq!(client.message().await["type"], 7);
    until_idle().await;
    assert!(client.is_registered());
    assert_eq!(journal.take(), ["1", "ConnectionClosed: The underlying connection was closed.", "end"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_uploaded_to_a_method_that_is_done_is_skipped_and_its_stream_id_is_free_again() {
    let first = async |mut items: Upload<i32>| items.next_item().await.unwrap();
    let engine = engine(Hub::new("hub").method("First", first));
    let mut client = TestClient::connect(&engine, "c1").await;
    for n in 1..=2 {
        upload(&mut client, "First").await;
        item(&mut client, &json!(n)).await;
        assert_eq!(client.message().await["result"], n);
        item(&mut client, &json!(0)).await;
        item(&mut client, &json!(0)).await;
        client.send(&json!({ "type": 3, "invocationId": "s" })).await;
    }
}
