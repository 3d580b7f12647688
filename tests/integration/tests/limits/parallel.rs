//! How many calls of one client run at a time.

use std::sync::Arc;

use hubward::{Hub, HubOptions};
use hubward_tests::{Events, TestNode, events};
use serde_json::json;
use tokio::sync::Notify;

/// A hub whose method `Hold` records that it runs, and waits for the gate.
struct Holding {
    node: TestNode,
    gate: Arc<Notify>,
    events: Events<String>,
}

impl Holding {
    async fn start(parallel: usize) -> Self {
        let gate = Arc::new(Notify::new());
        let (recorder, events) = events::<String>();
        let (in_hold, in_echo, in_disconnected) = (recorder.clone(), recorder.clone(), recorder);
        let open = gate.clone();
        let hub = Hub::new("hub")
            .options(HubOptions { maximum_parallel_invocations: parallel, ..HubOptions::default() })
            .method("Hold", move || {
                let (recorder, gate) = (in_hold.clone(), open.clone());
                async move {
                    recorder.record("holds");
                    gate.notified().await;
                    recorder.record("held");
                    "held"
                }
            })
            .method("Echo", move |text: String| {
                in_echo.record(format!("echoes {text}"));
                async move { text }
            })
            .on_disconnected(move || {
                in_disconnected.record("disconnected");
                async {}
            });
        Self { node: TestNode::with_hub(hub).await, gate, events }
    }
}

#[tokio::test]
async fn one_call_of_a_client_runs_at_a_time_unless_the_hub_allows_more() {
    let mut one = Holding::start(1).await;
    let mut client = one.node.client("/hub").open().await;
    let hold = client.begin("Hold", json!([])).await;
    let echo = client.begin("Echo", json!(["x"])).await;
    one.events.expect(&["holds"]).await;
    // Another client's call meanwhile shows that the node is not busy, and that the second call does wait.
    let mut other = one.node.client("/hub").open().await;
    other.result("Echo", json!(["other"])).await;
    one.events.expect(&["echoes other"]).await;
    one.gate.notify_one();
    one.events.expect(&["held"]).await;
    one.events.expect(&["echoes x"]).await;
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
    holding.events.expect(&["holds"]).await;
    drop(client);
    holding.events.expect(&["disconnected"]).await;
    holding.gate.notify_one();
    holding.events.expect(&["held"]).await;
}
