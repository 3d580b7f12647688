//! Requests of a connection go to any node, and its own node is killed, stops, or cannot be reached by the others.

use std::net::SocketAddr;
use std::time::Duration;

use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_testing::{FaultProxy, Http, Port, Response};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::nodes::{Nodes, PREFIX};

/// A lease that is short enough for a test to wait for its end.
const LEASE: &str = "3000";

/// The handshake of the JSON protocol, and a call.
const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";
const CALL: &[u8] = b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Slow\",\"arguments\":[0,\"done\"]}\x1e";

/// A long-polling connection that node 0 holds, and whose requests all go to other nodes.
struct Polling {
    target: String,
    others: Vec<SocketAddr>,
    requests: usize,
}

impl Polling {
    async fn open(owner: SocketAddr, others: &[SocketAddr]) -> Self {
        let negotiate = "/cluster/negotiate?negotiateVersion=1";
        let negotiated = Http::exchange(owner, "POST", negotiate, &[], b"").await.json();
        let token = negotiated["connectionToken"].as_str().unwrap();
        let mut polling =
            Self { target: format!("/cluster?id={token}"), others: others.to_vec(), requests: 0 };
        assert_eq!(polling.poll().await.status, 200);
        assert_eq!(polling.post(HANDSHAKE).await.status, 200);
        assert_eq!(polling.poll().await.text(), "{}\u{1e}");
        polling
    }

    /// The node of the next request.
    fn next(&mut self) -> SocketAddr {
        self.requests += 1;
        self.others[self.requests % self.others.len()]
    }

    async fn poll(&mut self) -> Response {
        let mut poll = self.begin_poll().await;
        poll.response().await
    }

    async fn begin_poll(&mut self) -> Http {
        let mut http = Http::connect(self.next()).await;
        http.send("GET", &self.target, &[], b"").await;
        http
    }

    async fn post(&mut self, body: &[u8]) -> Response {
        let node = self.next();
        Http::exchange(node, "POST", &self.target, &[], body).await
    }

    async fn calls(&mut self) {
        assert_eq!(self.post(CALL).await.status, 200);
        let polled = self.poll().await;
        assert!(polled.text().contains("\"result\":\"done\""), "{polled:?}");
    }
}

async fn three_nodes() -> (RedisServer, Nodes, Vec<SocketAddr>) {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let arguments = ["--redis", &redis.url(), "--redis-prefix", PREFIX, "--lease", LEASE];
    let mut nodes = Nodes::start_with(3, &arguments).await;
    let addresses = (0..3).map(|node| nodes.node(node).address()).collect();
    (redis, nodes, addresses)
}

/// Has a request answered, and returns its status and how long that took. No test waits for longer than ten seconds.
async fn answered(http: &mut Http) -> (u16, Duration) {
    let begun = Instant::now();
    (http.response().await.status, begun.elapsed())
}

#[tokio::test]
async fn a_poll_ends_at_once_when_the_node_of_its_connection_is_killed() {
    let (_redis, mut nodes, addresses) = three_nodes().await;
    let mut polling = Polling::open(addresses[0], &addresses[1..]).await;
    polling.calls().await;
    let mut poll = polling.begin_poll().await;
    nodes.node(0).process.kill();
    let (status, took) = answered(&mut poll).await;
    assert!(status == 404 && took < Duration::from_secs(2), "{status} after {took:?}");
    assert_eq!(polling.post(CALL).await.status, 404);
    assert_eq!(polling.poll().await.status, 404);
    // A new start, whichever node is asked.
    Polling::open(addresses[1], &addresses[1..]).await.calls().await;
    nodes.have_no_errors();
}

#[tokio::test]
async fn requests_end_when_the_node_of_their_connection_stops_for_longer_than_its_lease() {
    let (_redis, mut nodes, addresses) = three_nodes().await;
    let mut polling = Polling::open(addresses[0], &addresses[1..]).await;
    let mut poll = polling.begin_poll().await;
    nodes.node(0).process.pause();
    let (status, took) = answered(&mut poll).await;
    assert!(status == 404 && took < Duration::from_secs(8), "{status} after {took:?}");
    assert_eq!(polling.post(CALL).await.status, 404, "it is known to be dead");
    nodes.node(0).process.continue_();
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_a_gateway_timeout_though_it_lives() {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let internal = Port::reserve();
    let between = FaultProxy::start(internal.address()).await;
    let (url, listen, announced) =
        (redis.url(), internal.address().to_string(), between.address().to_string());
    let arguments = ["--redis", &url, "--redis-prefix", PREFIX];
    let reached = [&arguments[..], &["--internal-listen", &listen, "--address", &announced]].concat();
    let (mut owner, mut other) =
        (Nodes::start_with(1, &reached).await, Nodes::start_with(1, &arguments).await);
    let (owner, other) = (owner.node(0).address(), other.node(0).address());
    let mut polling = Polling::open(owner, &[other]).await;
    polling.calls().await;
    // What is sent is taken, and nothing comes back.
    between.hold();
    let begun = Instant::now();
    let mut post = Http::connect(other).await;
    post.send("POST", &polling.target, &[], CALL).await;
    assert_eq!(status(post).await, 504, "on a connection that was open before");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(polling.post(CALL).await.status, 504, "on a connection of its own");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    between.release();
    polling.calls().await;
}

/// Waits for a response, for longer than anything else may take.
async fn status(http: Http) -> u16 {
    let (mut socket, mut received) = http.into_parts();
    let reading = async {
        while !received.ends_with(b"\r\n\r\n") && socket.read_buf(&mut received).await.unwrap() > 0 {}
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap();
    String::from_utf8(received).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}
