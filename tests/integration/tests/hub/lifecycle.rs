//! What comes before what in the lifecycle of a connection.

use std::sync::Arc;

use hubward::{Disconnected, Hub, HubContext, HubError};
use hubward_tests::{HANDSHAKE, TestNode, events};
use serde_json::json;
use tokio::sync::Notify;

use crate::echo;

#[tokio::test]
async fn a_hubs_path_is_found_whatever_the_case_of_its_letters() {
    let node = TestNode::with_hub(Hub::new("hub")).await;
    for (path, status) in [("/HUB/Negotiate", 200), ("/hub/negotiate", 200), ("/HUB/other", 404)] {
        assert_eq!(node.request("POST", path, &[], b"").await.status, status, "{path}");
    }
}

#[test]
fn two_paths_that_differ_by_case_only_are_refused() {
    let builder = hubward::Hubward::builder().hub("/hub", Hub::new("a")).hub("/Hub", Hub::new("b"));
    assert!(builder.build().is_err());
}

#[tokio::test]
async fn calls_wait_for_on_connected_and_messages_do_not() {
    let gate = Arc::new(Notify::new());
    let (recorder, mut events) = events::<String>();
    let (in_connected, in_call, in_disconnected) = (recorder.clone(), recorder.clone(), recorder);
    let opening = gate.clone();
    let hub = Hub::new("hub")
        .on_connected(move |cx: HubContext| {
            let (recorder, gate) = (in_connected.clone(), opening.clone());
            async move {
                cx.clients().caller().send("Welcome", ("in",)).await?;
                recorder.record("connecting");
                gate.notified().await;
                recorder.record("connected");
                Ok::<(), HubError>(())
            }
        })
        .method("Echo", move |text: String| {
            in_call.record("called");
            async move { text }
        })
        .on_disconnected(move |end: Disconnected| {
            in_disconnected.record(format!("disconnected: {:?}", end.error()));
            async {}
        });
    let node = TestNode::with_hub(hub).await;
    let mut client = node.client("/hub").open_web_socket().await;
    // Handshake and call in one frame: the call must be neither lost nor early.
    let call = json!({ "type": 1, "invocationId": "first", "target": "Echo", "arguments": ["x"] });
    let both = [HANDSHAKE, format!("{call}\x1e").as_bytes()].concat();
    client.send_text(&both).await;
    assert_eq!(client.receive().await, json!({}));
    assert_eq!(client.receive().await["target"], "Welcome");
    events.expect(&["connecting"]).await;
    node.handle().all().send("News", ("before",)).await.unwrap();
    assert_eq!(client.receive().await["target"], "News");
    gate.notify_one();
    assert_eq!(client.completion("first").await["result"], "x");
    events.expect(&["connected", "called"]).await;
    client.close().await;
    events.expect(&["disconnected: None"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handshakes_response_comes_before_all_else() {
    let node = TestNode::with_hub(Hub::new("hub").method("Echo", echo)).await;
    for round in 0..50 {
        let mut client = node.client("/hub").open_web_socket().await;
        let call =
            json!({ "type": 1, "invocationId": "first", "target": "Echo", "arguments": [round.to_string()] });
        let both = [HANDSHAKE, format!("{call}\x1e").as_bytes()].concat();
        client.send_text(&both).await;
        assert_eq!(client.receive().await, json!({}), "round {round}");
        assert_eq!(client.receive().await["result"], round.to_string());
    }
}

#[tokio::test]
async fn what_was_sent_before_a_close_arrives_before_it() {
    async fn refuse(cx: HubContext) -> Result<(), HubError> {
        cx.clients().caller().send("Reason", ("full",)).await?;
        Err(HubError::shown("The ward is full."))
    }
    async fn leave(cx: HubContext) -> Result<(), HubError> {
        cx.clients().caller().send("Last", ()).await?;
        cx.abort();
        Ok(())
    }
    let refusing = TestNode::with_hub(Hub::new("hub").on_connected(refuse)).await;
    let mut client = refusing.client("/hub").open().await;
    assert_eq!(client.receive().await["target"], "Reason");
    let ended = client.ended().await;
    assert_eq!(
        ended.close.unwrap()["error"],
        "Connection closed with an error. HubException: The ward is full."
    );
    assert_eq!(ended.code, Some(1000));

    let aborting = TestNode::with_hub(Hub::new("hub").method("Leave", leave).method("Echo", echo)).await;
    let mut client = aborting.client("/hub").open().await;
    client.begin("Leave", json!([])).await;
    assert_eq!(client.receive().await["target"], "Last");
    assert_eq!(client.ended().await.close, Some(json!({ "type": 7 })));

    // A call and a Close message in one frame: the call completes.
    let mut client = aborting.client("/hub").open().await;
    let call = json!({ "type": 1, "invocationId": "last", "target": "Echo", "arguments": ["x"] });
    client.send_text(format!("{call}\x1e{{\"type\":7}}\x1e").as_bytes()).await;
    assert_eq!(client.completion("last").await["result"], "x");
    client.ended().await;
}
