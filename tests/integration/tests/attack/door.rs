//! The door: what comes before a connection exists, and sockets that stall, are half closed, or are reset at any step.

use std::net::SocketAddr;
use std::time::Duration;

use hubward_tests::frame::{self, masked};
use hubward_tests::{Connect, HANDSHAKE, Http, NodeProcess, UPGRADE, header_lines, request};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::node::node;
use crate::waits::{assert_held, at_last, until};
use crate::wire::{Wire, call, text, watch};

/// How often a trickle has its next byte.
const TRICKLE: Duration = Duration::from_millis(300);

async fn connect(address: SocketAddr) -> TcpStream {
    at_last("a TCP connection", TcpStream::connect(address)).await.unwrap()
}

/// Reads until the server closes or resets.
async fn closed(mut socket: TcpStream) {
    let mut part = [0; 4096];
    at_last("the end of the socket", async { while let Ok(1..) = socket.read(&mut part).await {} }).await;
}

/// Sends the beginning, then a byte now and then, until the server closes or resets.
async fn trickle(what: &str, address: SocketAddr, beginning: Vec<u8>, byte: u8) {
    let mut socket = connect(address).await;
    socket.write_all(&beginning).await.unwrap();
    let (mut reading, mut writing) = socket.into_split();
    let write = async {
        let mut ticks = tokio::time::interval(TRICKLE);
        loop {
            ticks.tick().await;
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    };
    let mut part = [0; 4096];
    let read = async { while let Ok(1..) = reading.read(&mut part).await {} };
    at_last(what, async {
        tokio::select! { () = write => {}, () = read => {} }
    })
    .await;
}

#[tokio::test]
async fn a_socket_whose_request_never_is_whole_is_closed() {
    let node = node();
    let address = node.address();
    let mut tasks = JoinSet::new();
    let negotiate = request("POST", "/hub/negotiate?negotiateVersion=1", "", b"");
    let half = &b"GET /hub HTTP/1.1\r\nHost: localh"[..];
    for beginning in [b"", half, &[negotiate.as_slice(), half].concat(), &negotiate] {
        let beginning = beginning.to_vec();
        tasks.spawn(async move {
            let mut socket = connect(address).await;
            socket.write_all(&beginning).await.unwrap();
            closed(socket).await;
        });
    }
    let body = b"POST /hub/negotiate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n";
    let chunked = b"POST /hub/negotiate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;";
    for beginning in [&b"GET /h"[..], half, body, chunked] {
        let what = String::from_utf8_lossy(beginning).into_owned();
        let beginning = beginning.to_vec();
        tasks.spawn(async move { trickle(&what, address, beginning, b'x').await });
    }
    at_last("all sockets to be closed", tasks.join_all()).await;
    until("the node to have no socket of theirs", async || node.sockets() <= IDLE_SOCKETS).await;
}

/// Sockets of a node that nobody is connected to: it listens, and the runtime has a pair.
const IDLE_SOCKETS: usize = 4;

#[tokio::test]
async fn a_body_that_trickles_into_a_connection_ends() {
    let node = node();
    let posting = crate::posts::Posting::polls(node.address(), "/hub").await;
    let socket = posting.raw_post(10_000, b"{").await;
    let (mut reading, mut writing) = socket.into_split();
    let write = async {
        let mut ticks = tokio::time::interval(TRICKLE);
        while writing.write_all(b"x").await.is_ok() {
            ticks.tick().await;
        }
    };
    let mut part = [0; 4096];
    let read = async { while let Ok(1..) = reading.read(&mut part).await {} };
    at_last("the end of the POST", async {
        tokio::select! { () = write => {}, () = read => {} }
    })
    .await;
}

/// Writes as much of a head as is taken, on many sockets, and checks what the node holds.
async fn endless(what: &str, node: &NodeProcess, head: Vec<u8>) {
    const SOCKETS: usize = 150;
    let before = node.forget_peak();
    let mut tasks = JoinSet::new();
    for _ in 0..SOCKETS {
        let (address, head) = (node.address(), head.clone());
        tasks.spawn(async move {
            let (mut reading, mut writing) = connect(address).await.into_split();
            let mut part = [0; 4096];
            let read = async { while let Ok(1..) = reading.read(&mut part).await {} };
            tokio::join!(async { drop(writing.write_all(&head).await) }, read);
        });
    }
    at_last("all sockets to be closed", tasks.join_all()).await;
    assert_held(what, node.peak_bytes(), before, SOCKETS * (100 << 10));
}

#[tokio::test]
async fn a_head_without_end_is_refused_before_it_is_held() {
    let node = node();
    let start = b"GET /hub HTTP/1.1\r\nHost: localhost\r\n".to_vec();
    let one = [&start, &b"X-Endless: "[..], &vec![b'x'; 390_000]].concat();
    endless("one endless header", &node, one).await;
    let many = [start.clone(), b"X-Many: 1\r\n".repeat(36_000)].concat();
    endless("endless headers", &node, many).await;
    let target = [&b"GET /hub?"[..], &vec![b'x'; 390_000]].concat();
    endless("an endless target", &node, target).await;
    let body = b"POST /hub/negotiate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;";
    let extension = [&body[..], &vec![b'x'; 390_000]].concat();
    endless("an endless extension of a chunk", &node, extension).await;
}

#[tokio::test]
async fn requests_whose_responses_are_not_read_end_with_their_socket() {
    let node = node();
    let before = node.forget_peak();
    let mut socket = connect(node.address()).await;
    let requests = request("POST", "/hub/negotiate?negotiateVersion=1", "", b"").repeat(1_000);
    at_last("the socket's end", async { while socket.write_all(&requests).await.is_ok() {} }).await;
    assert_held("responses that nobody reads", node.peak_bytes(), before, 8 << 20);
}

/// The steps of a conversation over a WebSocket, as bytes.
async fn steps(address: SocketAddr, path: &str) -> Vec<Vec<u8>> {
    let token = Connect::new(address, path).connection_token().await;
    let upgrade = request("GET", &format!("{path}?id={token}"), &header_lines(&UPGRADE), b"");
    let handshake = masked(frame::TEXT, HANDSHAKE);
    let join = text(&call("1", "Join", &json!(["g"])));
    let large = text(&call("2", "Large", &json!([100_000])));
    let ask = text(&call("3", "AskMe", &json!([])));
    let half = handshake[..handshake.len() / 2].to_vec();
    vec![
        upgrade[..20].to_vec(),
        upgrade[20..].to_vec(),
        half,
        handshake[handshake.len() / 2..].to_vec(),
        join,
        large,
        ask,
    ]
}

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Reset,
    Close,
    HalfClose,
    CloseFrame,
}

