//! What becomes of requests while a node drains, at that node and through another one: only what would begin there is refused,
//! and another node serves it.

use std::time::Duration;

use hubward::{Builder, DrainOptions, Hub, TransportOptions};
use hubward_testing::frame::{TEXT, masked};
use hubward_testing::{Http, Response};
use hubward_tests::{TestNode, cluster, eventually};
use tokio::task::JoinSet;

const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";
const STATEFUL_HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":2}\x1e";
/// A call that does not end, so that its connection is not closed before the grace time is over.
const WAIT: &[u8] = b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Wait\",\"arguments\":[]}\x1e";
const PING: &[u8] = b"{\"type\":6}\x1e";
const EVENT_STREAM: [(&str, &str); 1] = [("Accept", "text/event-stream")];
/// Longer than the test takes.
const LONG: Duration = Duration::from_secs(60);

/// Two nodes. The first one drains.
struct Nodes {
    nodes: Vec<TestNode>,
    draining: JoinSet<()>,
}

fn hubs(builder: Builder) -> Builder {
    let transports = TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
    let hub = Hub::new("hub").method("Wait", std::future::pending::<()>);
    builder.hub_with_options("/hub", hub, transports)
}

impl Nodes {
    async fn start() -> Self {
        Self { nodes: cluster(2, hubs).await, draining: JoinSet::new() }
    }

    /// Has the first node drain, and waits until the other one knows.
    async fn drain(&mut self) {
        let probe = self.negotiate("").await;
        self.begin_to_drain(LONG);
        eventually("the other node to know", async || {
            post(self.other(), &probe, HANDSHAKE).await.status == 503
        })
        .await;
    }

    /// The same, and has the first node refuse connections.
    async fn refuse(&mut self) {
        self.drain().await;
        self.begin_to_drain(Duration::ZERO);
        eventually("negotiation to be refused", async || {
            self.draining_node().client("/hub").negotiate().await.status == 503
        })
        .await;
    }

    fn begin_to_drain(&mut self, delay: Duration) {
        let hubs = self.nodes[0].hubs.clone();
        let options = DrainOptions { delay, grace: 2 * LONG, close_window: Some(LONG) };
        self.draining.spawn(async move { drop(hubs.drain(options).await) });
    }

    fn draining_node(&self) -> &TestNode {
        &self.nodes[0]
    }

    fn other(&self) -> &TestNode {
        &self.nodes[1]
    }

    /// Negotiates with the first node; returns the target of later requests.
    async fn negotiate(&self, query: &str) -> String {
        let target = format!("/hub/negotiate?negotiateVersion=1{query}");
        let response = self.draining_node().request("POST", &target, &[], b"").await.json();
        format!("/hub?id={}", response["connectionToken"].as_str().unwrap())
    }

    /// Opens a long-polling connection on the first node, with a call that does not end.
    async fn polling(&self) -> String {
        let (node, target) = (self.draining_node(), self.negotiate("").await);
        assert_eq!(get(node, &target).await.status, 200);
        assert_eq!(post(node, &target, HANDSHAKE).await.status, 200);
        assert_eq!(get(node, &target).await.text(), "{}\u{1e}");
        assert_eq!(post(node, &target, WAIT).await.status, 200);
        target
    }
}

async fn get(node: &TestNode, target: &str) -> Response {
    node.request("GET", target, &[], b"").await
}

async fn post(node: &TestNode, target: &str, body: &[u8]) -> Response {
    node.request("POST", target, &[], body).await
}

async fn event_stream(node: &TestNode, target: &str) -> (Http, Response) {
    let mut http = Http::connect(node.address).await;
    http.send("GET", target, &EVENT_STREAM, b"").await;
    let head = http.head().await;
    (http, head)
}

async fn web_socket(node: &TestNode, target: &str) -> Result<Http, Response> {
    Http::connect(node.address).await.upgrade(target, &[]).await
}

/// A balancer sends such a request to the next node.
fn is_refused(response: &Response) {
    assert_eq!((response.status, response.text(), response.header("retry-after")), (503, "", Some("1")));
}

#[tokio::test]
async fn what_has_yet_to_begin_begins_at_another_node_once_it_knows_of_the_drain() {
    let mut nodes = Nodes::start().await;
    nodes.drain().await;
    let (draining, other) = (nodes.draining_node(), nodes.other());
    for begun in 1..=2 {
        let target = nodes.negotiate("").await;
        is_refused(&post(other, &target, HANDSHAKE).await);
        let _stream = if begun == 1 {
            assert_eq!(get(other, &target).await.status, 200);
            None
        } else {
            let (stream, head) = event_stream(other, &target).await;
            assert_eq!(head.status, 200);
            Some(stream)
        };
        for (node, body) in [(draining, HANDSHAKE), (other, PING)] {
            assert_eq!(post(node, &target, body).await.status, 200, "where it began");
        }
        eventually("the handshake", async || other.hubs.connection_count("hub") == begun).await;
    }
    assert_eq!(draining.hubs.connection_count("hub"), 0);
}

