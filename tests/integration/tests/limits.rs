//! Every bound does what the guide says of it, and what goes wrong in one call stays there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail as tests do"
)]

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use hubward::{CancellationToken, Disconnected, Hub, HubContext, HubError, HubOptions, Hubward, Upload};
use hubward_tests::{Client, Http, TestNode, eventually, within};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

async fn echo(text: String) -> String {
    text
}

async fn join(cx: HubContext, group: String) -> Result<(), HubError> {
    Ok(cx.groups().add(group).await?)
}

async fn leave(cx: HubContext, group: String) -> Result<(), HubError> {
    Ok(cx.groups().remove(group).await?)
}

async fn divide(a: i64, b: i64) -> Result<i64, HubError> {
    #[derive(Debug)]
    struct DivideByZero;
    impl std::fmt::Display for DivideByZero {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the divisor is a secret")
        }
    }
    impl std::error::Error for DivideByZero {}
    Ok(a.checked_div(b).ok_or(DivideByZero)?)
}

async fn panics(text: String) -> String {
    if text == "late" {
        tokio::task::yield_now().await;
    }
    panic!("{text}: a hub method that is wrong");
}

async fn endless() -> impl Stream<Item = u64> {
    stream::iter(0..1).chain(stream::pending())
}

async fn failing() -> impl Stream<Item = Result<u64, HubError>> {
    stream::iter([Ok(1), Err(HubError::shown("No more."))])
}

fn hub() -> Hub {
    Hub::new("hub")
        .method("Echo", echo)
        .method("Join", join)
        .method("Leave", leave)
        .method("Divide", divide)
        .method("Panics", panics)
        .stream("Endless", endless)
        .stream("Failing", failing)
}

async fn node(hub: Hub) -> TestNode {
    TestNode::start(Hubward::builder().hub("/hub", hub).build().unwrap()).await
}

async fn with(change: impl FnOnce(&mut HubOptions)) -> TestNode {
    let mut options = HubOptions::default();
    change(&mut options);
    node(hub().options(options)).await
}

const UNEXPECTED: &str = "An unexpected error occurred invoking";

#[tokio::test]
async fn a_connection_is_in_as_many_groups_as_the_hub_allows() {
    let node = with(|options| options.groups_per_connection = 3).await;
    let mut client = node.client("/hub").open().await;
    for group in ["a", "b", "c"] {
        client.result("Join", json!([group])).await;
    }
    assert_eq!(client.error("Join", json!(["d"])).await, format!("{UNEXPECTED} 'Join' on the server."));
    client.result("Join", json!(["a"])).await;
    let groups = node.hubs.hub("hub").unwrap().membership().clone();
    assert_eq!(groups.count("d").await.unwrap(), 0, "what failed is not recorded");
    client.result("Leave", json!(["a"])).await;
    client.result("Join", json!(["d"])).await;
    assert_eq!((groups.count("a").await.unwrap(), groups.count("d").await.unwrap()), (0, 1));
}

#[tokio::test]
async fn a_groups_name_is_as_long_as_the_hub_allows() {
    let node = with(|options| options.group_name_bytes = 8).await;
    let mut client = node.client("/hub").open().await;
    client.result("Join", json!(["12345678"])).await;
    assert_eq!(
        client.error("Join", json!(["123456789"])).await,
        format!("{UNEXPECTED} 'Join' on the server.")
    );
}

#[tokio::test]
async fn a_group_that_the_rule_refuses_is_refused_with_a_text() {
    let node = node(hub().may_join(|_, group| group.as_str() != "secret")).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(
        client.error("Join", json!(["secret"])).await,
        format!(
            "{UNEXPECTED} 'Join' on the server. HubException: Joining the group 'secret' is not allowed."
        )
    );
    client.result("Join", json!(["open"])).await;
    node.hubs.hub("hub").unwrap().groups(["secret", "open"]).send("N", ()).await.unwrap();
    client.called("N").await;
    assert!(client.has_nothing_after("Echo", json!(["x"])).await, "it is not in the other group");
}

#[tokio::test]
async fn a_connection_has_as_many_streams_as_the_hub_allows() {
    let node = with(|options| options.streams_per_connection = 2).await;
    let mut client = node.client("/hub").open().await;
    let first = client.begin_stream("Endless", json!([])).await;
    client.begin_stream("Endless", json!([])).await;
    let third = client.begin_stream("Endless", json!([])).await;
    assert_eq!(
        client.completion(&third).await["error"],
        format!(
            "{UNEXPECTED} 'Endless' on the server. HubException: A connection may have 2 streams at once."
        )
    );
    client.send(&json!({ "type": 5, "invocationId": first })).await;
    assert!(client.completion(&first).await.get("error").is_none(), "a cancelled stream ends in good order");
    // The place is free when the end of the cancelled stream is told, not before; so this is asked once.
    let fourth = client.begin_stream("Endless", json!([])).await;
    let item = json!({ "type": 2, "invocationId": fourth, "item": 0 });
    loop {
        let message = client.receive().await;
        assert!(message["type"] == 2, "{message}");
        if message == item {
            break;
        }
    }
}

