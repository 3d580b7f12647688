//! What becomes of calls and streams that the client cancels, or whose connection ends.

use futures_util::stream;
use hubward::{CancellationToken, Disconnected, Hub, HubContext};
use hubward_tests::{EventRecorder, TestNode, events, eventually};
use serde_json::json;

use crate::hub;

/// Records when it is dropped.
struct Guard(EventRecorder<String>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.record("dropped");
    }
}

#[tokio::test]
async fn a_stream_is_dropped_when_it_is_cancelled_or_its_connection_ends() {
    let (recorder, mut events) = events::<String>();
    let hub = Hub::new("hub").stream("Guarded", move || {
        let guard = Guard(recorder.clone());
        async move {
            stream::unfold((0_u64, guard), |(n, guard)| async move {
                if n > 0 {
                    std::future::pending::<()>().await;
                }
                Some((n, (n + 1, guard)))
            })
        }
    });
    let node = TestNode::with_hub(hub).await;
    let mut client = node.client("/hub").open().await;
    let id = client.begin_stream("Guarded", json!([])).await;
    assert_eq!(client.receive().await["item"], 0);
    client.send(&json!({ "type": 5, "invocationId": id })).await;
    events.expect(&["dropped"]).await;
    client.completion(&id).await;

    client.begin_stream("Guarded", json!([])).await;
    assert_eq!(client.receive().await["item"], 0);
    drop(client);
    events.expect(&["dropped"]).await;
}

#[tokio::test]
async fn a_cancellation_token_is_cancelled_by_the_client_and_by_the_connections_end() {
    let (recorder, mut events) = events::<String>();
    let hub = Hub::new("hub").method("Export", move |cancelled: CancellationToken| {
        let recorder = recorder.clone();
        async move {
            recorder.record("runs");
            cancelled.cancelled().await;
            recorder.record("cancelled");
            "partly"
        }
    });
    let node = TestNode::with_hub(hub).await;
    let mut client = node.client("/hub").open().await;
    let id = client.begin("Export", json!([])).await;
    events.expect(&["runs"]).await;
    client.send(&json!({ "type": 5, "invocationId": id })).await;
    events.expect(&["cancelled"]).await;
    assert_eq!(client.completion(&id).await["result"], "partly");

    client.begin("Export", json!([])).await;
    events.expect(&["runs"]).await;
    drop(client);
    events.expect(&["cancelled"]).await;
}

#[tokio::test]
async fn on_disconnected_receives_the_reason() {
    let (recorder, mut events) = events::<(String, Option<String>)>();
    let hub = hub().on_disconnected(move |cx: HubContext, end: Disconnected| {
        recorder.record((cx.connection_id().to_string(), end.error().map(str::to_owned)));
        async {}
    });
    let node = TestNode::with_hub(hub).await;
    let mut check = async |id: String, error: Option<&str>| {
        assert_eq!(events.next().await, (id, error.map(str::to_owned)));
    };

    let mut client = node.client("/hub").open().await;
    client.send(&json!({ "type": 7, "error": "I am tired." })).await;
    assert_eq!(client.ended().await.close, Some(json!({ "type": 7 })));
    check(client.id, Some("I am tired.")).await;

    let client = node.client("/hub").open().await;
    let id = client.id.clone();
    assert_eq!(client.close().await.code, Some(1000));
    check(id, None).await;

    let client = node.client("/hub").open().await;
    let id = client.id.clone();
    drop(client);
    check(id, None).await;

    let mut client = node.client("/hub").open().await;
    client.send(&json!({ "type": 1 })).await;
    client.ended().await;
    check(client.id, Some("Missing required property 'target'.")).await;

    eventually("all connections to end", async || node.hubs.connection_count("hub") == 0).await;
}

#[tokio::test]
async fn a_connections_end_is_noticed_while_its_calls_wait_for_each_other() {
    let (recorder, mut events) = events::<String>();
    let in_disconnected = recorder.clone();
    let hub = Hub::new("hub")
        .method("Export", move |name: String, cancelled: CancellationToken| {
            let recorder = recorder.clone();
            async move {
                recorder.record(format!("{name} runs"));
                cancelled.cancelled().await;
                recorder.record(format!("{name} is cancelled"));
            }
        })
        .on_disconnected(move || {
            in_disconnected.record("disconnected");
            async {}
        });
    let node = TestNode::with_hub(hub).await;

    // A lost connection: a call that waits is not begun any more.
    let mut client = node.client("/hub").open().await;
    client.begin("Export", json!(["first"])).await;
    client.begin("Export", json!(["second"])).await;
    events.expect(&["first runs"]).await;
    drop(client);
    let mut both = [events.next().await, events.next().await];
    both.sort();
    assert_eq!(both, ["disconnected", "first is cancelled"]);

    // A closed connection: what was sent before the close is still done.
    let mut client = node.client("/hub").open().await;
    client.begin("Export", json!(["third"])).await;
    client.begin("Export", json!(["fourth"])).await;
    events.expect(&["third runs"]).await;
    client.close().await;
    events.expect(&["third is cancelled", "fourth runs", "fourth is cancelled", "disconnected"]).await;
}
