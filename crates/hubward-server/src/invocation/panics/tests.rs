//! Tests of panics wherever code of a hub's author runs: a call fails alone, its connection goes on, and where it cannot
//! go on its end runs.

use std::convert::Infallible;
use std::fmt;
use std::panic::panic_any;
use std::sync::Arc;
use std::task::{Context, Wake};

use futures_util::{StreamExt, stream};
use hubward_auth::{Policies, Policy};
use hubward_hub::{
    CallKind, FilterCall, FromRef, HandlerExt, Hub, HubContext, HubOptions, Next, State, Upload,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::*;
use crate::context::NodeContext;
use crate::engine::Engine;
use crate::testing::client::TestClient;
use crate::testing::log::CapturedLog;
use crate::testing::{Journal, engine, until_ended, until_idle};

/// Its (de)serialization panics.
struct Poison;

impl<'de> Deserialize<'de> for Poison {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("deserializing panics")
    }
}

impl Serialize for Poison {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("serializing panics")
    }
}

/// Panics when it is dropped; as an error it has a text.
#[derive(Debug)]
struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        panic!("dropping panics")
    }
}

impl<'de> Deserialize<'de> for Dropped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text of an error")
    }
}

impl std::error::Error for Dropped {}

/// An error whose text panics.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("writing panics")
    }
}

impl std::error::Error for Unspeakable {}

#[derive(Clone)]
struct App;

struct Part;

impl FromRef<App> for Part {
    fn from_ref(_: &App) -> Self {
        panic!("taking a part of the state panics")
    }
}

