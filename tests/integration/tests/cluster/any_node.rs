//! Requests of one connection reach any node: what hubs see of them, and what bounds and ends them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hubward::auth::KeyRing;
use hubward::backplane::{InMemoryNetwork, InMemoryStore};
use hubward::transport::raw;
use hubward::{Builder, DrainOptions, Hub, HubContext, Hubward, PeerTls, TransportOptions, TrustedProxies};
use hubward_testing::{Certificates, Http, Port, Response, folder_of};
use hubward_tests::{TestNode, cluster, echo_bytes, eventually};
use tokio::time::Instant;

const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";

async fn remote(cx: HubContext) -> Option<String> {
    cx.request().remote_address().map(|address| address.to_string())
}

fn hubs(builder: Builder) -> Builder {
    let transports = TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
    builder
        .hub_with_options("/hub", Hub::new("hub").method("Remote", remote), transports)
        .raw("/raw", raw::handler(echo_bytes))
}

/// Negotiates with a node, and returns the target of later requests.
async fn negotiate(node: &TestNode, path: &str, query: &str) -> String {
    let target = format!("{path}/negotiate?negotiateVersion=1{query}");
    let response = node.request("POST", &target, &[], b"").await.json();
    format!("{path}?id={}", response["connectionToken"].as_str().unwrap())
}

async fn get(node: &TestNode, target: &str, headers: &[(&str, &str)]) -> Response {
    node.request("GET", target, headers, b"").await
}

async fn post(node: &TestNode, target: &str, body: &[u8]) -> u16 {
    node.request("POST", target, &[], body).await.status
}

fn call(method: &str) -> Vec<u8> {
    format!("{{\"type\":1,\"invocationId\":\"1\",\"target\":\"{method}\",\"arguments\":[]}}\u{1e}")
        .into_bytes()
}

/// Calls a method of a long-polling connection whose requests go to these nodes in turn, and returns its result.
async fn polled(nodes: &[&TestNode], target: &str, headers: &[(&str, &str)], method: &str) -> String {
    let mut turn = nodes.iter().cycle();
    let mut next = || *turn.next().unwrap();
    assert_eq!(get(next(), target, headers).await.status, 200);
    assert_eq!(post(next(), target, HANDSHAKE).await, 200);
    assert_eq!(get(next(), target, headers).await.text(), "{}\u{1e}");
    assert_eq!(post(next(), target, &call(method)).await, 200);
    get(next(), target, headers).await.text().to_owned()
}

#[tokio::test]
async fn hubs_see_the_client_as_the_first_node_does() {
    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap();
    let nodes = cluster(3, |builder| hubs(builder).trusted_proxies(proxies.clone())).await;
    let client = [("X-Forwarded-For", "6.6.6.6, 192.0.2.7"), ("hubward-peer-client", "6.6.6.6:6")];
    for first in 0..3 {
        let target = negotiate(&nodes[0], "/hub", "").await;
        let result = polled(&[&nodes[first], &nodes[1]], &target, &client, "Remote").await;
        assert!(result.contains("\"192.0.2.7:0\""), "by node {first}: {result}");
    }
    let nodes = cluster(2, hubs).await;
    let target = negotiate(&nodes[0], "/hub", "").await;
    let result = polled(&[&nodes[1]], &target, &client, "Remote").await;
    assert!(result.contains("\"127.0.0.1:") && !result.contains(&nodes[0].address.to_string()), "{result}");
}

#[tokio::test]
async fn raw_connections_are_reached_by_any_node() {
    let nodes = cluster(3, hubs).await;
    let target = negotiate(&nodes[0], "/raw", "").await;
    assert_eq!(get(&nodes[1], &target, &[]).await.status, 200);
    assert_eq!(post(&nodes[2], &target, b"echo").await, 200);
    assert_eq!(get(&nodes[1], &target, &[]).await.text(), "echo");
    assert_eq!(nodes[1].request("DELETE", &target, &[], b"").await.status, 202);
    eventually("the end", async || get(&nodes[2], &target, &[]).await.status == 404).await;
}

#[tokio::test]
async fn a_token_opens_one_connection_whichever_nodes_are_asked() {
    let nodes = cluster(3, hubs).await;
    let target = negotiate(&nodes[0], "/hub", "").await;
    let web_socket = async |node: &TestNode| Http::connect(node.address).await.upgrade(&target, &[]).await;
    let mut first = web_socket(&nodes[1]).await.unwrap();
    for node in &nodes {
        assert_eq!(web_socket(node).await.unwrap_err().status, 409, "as on one node");
        assert_eq!(post(node, &target, b"x").await, 405);
        assert_eq!(node.request("DELETE", &target, &[], b"").await.status, 400);
    }
    first.finish_writing().await;
    for node in &nodes {
        eventually(
            "the end",
            async || matches!(web_socket(node).await, Err(refused) if refused.status == 404),
        )
        .await;
    }
}

#[tokio::test]
async fn no_more_is_passed_on_than_may_be() {
    let nodes = cluster(2, |builder| hubs(builder).forwarded_requests(1)).await;
    let event_stream = [("Accept", "text/event-stream")];
    let first = negotiate(&nodes[0], "/hub", "").await;
    let mut stream = Http::connect(nodes[1].address).await;
    stream.send("GET", &first, &event_stream, b"").await;
    assert_eq!(stream.head().await.status, 200);
    let refused = nodes[1].request("POST", &first, &[], b"x").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    drop(stream);
    eventually("room", async || post(&nodes[1], &first, b"x").await != 503).await;
}

