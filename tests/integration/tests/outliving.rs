//! A program that keeps only the router of a node, or a handle of its hub, and drops the `Hubward`: the hub receives from
//! other nodes for as long as anything can reach it.

use std::net::SocketAddr;

use hubward::{Cluster, Hub, HubContext, HubError, Hubward, ServeOptions};
use hubward_tests::{Connect, TestClient, TestNode, within};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

async fn invoke_client(cx: HubContext, id: String) -> Result<i64, HubError> {
    Ok(cx.clients().connection(id).invoke("Question", ()).await?)
}

fn hub() -> Hub {
    Hub::new("hub")
        .method("Echo", async |text: String| text)
        .method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
        .method("Invoke", invoke_client)
}

/// A node whose `Hubward` is kept, and the address of one whose `Hubward` is not.
struct Nodes {
    kept: TestNode,
    dropped: SocketAddr,
    _serving: JoinSet<()>,
}

impl Nodes {
    async fn start() -> Self {
        let cluster = Cluster::in_memory();
        let node = |name| Hubward::builder().join(&cluster, name).hub("/hub", hub()).build().unwrap();
        let kept = TestNode::start(node("kept")).await;
        let router = {
            let hubs = node("dropped");
            hubs.start().await.unwrap();
            hubs.mount(Default::default())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dropped = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        let serve = hubward::serve(listener, router, ServeOptions::default());
        serving.spawn(async move { serve.await.unwrap() });
        Self { kept, dropped, _serving: serving }
    }

    /// A client of the node whose `Hubward` was dropped, which reads by now.
    async fn client(&self) -> TestClient {
        let mut client = Connect::new(self.dropped, "/hub").open().await;
        client.result("Echo", json!(["ready"])).await;
        client
    }
}

#[tokio::test]
async fn a_served_router_receives_what_other_nodes_send() {
    let nodes = Nodes::start().await;
    let mut client = nodes.client().await;
    client.result("Join", json!(["g"])).await;
    let handle = nodes.kept.handle();
    handle.group("g").send("N", (1,)).await.unwrap();
    handle.all().send("N", (2,)).await.unwrap();
    handle.connection(client.id.clone()).send("N", (3,)).await.unwrap();
    client.result("Echo", json!(["done"])).await;
    assert_eq!(client.take_received().len(), 3);
}

#[tokio::test]
async fn its_clients_can_be_invoked_from_other_nodes_until_they_leave() {
    let nodes = Nodes::start().await;
    let mut client = nodes.client().await;
    let connection = nodes.kept.handle().connection(client.id.clone());
    let result = async { connection.invoke::<i64>("Question", ()).await };
    let leave = async {
        client.invoked("Question").await;
        client.close().await;
    };
    let (result, ()) = within("the end of an invocation", async { tokio::join!(result, leave) }).await;
    assert!(result.is_err());
}

#[tokio::test]
async fn its_methods_get_the_results_of_clients_of_other_nodes() {
    let nodes = Nodes::start().await;
    let (mut there, mut here) = (nodes.kept.client("/hub").open().await, nodes.client().await);
    there.result("Echo", json!(["ready"])).await;
    let call = here.begin("Invoke", json!([there.id])).await;
    let question = there.invoked("Question").await;
    there.complete(&question, json!(42)).await;
    assert_eq!(within("the result", here.completion(&call)).await["result"], 42);
}

#[tokio::test]
async fn changes_of_its_connections_are_confirmed_to_other_nodes() {
    let nodes = Nodes::start().await;
    let mut client = nodes.client().await;
    let handle = nodes.kept.handle();
    handle.groups().add_connection(client.id.clone(), "g").await.unwrap();
    handle.group("g").send("N", (1,)).await.unwrap();
    client.result("Echo", json!(["done"])).await;
    assert_eq!(client.take_received().len(), 1);
}
