//! Streams from a client: how they end, and which calls they hold up.

use std::sync::Arc;

use futures_util::StreamExt;
use hubward::{Hub, HubOptions, Upload};
use hubward_tests::{TestClient, TestNode, events};
use serde_json::json;
use tokio::sync::Notify;

use crate::hub;

#[tokio::test]
async fn an_upload_ends_with_an_error_when_its_client_leaves() {
    let (recorder, mut events) = events::<Result<i64, String>>();
    let hub = Hub::new("hub").method("Collect", move |mut items: Upload<i64>| {
        let recorder = recorder.clone();
        async move {
            while let Some(item) = items.next_item().await {
                recorder.record(item.map_err(|error| error.to_string()));
            }
            recorder.record(Err("the end".to_owned()));
        }
    });
    let node = TestNode::with_hub(hub).await;
    let upload = async |client: &mut TestClient| {
        let (id, upload) = client.begin_upload("Collect", json!([])).await;
        client.send(&json!({ "type": 2, "invocationId": upload, "item": 7 })).await;
        (id, upload)
    };

    let mut client = node.client("/hub").open().await;
    upload(&mut client).await;
    assert_eq!(events.next().await, Ok(7));
    drop(client);
    assert!(events.next().await.unwrap_err().ends_with("The underlying connection was closed."));
    assert_eq!(events.next().await, Err("the end".to_owned()));

    let mut client = node.client("/hub").open().await;
    let (id, first) = upload(&mut client).await;
    client.send(&json!({ "type": 3, "invocationId": first })).await;
    assert_eq!(events.next().await, Ok(7));
    assert_eq!(
        events.next().await,
        Err("the end".to_owned()),
        "an upload that is complete ends without an error"
    );
    client.completion(&id).await;

    let (id, second) = upload(&mut client).await;
    client.send(&json!({ "type": 3, "invocationId": second, "error": "My disk is full." })).await;
    assert_eq!(events.next().await, Ok(7));
    assert_eq!(events.next().await, Err("My disk is full.".to_owned()));
    assert_eq!(events.next().await, Err("the end".to_owned()));
    client.completion(&id).await;

    let (id, third) = upload(&mut client).await;
    client.send(&json!({ "type": 2, "invocationId": third, "item": "not a number" })).await;
    assert_eq!(events.next().await, Ok(7));
    assert_eq!(events.next().await, Err("Failed to bind Stream message.".to_owned()));
    assert_eq!(events.next().await, Err("the end".to_owned()));
    client.completion(&id).await;
}

#[tokio::test]
async fn an_upload_that_nobody_reads_holds_up_its_own_client_only() {
    let gate = Arc::new(Notify::new());
    let open = gate.clone();
    let hub = hub().options(HubOptions { stream_buffer_capacity: 2, ..HubOptions::default() }).method(
        "Collect",
        move |items: Upload<i64>| {
            let gate = open.clone();
            async move {
                gate.notified().await;
                items.map(|item| item.unwrap()).collect::<Vec<_>>().await
            }
        },
    );
    let node = TestNode::with_hub(hub).await;
    let (mut client, mut other) = (node.client("/hub").open().await, node.client("/hub").open().await);
    let (collect, upload) = client.begin_upload("Collect", json!([])).await;
    for item in 0..20 {
        client.send(&json!({ "type": 2, "invocationId": upload, "item": item })).await;
    }
    client.send(&json!({ "type": 3, "invocationId": upload })).await;
    let echo = client.begin("Echo", json!(["behind"])).await;
    assert_eq!(other.result("Echo", json!(["free"])).await, "free");
    gate.notify_one();
    // Messages are read in the order in which they were sent, whatever order the calls complete in.
    assert_eq!(client.completion(&echo).await["result"], "behind");
    assert_eq!(client.completion(&collect).await["result"], json!((0..20).collect::<Vec<_>>()));
}
