//! Connection tokens that open nothing, and keys that change: a node that does not hold the connection answers as one that is
//! alone.

use std::time::Duration;

use hubward::auth::{KeyRing, SealingKey};
use hubward::{Builder, Hub, HubContext, Hubward, TransportOptions};
use hubward_testing::frame::{TEXT, masked};
use hubward_testing::{Http, Response};
use hubward_tests::{TestNode, cluster, eventually, issuer, token};

const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";
const STATEFUL_HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":2}\x1e";
const CALL: &[u8] = b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Node\",\"arguments\":[]}\x1e";

fn hub(name: &str) -> Hub {
    Hub::new(name).method("Node", async |cx: HubContext| cx.node().to_string())
}

fn hubs(builder: Builder) -> Builder {
    let options = || TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
    builder
        .auth(issuer().authenticator())
        .hub_with_options("/hub", hub("hub"), options())
        .hub_with_options("/other", hub("other"), options())
        .hub_with_options(
            "/brief",
            hub("brief"),
            TransportOptions { connect_timeout: Duration::from_secs(1), ..options() },
        )
}

/// Sends a request with Alice's bearer token.
async fn ask(node: &TestNode, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
    let bearer = format!("Bearer {}", token("alice", &[]));
    let headers = [&[("Authorization", bearer.as_str())], headers].concat();
    node.request(method, target, &headers, b"").await
}

async fn negotiate(node: &TestNode, path: &str) -> String {
    let target = format!("{path}/negotiate?negotiateVersion=1");
    let response = ask(node, "POST", &target, &[]).await.json();
    response["connectionToken"].as_str().unwrap().to_owned()
}

/// A token that opens nothing, with the path where it is used.
struct Bad {
    name: &'static str,
    target: String,
    /// Whether nobody may learn more of it than of one that was made up.
    is_unknown: bool,
}

/// Makes tokens that the node has negotiated, but for those that are made up.
async fn bad_tokens(node: &TestNode) -> Vec<Bad> {
    let genuine = negotiate(node, "/hub").await;
    let mut forged = genuine.clone().into_bytes();
    let last = forged.len() - 5;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let foreign = TestNode::start(hubs(Hubward::builder()).build().unwrap()).await;
    let brief = negotiate(node, "/brief").await;
    let used = negotiate(node, "/hub").await;
    assert_eq!(ask(node, "GET", &format!("/hub?id={used}"), &[]).await.status, 200);
    assert_eq!(ask(node, "DELETE", &format!("/hub?id={used}"), &[]).await.status, 202);
    eventually("the end", async || ask(node, "GET", &format!("/hub?id={used}"), &[]).await.status == 404)
        .await;
    let brief = format!("/brief?id={brief}");
    // A node takes another's token for some seconds longer, since its clock may be behind.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let bob = format!("Bearer {}", token("bob", &[]));
    let bobs =
        node.request("POST", "/hub/negotiate?negotiateVersion=1", &[("Authorization", &bob)], b"").await;
    let bad = |name, target, is_unknown| Bad { name, target, is_unknown };
    vec![
        bad("none", "/hub".to_owned(), false),
        bad("unknown", "/hub?id=AAAAAAAAAAAAAAAAAAAAAA".to_owned(), true),
        bad("forged", format!("/hub?id={}", String::from_utf8(forged).unwrap()), true),
        bad("foreign key", format!("/hub?id={}", negotiate(&foreign, "/hub").await), true),
        bad("another hub's", format!("/other?id={genuine}"), true),
        bad("expired", brief, true),
        bad("replayed", format!("/hub?id={used}"), true),
        bad("another user's", format!("/hub?id={}", bobs.json()["connectionToken"].as_str().unwrap()), false),
    ]
}

/// What a client sees of a response, but for when it was sent.
fn seen(response: Response) -> (u16, String, Vec<(String, String)>) {
    let text = response.text().to_owned();
    let mut headers: Vec<_> = response.headers.into_iter().filter(|(name, _)| name != "date").collect();
    headers.sort();
    (response.status, text, headers)
}

const KINDS: [&str; 5] = ["poll", "event stream", "WebSocket", "POST", "DELETE"];

async fn request(node: &TestNode, kind: &str, target: &str) -> Response {
    match kind {
        "poll" => ask(node, "GET", target, &[]).await,
        "event stream" => ask(node, "GET", target, &[("Accept", "text/event-stream")]).await,
        "WebSocket" => ask(node, "GET", target, &hubward_testing::UPGRADE).await,
        "POST" => ask(node, "POST", target, &[]).await,
        _ => ask(node, "DELETE", target, &[]).await,
    }
}

