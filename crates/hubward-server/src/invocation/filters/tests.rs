//! Tests of filters: their order around calls, connects and disconnects, and what they can do in a method's place.

use hubward_hub::{CallKind, HandlerExt, Hub};
use serde_json::{Value, json};

use super::*;
use crate::testing::client::TestClient;
use crate::testing::{Journal, engine, until_ended};

/// A filter that notes what goes through it.
fn noting(
    name: &'static str,
    journal: &Journal,
) -> impl Fn(FilterCall, Next) -> BoxFuture<'static, Result<Outcome, HubError>> + Send + Sync + use<> {
    let journal = journal.clone();
    move |call, next| {
        let journal = journal.clone();
        Box::pin(async move {
            journal.note(format!("{name} {:?}{}", call.kind(), call.method()));
            let outcome = next.run().await;
            journal.note(format!("{name} ends"));
            outcome
        })
    }
}

/// A hub with two filters, a noted method, and noted callbacks.
fn hub(journal: &Journal) -> Hub {
    let note = |what: &'static str| {
        let journal = journal.clone();
        move || journal.noting(what)
    };
    Hub::new("hub")
        .filter(noting("outer", journal))
        .filter(noting("inner", journal))
        .on_connected(note("connected"))
        .on_disconnected(note("disconnected"))
        .method("Note", note("method"))
}

/// What a call comes to behind a filter.
async fn filtered_call<F, Fut>(filter: F, method: &str, arguments: Value) -> Value
where
    F: Fn(FilterCall, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcome, HubError>> + Send + 'static,
{
    let hub = Hub::new("hub").method("Double", async |n: i32| 2 * n).filter(filter);
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    client.call(method, arguments).await
}

#[tokio::test(start_paused = true)]
async fn the_first_filter_is_the_outermost_around_connects_calls_and_disconnects() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let around = |kind: &str, what: &'static str| {
        let (outer, inner) = (format!("outer {kind}"), format!("inner {kind}"));
        [&outer, &inner, what, "inner ends", "outer ends"].map(str::to_owned)
    };
    let mut client = TestClient::connect(&engine, "c1").await;
    client.call("note", json!([])).await;
    let calls = journal.take();
    assert_eq!(calls[..5], around("Connected", "connected"));
    assert_eq!(calls[5..], around("InvocationNote", "method"));
    client.cut();
    until_ended(&engine).await;
    assert_eq!(journal.take(), around("Disconnected", "disconnected"));
}

#[tokio::test(start_paused = true)]
async fn filters_are_run_around_connects_of_a_hub_without_callbacks() {
    let journal = Journal::default();
    let engine = engine(Hub::new("hub").filter(noting("filter", &journal)));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.cut();
    until_ended(&engine).await;
    let expected = ["filter Connected", "filter ends", "filter Disconnected", "filter ends"];
    assert_eq!(journal.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_filter_sees_the_arguments() {
    let filter = async |call: FilterCall, next: Next| match call.argument::<i32>(0) {
        Ok(n) if n > 10 => Err(HubError::shown(format!("{n} is too many."))),
        _ => next.run().await,
    };
    assert_eq!(filtered_call(filter, "Double", json!([10])).await["result"], 20);
    let error = "An unexpected error occurred invoking 'Double' on the server. HubException: 11 is too many.";
    assert_eq!(filtered_call(filter, "Double", json!([11])).await["error"], error);
}

#[tokio::test(start_paused = true)]
async fn a_filter_can_answer_in_the_methods_place() {
    let answer = async |call: FilterCall, next: Next| match call.kind() {
        CallKind::Invocation => call.complete_with(&"in its place"),
        _ => next.run().await,
    };
    let completion = json!({ "type": 3, "invocationId": "call", "result": "in its place" });
    assert_eq!(filtered_call(answer, "Double", json!([1])).await, completion);
}

#[tokio::test(start_paused = true)]
async fn a_filter_may_change_the_outcome() {
    let hide = async |call: FilterCall, next: Next| match (call.kind(), next.run().await?) {
        (CallKind::Invocation, _) => call.complete_with(&0),
        (_, outcome) => Ok(outcome),
    };
    assert_eq!(filtered_call(hide, "Double", json!([21])).await["result"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_be_bound_reaches_no_filter() {
    let journal = Journal::default();
    let engine = engine(hub(&journal));
    let mut client = TestClient::connect(&engine, "c1").await;
    journal.take();
    client.call("Note", json!([1])).await;
    client.call("Nothing", json!([])).await;
    assert_eq!(journal.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_filter_is_an_error_of_the_call() {
    let filter = async |call: FilterCall, next: Next| match call.kind() {
        CallKind::Invocation => panic!("a test's panic"),
        _ => next.run().await,
    };
    let error = "An unexpected error occurred invoking 'Double' on the server.";
    assert_eq!(filtered_call(filter, "Double", json!([1])).await["error"], error);
}

#[tokio::test(start_paused = true)]
async fn a_filter_is_not_called_before_the_policies_are_met() {
    let journal = Journal::default();
    let filter = {
        let journal = journal.clone();
        move |call: FilterCall, next: Next| {
            if call.kind() == CallKind::Invocation {
                journal.note(call.method());
            }
            async move { next.run().await }
        }
    };
    let guarded = (async || ()).authorize("Nobody");
    let engine = engine(Hub::new("hub").method("Open", async || ()).method("Secret", guarded).filter(filter));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.call("Secret", json!([])).await;
    client.call("Open", json!([])).await;
    assert_eq!(journal.take(), ["Open"]);
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_panics_before_its_first_await_fails_its_call_alone() {
    let filter = |call: FilterCall, next: Next| {
        assert_ne!(call.method(), "Fail", "the filter panics");
        async move { next.run().await }
    };
    let hub = Hub::new("hub").method("Fail", async || ()).method("Fine", async || 1).filter(filter);
    let engine = engine(hub);
    let mut client = TestClient::connect(&engine, "c1").await;
    let failed = client.call("Fail", json!([])).await;
    assert_eq!(failed["error"], "An unexpected error occurred invoking 'Fail' on the server.");
    assert_eq!(client.call("Fine", json!([])).await["result"], 1);
}
