//! What is served, how many at once, and how it stops.

use std::time::Duration;

use hubward_testing::{Http, eventually, within};
use hubward_transport::ServeOptions;
use tokio_util::sync::CancellationToken;

use crate::{SHORT, serve};

#[tokio::test]
async fn handlers_know_the_address_of_their_client() {
    let served = serve(ServeOptions::default()).await;
    let response = Http::exchange(served.address, "GET", "/", &[], b"").await;
    assert!(String::from_utf8(response.body).unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn a_host_that_is_not_listed_is_refused_with_400() {
    let served = serve(ServeOptions { hosts: vec!["hubs.example".into()], ..ServeOptions::default() }).await;
    for (target, host, status) in [
        ("/", "hubs.example:80", 200),
        ("/", "evil.example", 400),
        ("http://hubs.example/", "hubs.example", 200),
        ("http://hubs.example/", "evil.example", 400),
        ("http://evil.example/", "hubs.example", 400),
    ] {
        let mut http = Http::connect(served.address).await;
        http.write(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
        assert_eq!(http.response().await.status, status, "{target} {host}");
    }
}

#[tokio::test]
async fn one_connection_too_many_is_answered_503_and_a_place_comes_back() {
    let served = serve(ServeOptions { max_connections: 1, ..ServeOptions::default() }).await;
    let mut first = Http::connect(served.address).await;
    first.send("GET", "/", &[], b"").await;
    assert_eq!(first.response().await.status, 200);
    let mut second = Http::connect(served.address).await;
    assert_eq!(second.head().await.status, 503);
    drop(first);
    eventually("a place", async || {
        let mut next = Http::connect(served.address).await;
        next.send("GET", "/", &[], b"").await;
        next.head().await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_stop_answers_what_runs_cuts_off_what_does_not_end_and_accepts_nothing() {
    let shutdown = CancellationToken::new();
    let options =
        ServeOptions { shutdown: shutdown.clone(), shutdown_timeout: SHORT, ..ServeOptions::default() };
    let mut served = serve(options).await;
    let mut posting = Http::connect(served.address).await;
    posting.write(b"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na").await;
    let mut endless = Http::connect(served.address).await;
    endless.send("GET", "/never", &[], b"").await;
    let mut idle = Http::connect(served.address).await;
    idle.send("GET", "/", &[], b"").await;
    assert_eq!(idle.response().await.status, 200);
    shutdown.cancel();
    posting.write(b"b").await;
    assert_eq!(posting.response().await.body, b"ab");
    idle.closed().await;
    endless.closed().await;
    within("the end of serving", served.serving.join_next()).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn timeouts_without_end_serve() {
    let ServeOptions { head_bytes, max_connections, hosts, shutdown, .. } = ServeOptions::default();
    let never = Duration::MAX;
    // Without the rest of the defaults, so that a new option is not forgotten.
    let served = serve(ServeOptions {
        head_timeout: never,
        body_timeout: never,
        idle_timeout: never,
        write_timeout: never,
        unacknowledged_timeout: never,
        shutdown_timeout: never,
        head_bytes,
        max_connections,
        hosts,
        shutdown,
    })
    .await;
    let mut http = Http::connect(served.address).await;
    for _ in 0..2 {
        http.send("POST", "/post", &[], b"body").await;
        assert_eq!(http.response().await.body, b"body");
    }
}

#[tokio::test]
async fn options_that_serve_nobody_are_refused() {
    for options in [
        ServeOptions { max_connections: 0, ..ServeOptions::default() },
        ServeOptions { head_bytes: 100, ..ServeOptions::default() },
        ServeOptions { head_timeout: Duration::ZERO, ..ServeOptions::default() },
        ServeOptions { hosts: vec!["hubs.example:80".into()], ..ServeOptions::default() },
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(hubward_transport::serve(listener, axum::Router::new(), options).await.is_err());
    }
}