#[tokio::test]
async fn a_message_is_as_long_as_the_hub_allows() {
    for detailed in [false, true] {
        let node = with(|options| {
            options.maximum_receive_message_bytes = Some(1024);
            options.detailed_errors = detailed;
        })
        .await;
        let mut client = node.client("/hub").open().await;
        let frame = |length: usize| {
            let empty =
                json!({ "type": 1, "invocationId": "x", "target": "Echo", "arguments": [""] }).to_string();
            let text = "x".repeat(length - empty.len() - 1);
            let call = json!({ "type": 1, "invocationId": "x", "target": "Echo", "arguments": [text] });
            format!("{call}\x1e").into_bytes()
        };
        client.send_text(&frame(1024)).await;
        assert!(client.completion("x").await.get("error").is_none());
        client.send_text(&frame(1025)).await;
        let close = client.ended().await.close.unwrap();
        let detail = if detailed {
            " InvalidDataException: The maximum message size of 1024B was exceeded. The message size can be configured in AddHubOptions."
        } else {
            ""
        };
        assert_eq!(close["error"], format!("Connection closed with an error.{detail}"));
        assert_eq!(close["allowReconnect"], true);
    }
}

#[tokio::test]
async fn a_post_is_as_long_as_the_hub_allows() {
    let node = with(|options| options.post_body_bytes = 2048).await;
    let negotiated = node.client("/hub").negotiate().await.json();
    let target = format!("/hub?id={}", negotiated["connectionToken"].as_str().unwrap());
    assert_eq!(node.ask("GET", &target, &[], b"").await.status, 200);
    let handshake = b"{\"protocol\":\"json\",\"version\":1}\x1e";
    assert_eq!(node.ask("POST", &target, &[], handshake).await.status, 200);
    assert_eq!(node.ask("GET", &target, &[], b"").await.body, b"{}\x1e");

    assert_eq!(node.ask("POST", &target, &[], &[b' '; 2049]).await.status, 413);
    let mut http = Http::connect(node.address).await;
    let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    http.write(head.as_bytes()).await;
    for _ in 0..3 {
        http.write(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes()).await;
    }
    assert_eq!(http.answer().await.status, 413, "a length that is not declared is counted");

    let call = json!({ "type": 1, "invocationId": "1", "target": "Echo", "arguments": ["x"] });
    assert_eq!(node.ask("POST", &target, &[], format!("{call}\x1e").as_bytes()).await.status, 200);
    let poll = node.ask("GET", &target, &[], b"").await;
    assert_eq!(poll.text(), "{\"type\":3,\"invocationId\":\"1\",\"result\":\"x\"}\x1e");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let node = with(|options| options.handshake_timeout = Duration::from_millis(50)).await;
    for begun in [&b""[..], b"{\"protocol\":"] {
        let mut client = node.client("/hub").open_quietly().await;
        client.send_text(begun).await;
        assert_eq!(client.receive().await, json!({ "error": "Handshake was canceled." }));
        let ended = client.ended().await;
        assert_eq!((ended.close, ended.code), (None, Some(1000)));
    }
}

#[tokio::test]
async fn a_silent_client_that_has_pinged_is_not_waited_for() {
    let node = with(|options| options.client_timeout = Duration::from_millis(100)).await;
    let mut quiet = node.client("/hub").open().await;
    let mut pinging = node.client("/hub").open().await;
    pinging.send(&json!({ "type": 6 })).await;
    let close = pinging.ended().await.close.unwrap();
    assert_eq!(
        close,
        json!({ "type": 7, "error": "Connection closed with an error.", "allowReconnect": true })
    );
    assert_eq!(quiet.result("Echo", json!(["never pinged"])).await, "never pinged");
}

/// A hub whose method `Hold` tells that it runs, and waits to be let go.
struct Holding {
    node: TestNode,
    gate: Arc<Notify>,
    story: mpsc::UnboundedReceiver<String>,
}

