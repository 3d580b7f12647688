//! Tests of a connection of a node that drains.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hubward_hub::{Hub, HubContext, HubOptions, Upload};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::engine::Engine;
use crate::testing::client::TestClient;
use crate::testing::{Journal, engine, pass, until_idle};

const SECOND: Duration = Duration::from_secs(1);

fn hub(journal: &Journal) -> Hub {
    let (begun, ended) = (journal.clone(), journal.clone());
    Hub::new("hub")
        .options(HubOptions { maximum_parallel_invocations: 1, ..HubOptions::default() })
        .method("Slow", move |seconds: u32| {
            begun.note("begun");
            async move {
                tokio::time::sleep(SECOND * seconds).await;
                seconds
            }
        })
        .method("Ask", async |cx: HubContext| cx.clients().caller().invoke::<i32>("Number", ()).await)
        .method("Sum", async |mut items: Upload<i32>| {
            let mut sum = 0;
            while let Some(item) = items.next_item().await {
                sum += item.unwrap_or_default();
            }
            tokio::time::sleep(SECOND).await;
            sum
        })
        .stream("Count", async |to: u32| {
            stream::iter(0..to).then(async |number| {
                tokio::time::sleep(SECOND).await;
                number
            })
        })
        .on_disconnected(move || ended.noting("disconnected"))
}

async fn connected(journal: &Journal) -> (Arc<Engine>, TestClient) {
    let engine = engine(hub(journal));
    let client = TestClient::connect(&engine, "c1").await;
    (engine, client)
}

async fn finish(engine: &Engine) {
    engine.index.for_all(|connection| connection.finish());
    until_idle().await;
}

async fn finish_without_streams(engine: &Engine) {
    engine.index.for_all(|connection| connection.finish_without_streams());
    until_idle().await;
}

fn result(id: &str, result: Value) -> Value {
    json!({ "type": 3, "invocationId": id, "result": result })
}

async fn expect_reconnect(client: &mut TestClient) {
    client.expect_close(json!({ "type": 7, "allowReconnect": true })).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_calls_closes_at_once() {
    let journal = Journal::default();
    let (engine, mut client) = connected(&journal).await;
    let begun = Instant::now();
    finish(&engine).await;
    expect_reconnect(&mut client).await;
    assert!(begun.elapsed() < SECOND);
    assert_eq!(journal.take(), ["disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_runs_comes_to_its_end_and_its_result_before_the_close() {
    let (engine, mut client) = connected(&Journal::default()).await;
    client.invoke("1", "Slow", json!([3])).await;
    until_idle().await;
    finish(&engine).await;
    finish_without_streams(&engine).await;
    engine.handle().all().send("News", ()).await.unwrap();
    assert_eq!(client.message().await["target"], "News", "what is sent meanwhile arrives");
    assert_eq!(client.message().await, result("1", json!(3)));
    expect_reconnect(&mut client).await;
}

#[tokio::test(start_paused = true)]
async fn no_call_begins_that_comes_later_or_waited_for_its_permit() {
    let journal = Journal::default();
    let (engine, mut client) = connected(&journal).await;
    client.invoke("1", "Slow", json!([1])).await;
    client.invoke("2", "Slow", json!([1])).await;
    until_idle().await;
    finish(&engine).await;
    client.invoke("3", "Slow", json!([1])).await;
    client.stream("4", "Count", json!([1])).await;
    assert_eq!(client.message().await, result("1", json!(1)));
    expect_reconnect(&mut client).await;
    assert_eq!(journal.take(), ["begun", "disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_client_gets_the_clients_result() {
    let (engine, mut client) = connected(&Journal::default()).await;
    client.invoke("1", "Ask", json!([])).await;
    let asked = client.message().await;
    finish(&engine).await;
    client.invoke("2", "Slow", json!([1])).await;
    client.send(&result(asked["invocationId"].as_str().unwrap(), json!(7))).await;
    assert_eq!(client.message().await, result("1", json!(7)));
    expect_reconnect(&mut client).await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_ends_is_read_and_its_call_comes_to_its_end() {
    let (engine, mut client) = connected(&Journal::default()).await;
    let call =
        json!({ "type": 1, "invocationId": "1", "target": "Sum", "arguments": [], "streamIds": ["s"] });
    client.send(&call).await;
    until_idle().await;
    finish(&engine).await;
    client.send(&json!({ "type": 2, "invocationId": "s", "item": 4 })).await;
    client.send(&json!({ "type": 3, "invocationId": "s" })).await;
    assert_eq!(client.message().await, result("1", json!(4)));
    expect_reconnect(&mut client).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_waited_for_until_streams_are_not() {
    let (engine, mut client) = connected(&Journal::default()).await;
    client.stream("1", "Count", json!([2])).await;
    until_idle().await;
    finish(&engine).await;
    let items: Vec<_> = [client.message().await, client.message().await, client.message().await].into();
    assert_eq!(items.iter().map(|item| item["type"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 2, 3]);
    expect_reconnect(&mut client).await;

    let (engine, mut client) = connected(&Journal::default()).await;
    client.stream("1", "Count", json!([1000])).await;
    until_idle().await;
    finish(&engine).await;
    pass(SECOND * 2).await;
    finish_without_streams(&engine).await;
    assert_eq!([client.message().await["type"].clone(), client.message().await["type"].clone()], [2, 2]);
    expect_reconnect(&mut client).await;
}

#[tokio::test(start_paused = true)]
async fn a_stateful_connection_without_a_transport_is_closed() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let mut client = TestClient::connect_stateful(&engine, "c1").await;
    client.cut();
    until_idle().await;
    assert_eq!(engine.connection_count(), 1);
    finish(&engine).await;
    assert_eq!((engine.connection_count(), journal.take()), (0, vec!["disconnected".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn on_connected_comes_to_its_end() {
    let slow = async |cx: HubContext| {
        tokio::time::sleep(SECOND).await;
        cx.clients().caller().send("Welcome", ()).await
    };
    let engine = engine(Hub::new("hub").on_connected(slow));
    let mut client = TestClient::connect(&engine, "c1").await;
    finish(&engine).await;
    assert_eq!(client.message().await["target"], "Welcome");
    expect_reconnect(&mut client).await;
}
