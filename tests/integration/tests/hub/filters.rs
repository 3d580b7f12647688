//! Filters wrap calls, connecting and disconnecting.

use hubward::{CallKind, FilterCall, Hub, HubError, Next, Outcome};
use hubward_tests::{TestNode, events};
use serde_json::json;

use crate::echo;

#[tokio::test]
async fn the_first_filter_is_the_outermost() {
    let (recorder, mut events) = events::<String>();
    let filter = |name: &'static str| {
        let recorder = recorder.clone();
        move |call: FilterCall, next: Next| {
            let recorder = recorder.clone();
            async move {
                if call.kind() != CallKind::Invocation {
                    return next.run().await;
                }
                recorder.record(format!(
                    "{name} before {} of {}",
                    call.method(),
                    call.argument::<String>(0)?
                ));
                let outcome = next.run().await;
                recorder.record(format!("{name} after"));
                outcome
            }
        }
    };
    let in_method = recorder.clone();
    let method = move |text: String| {
        in_method.record("method");
        async move { text }
    };
    let node = TestNode::with_hub(
        Hub::new("hub").filter(filter("outer")).filter(filter("inner")).method("Echo", method),
    )
    .await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(client.result("eCHO", json!(["hi"])).await, "hi");
    events
        .expect(&[
            "outer before Echo of hi",
            "inner before Echo of hi",
            "method",
            "inner after",
            "outer after",
        ])
        .await;
}

#[tokio::test]
async fn a_filter_may_refuse_a_call_or_complete_it_itself() {
    async fn guard(call: FilterCall, next: Next) -> Result<Outcome, HubError> {
        if call.kind() != CallKind::Invocation {
            return next.run().await;
        }
        match call.argument::<String>(0)?.as_str() {
            "refuse" => Err(HubError::shown("Not today.")),
            "hide" => Err(HubError::hidden("the reason")),
            "complete" => call.complete_with(&"from the filter"),
            _ => next.run().await,
        }
    }
    let node = TestNode::with_hub(Hub::new("hub").filter(guard).method("Echo", echo)).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(
        client.error("Echo", json!(["refuse"])).await,
        "An unexpected error occurred invoking 'Echo' on the server. HubException: Not today."
    );
    assert_eq!(
        client.error("Echo", json!(["hide"])).await,
        "An unexpected error occurred invoking 'Echo' on the server."
    );
    assert_eq!(client.result("Echo", json!(["complete"])).await, "from the filter");
    assert_eq!(client.result("Echo", json!(["pass"])).await, "pass");
}

#[tokio::test]
async fn a_filter_wraps_connecting_and_disconnecting_with_or_without_callbacks() {
    for with_callbacks in [false, true] {
        let (recorder, mut events) = events::<String>();
        let in_filter = recorder.clone();
        let mut hub = Hub::new("hub").method("Echo", echo).filter(move |call: FilterCall, next: Next| {
            let recorder = in_filter.clone();
            async move {
                recorder.record(format!("{:?} before, method '{}'", call.kind(), call.method()));
                let outcome = next.run().await;
                recorder.record(format!("{:?} after", call.kind()));
                outcome
            }
        });
        if with_callbacks {
            let (in_connected, in_disconnected) = (recorder.clone(), recorder.clone());
            hub = hub
                .on_connected(move || {
                    in_connected.record("on_connected");
                    async {}
                })
                .on_disconnected(move || {
                    in_disconnected.record("on_disconnected");
                    async {}
                });
        }
        let node = TestNode::with_hub(hub).await;
        let client = node.client("/hub").open().await;
        events.expect(&["Connected before, method ''"]).await;
        if with_callbacks {
            events.expect(&["on_connected"]).await;
        }
        events.expect(&["Connected after"]).await;
        client.close().await;
        events.expect(&["Disconnected before, method ''"]).await;
        if with_callbacks {
            events.expect(&["on_disconnected"]).await;
        }
        events.expect(&["Disconnected after"]).await;
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
    let node = TestNode::with_hub(Hub::new("hub").filter(closed).method("Echo", echo)).await;
    let mut client = node.client("/hub").open().await;
    let close = client.ended().await.close.unwrap();
    assert_eq!(
        close,
        json!({ "type": 7, "error": "Connection closed with an error. HubException: We are closed." })
    );
}
