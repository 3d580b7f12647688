//! A call's distributed trace: from the headers of its message to the log of the node where its effects arrive.

use futures_util::{Stream, stream};
use hubward::{Hub, HubContext, HubError, TraceContext};
use hubward_tests::{TestNode, cluster, eventually};
use serde_json::{Value, json};

use crate::{WRITTEN, text};

/// A context with this trace id.
fn traceparent(trace_id: &str) -> String {
    format!("00-{trace_id}-b7ad6b7169203331-01")
}

/// The lines that have this text.
fn lines_with(text_of_line: &str) -> Vec<Value> {
    let text = text();
    let lines = text.lines().filter(|line| line.contains(text_of_line));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn hub() -> Hub {
    async fn pass_on(cx: HubContext, number: i32) -> Result<(), HubError> {
        tracing::info!(target: "traced_hub", number, "A number is passed on.");
        tokio::task::yield_now().await;
        tracing::info!(target: "traced_hub", number, "A number has waited.");
        Ok(cx.clients().others().send("N", (number,)).await?)
    }
    async fn count(cx: HubContext, number: i32) -> impl Stream<Item = Option<String>> {
        let sent = cx.clients().others().send("N", (number,)).await;
        let trace = cx.trace_context().map(ToString::to_string);
        stream::once(async move {
            tracing::info!(target: "traced_hub", number, "A number is streamed.");
            sent.ok().and(trace)
        })
    }
    Hub::new("traced").method("PassOn", pass_on).stream("Count", count)
}

async fn two_nodes() -> Vec<TestNode> {
    std::sync::LazyLock::force(&WRITTEN);
    cluster(2, |builder| builder.hub("/hub", hub())).await
}

const DELIVERED: &str = "A message of another node is delivered.";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calls_trace_is_in_the_log_of_the_hub_and_of_the_node_that_delivers() {
    let nodes = two_nodes().await;
    let (mut sender, mut receiver) =
        (nodes[0].client("/hub").open().await, nodes[1].client("/hub").open().await);
    let kinds = [
        ("0af7651916cd43dd8448eb211c80319c", json!({ "type": 1, "invocationId": "a", "target": "PassOn" })),
        ("1af7651916cd43dd8448eb211c80319c", json!({ "type": 1, "target": "PassOn" })),
        ("2af7651916cd43dd8448eb211c80319c", json!({ "type": 4, "invocationId": "b", "target": "Count" })),
    ];
    for (number, (trace_id, mut call)) in kinds.into_iter().enumerate() {
        call["arguments"] = json!([number]);
        call["headers"] = json!({ "traceparent": traceparent(trace_id), "tracestate": "vendor=1" });
        sender.send(&call).await;
        assert_eq!(receiver.invoked("N").await["arguments"], json!([number]));
        eventually(&format!("the lines of call {number}"), async || {
            let lines = lines_with(trace_id);
            let has = |message: &str| lines.iter().any(|line| line["message"] == message);
            has(DELIVERED) && (has("A number has waited.") || has("A number is streamed."))
        })
        .await;
        for line in lines_with(trace_id) {
            if line["message"] == DELIVERED {
                let fields = (&line["hub"], &line["trace_id"], &line["parent_id"], &line["level"]);
                let expected =
                    (&json!("traced"), &json!(trace_id), &json!("b7ad6b7169203331"), &json!("TRACE"));
                assert_eq!(fields, expected);
            } else if line["target"] == "traced_hub" {
                let span = &line["span"];
                let fields = (&span["name"], &span["hub"], &span["trace_id"], &span["parent_id"]);
                let (hub, parent) = (json!("traced"), json!("b7ad6b7169203331"));
                assert_eq!(fields, (&json!("hub_invocation"), &hub, &json!(trace_id), &parent));
            }
        }
        let delivered = lines_with(trace_id).iter().filter(|line| line["message"] == DELIVERED).count();
        assert_eq!(delivered, 1, "the other node delivers it, and this one has it from its client");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_trace_or_with_a_malformed_one_nothing_of_it_is_logged_and_the_call_succeeds() {
    let nodes = two_nodes().await;
    let (mut sender, mut receiver) =
        (nodes[0].client("/hub").open().await, nodes[1].client("/hub").open().await);
    let uppercase = traceparent("3AF7651916CD43DD8448EB211C80319C");
    let long = format!("{}-{}", traceparent("4af7651916cd43dd8448eb211c80319c"), "x".repeat(5000));
    let headers = [
        json!({}),
        json!({ "tracestate": "vendor=1" }),
        json!({ "traceparent": "garbage \u{1b}[2J", "tracestate": "vendor=1" }),
        json!({ "traceparent": uppercase }),
        json!({ "traceparent": long }),
        json!({ "traceparent": traceparent("00000000000000000000000000000000") }),
    ];
    for (number, headers) in (100..).zip(headers) {
        sender
            .send(&json!({
                "type": 1, "invocationId": number.to_string(), "target": "PassOn", "arguments": [number],
                "headers": headers
            }))
            .await;
        let completion = sender.completion(&number.to_string()).await;
        assert!(completion.get("error").is_none(), "{completion}");
        assert_eq!(receiver.invoked("N").await["arguments"], json!([number]));
        let own = lines_with(&format!("\"number\":{number}"));
        assert_eq!(own.len(), 2, "{own:#?}");
        assert!(own.iter().all(|line| line["span"]["trace_id"].is_null()), "{own:#?}");
    }
    let text = text();
    assert!(["AF7651916", "4af7651916", "garbage"].iter().all(|part| !text.contains(part)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_from_outside_a_hub_belongs_to_the_trace_that_it_is_given() {
    let nodes = two_nodes().await;
    let mut receiver = nodes[1].client("/hub").open().await;
    let trace_id = "5af7651916cd43dd8448eb211c80319c";
    let hub = nodes[0].hubs.hub("traced").unwrap();
    let hub = hub.with_trace_context(TraceContext::parse(&traceparent(trace_id)).unwrap());
    hub.all().send("N", (7,)).await.unwrap();
    assert_eq!(receiver.invoked("N").await["arguments"], json!([7]));
    assert_eq!(lines_with(trace_id)[0]["message"], DELIVERED);
}
