//! What a hub author has around a call: filters, items, the request, callbacks, and speaking from outside.

use std::sync::Arc;

use hubward::{
    CallKind, ClientResultError, Disconnected, FilterCall, Hub, HubContext, HubError, HubHandle, Hubward,
    Next, Outcome,
};
use hubward_tests::{TestNode, eventually, issuer, token, within};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

async fn echo(text: String) -> String {
    text
}

async fn node(hub: Hub) -> TestNode {
    let builder = Hubward::builder().auth(issuer().authenticator()).hub("/hub", hub);
    TestNode::start(builder.build().unwrap()).await
}

fn handle(node: &TestNode) -> HubHandle {
    node.hubs.hub("hub").unwrap()
}

/// What happened, in order.
#[derive(Clone)]
struct Story(mpsc::UnboundedSender<String>);

impl Story {
    fn begin() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (tx, rx) = mpsc::unbounded_channel();
        (Self(tx), rx)
    }

    fn tell(&self, what: impl Into<String>) {
        let _ = self.0.send(what.into());
    }
}

async fn told(story: &mut mpsc::UnboundedReceiver<String>, expected: &[&str]) {
    for expected in expected {
        assert_eq!(within(expected, story.recv()).await.as_deref(), Some(*expected));
    }
}

#[tokio::test]
async fn the_first_filter_is_the_outermost() {
    let (story, mut read) = Story::begin();
    let filter = |name: &'static str| {
        let story = story.clone();
        move |call: FilterCall, next: Next| {
            let story = story.clone();
            async move {
                if call.kind() != CallKind::Invocation {
                    return next.run().await;
                }
                story.tell(format!("{name} before {} of {}", call.method(), call.argument::<String>(0)?));
                let outcome = next.run().await;
                story.tell(format!("{name} after"));
                outcome
            }
        }
    };
    let told_method = story.clone();
    let method = move |text: String| {
        told_method.tell("method");
        async move { text }
    };
    let node =
        node(Hub::new("hub").filter(filter("outer")).filter(filter("inner")).method("Echo", method)).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(client.result("eCHO", json!(["hi"])).await, "hi");
    told(
        &mut read,
        &["outer before Echo of hi", "inner before Echo of hi", "method", "inner after", "outer after"],
    )
    .await;
}

#[tokio::test]
async fn a_filter_may_refuse_a_call_or_answer_in_its_place() {
    async fn guard(call: FilterCall, next: Next) -> Result<Outcome, HubError> {
        if call.kind() != CallKind::Invocation {
            return next.run().await;
        }
        match call.argument::<String>(0)?.as_str() {
            "refuse" => Err(HubError::shown("Not today.")),
            "hide" => Err(HubError::hidden("the reason")),
            "answer" => call.complete_with(&"from the filter"),
            _ => next.run().await,
        }
    }
    let node = node(Hub::new("hub").filter(guard).method("Echo", echo)).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(
        client.error("Echo", json!(["refuse"])).await,
        "An unexpected error occurred invoking 'Echo' on the server. HubException: Not today."
    );
    assert_eq!(
        client.error("Echo", json!(["hide"])).await,
        "An unexpected error occurred invoking 'Echo' on the server."
    );
    assert_eq!(client.result("Echo", json!(["answer"])).await, "from the filter");
    assert_eq!(client.result("Echo", json!(["pass"])).await, "pass");
}

#[tokio::test]
async fn a_filter_stands_around_connecting_and_disconnecting_with_or_without_callbacks() {
    for with_callbacks in [false, true] {
        let (story, mut read) = Story::begin();
        let filtering = story.clone();
        let mut hub = Hub::new("hub").method("Echo", echo).filter(move |call: FilterCall, next: Next| {
            let story = filtering.clone();
            async move {
                story.tell(format!("{:?} before, method '{}'", call.kind(), call.method()));
                let outcome = next.run().await;
                story.tell(format!("{:?} after", call.kind()));
                outcome
            }
        });
        if with_callbacks {
            let (connected, disconnected) = (story.clone(), story.clone());
            hub = hub
                .on_connected(move || {
                    connected.tell("on_connected");
                    async {}
                })
                .on_disconnected(move || {
                    disconnected.tell("on_disconnected");
                    async {}
                });
        }
        let node = node(hub).await;
        let client = node.client("/hub").open().await;
        told(&mut read, &["Connected before, method ''"]).await;
        if with_callbacks {
            told(&mut read, &["on_connected"]).await;
        }
        told(&mut read, &["Connected after"]).await;
        client.close().await;
        told(&mut read, &["Disconnected before, method ''"]).await;
        if with_callbacks {
            told(&mut read, &["on_disconnected"]).await;
        }
        told(&mut read, &["Disconnected after"]).await;
    }
}

