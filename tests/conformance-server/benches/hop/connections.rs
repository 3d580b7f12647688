//! Connections of the node that holds all of them, which a client reaches by either node.

use hubward_testing::Http;
use hubward_testing::frame::{TEXT, masked};

use crate::processes::Measured;

pub(crate) const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";
pub(crate) const PING: &[u8] = b"{\"type\":6}\x1e";
pub(crate) const CALL: &[u8] =
    b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Node\",\"arguments\":[]}\x1e";
const STATEFUL_HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":2}\x1e";
const SEQUENCE: &[u8] = b"{\"type\":9,\"sequenceId\":1}\x1e";
const EVENT_STREAM: [(&str, &str); 1] = [("Accept", "text/event-stream")];

/// Negotiates with a node; returns the target of later requests.
async fn negotiate(node: &Measured, query: &str) -> String {
    let target = format!("/cluster/negotiate?negotiateVersion=1{query}");
    let response = Http::exchange(node.address(), "POST", &target, &[], b"").await.json();
    format!("/cluster?id={}", response["connectionToken"].as_str().unwrap())
}

/// Sends a request that has to succeed over a connection that stays open.
pub(crate) async fn ask(http: &mut Http, method: &str, target: &str, body: &[u8]) -> String {
    http.send(method, target, &[], body).await;
    let response = http.response().await;
    assert_eq!(response.status, 200, "{method}: {response:?}");
    response.text().to_owned()
}

/// Opens a long-polling connection.
pub(crate) async fn long_polling(owner: &Measured) -> String {
    let (target, mut http) = (negotiate(owner, "").await, Http::connect(owner.address()).await);
    ask(&mut http, "GET", &target, b"").await;
    ask(&mut http, "POST", &target, HANDSHAKE).await;
    assert_eq!(ask(&mut http, "GET", &target, b"").await, "{}\u{1e}");
    target
}

/// Opens an event stream by a node; returns it with the target of POSTs.
pub(crate) async fn event_stream(owner: &Measured, by: &Measured) -> (Http, String) {
    let target = negotiate(owner, "").await;
    let mut http = Http::connect(by.address()).await;
    http.send("GET", &target, &EVENT_STREAM, b"").await;
    assert_eq!(http.head().await.status, 200);
    ask(&mut Http::connect(owner.address()).await, "POST", &target, HANDSHAKE).await;
    until(&mut http, "{}\u{1e}").await;
    (http, target)
}

/// Waits for an event that has this text.
pub(crate) async fn until(http: &mut Http, text: &str) {
    while !String::from_utf8_lossy(&http.chunk().await.unwrap()).contains(text) {}
}

/// Opens a WebSocket, and resumes its connection by a node.
pub(crate) async fn web_socket(owner: &Measured, by: &Measured) -> Http {
    let target = negotiate(owner, "&useStatefulReconnect=true").await;
    let mut http = Http::connect(owner.address()).await.upgrade(&target, &[]).await.unwrap();
    http.write(&masked(TEXT, STATEFUL_HANDSHAKE)).await;
    assert_eq!(http.frame().await.unwrap().1, b"{}\x1e");
    drop(http);
    let mut http = Http::connect(by.address()).await.upgrade(&target, &[]).await.unwrap();
    http.write(&masked(TEXT, SEQUENCE)).await;
    assert!(http.frame().await.unwrap().1.starts_with(b"{\"type\":9"));
    http
}
