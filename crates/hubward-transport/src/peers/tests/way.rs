//! What goes over.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::routing::{any, post};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use hubward_testing::{FaultProxy, eventually};
use tokio::sync::Notify;

use super::*;
use crate::peers::hop::Hop;

/// Says what it was sent.
async fn describe(request: axum::extract::Request) -> String {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let ConnectInfo(client) = parts.extensions.get::<ConnectInfo<SocketAddr>>().unwrap();
    let names: Vec<&str> = parts.headers.keys().map(|name| name.as_str()).collect();
    let is_hop = parts.extensions.get::<Hop>().is_some();
    format!("{} {} {client} {is_hop} {names:?} {}", parts.method, parts.uri, body.len())
}

fn described() -> Router {
    Router::new().fallback(any(describe))
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent_from_whom_the_first_node_says() {
    let pair = Pair::start(described()).await;
    let request = Request::post("/hub?id=a%20b&access_token=x")
        .header("host", "hubs.example")
        .header("authorization", "Bearer x")
        .header("hubward-peer-client", "6.6.6.6:6")
        .body(Body::from("body"))
        .unwrap();
    assert_eq!(
        text(pair.forward(request).await.unwrap()).await,
        "POST /hub?id=a%20b&access_token=x 192.0.2.7:81 true [\"host\", \"authorization\", \"content-length\"] 4"
    );
}

#[tokio::test]
async fn as_many_headers_arrive_as_a_client_can_send_and_as_large_ones() {
    let pair = Pair::start(described()).await;
    let mut many = Request::get("/hub");
    for number in 0..100 {
        many = many.header(format!("x-{number}"), "1");
    }
    let large = Request::get("/hub").header("x-large", "x".repeat(32 << 10));
    for request in [many, large] {
        let response = pair.forward(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_body_that_its_client_breaks_off_is_not_the_other_nodes_failure() {
    let pair = Pair::start(described()).await;
    let broken = [Ok(Bytes::from_static(b"some")), Err(std::io::Error::other("broken"))];
    let request = Request::post("/hub").body(Body::from_stream(stream::iter(broken))).unwrap();
    assert!(matches!(pair.forward(request).await, Err(PeerError::BodyBroken(_))));
}

#[tokio::test]
async fn bodies_are_streamed_both_ways() {
    let echo = any(|request: axum::extract::Request| async { request.into_body() });
    let pair = Pair::start(Router::new().fallback(echo)).await;
    let (sender, receiver) = futures_channel();
    let request = Request::post("/hub").body(Body::from_stream(receiver)).unwrap();
    let mut response = pair.forward(request).await.unwrap().into_body();
    for part in ["one", "two"] {
        sender.send(part).unwrap();
        let frame = hubward_testing::within("a part", response.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(sender);
    assert!(hubward_testing::within("the end", response.frame()).await.is_none());
}

type Parts = tokio::sync::mpsc::UnboundedSender<&'static str>;

fn futures_channel() -> (Parts, impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Send) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let parts = stream::unfold(receiver, |mut receiver| async {
        let part = receiver.recv().await?;
        Some((Ok(Bytes::from_static(part.as_bytes())), receiver))
    });
    (sender, parts)
}

#[tokio::test]
async fn requests_one_after_another_share_a_connection_and_one_that_broke_is_made_anew() {
    let keys = KeyRing::random();
    let owner = Served::start("owner", &keys, described(), None).await;
    let proxy = FaultProxy::start(owner.address).await;
    let directory = Directory::default();
    directory.add("owner", proxy.address());
    let client = directory.client(&keys);
    for _ in 0..5 {
        text(forward(&client, get("/hub")).await.unwrap()).await;
    }
    assert_eq!(client.idle_connections(), 1);
    proxy.interrupt().await;
    assert!(forward(&client, get("/hub")).await.is_err());
    proxy.resume().await;
    text(forward(&client, get("/hub")).await.unwrap()).await;
    assert_eq!(client.idle_connections(), 1);
}

#[tokio::test]
async fn whoever_waits_no_more_is_noticed_by_the_other_node() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Waiting;
    impl Drop for Waiting {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    async fn never() {
        let _waiting = Waiting;
        std::future::pending::<()>().await;
    }
    async fn endless() -> Body {
        let waiting = Waiting;
        Body::from_stream(stream::unfold(waiting, |waiting| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), waiting))
        }))
    }
    let router = Router::new().route("/never", any(never)).route("/endless", any(endless));
    let pair = Pair::start(router).await;
    let waited = tokio::time::timeout(Duration::from_millis(200), pair.forward(get("/never"))).await;
    assert!(waited.is_err());
    eventually("the request to be dropped", async || DROPPED.load(Ordering::SeqCst) == 1).await;
    let mut response = pair.forward(get("/endless")).await.unwrap().into_body();
    response.frame().await.unwrap().unwrap();
    drop(response);
    eventually("the response to be dropped", async || DROPPED.load(Ordering::SeqCst) == 2).await;
}

#[tokio::test]
async fn a_response_before_the_end_of_its_request_is_passed_on_and_its_connection_is_used_no_more() {
    let refuse = post(|| async { StatusCode::PAYLOAD_TOO_LARGE });
    let pair = Pair::start(Router::new().route("/early", refuse).fallback(any(describe))).await;
    let (_sender, receiver) = futures_channel();
    let request = Request::post("/early").body(Body::from_stream(receiver)).unwrap();
    assert_eq!(pair.forward(request).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    for _ in 0..3 {
        assert_eq!(pair.forward(get("/hub")).await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_call_that_was_sent_is_not_taken_for_one_that_was_not_where_its_node_is_gone() {
    let (keys, directory) = (KeyRing::random(), Directory::default());
    let owner = Served::start("owner", &keys, Router::new(), Some(Arc::new(TestCalls))).await;
    let (client, node) = (directory.client(&keys), "owner".into());
    for is_pooled in [false, true] {
        let gone = directory.add("owner", owner.address);
        if is_pooled {
            text(forward(&client, get("/")).await.unwrap()).await;
            assert_eq!(client.idle_connections(), 1);
        }
        let asked = client.call(&node, "/noted", Bytes::new(), hubward_testing::TIMEOUT);
        let (asked, ()) = tokio::join!(asked, async {
            ASKED.notified().await;
            gone.cancel();
        });
        assert!(matches!(asked, Err(PeerError::Lost(_))), "{asked:?}");
    }
    let unsent = client.call(&node, "/noted", Bytes::new(), hubward_testing::TIMEOUT).await;
    assert!(matches!(unsent, Err(PeerError::Gone)), "{unsent:?}");
}

/// Notified of each call of `/noted`, which is not answered.
static ASKED: Notify = Notify::const_new();

/// Serves the calls of the test.
struct TestCalls;

impl PeerCalls for TestCalls {
    fn call(&self, from: NodeId, path: &str, body: Bytes) -> BoxFuture<'static, Result<Bytes, StatusCode>> {
        match path {
            "/from" => Box::pin(async move { Ok(format!("{from}: {}", body.len()).into()) }),
            "/large" => Box::pin(async { Ok(vec![0; (16 << 20) + 1].into()) }),
            "/slow" => Box::pin(std::future::pending()),
            "/noted" => Box::pin(async {
                ASKED.notify_one();
                std::future::pending().await
            }),
            _ => Box::pin(async { Err(StatusCode::NOT_FOUND) }),
        }
    }
}

#[tokio::test]
async fn a_node_calls_another_and_clients_cannot() {
    let (keys, directory) = (KeyRing::random(), Directory::default());
    let owner = Served::start("owner", &keys, Router::new(), Some(Arc::new(TestCalls))).await;
    directory.add("owner", owner.address);
    let client = directory.client(&keys);
    let call = async |path, bytes: usize, deadline| {
        client.call(&"owner".into(), path, vec![0; bytes].into(), deadline).await
    };
    let second = Duration::from_secs(1);
    assert_eq!(call("/from", 3, second).await.unwrap(), "first: 3");
    assert_eq!(call("/from", 16 << 20, 10 * second).await.unwrap(), "first: 16777216");
    assert!(call("/from", (16 << 20) + 1, 10 * second).await.is_err());
    assert!(matches!(call("/none", 0, second).await, Err(PeerError::Status(StatusCode::NOT_FOUND))));
    assert!(matches!(call("/large", 0, 10 * second).await, Err(PeerError::TooLarge)));
    assert!(matches!(call("/slow", 0, second / 10).await, Err(PeerError::TooSlow)));
    assert_eq!(forward(&client, get("/from")).await.unwrap().status(), StatusCode::NOT_FOUND);
}