#[tokio::test]
async fn a_web_socket_counts_among_them_for_as_long_as_it_lasts() {
    let nodes = cluster(2, |builder| hubs(builder).forwarded_requests(1)).await;
    let target = negotiate(&nodes[0], "/hub", "&useStatefulReconnect=true").await;
    drop(opened(&nodes[0], &target).await);
    let tunnel = Http::connect(nodes[1].address).await.upgrade(&target, &[]).await.unwrap();
    let other = negotiate(&nodes[0], "/hub", "").await;
    assert_eq!(post(&nodes[1], &other, b"x").await, 503);
    drop(tunnel);
    eventually("room", async || post(&nodes[1], &other, b"x").await != 503).await;
}

#[tokio::test]
async fn what_is_passed_on_is_cut_when_the_node_leaves_and_its_tokens_are_unknown_then() {
    let mut nodes = cluster(2, hubs).await;
    let target = negotiate(&nodes[0], "/hub", "").await;
    let mut stream = Http::connect(nodes[1].address).await;
    stream.send("GET", &target, &[("Accept", "text/event-stream")], b"").await;
    assert_eq!(stream.head().await.status, 200);
    let owner = nodes.remove(0);
    owner.hubs.shut_down().await;
    while stream.chunk().await.is_some() {}
    assert_eq!(post(&nodes[0], &target, b"x").await, 404);
    assert_eq!(get(&nodes[0], &target, &[("Accept", "text/event-stream")]).await.status, 404);
}

#[tokio::test]
async fn web_sockets_and_polls_are_passed_on_between_nodes_that_show_certificates() {
    let port = Port::reserve();
    let folder = folder_of(&port);
    let certificates = Certificates::create(&folder);
    let (certificate, key) = certificates.node("nodes.hubward.test");
    let authority = std::fs::read(&certificates.authority).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let tls = PeerTls::new("nodes.hubward.test", &authority, &certificate, &key).unwrap();
    let nodes = cluster(2, |builder| hubs(builder).peer_tls(tls.clone())).await;
    let target = negotiate(&nodes[0], "/hub", "").await;
    let result = polled(&[&nodes[1]], &target, &[], "Remote").await;
    assert!(result.contains("127.0.0.1"), "{result}");
    resumes(&nodes).await;
}

#[tokio::test]
async fn a_stateful_connection_is_resumed_through_any_node() {
    resumes(&cluster(3, hubs).await).await;
}

/// Opens a stateful connection.
async fn opened(node: &TestNode, target: &str) -> Http {
    let mut socket = Http::connect(node.address).await.upgrade(target, &[]).await.unwrap();
    socket
        .write(&hubward_testing::frame::masked(
            hubward_testing::frame::TEXT,
            b"{\"protocol\":\"json\",\"version\":2}\x1e",
        ))
        .await;
    assert_eq!(socket.frame().await.unwrap().1, b"{}\x1e");
    socket
}

/// Opens a stateful connection on the first node, and resumes it through each other.
async fn resumes(nodes: &[TestNode]) {
    let target = negotiate(&nodes[0], "/hub", "&useStatefulReconnect=true").await;
    let mut socket = opened(&nodes[0], &target).await;
    for node in nodes.iter().cycle().skip(1).take(2 * nodes.len()) {
        drop(socket);
        socket = Http::connect(node.address).await.upgrade(&target, &[]).await.unwrap();
        let (_, first) = socket.frame().await.unwrap();
        assert!(String::from_utf8(first).unwrap().contains("\"type\":9"));
    }
}

#[tokio::test]
async fn web_sockets_that_a_draining_node_passes_on_are_cut_in_their_turns() {
    let nodes = cluster(2, hubs).await;
    let mut passed_on = Vec::new();
    for _ in 0..8 {
        let target = negotiate(&nodes[0], "/hub", "&useStatefulReconnect=true").await;
        let mut socket = Http::connect(nodes[0].address).await.upgrade(&target, &[]).await.unwrap();
        let handshake = b"{\"protocol\":\"json\",\"version\":2}\x1e";
        socket.write(&hubward_testing::frame::masked(hubward_testing::frame::TEXT, handshake)).await;
        assert_eq!(socket.frame().await.unwrap().1, b"{}\x1e");
        drop(socket);
        passed_on.push(Http::connect(nodes[1].address).await.upgrade(&target, &[]).await.unwrap());
    }
    let begun = Instant::now();
    let window = Duration::from_millis(800);
    let options = DrainOptions { close_window: Some(window), ..DrainOptions::default() };
    let cut = join_all(passed_on.iter_mut().map(async |socket| {
        while socket.frame().await.is_some() {}
        begun.elapsed()
    }));
    let (cut, _) = tokio::join!(cut, nodes[1].hubs.drain(DrainOptions { delay: Duration::ZERO, ..options }));
    let early = cut.iter().filter(|at| **at < window / 2).count();
    assert!((2..=6).contains(&early) && cut.iter().all(|at| *at < 3 * window), "{cut:?}");
}

#[tokio::test]
async fn a_node_whose_port_is_taken_says_so() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = taken.local_addr().unwrap();
    let (network, store) = (InMemoryNetwork::new(), Arc::new(InMemoryStore::new()));
    let node = Hubward::builder()
        .backplane(Arc::new(network.backplane("node".into())))
        .group_store(store.clone())
        .node_registry(store)
        .connection_token_keys(KeyRing::random())
        .internal_listener(address)
        .build()
        .unwrap();
    let error = format!("{:?}", node.start().await.unwrap_err());
    assert!(error.contains(&address.to_string()) && error.contains("internal_listener"), "{error}");
    drop(taken);
    node.start().await.unwrap();
}
