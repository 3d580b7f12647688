//! Server-sent events: headers, framing, and how they end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hubward_proto::Frame;
use hubward_transport::{PipeError, Received, TransportEnd};

use crate::support::{Client, Server, options, unchanged, within};

async fn open(server: &Server, target: &str) -> Client {
    let mut client = Client::connect(server.address).await;
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

fn text(payload: &str) -> Frame {
    let bytes = [&[0x81, payload.len() as u8], payload.as_bytes()].concat();
    Frame::from_websocket(Bytes::from(bytes)).unwrap()
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
    assert!(!connection.pipe.carries_binary());
    let mut frames = VecDeque::from([text("one\x1e"), text("two\x1e")]);
    within(poll_fn(|cx| connection.pipe.poll_write(cx, &mut frames))).await.unwrap();
    assert_eq!(client.chunk().await.unwrap(), b"data: one\x1e\r\n\r\ndata: two\x1e\r\n\r\n");
    let close = async { within(poll_fn(|cx| connection.pipe.poll_close(cx, 1000))).await };
    let ((), end) = tokio::join!(close, client.chunk());
    assert_eq!(end, None, "the body ends in order");
    let mut frames = VecDeque::from([text("late")]);
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
    let received = within(poll_fn(|cx| connection.pipe.poll_receive(cx, &mut input))).await;
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
async fn a_client_that_does_not_read_stops_its_owner_and_runs_into_the_send_timeout() {
    let timeout = Duration::from_millis(50);
    let (server, mut connections) = Server::taken(options(|options| options.send_timeout = timeout)).await;
    let _client = open(&server, &server.negotiated().await).await;
    let mut connection = connections.recv().await.unwrap();
    let mut written = 0;
    let mut frames = VecDeque::new();
    let error = within(poll_fn(|cx| {
        loop {
            if frames.is_empty() && written < 1 << 20 {
                frames.extend(std::iter::repeat_n(text(&"x".repeat(100)), 1_000));
                written += 1_000;
            }
            match connection.pipe.poll_write(cx, &mut frames) {
                Poll::Ready(result) => result.unwrap(),
                Poll::Pending => break,
            }
        }
        cx.waker().wake_by_ref();
        match connection.pipe.handle_deadline(tokio::time::Instant::now()) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(error),
        }
    }));
    assert_eq!(error.await, PipeError::SendTimeout);
    assert!(written < 1 << 20, "what a client does not read is not taken without bound");
}
