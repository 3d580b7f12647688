//! Slow lines: a client that reads as fast as its line carries, and acknowledges, keeps its connection.

use std::net::SocketAddr;
use std::time::Duration;

use hubward_tests::Connect;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::node::node;
use crate::sockets::socket;
use crate::waits::at_last;
use crate::wire::{Wire, call, text, watch};

/// What the line carries in a second.
const LINE_BYTES: usize = 400_000;

/// How often it carries a part of that.
const PARTS: usize = 20;

/// What the client is sent, in messages of different sizes: more than a quarter of a mailbox. One acknowledgement a second
/// lets 100,000 bytes through, so that it takes more than twice as long as a client may acknowledge nothing.
const SENT: &[(usize, usize)] = &[(12, 100_000), (120, 10_000), (1_200, 1_000)];

/// A line to `server` that is slow towards the client, as a mobile network's is.
async fn line(server: SocketAddr) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            open.spawn(carry(client, server));
        }
    });
    (address, tasks)
}

async fn carry(client: TcpStream, server: SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let (mut from_server, mut to_server) = socket.connect(server).await.unwrap().into_split();
    client.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let up = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / PARTS as u32);
        let mut part = vec![0; LINE_BYTES / PARTS];
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut carried = 0;
        while let Ok(length @ 1..) = from_server.read(&mut part).await {
            if to_client.write_all(&part[..length]).await.is_err() {
                break;
            }
            carried += length;
            while carried >= part.len() {
                carried -= part.len();
                ticks.tick().await;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}

/// Receives so many messages, and acknowledges once in a second, as the official clients do.
async fn receive(wire: &mut Wire, wanted: usize) {
    let Wire { reading, writing, .. } = wire;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let (mut received, mut acknowledged) = (0, 0);
    while received < wanted {
        tokio::select! {
            messages = at_last("a message", reading.messages()) => {
                let messages = messages.unwrap_or_else(|| panic!("it was closed after {received} messages"));
                for message in messages.iter().filter(|message| message["type"] != 6) {
                    assert_eq!(message["arguments"][0], received, "after {received} messages: {message}");
                    received += 1;
                }
            }
            _ = ticks.tick() => {
                if received > acknowledged {
                    acknowledged = received;
                    let message = text(&json!({ "type": 8, "sequenceId": received }));
                    writing.write_all(&message).await.unwrap();
                }
            }
        }
    }
}

#[tokio::test]
async fn a_stateful_client_on_a_slow_line_receives_all_that_it_acknowledges() {
    let node = node();
    let (address, _line) = line(node.address()).await;
    let mut receiving = JoinSet::new();
    for (messages, bytes) in SENT {
        let mut wire = Wire::open_stateful(&Connect::new(address, "/hub")).await;
        let mut watch = watch(&node, "/hub").await;
        watch.result("Flood", json!([wire.id, messages, bytes])).await;
        receiving.spawn(async move { receive(&mut wire, *messages).await });
    }
    receiving.join_all().await;
}

#[tokio::test]
async fn a_stateful_client_on_a_slow_line_receives_its_own_answers() {
    /// 3 MB of answers.
    const CALLS: usize = 30;
    let node = node();
    let (address, _line) = line(node.address()).await;
    let mut wire = Wire::open_stateful(&Connect::new(address, "/hub")).await;
    for id in 0..CALLS {
        wire.write(&text(&call(&id.to_string(), "Large", &json!([100_000])))).await;
    }
    let mut received = 0;
    while received < CALLS {
        let messages = at_last("an answer", wire.reading.messages()).await;
        for message in messages.unwrap_or_else(|| panic!("it was closed after {received} answers")) {
            assert_ne!(message["type"], 7, "after {received} answers: {message}");
            if message["type"] == 3 {
                assert_eq!(message["invocationId"], received.to_string());
                received += 1;
                wire.send(&json!({ "type": 8, "sequenceId": received })).await;
            }
        }
    }
}

#[tokio::test]
async fn a_client_on_a_slow_line_receives_all_without_acknowledging_where_it_cannot_resume() {
    let node = node();
    let (address, _line) = line(node.address()).await;
    let mut wire = Wire::open(&Connect::new(address, "/hub")).await;
    let mut watch = watch(&node, "/hub").await;
    watch.result("Flood", json!([wire.id, 30, 100_000])).await;
    receive_all(&mut wire, 30).await;
}

/// The kernel tells of room only when half of what it holds is sent, which takes such a client longer than the two seconds
/// that a write may take here without progress.
#[tokio::test]
async fn a_client_that_reads_little_but_steadily_makes_progress_whatever_the_kernel_buffers() {
    let node = node();
    let mut wire = Wire::open(&node.client("/quick").receive_buffer_bytes(4096)).await;
    let mut watch = watch(&node, "/quick").await;
    watch.result("Flood", json!([wire.id, 120, 50_000])).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..120 {
        ticks.tick().await;
        assert_ne!(at_last("some bytes", wire.reading.trickle(4096)).await, 0, "it was closed");
    }
    assert_eq!(watch.result("Ended", json!([])).await, 0);
}

/// What is newest would wait behind what the kernel holds, and no limit counts that.
#[tokio::test]
async fn the_kernel_holds_little_for_a_client_that_reads_slowly() {
    /// What may be unsent, a write that came when there was room for it, and what the client's kernel has room for.
    const MAY_HOLD: usize = 384 * 1024;
    let node = node();
    let mut wire = Wire::open(&node.client("/hub").receive_buffer_bytes(4096)).await;
    let mut watch = watch(&node, "/hub").await;
    watch.result("Flood", json!([wire.id, 30, 100_000])).await;
    let (mut read, mut most) = (0, 0);
    while read < 1_000_000 {
        let length = at_last("some bytes", wire.reading.trickle(16 * 1024)).await;
        assert_ne!(length, 0, "it was closed");
        read += length;
        let held =
            socket(node.address(), wire.reading.local_addr()).map_or(0, |socket| socket.unacknowledged);
        most = most.max(held);
    }
    assert!(most <= MAY_HOLD, "the kernel held {most} bytes");
}

async fn receive_all(wire: &mut Wire, wanted: usize) {
    let mut received = 0;
    while received < wanted {
        let messages = at_last("a message", wire.reading.messages()).await;
        let messages = messages.unwrap_or_else(|| panic!("it was closed after {received} messages"));
        received += messages.iter().filter(|message| message["type"] == 1).count();
    }
}
