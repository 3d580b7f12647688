//! Server-sent events: headers, framing, and how they end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use hubward_testing::Http;
use hubward_transport::{PipeError, Received, TransportEnd};

use crate::support::{Server, close, receive, text, unchanged, write};

async fn open(server: &Server, target: &str) -> Http {
    let mut client = Http::connect(server.address).await;
    client.send("GET", target, &[("Accept", "application/json, text/event-stream")], b"").await;
    let head = client.head().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-cache,no-store"));
    assert_eq!(head.header("pragma"), Some("no-cache"));
    assert_eq!(head.header("content-encoding"), Some("identity"));
    assert_eq!(client.chunk().await.unwrap(), b":\r\n");
    client
}

#[tokio::test]
async fn what_is_posted_comes_back_as_events() {
    let server = Server::echo(unchanged).await;
    let target = server.negotiated().await;
    let mut client = open(&server, &target).await;
    assert_eq!(server.post(&target, b"one").await.row(), (200, "text/plain", ""));
    assert_eq!(client.chunk().await.unwrap(), b"data: one\r\n\r\n");
    server.post(&target, b"a\nb\r\nc").await;
    assert_eq!(client.chunk().await.unwrap(), b"data: a\r\ndata: b\r\ndata: c\r\n\r\n");
}

#[tokio::test]
async fn what_waits_goes_out_in_one_write_and_each_frame_is_an_event() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    let mut client = open(&server, &target).await;
    let mut connection = connections.recv().await.unwrap();
    assert!(!connection.transport.carries_binary());
    let mut frames = VecDeque::from([text(b"one\x1e"), text(b"two\x1e")]);
    write(&mut connection.pipe, &mut frames).await.unwrap();
    assert_eq!(client.chunk().await.unwrap(), b"data: one\x1e\r\n\r\ndata: two\x1e\r\n\r\n");
    let closed = async { close(&mut connection.pipe).await };
    let ((), end) = tokio::join!(closed, client.chunk());
    assert_eq!(end, None, "the body ends cleanly");
    let mut frames = VecDeque::from([text(b"late")]);
    let late = poll_fn(|cx| connection.pipe.poll_write(cx, &mut frames)).await;
    assert_eq!(late, Err(PipeError::Closed));
}

#[tokio::test]
async fn a_client_that_goes_away_has_closed_its_connection() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    let client = open(&server, &target).await;
    let mut connection = connections.recv().await.unwrap();
    drop(client);
    let mut input = Vec::new();
    let received = receive(&mut connection.pipe, &mut input).await;
    assert_eq!(received, Received::End(TransportEnd::Closed { code: None }));
    assert_eq!(server.post(&target, b"x").await.row(), (404, "text/plain", ""));
    drop(connection);
    assert_eq!(server.post(&target, b"x").await.text(), "No Connection with that ID");
}

#[tokio::test]
async fn an_owner_that_drops_its_pipe_ends_the_stream() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let mut client = open(&server, &server.negotiated().await).await;
    drop(connections.recv().await.unwrap());
    assert_eq!(client.chunk().await, None);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_its_owner_back_and_is_a_slow_consumer() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let _client = open(&server, &server.negotiated().await).await;
    let mut connection = connections.recv().await.unwrap();
    let pipe = &mut connection.pipe;
    let mut frames = VecDeque::from(vec![text(&vec![b'x'; 1 << 20]); 64]);
    // The HTTP server and the kernel take some: the timeout runs once they take no more.
    let error = poll_fn(|cx| match pipe.poll_write(cx, &mut frames) {
        Poll::Ready(written) => panic!("all was written: {written:?}"),
        Poll::Pending => {
            pipe.handle_deadline(pipe.deadline().unwrap()).map_or_else(Poll::Ready, |()| Poll::Pending)
        }
    });
    assert_eq!(error.await, PipeError::SendTimeout);
    assert!(!frames.is_empty(), "what a client does not read is not taken without bound");
}
