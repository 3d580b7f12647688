//! Who receives what, how often and in which order, where the recorded answers of ASP.NET Core leave it open.

use hubward::{Disconnected, Hub, HubContext, HubError, Upload};
use hubward_tests::{TestClient, TestNode, events, token};
use serde_json::{Value, json};

fn sending_hub() -> Hub {
    Hub::new("hub")
        .method("MyId", async |cx: HubContext| cx.connection_id().clone())
        .method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
        .method("Marker", async |cx: HubContext| cx.clients().caller().send("Marker", ()).await)
        .method("ToConnections", async |cx: HubContext, ids: Vec<String>| {
            cx.clients().connections(ids).send("Message", ("m",)).await
        })
        .method("ToUsers", async |cx: HubContext, users: Vec<String>| {
            cx.clients().users(users).send("Message", ("m",)).await
        })
        .method("ToGroups", async |cx: HubContext, groups: Vec<String>| {
            cx.clients().groups(groups).send("Message", ("m",)).await
        })
}

/// How many messages a client has received when its call is done.
async fn received(client: &mut TestClient, method: &str, arguments: Value) -> usize {
    client.result(method, arguments).await;
    client.result("Marker", json!([])).await;
    let received = client.take_received();
    received.iter().filter(|message| message["target"] == "Message").count()
}

#[tokio::test]
async fn connections_and_users_named_twice_receive_once_and_groups_twice() {
    let node = TestNode::with_hub(sending_hub()).await;
    let mut client = node.client("/hub").token(&token("alice", &[])).open().await;
    let id = client.result("MyId", json!([])).await;
    client.result("Join", json!(["a"])).await;
    client.result("Join", json!(["b"])).await;
    assert_eq!(received(&mut client, "ToConnections", json!([[id, id]])).await, 1);
    assert_eq!(received(&mut client, "ToUsers", json!([["alice", "alice"]])).await, 1);
    assert_eq!(received(&mut client, "ToGroups", json!([["a", "b", "a"]])).await, 3);
}

#[tokio::test]
async fn on_disconnected_does_not_run_for_a_connection_that_on_connected_refused() {
    let (recorder, mut ends) = events::<(Option<String>, Option<String>)>();
    let hub = Hub::new("hub")
        .on_connected(async |cx: HubContext| match cx.request().query("refuse") {
            Some(_) => Err(HubError::shown("refused")),
            None => Ok(()),
        })
        .on_disconnected(move |cx: HubContext, end: Disconnected| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            recorder.record((text(cx.request().query("name")), text(end.error())));
            async {}
        });
    let node = TestNode::with_hub(hub).await;
    let mut refused = node.client("/hub").query("name=refused").query("refuse=1").open().await;
    refused.ended().await;
    let admitted = node.client("/hub").query("name=admitted").open().await;
    admitted.close().await;
    assert_eq!(ends.next().await, (Some("admitted".to_owned()), None));
}

#[tokio::test]
async fn a_call_that_waits_for_its_upload_does_not_hold_up_the_next() {
    let hub = Hub::new("hub").method("Echo", async |text: String| text).method(
        "Sum",
        async |mut values: Upload<i64>| {
            let mut total = 0;
            while let Some(value) = values.next_item().await {
                total += value?;
            }
            Ok::<_, HubError>(total)
        },
    );
    let node = TestNode::with_hub(hub).await;
    let mut client = node.client("/hub").open().await;
    let (call, upload) = client.begin_upload("Sum", json!([])).await;
    assert_eq!(client.result("Echo", json!(["meanwhile"])).await, "meanwhile");
    for item in [1, 2, 3] {
        client.send(&json!({ "type": 2, "invocationId": upload, "item": item })).await;
    }
    client.send(&json!({ "type": 3, "invocationId": upload })).await;
    assert_eq!(client.completion(&call).await["result"], 6);
}