#[tokio::test]
async fn a_node_that_is_not_ready_serves_what_reaches_it_all_the_same() {
    let mut nodes = Nodes::start().await;
    nodes.drain().await;
    let draining = nodes.draining_node();
    let target = nodes.negotiate("").await;
    assert_eq!(post(draining, &target, HANDSHAKE).await.status, 200);
    assert_eq!(get(draining, &target).await.status, 200);
    assert_eq!(get(nodes.other(), &target).await.text(), "{}\u{1e}", "it was recorded there");
    eventually("the handshake", async || draining.hubs.connection_count("hub") == 1).await;
}

#[tokio::test]
async fn a_draining_node_refuses_what_would_begin_there_and_the_next_node_begins_it() {
    let mut nodes = Nodes::start().await;
    // Without any connection the node would leave at once.
    nodes.polling().await;
    let mut targets = Vec::new();
    for _ in 0..3 {
        targets.push(nodes.negotiate("").await);
    }
    nodes.refuse().await;
    let (draining, other) = (nodes.draining_node(), nodes.other());
    for target in &targets {
        is_refused(&get(draining, target).await);
        is_refused(&event_stream(draining, target).await.1);
        is_refused(&web_socket(draining, target).await.unwrap_err());
        is_refused(&post(draining, target, HANDSHAKE).await);
    }
    assert_eq!(get(other, &targets[0]).await.status, 200);
    let (_stream, head) = event_stream(other, &targets[1]).await;
    assert_eq!(head.status, 200);
    let _socket = web_socket(other, &targets[2]).await.unwrap();
    for target in &targets[..2] {
        assert_eq!(post(draining, target, HANDSHAKE).await.status, 200, "it has begun elsewhere");
    }
    assert_eq!(get(draining, &targets[0]).await.text(), "{}\u{1e}");
    assert_eq!(get(draining, "/hub?id=unknown").await.status, 404);
}

#[tokio::test]
async fn polls_and_posts_of_a_draining_nodes_connections_are_served_through_either_node() {
    let mut nodes = Nodes::start().await;
    let target = nodes.polling().await;
    nodes.refuse().await;
    for node in &nodes.nodes {
        assert_eq!(post(node, &target, PING).await.status, 200);
        // The poll that comes meanwhile ends the first one.
        let mut first = Http::connect(node.address).await;
        first.send("GET", &target, &[], b"").await;
        let mut second = Http::connect(nodes.other().address).await;
        second.send("GET", &target, &[], b"").await;
        let ended = tokio::select! { ended = first.response() => ended, ended = second.response() => ended };
        assert!(matches!(ended.status, 200 | 204), "{ended:?}");
    }
    assert_eq!(nodes.draining_node().hubs.connection_count("hub"), 1);
    assert_eq!(nodes.other().request("DELETE", &target, &[], b"").await.status, 202);
}

#[tokio::test]
async fn a_stateful_connection_of_a_draining_node_is_resumed_through_either_node() {
    let mut nodes = Nodes::start().await;
    let target = nodes.negotiate("&useStatefulReconnect=true").await;
    let mut socket = web_socket(nodes.draining_node(), &target).await.unwrap();
    socket.write(&masked(TEXT, STATEFUL_HANDSHAKE)).await;
    assert_eq!(socket.frame().await.unwrap().1, b"{}\x1e");
    socket.write(&masked(TEXT, WAIT)).await;
    nodes.refuse().await;
    for node in nodes.nodes.iter().chain(&nodes.nodes) {
        drop(socket);
        socket = web_socket(node, &target).await.unwrap();
        let (_, first) = socket.frame().await.unwrap();
        assert!(String::from_utf8(first).unwrap().contains("\"type\":9"));
    }
}

#[tokio::test]
async fn a_close_message_arrives_through_a_node_that_learns_at_once_that_the_other_has_left() {
    let nodes = Nodes::start().await;
    let target = nodes.negotiate("").await;
    let (mut stream, head) = event_stream(nodes.other(), &target).await;
    assert_eq!(head.status, 200);
    assert_eq!(post(nodes.other(), &target, HANDSHAKE).await.status, 200);
    nodes.draining_node().hubs.shut_down().await;
    let mut events = Vec::new();
    while let Some(chunk) = stream.chunk().await {
        events.extend(chunk);
    }
    let events = String::from_utf8(events).unwrap();
    assert!(events.contains("data: {\"type\":7,\"allowReconnect\":true}"), "{events}");
}