#[tokio::test]
async fn a_filter_that_refuses_a_connect_closes_the_connection() {
    async fn closed(call: FilterCall, next: Next) -> Result<Outcome, HubError> {
        match call.kind() {
            CallKind::Connected => Err(HubError::shown("We are closed.")),
            _ => next.run().await,
        }
    }
    let node = node(Hub::new("hub").filter(closed).method("Echo", echo)).await;
    let mut client = node.client("/hub").open().await;
    let close = client.ended().await.close.unwrap();
    assert_eq!(
        close,
        json!({ "type": 7, "error": "Connection closed with an error. HubException: We are closed." })
    );
}

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
    let (story, mut read) = Story::begin();
    let farewell = move |cx: HubContext| {
        let calls = cx.items().remove::<Calls>().unwrap_or_default().0;
        story.tell(format!("{calls} calls"));
        async {}
    };
    let node = node(Hub::new("hub").method("Count", count).on_disconnected(farewell)).await;
    let (mut one, mut other) = (node.client("/hub").open().await, node.client("/hub").open().await);
    for expected in 1..=3 {
        assert_eq!(one.result("Count", json!([])).await, expected);
    }
    assert_eq!(other.result("Count", json!([])).await, 1);
    one.close().await;
    told(&mut read, &["3 calls"]).await;
    other.close().await;
    told(&mut read, &["1 calls"]).await;
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
    let node = node(Hub::new("hub").method("Request", request)).await;
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

