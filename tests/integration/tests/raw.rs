//! A raw connection handler: the bytes that go in come out, over each transport.

use std::time::{Duration, SystemTime};

use hubward::auth::Policy;
use hubward::transport::raw;
use hubward::{BuildError, Hubward, RawEndpoint, TransportOptions};
use hubward_tests::frame::{self, masked};
use hubward_tests::{Http, TestNode, echo_bytes, issuer, token, within};

/// Bytes that are neither text nor a hub message.
const BYTES: &[u8] = b"\x00\xFF\x1E{\r\n\xC3";

async fn node() -> TestNode {
    let builder = Hubward::builder()
        .raw("/text", raw::handler(echo_bytes))
        .raw("/bytes", raw::handler(echo_bytes).binary(true));
    TestNode::start(builder.build().unwrap()).await
}

/// The target of requests of a new connection.
async fn negotiated(node: &TestNode, path: &str) -> String {
    format!("{path}?id={}", node.client(path).connection_token().await)
}

#[tokio::test]
async fn bytes_come_back_over_a_web_socket() {
    let node = node().await;
    for (path, first, bytes) in [("/bytes", frame::BINARY, BYTES), ("/text", frame::TEXT, b"text".as_slice())]
    {
        let mut http = node.client(path).upgrade(None).await.unwrap();
        for _ in 0..3 {
            http.write(&masked(frame::BINARY, bytes)).await;
            assert_eq!(http.frame().await, Some((first, bytes.to_vec())));
        }
        let large = vec![b'x'; 200_000];
        http.write(&masked(frame::BINARY, &large)).await;
        let mut echoed = Vec::new();
        while echoed.len() < large.len() {
            echoed.extend(http.frame().await.unwrap().1);
        }
        assert_eq!(echoed, large);
        http.write(&masked(frame::CLOSE, &1000_u16.to_be_bytes())).await;
        assert_eq!(http.frame().await, Some((frame::CLOSE, 1000_u16.to_be_bytes().to_vec())));
        http.closed().await;
    }
}

#[tokio::test]
async fn text_comes_back_over_server_sent_events() {
    let node = node().await;
    let target = negotiated(&node, "/text").await;
    let mut events = Http::connect(node.address).await;
    events.send("GET", &target, &[("Accept", "text/event-stream")], b"").await;
    let head = events.head().await;
    assert_eq!((head.status, head.headers["content-type"].as_str()), (200, "text/event-stream"));
    assert_eq!(events.chunk().await.unwrap(), b":\r\n");
    for text in ["one", "two"] {
        assert_eq!(node.request("POST", &target, &[], text.as_bytes()).await.status, 200);
        assert_eq!(events.chunk().await.unwrap(), format!("data: {text}\r\n\r\n").as_bytes());
    }
    node.request("POST", &target, &[], b"a\nb").await;
    assert_eq!(events.chunk().await.unwrap(), b"data: a\r\ndata: b\r\n\r\n");
}

#[tokio::test]
async fn bytes_come_back_over_long_polling() {
    let node = node().await;
    let target = negotiated(&node, "/bytes").await;
    let first = node.request("GET", &target, &[], b"").await;
    assert_eq!((first.status, first.body.as_slice()), (200, b"".as_slice()));
    for bytes in [BYTES, b"more"] {
        let poll = node.request("GET", &target, &[], b"");
        let post = node.request("POST", &target, &[], bytes);
        let (poll, post) = tokio::join!(poll, post);
        assert_eq!((poll.status, poll.body.as_slice(), post.status), (200, bytes, 200));
    }
    let poll = node.request("GET", &target, &[], b"");
    let delete = node.request("DELETE", &target, &[], b"");
    let (poll, delete) = tokio::join!(poll, delete);
    assert_eq!((poll.status, delete.status), (204, 202));
    assert_eq!(node.request("GET", &target, &[], b"").await.status, 404);
}

#[tokio::test]
async fn a_node_that_shuts_down_closes_raw_connections() {
    let node = node().await;
    let mut http = node.client("/bytes").upgrade(None).await.unwrap();
    http.write(&masked(frame::BINARY, BYTES)).await;
    http.frame().await.unwrap();
    let shut_down = within("the shutdown", node.hubs.shut_down());
    let (closed, ()) = tokio::join!(
        async {
            let closed = http.frame().await;
            http.finish_writing().await;
            closed
        },
        shut_down
    );
    assert_eq!(closed, Some((frame::CLOSE, 1000_u16.to_be_bytes().to_vec())));
}

#[tokio::test]
async fn a_raw_path_has_policies_and_options_as_a_hub_has() {
    let echo = || RawEndpoint::new(raw::handler(echo_bytes)).authorize("Staff");
    let polls_off = TransportOptions { long_polling: false, ..TransportOptions::default() };
    let builder = Hubward::builder()
        .auth(issuer().authenticator())
        .policy("Staff", Policy::any_role(["staff"]))
        .raw("/staff", echo().options(polls_off));
    let node = TestNode::start(builder.build().unwrap()).await;
    for (role, status) in [("staff", 200), ("guest", 403)] {
        let client = node.client("/staff").token(&token("alice", &[role]));
        assert_eq!(client.negotiate().await.status, status, "{role}");
    }
    assert_eq!(node.client("/staff").negotiate().await.status, 401);
    let staff = node.client("/staff").token(&token("alice", &["staff"]));
    assert!(!staff.negotiate().await.text().contains("LongPolling"));
    let undefined = Hubward::builder().raw("/staff", echo()).build();
    assert!(matches!(undefined, Err(BuildError::Policy(error)) if error.policy == "Staff"));
}

#[tokio::test]
async fn a_raw_connection_closes_when_its_token_expires() {
    let builder = Hubward::builder().auth(issuer().authenticator()).raw("/bytes", raw::handler(echo_bytes));
    let node = TestNode::start(builder.build().unwrap()).await;
    let token = issuer().mint("alice", &[], &[], Duration::from_secs(2), SystemTime::now()).unwrap();
    let mut http = node.client("/bytes").token(token.expose()).upgrade(None).await.unwrap();
    http.write(&masked(frame::TEXT, b"text")).await;
    assert_eq!(http.frame().await, Some((frame::TEXT, b"text".to_vec())));
    assert_eq!(http.frame().await, Some((frame::CLOSE, 1000_u16.to_be_bytes().to_vec())));
}
