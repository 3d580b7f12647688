//! What fails, and how fast that is known.

use std::time::Duration;

use axum::routing::any;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use hubward_testing::{Port, within};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::*;

/// A stream that goes on and says nothing more.
fn streaming() -> Router {
    let silent = || stream::iter([Ok::<_, std::io::Error>(Bytes::from("x"))]).chain(stream::pending());
    Router::new().fallback(any(move || async move { Body::from_stream(silent()) }))
}

#[tokio::test]
async fn a_node_that_does_not_live_or_has_no_listener_fails_at_once() {
    let directory = Directory::default();
    let client = directory.client(&KeyRing::random());
    assert!(matches!(forward(&client, get("/hub")).await, Err(PeerError::Gone)));
    let port = Port::reserve();
    directory.add("owner", port.address());
    assert!(matches!(forward(&client, get("/hub")).await, Err(PeerError::Refused(_))));
    let silent = LivePeer { address: None, stays: true, gone: CancellationToken::new() };
    directory.0.lock().insert("owner".into(), silent);
    assert!(matches!(forward(&client, get("/hub")).await, Err(PeerError::NoListener)));
}

#[tokio::test]
async fn a_node_that_accepts_and_says_nothing_is_unreachable_within_seconds() {
    let (listener, directory) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Directory::default());
    directory.add("owner", listener.local_addr().unwrap());
    let client = directory.client(&KeyRing::random());
    let begun = Instant::now();
    assert!(matches!(forward(&client, get("/hub")).await, Err(PeerError::Unreachable(_))));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_node_that_takes_too_long_to_answer_is_waited_for_no_longer() {
    let never = any(std::future::pending::<()>);
    let pair = Pair::start(Router::new().fallback(never)).await;
    for timeout in [AnswerTimeout::For, AnswerTimeout::WhileItLives] {
        let timeout = timeout(Duration::from_millis(100));
        let forwarded = Forwarded { request: get("/hub"), client: None, timeout };
        let answer = pair.client.forward(&"owner".into(), forwarded).await;
        assert!(matches!(answer, Err(PeerError::TooSlow)));
    }
}

#[tokio::test]
async fn a_response_breaks_off_when_its_node_is_gone_and_does_not_look_complete() {
    let pair = Pair::start(streaming()).await;
    let mut response = pair.forward(get("/hub")).await.unwrap().into_body();
    assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "x");
    pair.gone.cancel();
    assert!(within("the end", response.frame()).await.unwrap().is_err());
    assert!(matches!(pair.forward(get("/hub")).await, Err(PeerError::Gone)));
}

#[tokio::test]
async fn what_a_node_says_last_is_received_though_it_is_known_that_it_has_left() {
    let (saying, said) = tokio::sync::mpsc::channel(1);
    let said = Arc::new(Mutex::new(Some(said)));
    let last_words = any(move || async move {
        let said = said.lock().take().unwrap();
        let words = stream::unfold(said, |mut said| async { Some((said.recv().await?, said)) });
        Body::from_stream(words.map(Ok::<&'static str, std::io::Error>))
    });
    let pair = Pair::start(Router::new().fallback(last_words)).await;
    let response = pair.forward(get("/hub")).await.unwrap();
    pair.gone.cancel();
    assert!(matches!(pair.forward(get("/hub")).await, Err(PeerError::Gone)));
    let (text, ()) = tokio::join!(text(response), async {
        saying.send("last words").await.unwrap();
        drop(saying);
    });
    assert_eq!(text, "last words");
}

#[tokio::test]
async fn a_response_that_is_awaited_fails_when_its_node_is_gone() {
    let asked = Arc::<Notify>::default();
    let noted = asked.clone();
    let never = any(move || async move {
        noted.notify_one();
        std::future::pending::<()>().await;
    });
    let pair = Pair::start(Router::new().fallback(never)).await;
    let (answer, ()) = tokio::join!(pair.forward(get("/hub")), async {
        asked.notified().await;
        pair.gone.cancel();
    });
    assert!(matches!(answer, Err(PeerError::Lost(_))), "{:?}", answer.err());
}

#[tokio::test]
async fn a_client_that_stops_cuts_what_is_on_its_way_and_sends_no_more() {
    let pair = Pair::start(streaming()).await;
    let mut response = pair.forward(get("/hub")).await.unwrap().into_body();
    response.frame().await.unwrap().unwrap();
    within("the stop", pair.client.stop()).await;
    assert!(within("the end", response.frame()).await.unwrap().is_err());
    assert!(matches!(pair.forward(get("/hub")).await, Err(PeerError::Stopping)));
}

#[tokio::test]
async fn no_more_requests_are_on_their_way_than_may_be() {
    let (keys, directory) = (KeyRing::random(), Directory::default());
    let owner = Served::start("owner", &keys, streaming(), None).await;
    directory.add("owner", owner.address);
    let client = PeerClient::new("first".into(), keys, Arc::new(directory), None, Some(2));
    let first = forward(&client, get("/hub")).await.unwrap();
    let _second = forward(&client, get("/hub")).await.unwrap();
    assert!(matches!(forward(&client, get("/hub")).await, Err(PeerError::TooMany)));
    drop(first);
    assert_eq!(forward(&client, get("/hub")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn streams_leave_room_for_what_their_clients_send() {
    let (keys, directory) = (KeyRing::random(), Directory::default());
    let owner = Served::start("owner", &keys, streaming(), None).await;
    directory.add("owner", owner.address);
    let client = PeerClient::new("first".into(), keys, Arc::new(directory), None, Some(4));
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(forward(&client, get("/hub")).await.unwrap());
    }
    assert!(matches!(forward(&client, get("/hub")).await, Err(PeerError::TooMany)));
    let sent = Request::post("/hub").body(Body::empty()).unwrap();
    assert_eq!(forward(&client, sent).await.unwrap().status(), StatusCode::OK);
}