/// Waits with a waker that panics.
async fn wake(cancelled: CancellationToken) {
    struct Waking;
    impl Wake for Waking {
        fn wake(self: Arc<Self>) {
            panic!("waking panics")
        }
    }
    let mut cancelled = Box::pin(cancelled.cancelled_owned());
    let waker = Arc::new(Waking).into();
    assert!(cancelled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    std::future::pending().await
}

fn hub(journal: &Journal) -> Hub {
    let journal = journal.clone();
    let noted = move || journal.noting("disconnected");
    let options = HubOptions { detailed_errors: false, ..HubOptions::default() };
    Hub::<App>::new("hub")
        .options(options)
        .on_disconnected(noted)
        .may_join(|_, group| {
            assert_ne!(group.as_str(), "poison", "asking panics");
            true
        })
        .filter(|call: FilterCall, next: Next| {
            assert!(call.kind() != CallKind::Invocation || call.method() != "Filter", "a filter panics");
            next.run()
        })
        .method("Fine", async || 1)
        .method("Deserialize", async |_: Poison| ())
        .method("Drop", async |_: Dropped| ())
        .method("Upload", async |mut items: Upload<Poison>| {
            items.next_item().await.map(|item| item.map(|_| ())).transpose()
        })
        .method("FromRef", async |_: State<Part>| ())
        .method("Guarded", (async || ()).authorize("Panics"))
        .method("Filter", async || ())
        .method("Result", async || Poison)
        .method("Send", async |cx: HubContext| cx.clients().all().send("N", (Poison,)).await)
        .method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
        .method("Unspeakable", async || Err::<(), _>(Unspeakable))
        .method("DropError", async || Err::<(), _>(Dropped))
        .method("Wake", wake)
        .stream("Items", async || stream::iter([Poison]))
        .stream("Held", async || {
            let held = Dropped;
            stream::iter([1]).inspect(move |_| {
                let _ = &held;
            })
        })
        .with_state(App)
}

fn start(journal: &Journal) -> Arc<Engine> {
    let policies = Policies::new().with("Panics", Policy::custom(|_| panic!("a policy panics")));
    let context = NodeContext::new("node-1".into(), None, None);
    Engine::new(hub(journal).build().unwrap(), context, &policies).unwrap()
}

/// Checks that a call fails, or the method as it chose to, with this text, and that its connection goes on and ends as
/// any other.
async fn check(call: Value, error: &str) {
    let (journal, log) = (Journal::default(), CapturedLog::start());
    let engine = start(&journal);
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send(&call).await;
    let mut completion = client.message().await;
    while completion["type"] == 2 {
        completion = client.message().await;
    }
    assert_eq!(completion["error"], error, "{call}");
    assert_eq!(client.call("Fine", json!([])).await["result"], 1, "{call}");
    assert_eq!(log.lines(Level::ERROR).len(), 1, "{call}: {:?}", log.lines(Level::ERROR));
    client.send(&json!({ "type": 7 })).await;
    client.expect_close(json!({ "type": 7 })).await;
    drop(client);
    until_ended(&engine).await;
    assert_eq!((journal.take(), engine.connection_count()), (vec!["disconnected".to_owned()], 0));
}

fn invocation(method: &str, arguments: &Value) -> Value {
    json!({ "type": 1, "invocationId": "1", "target": method, "arguments": arguments })
}

async fn check_method(method: &str, arguments: Value) {
    let error = format!("An unexpected error occurred invoking '{method}' on the server.");
    check(invocation(method, &arguments), &error).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_a_method_runs_fails_the_call() {
    check_method("Deserialize", json!([1])).await;
    check_method("FromRef", json!([])).await;
    check_method("Filter", json!([])).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_method_runs_fails_the_call() {
    check_method("Drop", json!([1])).await;
    check_method("Result", json!([])).await;
    check_method("Send", json!([])).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_that_panics_when_it_is_dropped_fails_its_call() {
    let (engine, error) =
        (start(&Journal::default()), "An unexpected error occurred invoking 'DropError' on the server.");
    let mut client = TestClient::connect(&engine, "c1").await;
    assert_eq!(client.call("DropError", json!([])).await["error"], error);
    assert_eq!(client.call("Fine", json!([])).await["result"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_arguments_are_sent_fails_the_call() {
    check_method("Send", json!([])).await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_panics_allows_nothing() {
    let error = "Failed to invoke 'Guarded' because user is unauthorized";
    check(invocation("Guarded", &json!([])), error).await;
}

#[tokio::test(start_paused = true)]
async fn arguments_of_a_call_that_is_refused_may_panic_when_they_are_dropped() {
    let error = "Failed to invoke 'Drop' due to an error on the server.";
    check(invocation("Drop", &json!([1, 2])), error).await;
    let mut stream = invocation("Drop", &json!([1]));
    stream["type"] = json!(4);
    let error = "The client attempted to invoke the non-streaming 'Drop' method with a streaming invocation.";
    check(stream, error).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_stream_fails_it_also_when_it_is_dropped() {
    for method in ["Items", "Held"] {
        let mut stream = invocation(method, &json!([]));
        stream["type"] = json!(4);
        check(stream, "An error occurred on the server while streaming results.").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_of_who_may_join_that_panics_allows_nothing() {
    let error = "An unexpected error occurred invoking 'Join' on the server. HubException: Joining the group 'poison' is not allowed.";
    check(invocation("Join", &json!(["poison"])), error).await;
}

#[tokio::test(start_paused = true)]
async fn an_uploads_item_whose_decoding_panics_ends_the_upload_with_an_error() {
    let log = CapturedLog::start();
    let engine = start(&Journal::default());
    let mut client = TestClient::connect(&engine, "c1").await;
    let mut call = invocation("Upload", &json!([]));
    call["streamIds"] = json!(["s"]);
    client.send(&call).await;
    client.send(&json!({ "type": 2, "invocationId": "s", "item": 1 })).await;
    let error = "An unexpected error occurred invoking 'Upload' on the server. HubException: Failed to bind Stream message.";
    assert_eq!(client.message().await["error"], error);
    assert_eq!(client.call("Fine", json!([])).await["result"], 1);
    let line = r#"Hub code panicked. hub=hub connection_id=c1 panic="deserializing panics""#;
    assert_eq!(log.lines(Level::ERROR), [line]);
}

#[tokio::test(start_paused = true)]
async fn an_error_whose_text_panics_fails_its_call() {
    let engine = start(&Journal::default());
    let mut client = TestClient::connect(&engine, "c1").await;
    let error = "An unexpected error occurred invoking 'Unspeakable' on the server.";
    assert_eq!(client.call("Unspeakable", json!([])).await["error"], error);
    assert_eq!(client.call("Fine", json!([])).await["result"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_task_closes_the_connection_and_its_end_runs() {
    let (journal, log) = (Journal::default(), CapturedLog::start());
    let engine = start(&journal);
    let mut client = TestClient::connect_user(&engine, "c1", "alice").await;
    client.invoke("1", "Join", json!(["ward"])).await;
    client.message().await;
    // Woken by the connection's own task, and again when the connection closes.
    client.invoke("2", "Wake", json!([])).await;
    client.send(&json!({ "type": 5, "invocationId": "2" })).await;
    let close = json!({ "type": 7, "error": "Connection closed with an error.", "allowReconnect": true });
    client.expect_close(close).await;
    client.cut();
    until_idle().await;
    assert_eq!(journal.take(), ["disconnected"]);
    let mut reached = 0;
    engine.index.for_group(&"ward".into(), |_| reached += 1);
    assert_eq!((engine.connection_count(), reached, client.is_registered()), (0, 0, false));
    let line = r#"The task of a connection panicked. hub=hub connection_id=c1 panic="waking panics""#;
    assert_eq!(log.lines(Level::ERROR).first().map(String::as_str), Some(line));
    let ended = r#"reason="internal_error" error="The connection ended because of an error on the server.""#;
    assert!(log.lines(Level::WARN).iter().any(|line| line.ends_with(ended)), "{:?}", log.lines(Level::WARN));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_connecting_ends_the_connection_with_a_close_message() {
    let hub = Hub::<App>::new("hub").on_connected(async |_: State<Part>| ()).with_state(App);
    let (log, engine) = (CapturedLog::start(), engine(hub));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.expect_close(json!({ "type": 7, "error": "Connection closed with an error." })).await;
    until_ended(&engine).await;
    assert_eq!((engine.connection_count(), client.is_registered()), (0, false));
    assert_eq!(log.lines(Level::ERROR).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_disconnecting_leaves_nothing_behind() {
    let hub = Hub::<App>::new("hub").on_disconnected(async |_: State<Part>| ()).with_state(App);
    let (log, engine) = (CapturedLog::start(), engine(hub));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.send(&json!({ "type": 7 })).await;
    client.expect_close(json!({ "type": 7 })).await;
    until_ended(&engine).await;
    assert_eq!((engine.connection_count(), client.is_registered()), (0, false));
    assert_eq!(log.lines(Level::ERROR).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn items_that_panic_when_they_are_dropped_fail_nobody() {
    let keep = async |cx: HubContext| {
        cx.items().insert(Dropped);
    };
    let engine = engine(Hub::new("hub").method("Keep", keep));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.call("Keep", json!([])).await;
    let handle = engine.index.connection(&"c1".into()).unwrap();
    client.cut();
    until_ended(&engine).await;
    drop(handle);
}

#[test]
fn a_panics_message_reaches_no_client() {
    let panics: [fn() -> Infallible; 3] =
        [|| panic!("a literal"), || panic!("{}", "formatted".to_owned()), || panic_any(7)];
    for panics in panics {
        let error = catch(panics).unwrap_err();
        assert_eq!(error.wire_text("It failed.", true), "It failed. Panic: the hub method panicked");
    }
}

#[test]
fn what_a_panic_carries_may_panic_when_it_is_dropped() {
    assert!(catch(|| -> Infallible { panic_any(Dropped) }).is_err());
}