#[tokio::test]
async fn bad_tokens_are_refused_by_any_node_as_by_one_that_is_alone() {
    let alone = TestNode::start(hubs(Hubward::builder()).build().unwrap()).await;
    let nodes = cluster(3, hubs).await;
    let (expected, bad) = tokio::join!(bad_tokens(&alone), bad_tokens(&nodes[0]));
    for kind in KINDS {
        let unknown = seen(request(&alone, kind, "/hub?id=x").await);
        assert_eq!((unknown.0, unknown.1.as_str()), (404, "No Connection with that ID"), "{kind}");
        for (expected, bad) in expected.iter().zip(&bad) {
            let expected = seen(request(&alone, kind, &expected.target).await);
            if bad.is_unknown {
                assert_eq!(expected, unknown, "{kind}, {}: nobody may learn what is wrong", bad.name);
            }
            for (number, node) in nodes.iter().enumerate() {
                let refused = seen(request(node, kind, &bad.target).await);
                assert_eq!(refused, expected, "{kind}, {}, node {number}", bad.name);
            }
        }
    }
}

/// A long-polling connection and a stateful one, whose token a node has sealed.
struct Clients {
    polling: String,
    stateful: String,
}

impl Clients {
    async fn open(node: &TestNode) -> Self {
        let polling = format!("/hub?id={}", negotiate(node, "/hub").await);
        assert_eq!(ask(node, "GET", &polling, &[]).await.status, 200);
        assert_eq!(post(node, &polling, HANDSHAKE).await, 200);
        assert_eq!(ask(node, "GET", &polling, &[]).await.text(), "{}\u{1e}");
        let negotiated = "/hub/negotiate?negotiateVersion=1&useStatefulReconnect=true";
        let negotiated = ask(node, "POST", negotiated, &[]).await.json();
        let stateful = format!("/hub?id={}", negotiated["connectionToken"].as_str().unwrap());
        let mut socket = web_socket(node, &stateful).await;
        socket.write(&masked(TEXT, STATEFUL_HANDSHAKE)).await;
        assert_eq!(socket.frame().await.unwrap().1, b"{}\x1e");
        Self { polling, stateful }
    }

    /// Whether both are served through a node, by the one that holds them.
    async fn are_served(&self, by: &TestNode) {
        assert_eq!(post(by, &self.polling, CALL).await, 200);
        let result = ask(by, "GET", &self.polling, &[]).await;
        assert!(result.text().contains("\"result\""), "{result:?}");
        let mut socket = web_socket(by, &self.stateful).await;
        let (_, first) = socket.frame().await.unwrap();
        assert!(first.starts_with(b"{\"type\":9"), "it is resumed");
    }
}

async fn post(node: &TestNode, target: &str, body: &[u8]) -> u16 {
    let bearer = format!("Bearer {}", token("alice", &[]));
    node.request("POST", target, &[("Authorization", &bearer)], body).await.status
}

async fn web_socket(node: &TestNode, target: &str) -> Http {
    let bearer = format!("Bearer {}", token("alice", &[]));
    Http::connect(node.address).await.upgrade(target, &[("Authorization", &bearer)]).await.unwrap()
}

/// A key ring of these keys, the first of which seals.
fn ring(keys: &[u8]) -> KeyRing {
    let keys = keys
        .iter()
        .map(|key| SealingKey::from_bytes(std::array::from_fn(|place| place as u8 ^ (key << 6))).unwrap());
    KeyRing::new(keys.collect()).unwrap()
}

#[tokio::test]
async fn keys_rotate_from_node_to_node_and_no_client_notices() {
    const OLD: u8 = 1;
    const NEW: u8 = 2;
    let joined = hubward::Cluster::in_memory();
    let start = async |name: &str, keys: &[u8]| {
        let builder = hubs(Hubward::builder().join(&joined, name)).connection_token_keys(ring(keys));
        TestNode::start(builder.build().unwrap()).await
    };
    // First all nodes learn the new key, one after the other.
    let first = start("first", &[OLD]).await;
    let second = start("second", &[OLD, NEW]).await;
    let sealed_with_old = Clients::open(&second).await;
    let of_first = Clients::open(&first).await;
    sealed_with_old.are_served(&first).await;
    of_first.are_served(&second).await;
    first.hubs.shut_down().await;
    // Then they seal with it.
    let third = start("third", &[NEW, OLD]).await;
    let sealed_with_new = Clients::open(&third).await;
    for node in [&second, &third] {
        sealed_with_old.are_served(node).await;
        sealed_with_new.are_served(node).await;
    }
    second.hubs.shut_down().await;
    // Last, when no connection is left whose token the old one has sealed, it is removed.
    let fourth = start("fourth", &[NEW]).await;
    let of_fourth = Clients::open(&fourth).await;
    for node in [&third, &fourth] {
        sealed_with_new.are_served(node).await;
        of_fourth.are_served(node).await;
    }
    third.hubs.shut_down().await;
    of_fourth.are_served(&fourth).await;
}