/// Opens connections that leave after each step, and checks that none of them stays.
async fn leave_after_each_step(leaving: Leaving) {
    let node = node();
    let mut watch = watch(&node, "/quick").await;
    let before = node.sockets();
    let mut kept = Vec::new();
    for end in 1..=7 {
        for _ in 0..3 {
            let mut socket = connect(node.address()).await;
            socket.set_nodelay(true).unwrap();
            for step in steps(node.address(), "/quick").await.into_iter().take(end) {
                socket.write_all(&step).await.unwrap();
                watch.result("Echo", json!(["x"])).await;
            }
            match leaving {
                Leaving::Reset => socket.set_zero_linger().unwrap(),
                Leaving::Close => {}
                Leaving::HalfClose => {
                    socket.shutdown().await.unwrap();
                    kept.push(socket);
                }
                Leaving::CloseFrame => {
                    socket.write_all(&masked(frame::CLOSE, &1000_u16.to_be_bytes())).await.unwrap();
                    kept.push(socket);
                }
            }
        }
    }
    until(&format!("the node to have no socket after {leaving:?}"), async || node.sockets() <= before).await;
    until("no members", async || watch.result("Members", json!(["g"])).await == 0).await;
}

#[tokio::test]
async fn a_socket_that_is_reset_at_any_step_leaves_nothing() {
    leave_after_each_step(Leaving::Reset).await;
}

#[tokio::test]
async fn a_socket_that_is_closed_at_any_step_leaves_nothing() {
    leave_after_each_step(Leaving::Close).await;
}

#[tokio::test]
async fn a_socket_that_is_half_closed_at_any_step_leaves_nothing() {
    leave_after_each_step(Leaving::HalfClose).await;
}

#[tokio::test]
async fn a_socket_that_stalls_after_a_close_frame_leaves_nothing() {
    leave_after_each_step(Leaving::CloseFrame).await;
}

#[tokio::test]
async fn a_frame_that_trickles_is_no_sign_of_life() {
    let node = node();
    let mut wire = Wire::open(&node.client("/alive")).await;
    // A client's silence counts from its first ping on.
    wire.send(&json!({ "type": 6 })).await;
    let frame = text(&call("1", "Length", &json!(["x".repeat(10_000)])));
    let mut ticks = tokio::time::interval(TRICKLE);
    let end = async {
        for byte in frame {
            ticks.tick().await;
            if wire.writing.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    };
    let reading = &mut wire.reading;
    at_last("the client timeout", async {
        tokio::select! { () = end => {}, _ = reading.ended() => {} }
    })
    .await;
}

#[tokio::test]
async fn pings_of_a_web_socket_whose_pongs_are_not_read_are_bounded() {
    let node = node();
    let before = node.forget_peak();
    let client = node.client("/quick").receive_buffer_bytes(4096).open_web_socket().await;
    let mut wire = Wire::over(client.into_http(), String::new());
    wire.write(&masked(frame::TEXT, HANDSHAKE)).await;
    let pings = masked(frame::PING, &[b'x'; 125]).repeat(1_000);
    let write = async {
        for _ in 0..500 {
            if wire.writing.write_all(&pings).await.is_err() {
                return;
            }
        }
    };
    // Made to wait, closed, or answered with the last pong only: all is well where it is bounded.
    let _ = tokio::time::timeout(Duration::from_secs(20), write).await;
    assert_held("pongs that nobody reads", node.peak_bytes(), before, 12 << 20);
    let mut other = Http::connect(node.address()).await;
    other.send("POST", "/hub/negotiate?negotiateVersion=1", &[], b"").await;
    assert_eq!(other.response().await.status, 200);
}