#[tokio::test]
async fn calls_wait_for_on_connected_and_messages_do_not() {
    let gate = Arc::new(Notify::new());
    let (story, mut read) = Story::begin();
    let (entering, calling, leaving) = (story.clone(), story.clone(), story);
    let opening = gate.clone();
    let hub = Hub::new("hub")
        .on_connected(move |cx: HubContext| {
            let (story, gate) = (entering.clone(), opening.clone());
            async move {
                cx.clients().caller().send("Welcome", ("in",)).await?;
                story.tell("connecting");
                gate.notified().await;
                story.tell("connected");
                Ok::<(), HubError>(())
            }
        })
        .method("Echo", move |text: String| {
            calling.tell("called");
            async move { text }
        })
        .on_disconnected(move |end: Disconnected| {
            leaving.tell(format!("left: {:?}", end.error()));
            async {}
        });
    let node = node(hub).await;
    let mut client = node.client("/hub").open_web_socket().await;
    // Handshake and call in one frame: the call must be neither lost nor early.
    let call = json!({ "type": 1, "invocationId": "first", "target": "Echo", "arguments": ["x"] });
    let both = format!("{{\"protocol\":\"json\",\"version\":1}}\x1e{call}\x1e");
    client.send_text(both.as_bytes()).await;
    assert_eq!(client.receive().await, json!({}));
    assert_eq!(client.receive().await["target"], "Welcome");
    told(&mut read, &["connecting"]).await;
    handle(&node).all().send("News", ("before",)).await.unwrap();
    assert_eq!(client.receive().await["target"], "News");
    gate.notify_one();
    assert_eq!(client.completion("first").await["result"], "x");
    told(&mut read, &["connected", "called"]).await;
    client.close().await;
    told(&mut read, &["left: None"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_to_the_handshake_comes_before_all_else() {
    let node = node(Hub::new("hub").method("Echo", echo)).await;
    for round in 0..50 {
        let mut client = node.client("/hub").open_web_socket().await;
        let call =
            json!({ "type": 1, "invocationId": "first", "target": "Echo", "arguments": [round.to_string()] });
        let both = format!("{{\"protocol\":\"json\",\"version\":1}}\x1e{call}\x1e");
        client.send_text(both.as_bytes()).await;
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
        cx.clients().caller().send("Bye", ()).await?;
        cx.abort();
        Ok(())
    }
    let refusing = node(Hub::new("hub").on_connected(refuse)).await;
    let mut client = refusing.client("/hub").open().await;
    assert_eq!(client.receive().await["target"], "Reason");
    let ended = client.ended().await;
    assert_eq!(
        ended.close.unwrap()["error"],
        "Connection closed with an error. HubException: The ward is full."
    );
    assert_eq!(ended.code, Some(1000));

    let aborting = node(Hub::new("hub").method("Leave", leave).method("Echo", echo)).await;
    let mut client = aborting.client("/hub").open().await;
    client.begin("Leave", json!([])).await;
    assert_eq!(client.receive().await["target"], "Bye");
    assert_eq!(client.ended().await.close, Some(json!({ "type": 7 })));

    // A call and a goodbye in one frame: the call is answered.
    let mut client = aborting.client("/hub").open().await;
    let call = json!({ "type": 1, "invocationId": "last", "target": "Echo", "arguments": ["x"] });
    client.send_text(format!("{call}\x1e{{\"type\":7}}\x1e").as_bytes()).await;
    assert_eq!(client.completion("last").await["result"], "x");
    client.ended().await;
}

#[tokio::test]
async fn a_hub_is_spoken_to_from_outside() {
    let node = node(Hub::new("hub").method("Echo", echo)).await;
    assert!(node.hubs.hub("none").is_none());
    let hub = handle(&node);
    let alice = token("alice", &[]);
    let mut first = node.client("/hub").token(&alice).open().await;
    let mut second = node.client("/hub").token(&alice).open().await;
    let mut third = node.client("/hub").open().await;
    eventually("all three", async || node.hubs.connection_count("hub") == 3).await;

    hub.groups().add_connection(first.id.as_str(), "g").await.unwrap();
    hub.all().send("N", (1,)).await.unwrap();
    hub.user("alice").send("N", (2,)).await.unwrap();
    hub.group("g").send("N", (3,)).await.unwrap();
    hub.connection(third.id.as_str()).send("N", (4,)).await.unwrap();
    hub.all_except([first.id.as_str()]).send("N", (5,)).await.unwrap();
    hub.users(["alice", "bob"]).send("N", (6,)).await.unwrap();
    hub.connections([&first.id, &third.id]).send("N", (7,)).await.unwrap();
    hub.clients().groups(["g", "h"]).send("N", (8,)).await.unwrap();
    hub.all().send("N", (0,)).await.unwrap();
    for (client, expected) in [
        (&mut first, vec![1, 2, 3, 6, 7, 8]),
        (&mut second, vec![1, 2, 5, 6]),
        (&mut third, vec![1, 4, 5, 7]),
    ] {
        for expected in expected.into_iter().chain([0]) {
            assert_eq!(client.arguments("N").await, json!([expected]));
        }
    }

    let asked = hub.connection(third.id.as_str());
    let (answer, ()) = tokio::join!(asked.invoke::<i64>("Add", (2, 3)), async {
        let invocation = third.invoked("Add").await;
        assert_eq!(invocation["arguments"], json!([2, 3]));
        third.complete(&invocation, json!(5)).await;
    });
    assert_eq!(answer.unwrap(), 5);
    let nobody = hub.connection("nobody").invoke::<Value>("Add", ()).await;
    assert!(matches!(nobody, Err(ClientResultError::NotFound(_))), "{nobody:?}");
    asked.abort().await.unwrap();
    assert_eq!(third.ended().await.close, Some(json!({ "type": 7 })));
}

#[tokio::test]
async fn a_hub_may_ask_its_caller_and_goes_on_with_the_callers_next_calls() {
    async fn confirm(cx: HubContext) -> Result<bool, HubError> {
        Ok(cx.clients().caller().invoke::<bool>("Sure", ()).await?)
    }
    async fn too_early(cx: HubContext) -> Result<(), HubError> {
        let answer = cx.clients().caller().invoke::<bool>("Sure", ()).await;
        assert!(matches!(answer, Err(ClientResultError::WhileConnecting)), "{answer:?}");
        Ok(())
    }
    let node =
        node(Hub::new("hub").on_connected(too_early).method("Confirm", confirm).method("Echo", echo)).await;
    let mut client = node.client("/hub").open().await;
    let call = client.begin("Confirm", json!([])).await;
    let invocation = client.invoked("Sure").await;
    assert_eq!(client.result("Echo", json!(["meanwhile"])).await, "meanwhile");
    client.complete(&invocation, json!(true)).await;
    assert_eq!(client.completion(&call).await["result"], true);

    let call = client.begin("Confirm", json!([])).await;
    let invocation = client.invoked("Sure").await;
    let id = invocation["invocationId"].clone();
    client.send(&json!({ "type": 3, "invocationId": id, "error": "No idea." })).await;
    assert_eq!(
        client.completion(&call).await["error"],
        "An unexpected error occurred invoking 'Confirm' on the server. HubException: No idea."
    );
    // An answer that nobody waits for is passed over.
    client.complete(&invocation, json!(true)).await;
    assert_eq!(client.result("Echo", json!(["still here"])).await, "still here");
}
