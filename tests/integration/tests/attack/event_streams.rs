//! Responses that are not read: their sockets end, not only their connections; those that are read slowly do not. And what
//! a stream of events is to a browser.

use std::time::Duration;

use hubward_tests::NodeProcess;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::node::node;
use crate::posts::Posting;
use crate::sockets::socket;
use crate::waits::{at_last, until};
use crate::wire::{call, record, watch};

/// How many messages of how many bytes are sent: far more than the kernel keeps.
const SENT: (usize, usize) = (300, 30_000);

/// Whether the kernel still has a socket of the node towards this one, in any state.
fn is_there(node: &NodeProcess, client: &TcpStream) -> bool {
    socket(node.address(), client.local_addr().unwrap()).is_some_and(|socket| !socket.is_ended)
}

/// Sends much to a connection, and waits until it and its socket have ended.
async fn check(node: &NodeProcess, posting: &Posting, path: &str) {
    let mut watch = watch(node, path).await;
    for _ in 0..SENT.0 {
        watch.result("ToAll", json!(["x".repeat(SENT.1)])).await;
    }
    until("the end of the connection", async || watch.result("Ended", json!([])).await == 1).await;
    until("the end of its socket", async || !is_there(node, &posting.get)).await;
}

#[tokio::test]
async fn a_stream_of_events_that_is_not_read_ends_on_the_socket_too() {
    let node = node();
    let posting = Posting::events(node.address(), "/quick").await;
    check(&node, &posting, "/quick").await;
}

#[tokio::test]
async fn the_answer_to_a_poll_that_is_not_read_ends_on_the_socket_too() {
    let node = node();
    let mut posting = Posting::polls(node.address(), "/quick").await;
    posting.poll().await;
    check(&node, &posting, "/quick").await;
}

#[tokio::test]
async fn a_stream_of_events_that_is_read_in_a_trickle_ends_on_the_socket_too() {
    let node = node();
    let mut posting = Posting::events(node.address(), "/quick").await;
    let mut watch = watch(&node, "/quick").await;
    for _ in 0..SENT.0 {
        watch.result("ToAll", json!(["x".repeat(SENT.1)])).await;
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(300));
    until("the end of its socket", async || {
        ticks.tick().await;
        let _ = posting.get.read(&mut [0; 10]).await;
        !is_there(&node, &posting.get)
    })
    .await;
}

/// Reads 80 KB in a second, for three times as long as a client of the quick hub may take nothing.
async fn read_steadily(socket: &mut TcpStream) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..120 {
        ticks.tick().await;
        let length = at_last("some bytes", socket.read(&mut [0; 4096])).await.unwrap();
        assert_ne!(length, 0, "it was closed");
    }
}

#[tokio::test]
async fn a_stream_of_events_that_is_read_little_but_steadily_makes_progress_whatever_is_buffered() {
    let node = node();
    let mut posting = Posting::events(node.address(), "/quick").await;
    let mut watch = watch(&node, "/quick").await;
    watch.result("FloodAll", json!([80, 50_000])).await;
    read_steadily(&mut posting.get).await;
    assert_eq!(watch.result("Ended", json!([])).await, 0);
}

#[tokio::test]
async fn the_answer_to_a_poll_that_is_read_little_but_steadily_arrives() {
    /// More than the kernel keeps.
    const LENGTH: usize = 8_000_000;
    let node = node();
    let mut posting = Posting::polls(node.address(), "/quick").await;
    posting.poll().await;
    posting.post(&record(&call("1", "Large", &json!([LENGTH])))).await;
    read_steadily(&mut posting.get).await;
    let mut watch = watch(&node, "/quick").await;
    assert_eq!(watch.result("Ended", json!([])).await, 0);
    let answer = posting.read_until(b"\"}\x1e").await;
    assert!(answer.len() > LENGTH - 120 * 4096);
    posting.poll().await;
    assert_eq!(posting.post(&record(&call("2", "Length", &json!(["four"])))).await, 200);
    posting.read_until(b"\"result\":4}\x1e").await;
}

#[tokio::test]
async fn no_text_that_is_relayed_makes_an_event_of_its_own() {
    for end in ["\r", "\n", "\r\n", "\r\r", "\n\r", "\r\n\r"] {
        let node = node();
        let mut posting = Posting::raw_events(node.address(), "/raw").await;
        let relayed = format!("hello{end}event: login{end}id: 7{end}data: evil{end}{end}data: more{end}");
        posting.post(relayed.as_bytes()).await;
        posting.post(b"THE-LAST").await;
        let mut stream = String::from_utf8(posting.read_until(b"THE-LAST\r\n").await).unwrap();
        stream = stream.replace("\r\n", "\n").replace('\r', "\n");
        for line in stream.lines().skip_while(|line| !line.starts_with("data: hello")) {
            let ours = line.is_empty() || line.starts_with("data:") || line.starts_with(':');
            // The ends and lengths of chunks stand between events.
            let chunk = usize::from_str_radix(line, 16).is_ok();
            assert!(ours || chunk, "a browser reads {line:?} as a field after {end:?}: {stream:?}");
            assert_ne!(line, "data: evil", "the relayed text is not a line of the stream: {stream:?}");
        }
    }
}