impl Holding {
    async fn start(parallel: usize) -> Self {
        let gate = Arc::new(Notify::new());
        let (tell, story) = mpsc::unbounded_channel();
        let (holding, calling, leaving, open) = (tell.clone(), tell.clone(), tell, gate.clone());
        let hub = Hub::new("hub")
            .options(HubOptions { maximum_parallel_invocations: parallel, ..HubOptions::default() })
            .method("Hold", move || {
                let (tell, gate) = (holding.clone(), open.clone());
                async move {
                    tell.send("holds".to_owned()).unwrap();
                    gate.notified().await;
                    tell.send("held".to_owned()).unwrap();
                    "held"
                }
            })
            .method("Echo", move |text: String| {
                calling.send(format!("echoes {text}")).unwrap();
                async move { text }
            })
            .on_disconnected(move || {
                leaving.send("disconnected".to_owned()).unwrap();
                async {}
            });
        Self { node: node(hub).await, gate, story }
    }

    async fn told(&mut self, expected: &str) {
        assert_eq!(within(expected, self.story.recv()).await.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn one_call_of_a_client_runs_at_a_time_unless_the_hub_allows_more() {
    let mut one = Holding::start(1).await;
    let mut client = one.node.client("/hub").open().await;
    let hold = client.begin("Hold", json!([])).await;
    let echo = client.begin("Echo", json!(["x"])).await;
    one.told("holds").await;
    // What another client does meanwhile shows that the node is not busy, and that the second call does wait.
    let mut other = one.node.client("/hub").open().await;
    other.result("Echo", json!(["other"])).await;
    one.told("echoes other").await;
    one.gate.notify_one();
    one.told("held").await;
    one.told("echoes x").await;
    assert_eq!(client.completion(&hold).await["result"], "held");
    assert_eq!(client.completion(&echo).await["result"], "x");

    let two = Holding::start(2).await;
    let mut client = two.node.client("/hub").open().await;
    let hold = client.begin("Hold", json!([])).await;
    assert_eq!(client.result("Echo", json!(["beside"])).await, "beside");
    two.gate.notify_one();
    client.completion(&hold).await;
}

#[tokio::test]
async fn a_plain_call_goes_on_to_its_end_when_its_caller_has_gone() {
    let mut holding = Holding::start(1).await;
    let mut client = holding.node.client("/hub").open().await;
    client.begin("Hold", json!([])).await;
    holding.told("holds").await;
    drop(client);
    holding.told("disconnected").await;
    holding.gate.notify_one();
    holding.told("held").await;
}

#[tokio::test]
async fn hidden_errors_are_shown_only_where_details_are_on() {
    let node = with(|_| {}).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(client.result("Divide", json!([6, 3])).await, 2);
    assert_eq!(client.error("Divide", json!([1, 0])).await, format!("{UNEXPECTED} 'Divide' on the server."));
    assert_eq!(
        client.error("Divide", json!([1])).await,
        "Failed to invoke 'Divide' due to an error on the server."
    );
    assert_eq!(
        client.error("divide", json!(["1", "2"])).await,
        "Failed to invoke 'divide' due to an error on the server."
    );
    assert_eq!(
        client.error("Nothing", json!([])).await,
        "Failed to invoke 'Nothing' due to an error on the server. HubException: Method does not exist."
    );

    let node = with(|options| options.detailed_errors = true).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(
        client.error("Divide", json!([1, 0])).await,
        format!("{UNEXPECTED} 'Divide' on the server. DivideByZero: the divisor is a secret")
    );
    assert_eq!(
        client.error("Divide", json!([1])).await,
        "Failed to invoke 'Divide' due to an error on the server. InvalidDataException: Invocation provides 1 argument(s) but target expects 2."
    );
    assert_eq!(
        client.error("Divide", json!(["1", "2"])).await,
        "Failed to invoke 'Divide' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."
    );
}

#[tokio::test]
async fn a_panic_ends_its_call_and_nothing_else() {
    let node = with(|_| {}).await;
    let mut client = node.client("/hub").open().await;
    for text in ["at once", "late"] {
        assert_eq!(
            client.error("Panics", json!([text])).await,
            format!("{UNEXPECTED} 'Panics' on the server.")
        );
        assert_eq!(client.result("Echo", json!(["on"])).await, "on");
    }
    let failing = client.begin_stream("Failing", json!([])).await;
    assert_eq!(
        client.completion(&failing).await["error"],
        "An error occurred on the server while streaming results. HubException: No more."
    );
    // One that wants no answer gets none.
    client.send(&json!({ "type": 1, "target": "Panics", "arguments": ["silent"] })).await;
    client.receive().await; // the item before the failure
    assert!(client.has_nothing_after("Echo", json!(["x"])).await);
}

#[tokio::test]
async fn a_call_of_the_wrong_kind_is_told_so() {
    let node = with(|_| {}).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(
        client.error("Endless", json!([])).await,
        "The client attempted to invoke the streaming 'Endless' method with a non-streaming invocation."
    );
    let id = client.begin_stream("Echo", json!(["x"])).await;
    assert_eq!(
        client.completion(&id).await["error"],
        "The client attempted to invoke the non-streaming 'Echo' method with a streaming invocation."
    );
    let (id, _) = client.begin_upload("Echo", json!(["x"])).await;
    assert_eq!(
        client.completion(&id).await["error"],
        format!(
            "{UNEXPECTED} 'Echo' on the server. HubException: Client sent 1 stream(s), Hub method expects 0."
        )
    );
}

#[tokio::test]
async fn an_upload_ends_with_an_error_when_its_client_leaves() {
    let (tell, mut story) = mpsc::unbounded_channel();
    let hub = Hub::new("hub").method("Collect", move |mut items: Upload<i64>| {
        let tell = tell.clone();
        async move {
            while let Some(item) = items.next_item().await {
                tell.send(item.map_err(|error| error.to_string())).unwrap();
            }
            tell.send(Err("the end".to_owned())).unwrap();
        }
    });
    let node = node(hub).await;
    let upload = async |client: &mut Client| {
        let (id, upload) = client.begin_upload("Collect", json!([])).await;
        client.send(&json!({ "type": 2, "invocationId": upload, "item": 7 })).await;
        (id, upload)
    };
    let mut told = async || within("the upload", story.recv()).await.unwrap();

    let mut client = node.client("/hub").open().await;
    upload(&mut client).await;
    assert_eq!(told().await, Ok(7));
    drop(client);
    assert!(told().await.unwrap_err().ends_with("The underlying connection was closed."));
    assert_eq!(told().await, Err("the end".to_owned()));

    let mut client = node.client("/hub").open().await;
    let (id, first) = upload(&mut client).await;
    client.send(&json!({ "type": 3, "invocationId": first })).await;
    assert_eq!(told().await, Ok(7));
    assert_eq!(told().await, Err("the end".to_owned()), "an upload that is complete ends in good order");
    client.completion(&id).await;

    let (id, second) = upload(&mut client).await;
    client.send(&json!({ "type": 3, "invocationId": second, "error": "My disk is full." })).await;
    assert_eq!(told().await, Ok(7));
    assert_eq!(told().await, Err("My disk is full.".to_owned()));
    assert_eq!(told().await, Err("the end".to_owned()));
    client.completion(&id).await;

    let (id, third) = upload(&mut client).await;
    client.send(&json!({ "type": 2, "invocationId": third, "item": "no number" })).await;
    assert_eq!(told().await, Ok(7));
    assert_eq!(told().await, Err("Failed to bind Stream message.".to_owned()));
    assert_eq!(told().await, Err("the end".to_owned()));
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
    let node = node(hub).await;
    let (mut client, mut other) = (node.client("/hub").open().await, node.client("/hub").open().await);
    let (collect, upload) = client.begin_upload("Collect", json!([])).await;
    for item in 0..20 {
        client.send(&json!({ "type": 2, "invocationId": upload, "item": item })).await;
    }
    client.send(&json!({ "type": 3, "invocationId": upload })).await;
    let echo = client.begin("Echo", json!(["behind"])).await;
    assert_eq!(other.result("Echo", json!(["free"])).await, "free");
    gate.notify_one();
    // Read in the order in which they were sent, whatever order they are answered in.
    assert_eq!(client.completion(&echo).await["result"], "behind");
    assert_eq!(client.completion(&collect).await["result"], json!((0..20).collect::<Vec<_>>()));
}

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
    let hub = hub().on_disconnected(move |cx: HubContext, Disconnected { error }: Disconnected| {
        tell.send((cx.connection_id().to_string(), error)).unwrap();
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
async fn a_call_without_an_id_is_never_answered() {
    let node = with(|_| {}).await;
    let mut client = node.client("/hub").open().await;
    let silent = [
        json!({ "type": 1, "target": "Echo", "arguments": ["x"] }),
        json!({ "type": 1, "target": "Echo", "arguments": [] }),
        json!({ "type": 1, "target": "Divide", "arguments": [1, 0] }),
        json!({ "type": 1, "target": "Nothing", "arguments": [] }),
        json!({ "type": 1, "target": "Endless", "arguments": [] }),
        json!({ "type": 1, "invocationId": "", "target": "Echo", "arguments": [Value::Null] }),
    ];
    for call in &silent {
        client.send(call).await;
    }
    assert!(client.has_nothing_after("Echo", json!(["x"])).await);
}
