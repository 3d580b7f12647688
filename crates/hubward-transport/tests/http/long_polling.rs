//! Long polling: polls, their timeouts, and the end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use hubward_testing::{Http, eventually};
use hubward_transport::{Received, Transport, TransportEnd};

use crate::support::{Server, binary, close, options, receive, unchanged, write};

async fn poll(server: &Server, target: &str) -> Http {
    let mut client = Http::connect(server.address).await;
    client.send("GET", target, &[], b"").await;
    client
}

/// Begins a poll and waits until the server has it: that ends an older one at once.
async fn settled(server: &Server, target: &str, mut older: Http) -> Http {
    let newer = poll(server, target).await;
    assert_eq!(older.response().await.row(), (204, "text/plain", ""));
    newer
}

#[tokio::test]
async fn the_first_poll_returns_at_once_and_the_next_brings_data() {
    let server = Server::echo(unchanged).await;
    let target = server.negotiated().await;
    let first = server.get(&target).await;
    assert_eq!(first.row(), (200, "application/octet-stream", ""));
    assert_eq!(first.header("content-length"), Some("0"));
    assert_eq!(first.header("cache-control"), Some("no-cache, no-store"));
    assert_eq!(first.header("pragma"), Some("no-cache"));
    assert_eq!(first.header("expires"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    let mut pending = poll(&server, &target).await;
    assert_eq!(server.post(&target, b"hello").await.status, 200);
    let response = pending.response().await;
    assert_eq!(response.row(), (200, "application/octet-stream", "hello"));
    assert_eq!(response.header("content-length"), Some("5"));
}

#[tokio::test]
async fn a_newer_poll_takes_the_place_of_an_older() {
    let server = Server::echo(unchanged).await;
    let target = server.negotiated().await;
    server.get(&target).await;
    let older = poll(&server, &target).await;
    let mut newer = settled(&server, &target, older).await;
    server.post(&target, b"for the newer").await;
    assert_eq!(newer.response().await.text(), "for the newer");
}

#[tokio::test]
async fn what_was_written_between_polls_comes_with_the_next_whole() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    server.get(&target).await;
    let mut connection = connections.recv().await.unwrap();
    assert_eq!(connection.transport, Transport::LongPolling);
    assert!(connection.transport.carries_binary() && connection.transport.keeps_itself_alive());
    let mut frames = VecDeque::from([binary(b"one"), binary(b"\xff")]);
    write(&mut connection.pipe, &mut frames).await.unwrap();
    assert_eq!(server.get(&target).await.body, b"one\xff");
}

#[tokio::test]
async fn a_poll_that_brings_nothing_ends_empty() {
    let server = Server::echo(options(|options| options.poll_timeout = Duration::from_millis(10))).await;
    let target = server.negotiated().await;
    server.get(&target).await;
    assert_eq!(server.get(&target).await.row(), (200, "text/plain", ""));
    server.post(&target, b"still there").await;
    let mut echoed = Vec::new();
    while echoed.is_empty() {
        echoed = server.get(&target).await.body;
    }
    assert_eq!(echoed, b"still there");
}

#[tokio::test]
async fn delete_closes_the_connection_and_the_pending_poll_gets_what_comes_last() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    server.get(&target).await;
    let mut connection = connections.recv().await.unwrap();
    let older = poll(&server, &target).await;
    let mut pending = settled(&server, &target, older).await;
    assert_eq!(server.request("DELETE", &target, &[], b"").await.row(), (202, "text/plain", ""));
    let mut input = Vec::new();
    let received = receive(&mut connection.pipe, &mut input).await;
    assert_eq!(received, Received::End(TransportEnd::Closed { code: None }));
    assert_eq!(server.get(&target).await.text(), "No Connection with that ID");
    let mut frames = VecDeque::from([binary(b"close")]);
    write(&mut connection.pipe, &mut frames).await.unwrap();
    assert_eq!(pending.response().await.text(), "close");
    close(&mut connection.pipe).await;
    drop(connection);
    assert_eq!(server.request("DELETE", &target, &[], b"").await.status, 404);
}

#[tokio::test]
async fn a_poll_that_delete_finds_waiting_ends_with_its_connection() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    server.get(&target).await;
    let connection = connections.recv().await.unwrap();
    let older = poll(&server, &target).await;
    let mut pending = settled(&server, &target, older).await;
    assert_eq!(server.request("DELETE", &target, &[], b"").await.status, 202);
    drop(connection);
    assert_eq!(pending.response().await.status, 204);
}

#[tokio::test]
async fn closing_answers_the_next_poll_with_what_is_left_and_then_with_204() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    server.get(&target).await;
    let mut connection = connections.recv().await.unwrap();
    let mut frames = VecDeque::from([binary(b"last words")]);
    write(&mut connection.pipe, &mut frames).await.unwrap();
    let closed = async { close(&mut connection.pipe).await };
    let polls = async {
        assert_eq!(server.get(&target).await.text(), "last words");
        assert_eq!(server.get(&target).await.row(), (204, "text/plain", ""));
    };
    tokio::join!(closed, polls);
    drop(connection);
    assert_eq!(server.get(&target).await.row(), (404, "text/plain", "No Connection with that ID"));
}

#[tokio::test]
async fn a_client_that_does_not_poll_holds_its_owner_back() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    server.get(&target).await;
    let mut connection = connections.recv().await.unwrap();
    let mut frames: VecDeque<_> = std::iter::repeat_n(binary(&[7; 100]), 1_000).collect();
    assert!(poll_fn(|cx| Poll::Ready(connection.pipe.poll_write(cx, &mut frames).is_pending())).await);
    let written = async { write(&mut connection.pipe, &mut frames).await };
    let polls = async {
        let mut received = 0;
        while received < 100_000 {
            received += server.get(&target).await.body.len();
        }
    };
    tokio::join!(written, polls).0.unwrap();
}

#[tokio::test]
async fn a_client_that_opens_connections_and_leaves_them_keeps_a_bounded_number() {
    const MOST: usize = 8;
    let server = Server::echo(options(|options| options.absent_connections = MOST)).await;
    let faithful = server.negotiated().await;
    server.get(&faithful).await;
    let mut pending = poll(&server, &faithful).await;
    let mut left = Vec::new();
    eventually("the longest absent to be lost", async || {
        let target = server.negotiated().await;
        assert_eq!(server.get(&target).await.status, 200);
        left.push(target);
        // Long before its disconnect timeout.
        server.post(&left[0], b"x").await.status == 404
    })
    .await;
    assert_eq!(server.post(&faithful, b"still there").await.status, 200);
    assert_eq!(pending.response().await.text(), "still there");
}
