//! What becomes of calls and streams whose client cancels them, or goes.

use futures_util::stream;
use hubward::{CancellationToken, Disconnected, Hub, HubContext};
use hubward_tests::{eventually, within};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{hub, node};

/// Tells when it is dropped.
struct Guard(mpsc::UnboundedSender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

#[tokio::test]
async fn a_stream_is_dropped_when_it_is_cancelled_or_its_client_leaves() {
    let (tell, mut story) = mpsc::unbounded_channel();
    let hub = Hub::new("hub").stream("Guarded", move || {
        let guard = Guard(tell.clone());
        async move {
            stream::unfold((0_u64, guard), |(n, guard)| async move {
                if n > 0 {
                    std::future::pending::<()>().await;
                }
                Some((n, (n + 1, guard)))
            })
        }
    });
    let node = node(hub).await;
    let mut client = node.client("/hub").open().await;
    let id = client.begin_stream("Guarded", json!([])).await;
    assert_eq!(client.receive().await["item"], 0);
    client.send(&json!({ "type": 5, "invocationId": id })).await;
    assert_eq!(within("the drop", story.recv()).await, Some("dropped"));
    client.completion(&id).await;

    client.begin_stream("Guarded", json!([])).await;
    assert_eq!(client.receive().await["item"], 0);
    drop(client);
    assert_eq!(within("the drop", story.recv()).await, Some("dropped"));
}

#[tokio::test]
async fn a_cancellation_token_is_cancelled_by_the_client_and_by_its_going() {
    let (tell, mut story) = mpsc::unbounded_channel();
    let hub = Hub::new("hub").method("Export", move |cancelled: CancellationToken| {
        let tell = tell.clone();
        async move {
            tell.send("runs").unwrap();
            cancelled.cancelled().await;
            tell.send("cancelled").unwrap();
            "partly"
        }
    });
    let node = node(hub).await;
    let mut told = async || within("the export", story.recv()).await.unwrap();
    let mut client = node.client("/hub").open().await;
    let id = client.begin("Export", json!([])).await;
    assert_eq!(told().await, "runs");
    client.send(&json!({ "type": 5, "invocationId": id })).await;
    assert_eq!(told().await, "cancelled");
    assert_eq!(client.completion(&id).await["result"], "partly");

    client.begin("Export", json!([])).await;
    assert_eq!(told().await, "runs");
    drop(client);
    assert_eq!(told().await, "cancelled");
}

#[tokio::test]
async fn on_disconnected_learns_why() {
    let (tell, mut story) = mpsc::unbounded_channel();
    let hub = hub().on_disconnected(move |cx: HubContext, end: Disconnected| {
        tell.send((cx.connection_id().to_string(), end.error().map(str::to_owned))).unwrap();
        async {}
    });
    let node = node(hub).await;
    let check = async |client: &mut mpsc::UnboundedReceiver<(String, Option<String>)>,
                       id: &str,
                       error: Option<&str>| {
        let told = within("on_disconnected", client.recv()).await.unwrap();
        assert_eq!((told.0.as_str(), told.1.as_deref()), (id, error));
    };

    let mut client = node.client("/hub").open().await;
    let id = client.id.clone();
    client.send(&json!({ "type": 7, "error": "I am tired." })).await;
    assert_eq!(client.ended().await.close, Some(json!({ "type": 7 })));
    check(&mut story, &id, Some("I am tired.")).await;

    let client = node.client("/hub").open().await;
    let id = client.id.clone();
    assert_eq!(client.close().await.code, Some(1000));
    check(&mut story, &id, None).await;

    let client = node.client("/hub").open().await;
    let id = client.id.clone();
    drop(client);
    check(&mut story, &id, None).await;

    let mut client = node.client("/hub").open().await;
    let id = client.id.clone();
    client.send(&json!({ "type": 1 })).await;
    client.ended().await;
    check(&mut story, &id, Some("Missing required property 'target'.")).await;

    eventually("nobody", async || node.hubs.connection_count("hub") == 0).await;
}

#[tokio::test]
async fn a_client_that_goes_is_noticed_while_its_calls_wait_for_each_other() {
    let (tell, mut story) = mpsc::unbounded_channel();
    let leaving = tell.clone();
    let hub = Hub::new("hub")
        .method("Export", move |name: String, cancelled: CancellationToken| {
            let tell = tell.clone();
            async move {
                tell.send(format!("{name} runs")).unwrap();
                cancelled.cancelled().await;
                tell.send(format!("{name} is cancelled")).unwrap();
            }
        })
        .on_disconnected(move || {
            leaving.send("disconnected".to_owned()).unwrap();
            async {}
        });
    let node = node(hub).await;

    // Cut off: what waited is not begun any more.
    let mut client = node.client("/hub").open().await;
    client.begin("Export", json!(["first"])).await;
    client.begin("Export", json!(["second"])).await;
    assert_eq!(within("the first", story.recv()).await.as_deref(), Some("first runs"));
    drop(client);
    let (one, other) =
        (within("the cut", story.recv()).await.unwrap(), within("the cut", story.recv()).await.unwrap());
    let both = [one.as_str(), other.as_str()];
    assert!(both.contains(&"disconnected") && both.contains(&"first is cancelled"), "{both:?}");

    // In good order: what was sent before the goodbye is still done.
    let mut told = async |expected: &str| {
        assert_eq!(within(expected, story.recv()).await.as_deref(), Some(expected));
    };
    let mut client = node.client("/hub").open().await;
    client.begin("Export", json!(["third"])).await;
    client.begin("Export", json!(["fourth"])).await;
    told("third runs").await;
    client.close().await;
    for expected in ["third is cancelled", "fourth runs", "fourth is cancelled", "disconnected"] {
        told(expected).await;
    }
}
