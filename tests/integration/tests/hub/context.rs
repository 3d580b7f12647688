//! What a call knows of its connection: items and the request.

use hubward::{Hub, HubContext};
use hubward_tests::{TestNode, events, token};
use serde_json::json;

#[tokio::test]
async fn items_live_as_long_as_their_connection_and_are_its_own() {
    #[derive(Default)]
    struct Calls(u32);

    async fn count(cx: HubContext) -> u32 {
        cx.items().update(|calls: &mut Calls| {
            calls.0 += 1;
            calls.0
        })
    }
    let (recorder, mut events) = events::<String>();
    let on_disconnected = move |cx: HubContext| {
        let calls = cx.items().remove::<Calls>().unwrap_or_default().0;
        recorder.record(format!("{calls} calls"));
        async {}
    };
    let node =
        TestNode::with_hub(Hub::new("hub").method("Count", count).on_disconnected(on_disconnected)).await;
    let (mut one, mut other) = (node.client("/hub").open().await, node.client("/hub").open().await);
    for expected in 1..=3 {
        assert_eq!(one.result("Count", json!([])).await, expected);
    }
    assert_eq!(other.result("Count", json!([])).await, 1);
    one.close().await;
    events.expect(&["3 calls"]).await;
    other.close().await;
    events.expect(&["1 calls"]).await;
}

#[tokio::test]
async fn a_hub_sees_the_request_but_no_token() {
    async fn request(cx: HubContext) -> Vec<Option<String>> {
        let request = cx.request();
        let text = |text: Option<&str>| text.map(str::to_owned);
        vec![
            text(request.query("WARD")),
            text(request.header("x-trace")),
            text(request.cookie("colour")),
            text(Some(request.path())),
            request.remote_address().map(|address| address.ip().to_string()),
            text(Some(request.transport())),
            text(request.header("authorization")),
            text(request.query("access_token")),
            text(request.query("id")),
        ]
    }
    let node = TestNode::with_hub(Hub::new("hub").method("Request", request)).await;
    let token = token("alice", &[]);
    let client = node.client("/hub").token(&token).query(&format!("ward=a%20b&access_token={token}"));
    let mut client = client.header("X-Trace", "7").header("Cookie", "a=b; colour=green").open().await;
    let seen = client.result("Request", json!([])).await;
    assert_eq!(
        seen,
        json!(["a b", "7", "green", "/hub", "127.0.0.1", "WebSockets", null, null, null]),
        "the connection token is as secret as the bearer token"
    );
}
