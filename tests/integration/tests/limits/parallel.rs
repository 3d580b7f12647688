//! How many calls of one client run at a time.

use std::sync::Arc;

use hubward::{Hub, HubOptions};
use hubward_tests::{TestNode, within};
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use crate::node;

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
