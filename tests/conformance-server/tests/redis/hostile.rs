//! Redis that others use as well: they publish what is no envelope on the nodes' channels, or much on their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hubward_testing::redis::RedisServer;
use hubward_testing::within;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};

use crate::nodes::{call, receives, text, three_nodes};

/// What the rest of a test's traffic is beside: 50 MB in each second.
const FOREIGN_BYTES_PER_SECOND: usize = 50_000_000;
const FOREIGN_MESSAGE_BYTES: usize = 100_000;

/// A command in Redis's protocol.
pub(crate) fn command(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", parts.len()).into_bytes();
    for part in parts {
        bytes.extend(format!("${}\r\n", part.len()).into_bytes());
        bytes.extend_from_slice(part);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Subscribes to a channel, lets `send` cause a message there, and returns its payload.
async fn captured(redis: &RedisServer, channel: &str, send: impl Future<Output = ()>) -> Vec<u8> {
    let mut socket = TcpStream::connect(redis.address()).await.unwrap();
    socket.write_all(&command(&[b"SUBSCRIBE", channel.as_bytes()])).await.unwrap();
    let mut received = Vec::new();
    within("the subscription", async {
        while !received.ends_with(b":1\r\n") {
            socket.read_buf(&mut received).await.unwrap();
        }
    })
    .await;
    received.clear();
    send.await;
    // *3 $7 message $CHANNEL … $LENGTH payload
    let head = format!("*3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n$", channel.len());
    within("the message", async {
        loop {
            if let Some(rest) = received.strip_prefix(head.as_bytes())
                && let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n")
            {
                let length: usize = std::str::from_utf8(&rest[..end]).unwrap().parse().unwrap();
                if rest.len() >= end + 2 + length {
                    return rest[end + 2..][..length].to_vec();
                }
            }
            socket.read_buf(&mut received).await.unwrap();
        }
    })
    .await
}

/// What is no envelope: parts and extensions of a real one, noise, nesting, and lengths of what does not follow.
fn poison(envelope: &[u8]) -> Vec<Vec<u8>> {
    let mut poison: Vec<Vec<u8>> = (0..envelope.len()).map(|length| envelope[..length].to_vec()).collect();
    poison.push([envelope, b"x"].concat());
    // The version is the second of the outer array's bytes.
    poison.push([&envelope[..1], &[0x7f], &envelope[2..]].concat());
    poison.push(vec![0x91; 100_000]);
    poison.push(vec![0xdf, 0xff, 0xff, 0xff, 0xff]);
    poison.push(vec![0xff; 2_000_000]);
    let outer = [&b"\x93\x01\xc4\x08foreign!\xc6"[..], &100_000_u32.to_be_bytes()].concat();
    poison.push([&outer[..], &[0x91; 100_000]].concat());
    poison.push([&outer[..], &[0xff; 100_000]].concat());
    poison.push([&outer[..], &[0xdd, 0xff, 0xff, 0xff, 0xff], &[0xc0; 99_995]].concat());
    poison
}

#[tokio::test]
async fn a_poisoned_envelope_is_ignored_and_logged_once() {
    let (redis, mut nodes) = three_nodes().await;
    let mut clients = nodes.clients().await;
    for client in &mut clients {
        call(client, "Join", json!(["g"])).await;
    }
    let channels = redis.cli(&["pubsub", "channels"]).await;
    let channels: Vec<&str> = channels.lines().collect();
    assert!(channels.len() >= 3, "{channels:?}");
    let of_group = channels.iter().find(|channel| channel.ends_with(":g") || channel.contains("1:g"));
    let of_group = of_group.unwrap_or_else(|| panic!("none of {channels:?} is the group's"));
    let sender = &mut clients[0];
    let envelope =
        captured(&redis, of_group, async { call(sender, "ToGroup", json!(["g", "first"])).await }).await;

    let mut socket = TcpStream::connect(redis.address()).await.unwrap();
    let mut published = 0;
    for channel in &channels {
        for payload in poison(&envelope) {
            socket.write_all(&command(&[b"PUBLISH", channel.as_bytes(), &payload])).await.unwrap();
            published += 1;
        }
    }
    let mut replies = Vec::new();
    within("the replies", async {
        while replies.iter().filter(|byte| **byte == b'\n').count() < published {
            socket.read_buf(&mut replies).await.unwrap();
        }
    })
    .await;

    call(&mut clients[2], "ToGroup", json!(["g", "last"])).await;
    for client in &mut clients {
        receives(client, &["first", "last"]).await;
    }
    for node in 0..3 {
        let lines = nodes.node(node).log_lines(&["envelope"]);
        assert!((1..=5).contains(&lines.len()), "{lines:#?}");
    }
    nodes.have_no_errors();
}

/// Publishes and stores what nobody asked for, until it is dropped.
struct ForeignTraffic {
    is_over: Arc<AtomicBool>,
    bytes: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
    began: Instant,
}

impl ForeignTraffic {
    fn start(redis: &RedisServer) -> Self {
        let (is_over, bytes) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (address, over, sent) = (redis.address(), is_over.clone(), bytes.clone());
        // On a thread of its own, so that the test's clients take turns with nobody.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (mut replies, mut socket) = TcpStream::connect(address).await.unwrap().into_split();
                let payload = vec![b'x'; FOREIGN_MESSAGE_BYTES];
                let commands =
                    [command(&[b"PUBLISH", b"foreign", &payload]), command(&[b"SET", b"foreign", &payload])];
                let write = async {
                    let per_second = (FOREIGN_BYTES_PER_SECOND / FOREIGN_MESSAGE_BYTES) as u32;
                    let mut turns = tokio::time::interval(Duration::from_secs(1) / per_second);
                    turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
                    for command in commands.iter().cycle() {
                        turns.tick().await;
                        socket.write_all(command).await.unwrap();
                        sent.fetch_add(FOREIGN_MESSAGE_BYTES, Ordering::Relaxed);
                        if over.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                };
                let read = async {
                    let mut part = vec![0; 64 * 1024];
                    while replies.read(&mut part).await.unwrap() > 0 {}
                };
                tokio::select! { () = write => {} () = read => {} }
            });
        });
        Self { is_over, bytes, thread: Some(thread), began: Instant::now() }
    }

    fn bytes_per_second(&self) -> f64 {
        self.bytes.load(Ordering::Relaxed) as f64 / self.began.elapsed().as_secs_f64()
    }
}

impl Drop for ForeignTraffic {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

#[tokio::test]
async fn foreign_traffic_on_the_same_redis_delays_nothing_for_long() {
    let (redis, nodes) = three_nodes().await;
    let mut clients = nodes.clients().await;
    for client in &mut clients {
        call(client, "Join", json!(["g"])).await;
    }
    let traffic = ForeignTraffic::start(&redis);
    let (mut number, mut longest) = (0, Duration::ZERO);
    while traffic.began.elapsed() < Duration::from_secs(3) {
        let (sender, sent) = (number % 3, Instant::now());
        call(&mut clients[sender], "ToGroup", json!(["g", number.to_string()])).await;
        for client in &mut clients {
            assert_eq!(text(client).await, number.to_string());
        }
        longest = longest.max(sent.elapsed());
        number += 1;
    }
    let rate = traffic.bytes_per_second();
    assert!(rate > 0.9 * FOREIGN_BYTES_PER_SECOND as f64, "only {rate} bytes in a second");
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    // Nobody's interest in it: none of it reached a node.
    assert_eq!(redis.cli(&["pubsub", "numsub", "foreign"]).await, "foreign\n0");
    nodes.have_no_errors();
}
